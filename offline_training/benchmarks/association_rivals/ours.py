"""Our tracker, every preset of it."""

from __future__ import annotations

from mot_compress_ros.datatypes import Detections, Tracks
from mot_compress_ros.tracking import PRESETS, Tracker, TrackerConfig
from offline_training.evaluation.protocols.judge import found_of_tracks, FoundBoxes
from offline_training.evaluation.protocols.product import CLASS_OF_PRODUCT


def names() -> tuple[str, ...]:
    """The presets."""
    return tuple(PRESETS)


def package() -> str:
    """What its table calls it."""
    return 'ours'


def missing() -> str:
    """Nothing."""
    return ''


def make(name: str, *, fps: float) -> Ours:
    """A tracker of the preset `name`; it takes time from the stamps."""
    return Ours(TrackerConfig.of(name))


class Ours:
    """Takes `Detections` as the decoder makes them; gives the `Tracks` that are published."""

    def __init__(self, config: TrackerConfig) -> None:
        self._tracker = Tracker(config)

    def prepare(self, detections: Detections) -> Detections:
        """As they are."""
        return detections

    def update(self, prepared: Detections, *, stamp_ns: int) -> Tracks:
        """One frame."""
        return self._tracker.update(prepared, stamp_ns=stamp_ns)

    def found(self, result: Tracks) -> FoundBoxes:
        """The confirmed tracks that the frame shows."""
        return found_of_tracks([result], CLASS_OF_PRODUCT)[0]
