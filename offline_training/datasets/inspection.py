"""Looks at every box and every image of a set: what `data inspect` counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.errors import UnsupportedImageError
from mot_compress_ros.image_decoding import decode_compressed, read_image
from offline_training.datasets.records import LabelledSet
from offline_training.datasets.truth_rows import NOBODY

PERCENTILES = (5, 50, 95)
_SELF_CHECKED = (b'\xff\xd8\xff', b'\x89PNG')  # whose truncation `decode_compressed` detects
Progress = Callable[[int], None]


@dataclass(frozen=True, eq=False, kw_only=True)
class View:
    """One frame or single image with its N boxes.

    Attributes:
        path: image file; None for a frame of a sequence without images.
        title: sequence and number of the frame (from 1), or the place of the file in its set.
        sequence: index of the sequence, -1 for a single image.
        stated_wh: size that the sequence states.
        boxes_xyxy_px: (N, 4) float64.
        class_ids: (N,) int64.
        ignore: (N,) bool.
        ids: (N,) int64, `NOBODY` for a box without an identity.
    """

    path: Path | None
    title: str
    sequence: int
    stated_wh: tuple[int, int] | None
    boxes_xyxy_px: NDArray[np.float64]
    class_ids: NDArray[np.int64]
    ignore: NDArray[np.bool_]
    ids: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class ImageCheck:
    """One image file: its size, a digest of its bytes, or what is wrong with it."""

    path: Path
    size_wh: tuple[int, int] | None
    digest: str = ''
    fault: str = ''


@dataclass(frozen=True, kw_only=True)
class ClassCount:
    """One class: in how many images it is labelled, its boxes, and their size in pixels.

    `width_px` and `height_px` are the percentiles `PERCENTILES`; empty without boxes.
    """

    name: str
    labelled_images: int
    boxes: int
    ignored: int
    identities: int
    width_px: tuple[float, ...]
    height_px: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What is in a set.

    Attributes:
        images, sequences, frames: single images; sequences and their frames.
        boxes, ignored: objects; regions to ignore.
        identities: objects that are told apart over frames or images.
        without_boxes: images and frames without an object.
        reaching_out, outside: boxes, ignored ones included, that reach more than a pixel beyond
            the image; and that lie wholly outside of it.
        classes: one per class of the set.
        image_sizes: 'WIDTHxHEIGHT' and how many images have it, most frequent first.
        broken: images that do not decode, and why.
        wrong_size: images of another size than their sequence states.
        duplicates: groups of files with the same bytes.
    """

    images: int
    sequences: int
    frames: int
    boxes: int
    ignored: int
    identities: int
    without_boxes: int
    reaching_out: int
    outside: int
    classes: tuple[ClassCount, ...]
    image_sizes: dict[str, int]
    broken: dict[str, str]
    wrong_size: dict[str, str]
    duplicates: tuple[tuple[str, ...], ...]

    @property
    def faults(self) -> dict[str, str]:
        """Every image file that cannot be trained on as it is, and why."""
        return {**self.broken, **self.wrong_size}


def views(labelled: LabelledSet) -> list[View]:
    """All single images and frames of a set, in order."""
    return [*_singles(labelled), *_frames(labelled)]


def image_count(labelled: LabelledSet) -> int:
    """The number of image files of a set."""
    return len(labelled.images) + sum(len(s.image_paths) for s in labelled.sequences)


def _singles(labelled: LabelledSet) -> Iterator[View]:
    for image in labelled.images:
        yield View(
            path=image.path,
            title=_title(image.path, labelled.path),
            sequence=-1,
            stated_wh=None,
            boxes_xyxy_px=image.boxes_xyxy_px,
            class_ids=image.class_ids,
            ignore=image.ignore,
            ids=np.full(len(image), NOBODY) if image.ids is None else image.ids,
        )


def _title(image: Path, root: Path) -> str:
    """The place of an image in its set; only its name where it lies elsewhere."""
    return image.relative_to(root).as_posix() if image.is_relative_to(root) else image.name


def _frames(labelled: LabelledSet) -> Iterator[View]:
    for number, sequence in enumerate(labelled.sequences):
        for index, truth in enumerate(sequence.truth):
            yield View(
                path=sequence.image_paths[index] if sequence.image_paths else None,
                title=f'{sequence.name} {index + 1}',
                sequence=number,
                stated_wh=sequence.size_wh,
                boxes_xyxy_px=truth.boxes_xyxy_px,
                class_ids=truth.class_ids,
                ignore=truth.ignore,
                ids=truth.ids if sequence.has_identities else np.full(len(truth), NOBODY),
            )


def check_image(path: Path) -> ImageCheck:
    """Read and decode one file; a truncated JPEG or PNG is a fault, though half of it shows."""
    try:
        data = path.read_bytes()
    except OSError as error:
        return ImageCheck(path=path, size_wh=None, fault=f'cannot be read: {error.strerror}')
    try:
        image = decode_compressed(data) if data.startswith(_SELF_CHECKED) else read_image(path)
    except UnsupportedImageError as error:
        return ImageCheck(path=path, size_wh=None, fault=str(error))
    if image is None:
        return ImageCheck(path=path, size_wh=None, fault=f'no image: {len(data)} bytes')
    digest = hashlib.blake2b(data, digest_size=16).hexdigest()
    return ImageCheck(path=path, size_wh=(image.shape[1], image.shape[0]), digest=digest)


