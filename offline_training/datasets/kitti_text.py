"""The label text that KITTI's object and tracking benchmarks share, and its classes.

| KITTI | ours |
|---|---|
| Pedestrian | pedestrian |
| Cyclist | cyclist: one box around rider and bicycle, as ours |
| Car, Van, Truck | vehicle |
| Person_sitting (Person in tracking) | ignore, pedestrian |
| Tram | ignore, vehicle |
| Misc (trailers, Segways) | ignore, all classes |
| DontCare (far or unlabelled) | ignore, all classes |

Boxes are pixel coordinates from 0 and are taken as they stand. Visibility is a stand-in, since
KITTI names levels and no shares: `occluded` 0, 1, 2 (fully visible, partly, largely occluded) are
1, 0.6, 0.2, and 3, unknown, is 1; times 1 - `truncated`. That is a share in the object benchmark
and a level in tracking, where 0, 1, 2 count as 0, 0.25, 0.5.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mot_compress_ros.errors import InputError
from offline_training.datasets.classes import ALL_CLASSES, CYCLIST, PEDESTRIAN, VEHICLE
from offline_training.datasets.label_files import corner_box, legal, numbers, text_lines
from offline_training.datasets.truth_rows import NOBODY, TruthRow

OBJECTS = {
    'Pedestrian': PEDESTRIAN,
    'Cyclist': CYCLIST,
    'Car': VEHICLE,
    'Van': VEHICLE,
    'Truck': VEHICLE,
}
IGNORED = {
    'Person_sitting': (PEDESTRIAN,),
    'Person': (PEDESTRIAN,),
    'Tram': (VEHICLE,),
    'Misc': ALL_CLASSES,
    'DontCare': ALL_CLASSES,
}
TYPES = (*OBJECTS, *IGNORED)
_COLUMNS_AFTER_TYPE = 14
_VISIBLE = {0: 1.0, 1: 0.6, 2: 0.2, 3: 1.0, -1: 1.0}
_TRUNCATION_LEVELS = {0: 0.0, 1: 0.25, 2: 0.5, -1: 0.0}


@dataclass(frozen=True, eq=False, kw_only=True)
class KittiObject:
    """One line: what stands before the type, the type, and x1, y1, x2, y2 in pixels."""

    lead: tuple[int, ...]
    kind: str
    xyxy_px: list[float]
    truncated: float
    occluded: int

    def rows(self, *, identity: int, truncated_share: float) -> list[TruthRow]:
        """In classes of the product; a region of all classes is a row for each."""
        visibility = _VISIBLE[self.occluded] * (1.0 - truncated_share)
        if self.kind in OBJECTS:
            return [
                TruthRow(
                    xyxy_px=self.xyxy_px,
                    class_id=OBJECTS[self.kind],
                    identity=identity,
                    visibility=visibility,
                )
            ]
        return [
            TruthRow(xyxy_px=self.xyxy_px, class_id=class_id, ignore=True, identity=identity)
            for class_id in IGNORED[self.kind]
        ]

    def tracking_rows(self, where: str) -> list[TruthRow]:
        """The rows of a line of the tracking benchmark, whose truncation is a level."""
        if self.truncated not in _TRUNCATION_LEVELS:
            raise InputError(f'{where}: truncated: expected 0, 1 or 2, got {self.truncated:g}')
        share = _TRUNCATION_LEVELS[int(self.truncated)]
        return self.rows(identity=self.lead[1], truncated_share=share)

    def object_rows(self) -> list[TruthRow]:
        """The rows of a line of the object benchmark, whose truncation is a share."""
        share = min(max(self.truncated, 0.0), 1.0)
        return self.rows(identity=NOBODY, truncated_share=share)


def read_objects(path: Path, *, n_lead: int) -> Iterator[tuple[str, KittiObject]]:
    """Every line of a label file, with file and line number.

    Args:
        path: the file.
        n_lead: whole numbers before the type: 2 in tracking (frame and identity), else 0.

    Raises:
        InputError: the file is missing, or a line is not what the format says.
    """
    for where, line in text_lines(path, 'labels of KITTI'):
        yield where, _parse(line.split(), n_lead, where)


def _parse(cells: list[str], n_lead: int, where: str) -> KittiObject:
    expected = n_lead + 1 + _COLUMNS_AFTER_TYPE
    if len(cells) not in (expected, expected + 1):  # one more where a detector wrote its score
        raise InputError(
            f'{where}: expected {expected} columns separated by spaces, got {len(cells)}; '
            'is the file cut off?'
        )
    lead = numbers(cells[:n_lead], n_lead, where)
    if not all(v.is_integer() for v in lead):
        raise InputError(f'{where}: expected whole numbers for frame and identity, got {lead}')
    kind = legal(cells[n_lead], TYPES, where)
    truncated, occluded, _alpha = numbers(cells[n_lead + 1 : n_lead + 4], 3, where)
    if occluded not in _VISIBLE:
        raise InputError(f'{where}: occluded: expected 0 to 3, got {occluded:g}')
    return KittiObject(
        lead=tuple(int(v) for v in lead),
        kind=kind,
        xyxy_px=corner_box(cells[n_lead + 4 : n_lead + 8], where),
        truncated=truncated,
        occluded=int(occluded),
    )
