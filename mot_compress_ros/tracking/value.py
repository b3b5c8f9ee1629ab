"""Dataclasses that are never changed but replaced, many times a frame."""

from __future__ import annotations

from typing import Any, Self


class Value:
    """Base of a frozen dataclass that checks nothing when it is made."""

    def having(self, **changes: Any) -> Self:
        """The same but for `changes`; `dataclasses.replace` in a quarter of the time."""
        changed = object.__new__(type(self))
        changed.__dict__.update(self.__dict__, **changes)
        return changed
