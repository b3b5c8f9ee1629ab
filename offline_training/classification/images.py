"""Classified images of 32 x 32 pixels in memory, from any form the set comes in.

- an archive or a folder with `<split>/<class>/*.jpg` or `.png`;
- `cifar-10-python.tar.gz` or its folder `cifar-10-batches-py`, as published: a pickle, of which
  nothing but arrays, lists and texts is ever made (`_ArraysOnly`);
- any other form that the layout `cifar` reads, such as the binary version;
- the word `rendered`: three kinds of shapes, for trials without data. They are no CIFAR.

The paper says "3-class CIFAR" and not which; taken are automobile, truck and cat, or all classes
of a set that has three.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
import hashlib
import io
from pathlib import Path, PurePosixPath
import pickle
import tarfile
from typing import Any, IO

import cv2
import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.errors import InputError
from offline_training.classification.networks import SIDE_PX
from offline_training.datasets.cifar import read as read_folder
from offline_training.datasets.records import SourceConfig

CLASSES = ('automobile', 'cat', 'truck')  # in the order that sorting gives
RENDERED = 'rendered'
_CIFAR10 = (
    *('airplane', 'automobile', 'bird', 'cat', 'deer'),
    *('dog', 'frog', 'horse', 'ship', 'truck'),
)
_PYTHON_FOLDER = 'cifar-10-batches-py'
_BATCHES = {
    'train': tuple(f'data_batch_{k}' for k in range(1, 6)),
    'test': ('test_batch',),
}
_RENDERED = {'train': 1200, 'test': 300}


@dataclass(frozen=True, eq=False, kw_only=True)
class ClassifiedImages:
    """N images: (N, 3, 32, 32) uint8 RGB and (N,) int64 classes."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def rows(self, chosen: NDArray[np.int64]) -> ClassifiedImages:
        """Those of some indices."""
        return ClassifiedImages(
            images=self.images[chosen], labels=self.labels[chosen], class_names=self.class_names
        )

    @property
    def digest(self) -> str:
        """Of all images and classes."""
        content = hashlib.sha256(self.images.tobytes() + self.labels.tobytes())
        content.update(' '.join(self.class_names).encode())
        return content.hexdigest()


@dataclass(frozen=True, eq=False, kw_only=True)
class Splits:
    """What is trained on, what chooses between recipes, and what is reported."""

    train: ClassifiedImages
    val: ClassifiedImages
    test: ClassifiedImages

    @property
    def digest(self) -> str:
        """Of all three."""
        parts = (self.train.digest, self.val.digest, self.test.digest)
        return hashlib.sha256(' '.join(parts).encode()).hexdigest()


def read_splits(source: str, *, val_share: float = 0.2, most: int = 0, seed: int = 317) -> Splits:
    """The set at `source`, of whose training images a share is held back for validation.

    Args:
        source: archive, folder, or the word `rendered`.
        val_share: of the training images of each class.
        most: images of each class to train and validate on, and to test on; 0 takes all.
        seed: of which images are held back.

    Raises:
        InputError: it is of no known form, or damaged.
    """
    rng = np.random.default_rng(seed)
    whole = _few(read_classified(source, 'train'), most, rng)
    held = np.concatenate(
        [of[: round(val_share * len(of))] for of in _shuffled_classes(whole, rng)]
    )
    kept = np.setdiff1d(np.arange(len(whole)), held)
    return Splits(
        train=whole.rows(kept),
        val=whole.rows(np.sort(held)),
        test=_few(read_classified(source, 'test'), most, rng),
    )


