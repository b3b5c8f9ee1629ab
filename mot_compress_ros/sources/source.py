"""The contract of a source, and what may be said when one is opened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mot_compress_ros.datatypes import Frame
from mot_compress_ros.errors import InputError

FPS_RANGE_HZ = (0.01, 1000.0)
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

    Raises:
        InputError: the frame rate is not in `FPS_RANGE_HZ`.
    """

    topic: str = ''
    camera: str = ''
    fps_hz: float = 0.0

    def __post_init__(self) -> None:
        if self.fps_hz and not is_frame_rate(self.fps_hz):
            raise InputError(
                f'--fps {self.fps_hz:g}: expected {FPS_RANGE_HZ[0]:g} to {FPS_RANGE_HZ[1]:g} Hz'
            )


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

    @property
    def missing(self) -> int:
        """Frames that were expected when the latest iteration came to its end, but not there."""

    @property
    def early_end(self) -> str:
        """Why the latest iteration ended before the recording did; empty where it did not."""

    def __len__(self) -> int:
        """Frames to expect; a video's header may be off by a few."""

    def __iter__(self) -> Iterator[Frame]:
        """Readable frames; `frame_index` counts the unreadable ones too."""


def is_frame_rate(fps_hz: float) -> bool:
    """Whether a frame rate is one that can be meant; NaN is none."""
    return FPS_RANGE_HZ[0] <= fps_hz <= FPS_RANGE_HZ[1]


def stamp_of_index(index: int, fps_hz: float) -> int:
    """Stamp, nanoseconds, of frame `index` in a stream without a clock."""
    return FIRST_STAMP_NS + round(index * 1e9 / fps_hz)
