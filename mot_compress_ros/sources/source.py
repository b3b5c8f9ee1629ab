"""The contract of a source, and what may be said when one is opened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mot_compress_ros.datatypes import Frame

# A stamp of 0 means 'no time' in ROS, so sources without a clock of their own start at one second.
FIRST_STAMP_NS = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """What the user may say about an input; empty or zero means 'find out yourself'.

    Attributes:
        topic: image topic of a bag.
        camera: name given to the frames' camera.
        fps_hz: frame rate of a folder of images without `seqinfo.ini`; overrides the stated one
            of other inputs that have no stamps of their own.
    """

    topic: str = ''
    camera: str = ''
    fps_hz: float = 0.0


class Source(Protocol):
    """Frames of one camera, in order, as often as one likes to iterate."""

    @property
    def path(self) -> Path:
        """The file or folder the frames come from."""

    @property
    def kind(self) -> str:
        """One of the keys of `sources.KINDS`."""

    @property
    def camera(self) -> str:
        """Name of the camera all frames belong to."""

    @property
    def fps(self) -> float:
        """Nominal frame rate, hertz; time itself is in the stamps."""

    @property
    def skipped(self) -> int:
        """Frames of the latest iteration that could not be read."""

    def __len__(self) -> int:
        """Frames to expect; a video's header may be off by a few."""

    def __iter__(self) -> Iterator[Frame]:
        """Readable frames; `frame_index` counts the unreadable ones too."""


def stamp_of_index(index: int, fps_hz: float) -> int:
    """Stamp, nanoseconds, of frame `index` in a stream without a clock."""
    return FIRST_STAMP_NS + round(index * 1e9 / fps_hz)
