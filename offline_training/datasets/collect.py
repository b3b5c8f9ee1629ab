"""From labelled sets of any layout to training sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mot_compress_ros.errors import InputError, InvalidOptionError
from mot_compress_ros.options import from_mapping, option
from offline_training.datasets.bdd100k import LabelledImage, read_bdd100k
from offline_training.datasets.mot_layout import CLASS_NAMES, FrameTruth, read_sequence
from offline_training.datasets.pennfudan import read_pennfudan
from offline_training.datasets.records import IdentityCounter, TrainingImage, TrainingSource

ALL_CLASSES = tuple(range(len(CLASS_NAMES)))


@dataclass(frozen=True, kw_only=True)
class SourceConfig:
    """One entry of `sources` in a training recipe."""

    layout: str = option(
        'mot',
        'mot: one sequence folder, or a folder of them',
        choices=('mot', 'bdd100k', 'pennfudan'),
    )
    path: str = option('', 'folder, relative to --data')
    weight: float = option(1.0, 'share of the samples drawn from it', minimum=0.0)
    split: str = option('train', 'split of bdd100k')
    identities: bool = option(
        True, 'whether ids mean the same object over frames; false: boxes only'
    )


def collect_sources(entries: Sequence[Mapping[str, object]], root: Path) -> list[TrainingSource]:
    """Read every set that a recipe names.

    Args:
        entries: the recipe's `sources`.
        root: folder that their paths are relative to.

    Raises:
        InvalidOptionError: an entry has an unknown key or value.
        InputError: a set is missing or damaged.
    """
    counter = IdentityCounter()
    sources = []
    for entry in entries:
        config = from_mapping(SourceConfig, entry)
        if not config.path:
            raise InvalidOptionError('sources: an entry has no path')
        images = _read(config, root / config.path, counter)
        sources.append(
            TrainingSource(name=config.path, images=tuple(images), weight=config.weight)
        )
    return sources


def _read(config: SourceConfig, path: Path, counter: IdentityCounter) -> list[TrainingImage]:
    if config.layout == 'bdd100k':
        labelled = read_bdd100k(path, config.split)
        return [_single(image, ALL_CLASSES, counter) for image in labelled]
    if config.layout == 'pennfudan':
        return [_single(image, (0,), counter) for image in read_pennfudan(path)]
    return [
        image for folder in sequence_folders(path) for image in _sequence(folder, config, counter)
    ]


def sequence_folders(path: Path) -> list[Path]:
    """`path` itself if it is a MOT sequence, else the sequences right below it, by name.

    Raises:
        InputError: there is none.
    """
    if (path / 'seqinfo.ini').is_file():
        return [path]
    found = sorted(p.parent for p in path.glob('*/seqinfo.ini'))
    if not found:
        raise InputError(f'{path}: neither a MOT sequence (seqinfo.ini) nor a folder of them')
    return found


def _single(
    image: LabelledImage, labelled_classes: tuple[int, ...], counter: IdentityCounter
) -> TrainingImage:
    keep = ~image.ignore
    return TrainingImage(
        path=image.path,
        boxes_xyxy_px=image.boxes_xyxy_px[keep].astype(np.float32),
        class_ids=image.class_ids[keep],
        identities=counter.fresh(int(keep.sum())),
        ignore_xyxy_px=image.boxes_xyxy_px[~keep].astype(np.float32),
        labelled_classes=labelled_classes,
    )


def _sequence(folder: Path, config: SourceConfig, counter: IdentityCounter) -> list[TrainingImage]:
    sequence = read_sequence(folder)
    ids = np.unique(
        np.concatenate([truth.ids for truth in sequence.truth] or [np.zeros(0, np.int64)])
    )
    numbers = dict(zip(ids.tolist(), counter.fresh(len(ids)).tolist(), strict=True))

    def identities(truth: FrameTruth) -> list[int]:
        if config.identities:
            return [numbers[i] for i in truth.ids.tolist()]
        return counter.fresh(len(truth)).tolist()

    images = []
    for index, (path, truth) in enumerate(zip(sequence.image_paths, sequence.truth, strict=True)):
        keep = ~truth.ignore
        images.append(
            TrainingImage(
                path=path,
                boxes_xyxy_px=truth.boxes_xyxy_px[keep].astype(np.float32),
                class_ids=truth.class_ids[keep],
                identities=np.array(identities(truth[keep]), np.int64),
                ignore_xyxy_px=truth.boxes_xyxy_px[truth.ignore].astype(np.float32),
                labelled_classes=sequence.labelled_class_ids,
                sequence=sequence.name if config.identities else '',
                frame_index=index,
            )
        )
    return images
