"""Read CIFAR and other classified images: each image is one box over all of it.

Two forms:

- folders, `<split>/<class>/*.jpg` or `.png`; the classes are the folders' names, sorted.
- the binary version as published, `cifar-10-batches-bin` or `cifar-100-binary`: records of the
  class (CIFAR-100: coarse and fine class, we take the fine one) in a byte each, and 3 x 32 x 32
  bytes, the red, green and blue plane. The images are written once, as PNG, into the cache of
  `extracted`, under the set's own names of the classes.

The Python version is a pickle, which can execute code when it is read: it is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.console import ProgressLine
from mot_compress_ros.errors import InputError
from offline_training.datasets.extracted import extracted
from offline_training.datasets.image_files import (
    file_names,
    folder_names,
    image_size_wh,
    is_image,
    listed_images,
)
from offline_training.datasets.label_files import text_lines
from offline_training.datasets.records import LabelledImage, LabelledSet, SourceConfig
from offline_training.datasets.truth_rows import single_image, TruthRow

OPTIONS = frozenset({'split'})
_SPLITS = ('train', 'test')
_SIDE_PX = 32
_PIXEL_BYTES = 3 * _SIDE_PX * _SIDE_PX


@dataclass(frozen=True, kw_only=True)
class BinaryVersion:
    """How a published binary version is laid out."""

    names_file: str  # one class a line
    batches: dict[str, tuple[str, ...]]  # of each split
    label_bytes: int  # before the pixels; the last one is the class


BINARY_VERSIONS = (
    BinaryVersion(
        names_file='batches.meta.txt',
        batches={
            'train': tuple(f'data_batch_{k}.bin' for k in range(1, 6)),
            'test': ('test_batch.bin',),
        },
        label_bytes=1,
    ),
    BinaryVersion(
        names_file='fine_label_names.txt',
        batches={'train': ('train.bin',), 'test': ('test.bin',)},
        label_bytes=2,
    ),
)
_PICKLES = ('data_batch_1', 'test_batch', 'batches.meta', 'meta')


def recognises(path: Path) -> bool:
    """Whether it is a binary version, or its splits hold folders with images."""
    names = file_names(path)
    if any(version.names_file in names for version in BINARY_VERSIONS):
        return True
    return any(
        any(is_image(name) for name in file_names(path / split / folder))
        for split in _SPLITS
        for folder in folder_names(path / split)[:1]
    )


def read(path: Path, config: SourceConfig) -> LabelledSet:
    """The images of one split, by class and name.

    Raises:
        InputError: the set is of neither form, damaged, or only half there.
    """
    names = file_names(path)
    version = next((v for v in BINARY_VERSIONS if v.names_file in names), None)
    if version is not None:
        return _read_binary(path, version, config.split)
    if names.intersection(_PICKLES):
        raise InputError(
            f'{path}: this is the Python version of CIFAR, a pickle, which is never read; take '
            'the binary version (data_batch_*.bin), or folders <split>/<class>/*.png or *.jpg'
        )
    return _read_folders(path, path, config.split)


def _read_folders(path: Path, folder: Path, split: str) -> LabelledSet:
    """The set at `path`, whose images are in `folder`."""
    class_names = tuple(folder_names(folder / split))
    if not class_names:
        raise InputError(
            f'{path}: no split {split!r}; expected {split}/<class>/*.png or *.jpg, or the binary '
            'version of CIFAR (data_batch_*.bin)'
        )
    for other in _SPLITS:
        found = tuple(folder_names(folder / other))
        if found and found != class_names:
            odd = ', '.join(sorted(set(found) ^ set(class_names)))
            raise InputError(f'{path}: {split} and {other} differ in the classes {odd}')
    listed = [listed_images(folder / split / name) for name in class_names]
    for name, paths in zip(class_names, listed, strict=True):
        if not paths:
            raise InputError(f'{path}: {split}/{name} holds no image; unpack the set again')
    labelled = tuple(range(len(class_names)))
    images = [
        _labelled_image(image, class_id, labelled)
        for class_id, paths in enumerate(listed)
        for image in paths
    ]
    return LabelledSet(path=path, layout='cifar', images=tuple(images), class_names=class_names)


def _labelled_image(path: Path, class_id: int, labelled: tuple[int, ...]) -> LabelledImage:
    box = (0.0, 0.0, *image_size_wh(path))
    return single_image(path, [TruthRow(xyxy_px=box, class_id=class_id)], labelled)


def _read_binary(path: Path, version: BinaryVersion, split: str) -> LabelledSet:
    if split not in version.batches:
        raise InputError(f'{path}: no split {split!r}; legal: {", ".join(version.batches)}')
    lines = text_lines(path / version.names_file, 'the name of a class a line')
    class_names = tuple(line.strip() for _, line in lines)
    _check_batches(path, version, split)
    folder = extracted(
        path, partial(_extract, path, version, class_names, split), variant=f'cifar {split}'
    )
    return _read_folders(path, folder, split)


def _check_batches(path: Path, version: BinaryVersion, split: str) -> None:
    """All files of a split are there, equally long, and hold whole records."""
    names = version.batches[split]
    missing = [name for name in names if not (path / name).is_file()]
    if missing:
        raise InputError(
            f'{path}: {len(missing)} of {len(names)} files of {split} are missing: '
            f'{", ".join(missing)}; download the binary version again'
        )
    sizes = {name: (path / name).stat().st_size for name in names}
    record = version.label_bytes + _PIXEL_BYTES
    longest = max(sizes.values())
    for name, size in sizes.items():
        if size != longest or size % record or not size:
            raise InputError(
                f'{path / name}: {size} bytes; expected {longest // record or 1} records of '
                f'{record} bytes; download it again'
            )


def _extract(
    path: Path, version: BinaryVersion, class_names: tuple[str, ...], split: str, folder: Path
) -> None:
    """Write every image of a split as `<split>/<class>/<number>.png`."""
    for name in class_names:
        (folder / split / name).mkdir(parents=True)
    number = 0
    with ProgressLine(len(version.batches[split])) as progress:
        for done, name in enumerate(version.batches[split], start=1):
            raw = np.fromfile(path / name, np.uint8)
            records = raw.reshape(-1, version.label_bytes + _PIXEL_BYTES)  # (N, labels + 3072)
            for record in records:
                class_id = int(record[version.label_bytes - 1])
                if class_id >= len(class_names):
                    raise InputError(
                        f'{path / name}: class {class_id}; legal: 0 to {len(class_names) - 1}'
                    )
                _write(folder / split / class_names[class_id] / f'{number:05d}.png', record)
                number += 1
            progress.update(done, lambda: f'unpacking {split} of {path.name}')


def _write(path: Path, record: NDArray[np.uint8]) -> None:
    rgb = record[-_PIXEL_BYTES:].reshape(3, _SIDE_PX, _SIDE_PX).transpose(1, 2, 0)
    if not cv2.imwrite(str(path), rgb[..., ::-1]):
        raise InputError(f'{path}: cannot be written; is the disk full or the folder read-only?')
