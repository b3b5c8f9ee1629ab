"""What a quantized network may not lose: scores in 0..1 of a backend, over items.

A member of `SCORES` makes a score of what is measured on. A score has

    __len__() -> int
        its items: frames, images or sequences
    __call__(detector: Detector, items: Sequence[int]) -> tuple[float, list[float]]
        the score over the items, and a value of each alone, the higher the better

The values of the items say which layers to take back first; the score is what is bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.datatypes import Detections
from mot_compress_ros.errors import InputError
from mot_compress_ros.inference import Detector
from mot_compress_ros.inference.decode import find_peaks
from mot_compress_ros.pipeline import PipelineConfig
from offline_training.datasets.records import LabelledImage, LabelledSequence, LabelledSet
from offline_training.evaluation.detection_scores import LabelledBoxes, score_detections
from offline_training.evaluation.inference import detect_images, run_sequence
from offline_training.evaluation.tracking_scores import (
    combine_classes,
    RawScores,
    score_class,
)
from offline_training.evaluation.truth_sets import read_set
from offline_training.quantization.calibration import Sample
from offline_training.quantization.maps_backend import MapsBackend

NEAR_CELLS = 1  # a peak that moves by a cell is the same object


class Score(Protocol):
    """See the module."""

    def __len__(self) -> int:
        """How many items there are."""

    def __call__(self, detector: Detector, items: Sequence[int]) -> tuple[float, list[float]]:
        """The score over some items, and the value of each."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ScoreInput:
    """What scores are made of.

    Attributes:
        samples: inputs of the network, such as those of the calibration.
        reference: the detector of the network in float32.
        truth: a labelled set, None where none is given.
    """

    samples: Sequence[Sample]
    reference: Detector
    truth: LabelledSet | None = None


Peaks = tuple[NDArray[np.int64], NDArray[np.int64]]  # class ids (K,) and cells (K, 2)


class PeakAgreement:
    """F1 of the peaks found against those of the network in float32; needs no labels.

    A peak counts where the other has one of its class within a cell; each counts once.
    """

    def __init__(self, given: ScoreInput) -> None:
        self._samples = given.samples
        self._wanted = [_peaks(given.reference, sample) for sample in self._samples]
        if not any(len(class_ids) for class_ids, _ in self._wanted):
            raise InputError(
                'score peaks: the network in float32 finds nothing in these frames; give others, '
                'or a lower min_score'
            )

    def __len__(self) -> int:
        """Samples."""
        return len(self._samples)

    def __call__(self, detector: Detector, items: Sequence[int]) -> tuple[float, list[float]]:
        """F1 over the peaks of all items, and of each."""
        counts = np.array(
            [_matched(self._wanted[i], _peaks(detector, self._samples[i])) for i in items]
        ).reshape(-1, 2)  # (N, 2): peaks that both have, and peaks of both
        values = [_f1(*row) for row in counts]
        return _f1(*counts.sum(axis=0)), values


class AveragePrecision:
    """AP50, mean over the classes, on the images of a labelled set; of an item it is its own."""

    def __init__(self, given: ScoreInput) -> None:
        truth = _labelled(given, 'ap50')
        self._paths: list[Path] = []
        self._truth: list[LabelledBoxes] = []
        for image in _images(truth):
            self._paths.append(image.path)
            self._truth.append(
                LabelledBoxes(
                    boxes_xyxy_px=image.boxes_xyxy_px,
                    class_ids=image.class_ids,
                    ignore=image.ignore,
                )
            )
        known = set(range(len(given.reference.class_names)))
        labelled = (set(part.labelled_class_ids) for part in _parts(truth))
        self._classes = sorted(known.intersection(*labelled))

    def __len__(self) -> int:
        """Images."""
        return len(self._paths)

    def __call__(self, detector: Detector, items: Sequence[int]) -> tuple[float, list[float]]:
        """AP50 over all items, and of each alone."""
        found = detect_images([self._paths[i] for i in items], detector)
        truth = [self._truth[i] for i in items]
        values = [self._ap50([t], [f]) for t, f in zip(truth, found, strict=True)]
        return self._ap50(truth, found), values

    def _ap50(self, truth: Sequence[LabelledBoxes], found: Sequence[Detections]) -> float:
        scores = score_detections(truth, found, self._classes).values()
        return float(np.mean([score.ap50 for score in scores])) if scores else 1.0


