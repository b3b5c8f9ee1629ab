"""Small labelled sets of the product's classes, made of records with real image files."""

from pathlib import Path

import cv2
import numpy as np

from offline_training.datasets.classes import ALL_CLASSES, CYCLIST, PEDESTRIAN, VEHICLE
from offline_training.datasets.records import (
    FrameTruth,
    LabelledImage,
    LabelledSequence,
    LabelledSet,
)

SIZE_WH = (64, 48)


def picture(path: Path, *, seed: int, size_wh: tuple[int, int] = SIZE_WH) -> Path:
    """An image that no other seed gives."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (size_wh[1], size_wh[0], 3)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    assert cv2.imwrite(str(path), pixels)
    return path


def frame(*rows: tuple[int, int, tuple[float, ...], bool, float]) -> FrameTruth:
    """Rows of id, class, box, ignore, visibility."""
    return FrameTruth(
        boxes_xyxy_px=np.array([row[2] for row in rows], np.float64).reshape(-1, 4),
        ids=np.array([row[0] for row in rows], np.int64),
        class_ids=np.array([row[1] for row in rows], np.int64),
        ignore=np.array([row[3] for row in rows], np.bool_),
        visibility=np.array([row[4] for row in rows], np.float64),
    )


def sequence_truth() -> tuple[FrameTruth, ...]:
    """Five frames: two cars and a walker who come and go, a cyclist, two regions to ignore."""
    return (
        frame(
            (3, VEHICLE, (10.25, 5.5, 30.5, 20.75), False, 1.0),
            (7, PEDESTRIAN, (40, 10, 48.12, 30), False, 0.6),
        ),
        frame((3, VEHICLE, (12, 5, 32, 20), False, 0.2), (9, CYCLIST, (1, 1, 9, 20), True, 1.0)),
        frame(),
        frame(
            (7, PEDESTRIAN, (41, 10, 49, 30), False, 1.0),
            (4, CYCLIST, (0, 2, 9, 22), False, 1.0),
        ),
        frame(
            (5, VEHICLE, (-3, 5, 12, 20), False, 1.0),
            (3, VEHICLE, (20, 5, 40, 20), False, 1.0),
        ),
    )


def sequence(
    folder: Path, name: str = 'drive', *, labelled: tuple[int, ...] = ALL_CLASSES, **more: object
) -> LabelledSequence:
    """`sequence_truth` with images, 10 Hz."""
    truth = sequence_truth()
    images = tuple(
        picture(folder / name / f'{k}.png', seed=k + len(name)) for k in range(len(truth))
    )
    fields = {'fps': 10.0, 'size_wh': SIZE_WH, 'image_paths': images, 'truth': truth, **more}
    return LabelledSequence(name=name, labelled_class_ids=labelled, **fields)


def single_image(path: Path, *, seed: int, ids: list[int] | None = None) -> LabelledImage:
    """A walker, a car, and a cyclist to ignore."""
    return LabelledImage(
        path=picture(path, seed=seed),
        boxes_xyxy_px=np.array([[1, 2, 11, 32], [20, 5, 50, 25], [30, 30, 40, 45]], np.float64),
        class_ids=np.array([PEDESTRIAN, VEHICLE, CYCLIST]),
        ignore=np.array([False, False, True]),
        labelled_class_ids=ALL_CLASSES,
        ids=None if ids is None else np.array(ids),
    )


def sequences_set(folder: Path) -> LabelledSet:
    """Two sequences."""
    found = (sequence(folder, 'drive'), sequence(folder, 'walk'))
    return LabelledSet(path=folder, layout='mot', sequences=found)


def images_set(folder: Path) -> LabelledSet:
    """Two images of one name in two folders."""
    images = tuple(
        single_image(folder / name / 'a.jpg', seed=k) for k, name in enumerate(('left', 'right'))
    )
    return LabelledSet(path=folder, layout='bdd100k', images=images)
