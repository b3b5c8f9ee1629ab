"""Ours."""

from __future__ import annotations

from mot_compress_ros.tracking.config import TrackerConfig
from mot_compress_ros.tracking.presets import byte
from mot_compress_ros.tracking.rounds import Round

DEFAULTS = TrackerConfig(preset='vehicle', iou_threshold=0.8)


def rounds(config: TrackerConfig) -> tuple[Round, ...]:
    """Strong detections, weak detections, tentative tracks."""
    return byte.rounds(config)
