"""The package `norfair` (Tryolabs, BSD-3-Clause), with the settings of its demos for boxes."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from mot_compress_ros.datatypes import Detections
from offline_training.benchmarks.association_rivals.contract import missing_packages
from offline_training.evaluation.protocols.judge import FoundBoxes

NAME = 'norfair'
_LARGEST_IOU_DISTANCE = 0.7  # DISTANCE_THRESHOLD_BBOX of its YOLO demos


def names() -> tuple[str, ...]:
    """The one tracker it has."""
    return (NAME,)


def package() -> str:
    """Its name on the package index."""
    return 'norfair'


def missing() -> str:
    """What has to be installed."""
    return missing_packages(['norfair'])


def make(name: str, *, fps: float) -> Norfair:
    """Its tracker; it counts frames."""
    return Norfair()


class Norfair:
    """Takes one `norfair.Detection` per box, which its users have to make; gives its objects."""

    def __init__(self) -> None:
        norfair = importlib.import_module('norfair')
        self._detection = norfair.Detection
        self._tracker = norfair.Tracker(
            distance_function='iou', distance_threshold=_LARGEST_IOU_DISTANCE
        )

    def prepare(self, detections: Detections) -> Any:
        """A list of objects with two points each; new ones, as it keeps and changes them."""
        corners = detections.boxes_xyxy_px.astype(np.float64).reshape(-1, 2, 2)
        return [
            self._detection(points=points, scores=np.full(2, score), label=int(label))
            for points, score, label in zip(
                corners, detections.scores, detections.class_ids, strict=True
            )
        ]

    def update(self, prepared: Any, *, stamp_ns: int) -> Any:
        """One frame."""
        return self._tracker.update(detections=prepared)

    def found(self, result: Any) -> FoundBoxes:
        """Its active objects, also those that this frame did not show."""
        corners = np.array([o.estimate.ravel() for o in result], np.float64)
        return FoundBoxes(
            boxes_xyxy_px=corners.reshape(-1, 4),
            track_ids=np.array([o.id for o in result], np.int64),
            class_ids=np.array([o.label for o in result], np.int64),
        )