class TrackingAccuracy:
    """MOTA over all classes and sequences of a labelled set, by the vehicle's pipeline."""

    def __init__(self, given: ScoreInput) -> None:
        truth = _labelled(given, 'mota')
        self._sequences = [s for s in truth.sequences if s.has_identities and s.image_paths]
        if not self._sequences:
            raise InputError(f'{truth.path}: score mota needs sequences with identities')
        self._known = range(len(given.reference.class_names))

    def __len__(self) -> int:
        """Sequences."""
        return len(self._sequences)

    def __call__(self, detector: Detector, items: Sequence[int]) -> tuple[float, list[float]]:
        """MOTA over all items, and of each."""
        raw = {str(i): self._raw(self._sequences[i], detector) for i in items}
        together = {f'{i} {k}': r for i, classes in raw.items() for k, r in classes.items()}
        return _mota(together), [_mota(raw[str(i)]) for i in items]

    def _raw(self, sequence: LabelledSequence, detector: Detector) -> dict[str, RawScores]:
        config = PipelineConfig()
        found = run_sequence(sequence, student=detector, teacher=None, config=config)
        classes = [k for k in sequence.labelled_class_ids if k in self._known]
        return {str(k): score_class(sequence.truth, found.tracks, k) for k in classes}


SCORES: Mapping[str, Callable[[ScoreInput], Score]] = {
    'peaks': PeakAgreement,
    'ap50': AveragePrecision,
    'mota': TrackingAccuracy,
}


def read_truth(path: Path, settings: Mapping[str, object]) -> LabelledSet:
    """The labelled set of `--validation`; as `evaluation.truth_sets.read_set`."""
    return read_set(path, settings)


def _mota(raw: Mapping[str, RawScores]) -> float:
    return combine_classes(raw).summary().mota if raw else 1.0


def _labelled(given: ScoreInput, name: str) -> LabelledSet:
    if given.truth is None:
        raise InputError(f'score {name}: needs labels; give a labelled set with --validation')
    return given.truth


def _parts(truth: LabelledSet) -> list[LabelledImage | LabelledSequence]:
    return [*truth.images, *truth.sequences]


def _images(truth: LabelledSet) -> list[LabelledImage]:
    """Every image and every frame."""
    images = list(truth.images)
    for sequence in truth.sequences:
        for path, rows in zip(sequence.image_paths, sequence.truth, strict=True):
            images.append(
                LabelledImage(
                    path=path,
                    boxes_xyxy_px=rows.boxes_xyxy_px,
                    class_ids=rows.class_ids,
                    ignore=rows.ignore,
                    labelled_class_ids=sequence.labelled_class_ids,
                )
            )
    return images


def _peaks(detector: Detector, sample: Sample) -> Peaks:
    backend = detector.backend
    assert isinstance(backend, MapsBackend), 'what is quantized here runs in one of these'
    output = backend.run_planes(sample.images, sample.prior)
    _, class_ids, ys, xs = find_peaks(output.heatmap[0], detector.config)
    return class_ids, np.stack([xs, ys], axis=1)


def _matched(wanted: Peaks, found: Peaks) -> tuple[int, int]:
    """Peaks that both have, one to one from the best on, and peaks of both together."""
    (classes, cells), (found_classes, found_cells) = wanted, found
    free = np.ones(len(found_classes), bool)
    both = 0
    for class_id, cell in zip(classes, cells, strict=True):
        near = np.abs(found_cells - cell).max(axis=1) <= NEAR_CELLS
        (hits,) = np.nonzero(near & free & (found_classes == class_id))
        if len(hits):
            free[hits[0]] = False
            both += 1
    return both, len(classes) + len(found_classes)


def _f1(both: float, of_both: float) -> float:
    return 2 * both / of_both if of_both else 1.0
