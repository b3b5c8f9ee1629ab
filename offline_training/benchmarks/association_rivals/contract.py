"""What a contestant does with a frame. Only `update` is timed."""

from __future__ import annotations

from collections.abc import Sequence
import importlib.util
from typing import Any, Protocol

from mot_compress_ros.datatypes import Detections
from offline_training.evaluation.protocols.judge import FoundBoxes

HOW_TO_INSTALL = 'pip install --no-deps -r requirements/rivals.txt'


class Contestant(Protocol):
    """A tracker and the types its users hold anyhow."""

    def prepare(self, detections: Detections) -> Any:
        """The detections as its users would have them from their detector; not timed."""

    def update(self, prepared: Any, *, stamp_ns: int) -> Any:
        """What it makes of a frame: its own type, nothing else done."""

    def found(self, result: Any) -> FoundBoxes:
        """What it reports of the frame, for the scores; not timed."""


def missing_packages(names: Sequence[str], *, remedy: str = HOW_TO_INSTALL) -> str:
    """Which of `names` cannot be imported, and the `remedy`; '' where all can be."""
    absent = [name for name in names if importlib.util.find_spec(name) is None]
    return f'{", ".join(absent)} not installed: {remedy}' if absent else ''
