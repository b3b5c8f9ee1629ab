"""Warnings that repeat are said once in a while, each kind by itself."""

from __future__ import annotations

from collections.abc import Callable
import re
import time
from typing import Protocol

_NUMBER = re.compile(r'\d+')
_MAX_KINDS = 100  # a stream of garbage can invent new kinds; they must not fill the memory


class Logger(Protocol):
    """What is needed of a node's logger."""

    def warning(self, message: str) -> object:
        """Log a warning."""


class ThrottledLog:
    """Says each kind of warning at most once per `period_s`, and how often it was left out.

    Two texts are of one kind where they differ in numbers only.
    """

    def __init__(
        self,
        logger: Logger,
        *,
        period_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._logger = logger
        self._period_s = period_s
        self._clock = clock
        self._said: dict[tuple[str, str], float] = {}
        self._left_out: dict[tuple[str, str], int] = {}

    def warn_of(self, who: str, text: str) -> None:
        """Warn of `text` on behalf of `who`, a camera for instance; '' for the node itself."""
        kind = (who, _NUMBER.sub('#', text))
        now = self._clock()
        if now - self._said.get(kind, -self._period_s) < self._period_s:
            self._left_out[kind] = self._left_out.get(kind, 0) + 1
            return
        if len(self._said) >= _MAX_KINDS:
            self._said.clear()
            self._left_out.clear()
        self._said[kind] = now
        again = self._left_out.pop(kind, 0)
        said = f'{who}: {text}' if who else text
        self._logger.warning(said + (f' ({again} more like this)' if again else ''))
