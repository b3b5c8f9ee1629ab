"""Images and boxes for table 3, squashed to a square in memory, from any set with boxes.

- a set in VOC2007's layout: `trainval` to train on and `test` to score on, or `train` and `val`
  where the annotations of `test` are not there;
- any other set that the layouts of `offline_training.datasets` read, such as Penn-Fudan or
  BDD100K: its splits `train` and `dev` where it has them, else a fifth is held back;
- the word `rendered`: discs, bars and rings, for trials without data.

Only the first is VOC, and only the first is called so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import hashlib
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.console import ProgressLine
from mot_compress_ros.errors import InputError
from offline_training.datasets.opening import open_set, recognised
from offline_training.datasets.records import LabelledImage, LabelledSet

RENDERED = 'rendered'
_HELD_SHARE = 0.2
_VOC = 'pascal_voc'
# To train on and to score on, in this order of preference.
_SPLITS = {_VOC: (('trainval', 'test'), ('train', 'val')), 'bdd100k': (('train', 'dev'),)}


@dataclass(frozen=True, eq=False, kw_only=True)
class BoxedImage:
    """One image: (3, S, S) uint8 RGB, boxes (N, 4) in 0..1, classes (N,), ignored (N,)."""

    image: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    classes: NDArray[np.int64]
    ignored: NDArray[np.bool_]


@dataclass(frozen=True, eq=False, kw_only=True)
class BoxedSet:
    """What is trained on and what is scored on; `origin` says what it is."""

    train: Sequence[BoxedImage]
    test: Sequence[BoxedImage]
    class_names: tuple[str, ...]
    origin: str

    @property
    def digest(self) -> str:
        """Of everything in it."""
        content = hashlib.sha256(f'{self.class_names} {len(self.train)}'.encode())
        for one in (*self.train, *self.test):
            for array in (one.image, one.boxes, one.classes, one.ignored):
                content.update(array.tobytes())
        return content.hexdigest()


def read_boxed(source: str, *, side_px: int, most: int = 0, seed: int = 317) -> BoxedSet:
    """The set at `source`.

    Args:
        source: folder, or the word `rendered`.
        side_px: of the square that each image becomes.
        most: images to train on, and a fifth of that to score on, drawn by the seed; 0: all.
        seed: also of what is held back, where the set has no splits.

    Raises:
        InputError: it cannot be read, or holds no single images.
    """
    rng = np.random.default_rng(seed)
    if source == RENDERED:
        return _rendered_set(most or 300, side_px, seed)
    path = Path(source)
    layout = recognised(path)
    train, test = _splits(path, layout, rng)
    if not train.images or not test.images:
        raise InputError(f'{path}: {layout} has no single images with boxes; expected such a set')
    parts = [
        _squares(_few(part.images, count, rng), side_px)
        for part, count in (
            (train, most),
            (test, max(1, round(_HELD_SHARE * most)) if most else 0),
        )
    ]
    names = train.class_names
    used = sorted({int(c) for part in parts for one in part for c in one.classes})
    return BoxedSet(
        train=[_renumbered(one, used) for one in parts[0]],
        test=[_renumbered(one, used) for one in parts[1]],
        class_names=tuple(names[k] for k in used),
        origin=f'{"VOC" if layout == _VOC else layout} ({path.name})',
    )


def _splits(path: Path, layout: str, rng: np.random.Generator) -> tuple[LabelledSet, LabelledSet]:
    for pair in _SPLITS.get(layout, ()):
        try:
            first, second = (open_set(path, {'split': split}) for split in pair)
        except InputError:
            if pair == _SPLITS[layout][-1]:
                raise
            continue
        return first, second
    whole = open_set(path, {})
    order = rng.permutation(len(whole.images))
    held = round(_HELD_SHARE * len(order))

    def part(rows: NDArray[np.int64]) -> LabelledSet:
        images = tuple(whole.images[int(row)] for row in np.sort(rows))
        return LabelledSet(path=path, layout=layout, images=images, class_names=whole.class_names)

    return part(order[held:]), part(order[:held])


def _few(
    images: Sequence[LabelledImage], most: int, rng: np.random.Generator
) -> Sequence[LabelledImage]:
    if not most or most >= len(images):
        return images
    return [images[int(row)] for row in np.sort(rng.permutation(len(images))[:most])]


def _squares(images: Sequence[LabelledImage], side_px: int) -> list[BoxedImage]:
    found = []
    with ProgressLine(len(images)) as line:
        for done, one in enumerate(images, start=1):
            found.append(_square(one, side_px))
            line.update(done, lambda: 'read images')
    return found


def _square(one: LabelledImage, side_px: int) -> BoxedImage:
    bgr = cv2.imread(str(one.path))
    if bgr is None:
        raise InputError(f'{one.path}: no image that can be read')
    height, width = bgr.shape[:2]
    small = cv2.resize(bgr, (side_px, side_px), interpolation=cv2.INTER_AREA)
    boxes = (one.boxes_xyxy_px / np.array([width, height] * 2)).clip(0, 1).astype(np.float32)
    kept = ((boxes[:, 2:] - boxes[:, :2]) > 0).all(axis=1)
    return BoxedImage(
        image=np.ascontiguousarray(small[..., ::-1].transpose(2, 0, 1)),
        boxes=boxes[kept],
        classes=one.class_ids[kept],
        ignored=one.ignore[kept],
    )


def _renumbered(one: BoxedImage, used: list[int]) -> BoxedImage:
    """Classes that no image shows are left out."""
    classes = np.searchsorted(np.array(used, np.int64), one.classes).astype(np.int64)
    return BoxedImage(image=one.image, boxes=one.boxes, classes=classes, ignored=one.ignored)


def _rendered_set(most: int, side_px: int, seed: int) -> BoxedSet:
    return BoxedSet(
        train=rendered_boxes(most, side_px=side_px, seed=seed),
        test=rendered_boxes(max(1, round(_HELD_SHARE * most)), side_px=side_px, seed=seed + 1),
        class_names=('disc', 'bar', 'ring'),
        origin='rendered shapes',
    )


def rendered_boxes(n: int, *, side_px: int, seed: int) -> list[BoxedImage]:
    """One to three discs, bars or rings on noise in each image."""
    rng = np.random.default_rng(seed)
    return [_rendered(rng, side_px) for _ in range(n)]


def _rendered(rng: np.random.Generator, side_px: int) -> BoxedImage:
    image = rng.integers(90, 130, (side_px, side_px, 3), np.uint8)
    boxes, classes = [], []
    for _ in range(int(rng.integers(1, 4))):
        radius = round(rng.uniform(0.08, 0.22) * side_px)
        x, y = (int(v) for v in rng.integers(radius, side_px - radius, 2))
        class_id = int(rng.integers(3))
        colour = tuple(int(v) for v in rng.choice([20, 240], 3))
        tall = max(2, radius // 3) if class_id == 1 else radius
        if class_id == 1:
            cv2.rectangle(image, (x - radius, y - tall), (x + radius, y + tall), colour, -1)
        else:
            thick = -1 if class_id == 0 else max(2, radius // 4)
            cv2.circle(image, (x, y), radius - (max(0, thick) // 2), colour, thick)
        boxes.append([x - radius, y - tall, x + radius, y + tall])
        classes.append(class_id)
    return BoxedImage(
        image=np.ascontiguousarray(image.transpose(2, 0, 1)),
        boxes=(np.array(boxes) / side_px).clip(0, 1).astype(np.float32),
        classes=np.array(classes, np.int64),
        ignored=np.zeros(len(boxes), bool),
    )
