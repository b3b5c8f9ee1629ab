"""What every writer is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mot_compress_ros.errors import InvalidOptionError

STORAGES = ('mcap', 'sqlite3')


@dataclass(frozen=True, kw_only=True)
class WriteOptions:
    """`quality` of JPEG, 1 to 100; `storage` and `raw_images` concern bags only.

    Raises:
        InvalidOptionError: a value out of its range.
    """

    fps: float
    quality: int = 90
    storage: str = 'mcap'
    raw_images: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.quality <= 100:
            raise InvalidOptionError(f'quality: got {self.quality}, legal 1 to 100')
        if self.storage not in STORAGES:
            raise InvalidOptionError(
                f'storage: got {self.storage!r}, legal: {", ".join(STORAGES)}'
            )


def truth_folder(path: Path) -> Path:
    """Where the truth of a video or bag goes: beside it, `street.mp4` -> `street_truth`."""
    return path.with_name(f'{path.stem}_truth')
