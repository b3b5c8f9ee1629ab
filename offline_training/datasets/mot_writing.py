"""Write a sequence in MOTChallenge layout: `img1/000001.jpg`, `gt/gt.txt`, `seqinfo.ini`.

`gt.txt` has one object a line, `frame,id,x,y,w,h,active,class,visibility`: frames count from 1,
boxes in pixels, `active` 0 marks a region to ignore, class is 1 pedestrian, 2 cyclist, 3 vehicle.
The pseudo-labels and the synthetic scenes are written by this module.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.errors import InputError, InvalidDataError
from offline_training.datasets.classes import CLASS_NAMES

JPEG_QUALITY = 92


@dataclass(frozen=True, eq=False, kw_only=True)
class GroundTruthRow:
    """One box: `frame_index` and `class_id` from 0, `xyxy_px` (4,), visibility in 0..1."""

    frame_index: int
    track_id: int
    xyxy_px: NDArray[np.floating]
    class_id: int
    active: bool = True
    visibility: float = 1.0

    def text(self) -> str:
        """The line of `gt.txt`."""
        x1, y1, x2, y2 = (float(v) for v in self.xyxy_px)
        return (
            f'{self.frame_index + 1},{self.track_id},{x1:.2f},{y1:.2f},{x2 - x1:.2f},'
            f'{y2 - y1:.2f},{int(self.active)},{self.class_id + 1},{self.visibility:.3f}'
        )


class SequenceWriter:
    """Writes images as they come, then the ground truth.

    Args:
        folder: the sequence; its name becomes the sequence's name. Must not hold images yet.
        fps: frames per second.
        labelled_classes: the classes of which every object will be labelled.
        origin: one of `mot_layout.ORIGINS`.
        quality: of the JPEG images, 1 to 100.

    Raises:
        InputError: the folder already holds a sequence.
    """

    def __init__(
        self,
        folder: Path,
        *,
        fps: float,
        labelled_classes: Sequence[str] = CLASS_NAMES,
        origin: str = 'real',
        quality: int = JPEG_QUALITY,
    ) -> None:
        refuse_existing(folder)
        (folder / 'img1').mkdir(parents=True, exist_ok=True)
        (folder / 'gt').mkdir(exist_ok=True)
        self._folder = folder
        self._fps = fps
        self._labelled_classes = tuple(labelled_classes)
        self._origin = origin
        self._quality = quality
        self._n = 0
        self._size_wh = (0, 0)

    def add_image(self, image_bgr: NDArray[np.uint8]) -> None:
        """Write the next frame."""
        size_wh = (image_bgr.shape[1], image_bgr.shape[0])
        if self._n and size_wh != self._size_wh:
            raise InvalidDataError(f'frame {self._n}: size {size_wh}, before {self._size_wh}')
        self._size_wh = size_wh
        self._n += 1
        path = self._folder / 'img1' / f'{self._n:06d}.jpg'
        if not cv2.imwrite(str(path), image_bgr, [cv2.IMWRITE_JPEG_QUALITY, self._quality]):
            raise InputError(
                f'{path}: cannot be written; is the disk full or the folder read-only?'
            )

    def finish(self, rows: Iterable[GroundTruthRow]) -> None:
        """Write `gt/gt.txt`, by frame and then by id, and `seqinfo.ini`."""
        write_ground_truth(self._folder / 'gt' / 'gt.txt', rows)
        self.write_info()

    def write_info(self) -> None:
        """Write `seqinfo.ini` alone, where the ground truth was written as the frames came."""
        text = seqinfo_text(
            name=self._folder.name,
            fps=self._fps,
            n_frames=self._n,
            size_wh=self._size_wh,
            suffixes={'.jpg'},
            labelled_classes=self._labelled_classes,
            origin=self._origin,
        )
        (self._folder / 'seqinfo.ini').write_text(text, encoding='utf-8')


def refuse_existing(folder: Path) -> None:
    """Raise InputError where a folder holds a sequence already, before work is spent on it."""
    if (folder / 'img1').exists() and any((folder / 'img1').iterdir()):
        raise InputError(f'{folder}: already holds a sequence; remove it or name another')


def write_ground_truth(path: Path, rows: Iterable[GroundTruthRow]) -> None:
    """Write a `gt.txt`, by frame and then by id."""
    ordered = sorted(rows, key=lambda r: (r.frame_index, r.track_id))
    path.write_text(''.join(f'{row.text()}\n' for row in ordered), encoding='ascii')


def seqinfo_text(
    *,
    name: str,
    fps: float,
    n_frames: int,
    size_wh: tuple[int, int],
    suffixes: Collection[str],
    labelled_classes: Sequence[str],
    origin: str,
    has_identities: bool = True,
) -> str:
    """The text of `seqinfo.ini`.

    `suffixes` are those of the images; none says that the sequence comes without images.
    """
    entries: dict[str, object] = {'name': name}
    if suffixes:
        entries['imDir'] = 'img1'
    entries |= {
        'frameRate': f'{fps:g}' if float(f'{fps:g}') == fps else repr(fps),
        'seqLength': n_frames,
        'imWidth': size_wh[0],
        'imHeight': size_wh[1],
    }
    if len(suffixes) == 1:
        entries['imExt'] = next(iter(suffixes))
    entries |= {'labelledClasses': ','.join(labelled_classes), 'origin': origin}
    if not has_identities:
        entries['identities'] = 'false'
    lines = ''.join(f'{key}={value}\n' for key, value in entries.items())
    return f'[Sequence]\n{lines}'
