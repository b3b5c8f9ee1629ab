"""Quality of service of every topic, in one place.

Parameters can override each: `qos_overrides.<topic>.subscription.reliability` and so on.
"""

from __future__ import annotations

from rclpy.qos import (
    QoSDurabilityPolicy,
    QoSHistoryPolicy,
    QoSProfile,
    QoSReliabilityPolicy,
)
from rclpy.qos_overriding_options import QoSOverridingOptions


def _keep_last(
    depth: int, reliability: QoSReliabilityPolicy, *, latched: bool = False
) -> QoSProfile:
    return QoSProfile(
        history=QoSHistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=reliability,
        durability=(
            QoSDurabilityPolicy.TRANSIENT_LOCAL if latched else QoSDurabilityPolicy.VOLATILE
        ),
    )


def images() -> QoSProfile:
    """Sensor data: best effort hears reliable and best-effort cameras alike."""
    return _keep_last(5, QoSReliabilityPolicy.BEST_EFFORT)


def rotations() -> QoSProfile:
    """Sensor data; deep, because an IMU is many times faster than the executor's turns."""
    return _keep_last(100, QoSReliabilityPolicy.BEST_EFFORT)


def camera_info() -> QoSProfile:
    """Sensor data; one deep, because every message says the same."""
    return _keep_last(1, QoSReliabilityPolicy.BEST_EFFORT)


def tracks() -> QoSProfile:
    """Results for planners: reliable, with a short history."""
    return _keep_last(10, QoSReliabilityPolicy.RELIABLE)


def inference_info() -> QoSProfile:
    """As the tracks: there is one message for each of theirs."""
    return tracks()


def label_info() -> QoSProfile:
    """Latched: a late subscriber gets the class names too."""
    return _keep_last(1, QoSReliabilityPolicy.RELIABLE, latched=True)


def debug_images() -> QoSProfile:
    """Reliable, because viewers such as rviz ask for it; one deep, because images are large."""
    return _keep_last(1, QoSReliabilityPolicy.RELIABLE)


def diagnostics() -> QoSProfile:
    """The profile the diagnostics aggregator expects."""
    return _keep_last(10, QoSReliabilityPolicy.RELIABLE)


def overridable() -> QoSOverridingOptions:
    """Let parameters override history, depth and reliability."""
    return QoSOverridingOptions.with_default_policies()
