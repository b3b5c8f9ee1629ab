"""Where generated frames go: a MOTChallenge folder, a video, a rosbag2 bag.

A writer is called as write(frames, path, fps=..., quality=...) and returns the path.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from offline_training.synthetic.scene import SyntheticFrame
from offline_training.synthetic.writers.mot import write_mot


class Writer(Protocol):
    """Writes one sequence."""

    def __call__(
        self, frames: Iterable[SyntheticFrame], path: Path, *, fps: float, quality: int
    ) -> Path: ...


# Format name: (writer, suffix of what it writes).
WRITERS: dict[str, tuple[Writer, str]] = {
    'mot': (write_mot, ''),
}
