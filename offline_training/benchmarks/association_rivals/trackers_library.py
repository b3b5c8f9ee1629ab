"""The package `trackers` (Roboflow, Apache-2.0): its trackers that need no image.

They run with their own defaults, at a fixed frame rate. BoT-SORT is without camera motion, for
which it needs images. None of them looks at classes or embeddings.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from mot_compress_ros.datatypes import Detections
from offline_training.benchmarks.association_rivals.contract import missing_packages
from offline_training.evaluation.protocols.judge import FoundBoxes

# Class in the package, and settings other than its defaults.
_TRACKERS: dict[str, tuple[str, dict[str, Any]]] = {
    'trackers-sort': ('SORTTracker', {}),
    'trackers-bytetrack': ('ByteTrackTracker', {}),
    'trackers-ocsort': ('OCSORTTracker', {}),
    'trackers-botsort': ('BoTSORTTracker', {'enable_cmc': False}),
    'trackers-cbiou': ('CBIoUTracker', {}),
}


def names() -> tuple[str, ...]:
    """Its trackers."""
    return tuple(_TRACKERS)


def package() -> str:
    """Its name on the package index."""
    return 'trackers'


def missing() -> str:
    """What has to be installed."""
    return missing_packages(['trackers', 'supervision'])


def make(name: str, *, fps: float) -> OfTrackers:
    """A tracker of that package."""
    class_name, settings = _TRACKERS[name]
    module = importlib.import_module('trackers')
    return OfTrackers(getattr(module, class_name)(frame_rate=fps, **settings))


class OfTrackers:
    """Takes and gives `supervision.Detections`, as the detectors of its users do."""

    def __init__(self, tracker: Any) -> None:
        self._tracker = tracker
        self._detections = importlib.import_module('supervision').Detections

    def prepare(self, detections: Detections) -> Any:
        """Boxes, scores and classes."""
        return self._detections(
            xyxy=detections.boxes_xyxy_px.copy(),
            confidence=detections.scores.copy(),
            class_id=detections.class_ids.copy(),
        )

    def update(self, prepared: Any, *, stamp_ns: int) -> Any:
        """One frame."""
        return self._tracker.update(prepared)

    def found(self, result: Any) -> FoundBoxes:
        """The detections that got an id; ids begin at 0, and -1 is none."""
        known = result.tracker_id >= 0
        return FoundBoxes(
            boxes_xyxy_px=result.xyxy[known].astype(np.float64),
            track_ids=result.tracker_id[known].astype(np.int64) + 1,
            class_ids=result.class_id[known].astype(np.int64),
        )
