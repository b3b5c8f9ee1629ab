"""Rows of the text files of tracking benchmarks, and result files in either dialect.

- MOT text: `frame,id,left,top,width,height[,score[,class,...]]`, frames from 1. A class of 0 or
  below, or none, is a pedestrian (1).
- KITTI text: `frame id type truncated occluded alpha left top right bottom ...`, frames from 0.
  Rows with an id below 0 are left out.

Both may be separated by commas or by blanks, as TrackEval reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mot_compress_ros.boxes import xywh_to_xyxy
from mot_compress_ros.errors import InputError
from offline_training.evaluation.protocols.judge import FoundBoxes

MOT_COLUMNS, KITTI_COLUMNS = 6, 10  # at least
ClassOf = Callable[[str], int]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of a text file; `where` is its file and number."""

    cells: list[str]
    where: str

    def numbers(self, first: int, last: int) -> list[float]:
        """The cells `first` to before `last` as finite numbers.

        Raises:
            InputError: one is missing or is no number.
        """
        try:
            values = [float(cell) for cell in self.cells[first:last]]
        except ValueError:
            values = []
        if len(values) != last - first or not np.isfinite(values).all():
            raise InputError(
                f'{self.where}: expected numbers in columns {first + 1} to {last}, '
                f'got {" ".join(self.cells)!r}'
            )
        return values


def text_rows(path: Path, *, columns: int) -> Iterator[Row]:
    """The lines of a file, cut at commas or blanks; empty lines are left out.

    Args:
        path: the file.
        columns: how many a line must have at least.

    Raises:
        InputError: the file is missing, or a line is too short.
    """
    if not path.is_file():
        raise InputError(f'{path}: no such file')
    text = path.read_text(encoding='ascii', errors='replace')
    for number, line in enumerate(text.splitlines(), start=1):
        cells = line.replace(',', ' ').split()
        if cells and len(cells) < columns:
            raise InputError(
                f'{path}:{number}: expected at least {columns} columns, got {len(cells)}: {line!r}'
            )
        if cells:
            yield Row(cells=cells, where=f'{path}:{number}')


def read_results(path: Path, class_of: ClassOf) -> list[FoundBoxes]:
    """A result file of either dialect: one entry per frame, up to the last that it names.

    Args:
        path: the file; it may be empty.
        class_of: class as the file writes it, in lower case, to the protocol's id; may raise
            InputError without a place, which is added here.

    Raises:
        InputError: a line cannot be read, or a frame lies before the first.
    """
    frames: dict[int, list[tuple[list[float], int, int]]] = {}
    for row in text_rows(path, columns=MOT_COLUMNS):
        read = _kitti_row if row.cells[2][0].isalpha() else _mot_row
        frame, identity, class_name, box = read(row)
        if frame < 0:
            raise InputError(f'{row.where}: frame {row.cells[0]} lies before the first frame')
        try:
            class_id = class_of(class_name)
        except InputError as error:
            raise InputError(f'{row.where}: {error}') from None
        if identity >= 0 or read is _mot_row:
            frames.setdefault(frame, []).append((box, identity, class_id))
    return [_found(frames.get(frame, [])) for frame in range(max(frames, default=-1) + 1)]


def _mot_row(row: Row) -> tuple[int, int, str, list[float]]:
    frame, identity, *box = row.numbers(0, 6)
    class_number = int(row.numbers(7, 8)[0]) if len(row.cells) > 7 else 1
    corners = xywh_to_xyxy(np.array([box]))[0]
    return int(frame) - 1, int(identity), str(max(class_number, 1)), corners.tolist()


def _kitti_row(row: Row) -> tuple[int, int, str, list[float]]:
    if len(row.cells) < KITTI_COLUMNS:
        raise InputError(
            f'{row.where}: expected at least {KITTI_COLUMNS} columns of KITTI text, '
            f'got {len(row.cells)}'
        )
    frame, identity = row.numbers(0, 2)
    return int(frame), int(identity), row.cells[2].lower(), row.numbers(6, 10)


def _found(rows: list[tuple[list[float], int, int]]) -> FoundBoxes:
    return FoundBoxes(
        boxes_xyxy_px=np.array([box for box, _, _ in rows], np.float64).reshape(-1, 4),
        track_ids=np.array([identity for _, identity, _ in rows], np.int64),
        class_ids=np.array([class_id for _, _, class_id in rows], np.int64),
    )
