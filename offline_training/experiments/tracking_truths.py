"""The sequences that presets of the tracker are compared on, with the rules they are judged by.

Oracle boxes are the labels that the rules of the protocol evaluate, and those that they forgive
(results matched to them are taken out), so that an object does not vanish when it is truncated:

- KITTI: Car and Van are vehicles, Pedestrian and Person are pedestrians, Cyclist is a cyclist, who
  is tracked and not judged. Truck, Tram and Misc are left out: to KITTI's rules they are false
  alarms.
- MOTChallenge: pedestrians whose `active` is not 0; no distractors.
- Product: all objects of the classes that are labelled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.datatypes import Detections
from mot_compress_ros.errors import InputError
from offline_training.datasets import kitti_tracking, mot_layout
from offline_training.datasets.classes import CYCLIST, PEDESTRIAN, VEHICLE
from offline_training.datasets.records import LabelledSequence
from offline_training.evaluation.protocols import kitti, mot_challenge, product
from offline_training.evaluation.protocols.judge import SequenceJudge, TruthOptions
from offline_training.experiments.tracking_ego import draw

# The halves come without seqinfo.ini; the rates are those that MOTChallenge publishes.
_MOT17_FPS = 30.0
_MOT17_OTHER_FPS: Mapping[str, float] = {'MOT17-05': 14.0, 'MOT17-13': 25.0}
_KITTI_ORACLE: Mapping[str, int] = {
    'car': VEHICLE,
    'van': VEHICLE,
    'pedestrian': PEDESTRIAN,
    'person': PEDESTRIAN,
    'person_sitting': PEDESTRIAN,
    'cyclist': CYCLIST,
}
_MOT_PEDESTRIAN = 1


@dataclass(frozen=True, eq=False, kw_only=True)
class TruthSequence:
    """One sequence.

    Attributes:
        judge: its ground truth under the rules of `protocol`.
        protocol: name in `evaluation.protocols`.
        fps: frames per second.
        oracle: the boxes of the ground truth as detections, one entry per frame.
        folder: of its files; of KITTI the one that holds `label_02`.
        labelled: the sequence with its images; None where it has none.
    """

    judge: SequenceJudge
    protocol: str
    fps: float
    oracle: tuple[Detections, ...]
    folder: Path
    labelled: LabelledSequence | None = None

    @property
    def name(self) -> str:
        """Name of the sequence."""
        return self.judge.name

    def __len__(self) -> int:
        return self.judge.n_frames


@dataclass(frozen=True, kw_only=True)
class TruthSet:
    """Sequences that make one row group.

    Attributes:
        title: what the tables call it.
        path: relative to the folder of the data sets; '' for a set that is drawn.
        draw: makes the folder of such a set, below another one.
        read: makes the sequences from the path; raises InputError.
        by_class: whether its classes have rows of their own, as the benchmark has it.
        trained_on: whether the shipped networks were trained on it.
    """

    title: str
    path: str
    read: Callable[[Path], list[TruthSequence]]
    draw: Callable[[Path], Path] | None = None
    by_class: bool = False
    trained_on: bool = False


def read_kitti(path: Path) -> list[TruthSequence]:
    """KITTI tracking labels, judged by KITTI's rules.

    Raises:
        InputError: there are none, or a line cannot be read.
    """
    return [
        TruthSequence(
            judge=judge,
            protocol='kitti',
            fps=kitti_tracking.FPS,
            oracle=tuple(_kitti_oracle(frame) for frame in judge.frames),
            folder=path,
        )
        for judge in kitti.read_truth(path, TruthOptions())
    ]


def read_mot(path: Path) -> list[TruthSequence]:
    """Sequences of MOTChallenge, with `seqinfo.ini` and images or without, by their own rules.

    Raises:
        InputError: there are none, or a line cannot be read.
    """
    return [
        TruthSequence(
            judge=judge,
            protocol='mot_challenge',
            fps=labelled.fps if labelled else _MOT17_OTHER_FPS.get(judge.name, _MOT17_FPS),
            oracle=tuple(_mot_oracle(frame, judge.benchmark) for frame in judge.frames),
            folder=folder,
            labelled=labelled,
        )
        for judge in mot_challenge.read_truth(path, TruthOptions())
        for folder in [path / judge.name if (path / judge.name).is_dir() else path]
        for labelled in [_labelled(folder)]
    ]


def read_product(path: Path) -> list[TruthSequence]:
    """Sequences of the MOT layout with our own classes and rules.

    Raises:
        InputError: there are none, or they are damaged.
    """
    return [
        TruthSequence(
            judge=judge,
            protocol='product',
            fps=judge.sequence.fps,
            oracle=tuple(_product_oracle(judge.sequence)),
            folder=path / judge.name if (path / judge.name).is_dir() else path,
            labelled=judge.sequence if judge.sequence.image_paths else None,
        )
        for judge in product.read_truth(path, TruthOptions())
    ]


TRUTHS: Mapping[str, TruthSet] = {
    'kitti': TruthSet(title='KITTI', path='kitti_tracking', read=read_kitti, by_class=True),
    'mot17': TruthSet(title='MOT17 halves', path='mot17_val_gt', read=read_mot),
    'tud': TruthSet(title='TUD-Stadtmitte', path='mot15/dev/TUD-Stadtmitte', read=read_mot),
    'eth': TruthSet(
        title='ETH-Sunnyday', path='mot15/train/ETH-Sunnyday', read=read_mot, trained_on=True
    ),
    'synthetic': TruthSet(title='synthetic dev', path='synthetic/dev', read=read_product),
    'ego-city': TruthSet(
        title='synthetic ego-motion, city', path='', read=read_product, draw=partial(draw, 'city')
    ),
    'ego-rough': TruthSet(
        title='synthetic ego-motion, rough',
        path='',
        read=read_product,
        draw=partial(draw, 'rough'),
    ),
}


def read_truths(data: Path, name: str, *, cache: Path) -> list[TruthSequence]:
    """The sequences of one of `TRUTHS`.

    Args:
        data: folder of the data sets.
        name: which.
        cache: folder of the sets that are drawn.

    Raises:
        InputError: there is none of that name, or it is missing or damaged.
    """
    if name not in TRUTHS:
        raise InputError(f'data {name!r}; legal: {", ".join(TRUTHS)}')
    truth = TRUTHS[name]
    path = truth.draw(cache) if truth.draw else data / truth.path
    if not path.exists():
        raise InputError(f'{path}: no such folder; it holds {truth.title}')
    return truth.read(path)


def boxes_as_detections(
    boxes_xyxy_px: NDArray[np.float64], class_ids: Sequence[int] | NDArray[np.int64]
) -> Detections:
    """Boxes (N, 4) with the score 1 and no embedding; those without area are left out."""
    sound = (boxes_xyxy_px[:, 2:] > boxes_xyxy_px[:, :2]).all(axis=1)
    n = int(sound.sum())
    return Detections(
        boxes_xyxy_px=boxes_xyxy_px[sound].astype(np.float32),
        scores=np.ones(n, np.float32),
        class_ids=np.asarray(class_ids, np.int64)[sound],
        embeddings=np.zeros((n, 0), np.float32),
        embedding_space='',
    )


def _kitti_oracle(frame: kitti.KittiFrame) -> Detections:
    mine = frame[np.isin(frame.types, list(_KITTI_ORACLE))]
    return boxes_as_detections(
        mine.boxes_xyxy_px, [_KITTI_ORACLE[str(kind)] for kind in mine.types]
    )


def _mot_oracle(frame: mot_challenge.MotFrame, benchmark: str) -> Detections:
    counts = frame.active.copy()
    if benchmark != 'MOT15':  # which has no classes
        counts &= frame.classes == _MOT_PEDESTRIAN
    return boxes_as_detections(
        frame.boxes_xyxy_px[counts], np.full(int(counts.sum()), PEDESTRIAN, np.int64)
    )


def _product_oracle(sequence: LabelledSequence) -> list[Detections]:
    counts = [
        ~here.ignore & np.isin(here.class_ids, sequence.labelled_class_ids)
        for here in sequence.truth
    ]
    return [
        boxes_as_detections(here.boxes_xyxy_px[rows], here.class_ids[rows])
        for here, rows in zip(sequence.truth, counts, strict=True)
    ]


def _labelled(folder: Path) -> LabelledSequence | None:
    return mot_layout.read_sequence(folder) if (folder / 'img1').is_dir() else None