def _shuffled_classes(
    found: ClassifiedImages, rng: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    for class_id in range(len(found.class_names)):
        yield rng.permutation(np.flatnonzero(found.labels == class_id))


def _few(found: ClassifiedImages, most: int, rng: np.random.Generator) -> ClassifiedImages:
    if not most:
        return found
    return found.rows(np.sort(np.concatenate([c[:most] for c in _shuffled_classes(found, rng)])))


def read_classified(source: str, split: str) -> ClassifiedImages:
    """The images of one split, in the order of classes and names.

    Raises:
        InputError: see `read_splits`.
    """
    if source == RENDERED:
        return rendered_images(_RENDERED[split], seed=0 if split == 'train' else 1)
    path = Path(source)
    if path.is_dir():
        if all((path / name).is_file() for name in _BATCHES[split]):
            return _from_batches(lambda name: (path / name).read_bytes(), split, path)
        return _from_folder(path, split)
    if not path.is_file() or not tarfile.is_tarfile(path):
        raise InputError(
            f'{path}: expected an archive or a folder of classified images, or the word {RENDERED}'
        )
    with tarfile.open(path) as archive:
        return _from_archive(archive, split, path)


def _from_folder(path: Path, split: str) -> ClassifiedImages:
    labelled = read_folder(path, SourceConfig(layout='cifar', path=str(path), split=split))
    found = [(int(image.class_ids[0]), image.path.read_bytes()) for image in labelled.images]
    return _decoded(found, labelled.class_names, path)


def _from_archive(archive: tarfile.TarFile, split: str, path: Path) -> ClassifiedImages:
    names = {PurePosixPath(member.name).name: member for member in archive if member.isfile()}
    if all(name in names for name in _BATCHES[split]):

        def read(name: str) -> bytes:
            return _bytes_of(archive, names[name])

        return _from_batches(read, split, path)
    found = []
    for member in archive:
        parts = PurePosixPath(member.name).parts
        if member.isfile() and len(parts) >= 3 and parts[-3] == split:
            found.append((parts[-2], parts[-1], _bytes_of(archive, member)))
    class_names = tuple(sorted({name for name, _, _ in found}))
    if not class_names:
        raise InputError(
            f'{path}: no {split}/<class>/*.jpg and no {_PYTHON_FOLDER}/{_BATCHES[split][0]} in it'
        )
    rows = [(class_names.index(name), data) for name, _, data in sorted(found)]
    return _decoded(rows, class_names, path)


def _bytes_of(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file: IO[bytes] | None = archive.extractfile(member)
    return file.read() if file else b''


def _decoded(
    rows: list[tuple[int, bytes]], class_names: tuple[str, ...], path: Path
) -> ClassifiedImages:
    images = np.empty((len(rows), 3, SIDE_PX, SIDE_PX), np.uint8)
    for row, (_, data) in enumerate(rows):
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
        if bgr is None or bgr.shape != (SIDE_PX, SIDE_PX, 3):
            got = 'no image' if bgr is None else f'{bgr.shape[1]} x {bgr.shape[0]} px'
            raise InputError(f'{path}: image {row}: expected {SIDE_PX} x {SIDE_PX} px, got {got}')
        images[row] = bgr[..., ::-1].transpose(2, 0, 1)
    labels = np.array([class_id for class_id, _ in rows], np.int64)
    return _three(ClassifiedImages(images=images, labels=labels, class_names=class_names), path)


def _three(found: ClassifiedImages, path: Path) -> ClassifiedImages:
    """The three classes of the problem, of a set that has more."""
    if len(found.class_names) == len(CLASSES):
        return found
    missing = set(CLASSES) - set(found.class_names)
    if missing:
        raise InputError(f'{path}: expected the classes {", ".join(CLASSES)} or any three')
    of = np.array([found.class_names.index(name) for name in CLASSES])
    kept = found.rows(np.flatnonzero(np.isin(found.labels, of)))
    ours = np.full(len(found.class_names), -1)
    ours[of] = np.arange(len(CLASSES))
    return ClassifiedImages(images=kept.images, labels=ours[kept.labels], class_names=CLASSES)


def _from_batches(read: Callable[[str], bytes], split: str, path: Path) -> ClassifiedImages:
    """The published Python version of CIFAR-10: 3 x 1024 bytes an image, its class in a list."""
    images, labels = [], []
    for name in _BATCHES[split]:
        try:
            content = _ArraysOnly(io.BytesIO(read(name)), encoding='bytes').load()
            images.append(np.asarray(content[b'data'], np.uint8).reshape(-1, 3, SIDE_PX, SIDE_PX))
            labels.append(np.asarray(content[b'labels'], np.int64))
        except (pickle.UnpicklingError, EOFError, KeyError, TypeError, ValueError) as error:
            raise InputError(f'{path}: {name}: no batch of CIFAR-10 ({error})') from None
    found = ClassifiedImages(
        images=np.concatenate(images), labels=np.concatenate(labels), class_names=_CIFAR10
    )
    return _three(found, path)


class _ArraysOnly(pickle.Unpickler):
    """Makes arrays and plain values; whatever else a pickle asks for is refused, not called."""

    _LEGAL = frozenset(
        {
            ('numpy.core.multiarray', '_reconstruct'),
            ('numpy._core.multiarray', '_reconstruct'),
            ('numpy', 'ndarray'),
            ('numpy', 'dtype'),
            ('_codecs', 'encode'),
        }
    )

    def find_class(self, module: str, name: str) -> Any:
        """The few names that an array of numbers is made with."""
        if (module, name) not in self._LEGAL:
            raise pickle.UnpicklingError(f'asks for {module}.{name}, which no image needs')
        return super().find_class(module.replace('numpy.core', 'numpy._core'), name)


def rendered_images(n: int, *, seed: int) -> ClassifiedImages:
    """Discs, bars and rings of any colour, place and size over noise; as many of each."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE_PX, :SIDE_PX]
    labels = np.arange(n, dtype=np.int64) % 3
    images = rng.integers(60, 140, (n, 3, SIDE_PX, SIDE_PX), np.uint8)
    for image, class_id in zip(images, labels, strict=True):
        y, x = rng.uniform(10, 22, 2)
        radius = rng.uniform(5, 9)
        distance = np.hypot(rows - y, columns - x)
        disc = distance < radius
        bar = (abs(rows - y) < 2.5) & (abs(columns - x) < radius)
        ring = disc & (distance > 0.6 * radius)
        shape = (disc, bar, ring)[class_id]
        image[:, shape] = rng.choice([0, 255], 3)[:, None] // 2 + rng.integers(0, 120)
    return ClassifiedImages(images=images, labels=labels, class_names=('disc', 'bar', 'ring'))