def check_images(
    paths: Sequence[Path], *, threads: int, progress: Progress | None = None
) -> list[ImageCheck]:
    """`check_image` of every path, in order; `progress` is told how many are done."""
    checks: list[ImageCheck] = []
    with ThreadPoolExecutor(max_workers=threads) as pool:
        for check in pool.map(check_image, paths):
            checks.append(check)
            if progress:
                progress(len(checks))
    return checks


def inspect(
    labelled: LabelledSet, *, threads: int = 1, progress: Progress | None = None
) -> Inspection:
    """Count everything and decode every image."""
    shown = views(labelled)
    paths = [view.path for view in shown if view.path is not None]
    checks = check_images(paths, threads=threads, progress=progress)
    by_path = {check.path: check for check in checks}
    sizes = [_size(view, by_path) for view in shown]
    outside = [_outside(v, size) for v, size in zip(shown, sizes, strict=True) if size is not None]
    known = Counter('x'.join(map(str, c.size_wh)) for c in checks if c.size_wh is not None)
    return Inspection(
        images=len(labelled.images),
        sequences=len(labelled.sequences),
        frames=sum(len(sequence) for sequence in labelled.sequences),
        boxes=sum(int((~view.ignore).sum()) for view in shown),
        ignored=sum(int(view.ignore.sum()) for view in shown),
        identities=_identities(shown),
        without_boxes=sum(bool(view.ignore.all()) for view in shown),
        reaching_out=sum(reaching for reaching, _ in outside),
        outside=sum(wholly for _, wholly in outside),
        classes=tuple(_class_count(labelled, shown, k) for k in range(len(labelled.class_names))),
        image_sizes=dict(known.most_common()),
        broken={str(check.path): check.fault for check in checks if check.fault},
        wrong_size=_wrong_sizes(shown, by_path),
        duplicates=_duplicates(checks),
    )


def _size(view: View, checks: dict[Path, ImageCheck]) -> tuple[int, int] | None:
    """Size of the image, or what its sequence states where it does not decode."""
    seen = checks[view.path].size_wh if view.path is not None else None
    return seen or view.stated_wh


def _outside(view: View, size_wh: tuple[int, int]) -> tuple[int, int]:
    """How many boxes reach beyond the image by more than a pixel, and lie wholly outside."""
    low, high = view.boxes_xyxy_px[:, :2], view.boxes_xyxy_px[:, 2:]  # (N, 2) each
    size = np.array(size_wh)
    reaching = (low < -1).any(axis=1) | (high > size + 1).any(axis=1)
    wholly = (high <= 0).any(axis=1) | (low >= size).any(axis=1)
    return int(reaching.sum()), int(wholly.sum())


def _identities(shown: Sequence[View], class_id: int | None = None) -> int:
    seen: set[tuple[int, int]] = set()
    for view in shown:
        keep = ~view.ignore & (view.ids != NOBODY)
        if class_id is not None:
            keep &= view.class_ids == class_id
        seen.update((view.sequence, i) for i in view.ids[keep].tolist())
    return len(seen)


def _class_count(labelled: LabelledSet, shown: Sequence[View], class_id: int) -> ClassCount:
    of_class = [(view, view.class_ids == class_id) for view in shown]
    boxes = [view.boxes_xyxy_px[mask & ~view.ignore] for view, mask in of_class]
    stacked = np.concatenate(boxes) if boxes else np.zeros((0, 4))  # (N, 4)
    size = stacked[:, 2:] - stacked[:, :2]  # (N, 2)
    labelled_images = sum(class_id in image.labelled_class_ids for image in labelled.images)
    labelled_images += sum(
        len(sequence) for sequence in labelled.sequences if class_id in sequence.labelled_class_ids
    )
    return ClassCount(
        name=labelled.class_names[class_id],
        labelled_images=labelled_images,
        boxes=len(stacked),
        ignored=sum(int((mask & view.ignore).sum()) for view, mask in of_class),
        identities=_identities(shown, class_id),
        width_px=_percentiles(size[:, 0]),
        height_px=_percentiles(size[:, 1]),
    )


def _percentiles(values: NDArray[np.float64]) -> tuple[float, ...]:
    if not len(values):
        return ()
    return tuple(float(round(v, 2)) for v in np.percentile(values, PERCENTILES))


def _wrong_sizes(shown: Sequence[View], checks: dict[Path, ImageCheck]) -> dict[str, str]:
    wrong = {}
    for view in shown:
        seen = checks[view.path].size_wh if view.path is not None else None
        if seen and view.stated_wh and seen != view.stated_wh:
            stated = '{} x {}'.format(*view.stated_wh)
            wrong[str(view.path)] = '{} x {}, but its sequence is {}'.format(*seen, stated)
    return wrong


def _duplicates(checks: Sequence[ImageCheck]) -> tuple[tuple[str, ...], ...]:
    groups: dict[str, list[str]] = {}
    for check in checks:
        if check.digest:
            groups.setdefault(check.digest, []).append(str(check.path))
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)
