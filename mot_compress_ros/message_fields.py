"""What a track says in a message, in plain values.

The node fills ROS messages from these and the recording serialises them without ROS, so the two
cannot drift.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mot_compress_ros.datatypes import Tracks


@dataclass(frozen=True, kw_only=True)
class DetectionFields:
    """Fields of a vision_msgs/Detection2D: a box in pixels of the source image."""

    track_id: str
    class_name: str
    score: float
    center_x_px: float
    center_y_px: float
    size_x_px: float
    size_y_px: float


def detection_fields(
    tracks: Tracks, *, class_names: Sequence[str], camera: str, session: str
) -> list[DetectionFields]:
    """One entry per track, in their order."""
    return [
        DetectionFields(
            track_id=track_id(camera=camera, session=session, number=number),
            class_name=class_names[class_id],
            score=score,
            center_x_px=(x1 + x2) / 2,
            center_y_px=(y1 + y2) / 2,
            size_x_px=x2 - x1,
            size_y_px=y2 - y1,
        )
        for (x1, y1, x2, y2), score, class_id, number in zip(
            tracks.boxes_xyxy_px.astype(float).tolist(),
            tracks.scores.astype(float).tolist(),
            tracks.class_ids.tolist(),
            tracks.track_ids.tolist(),
            strict=True,
        )
    ]


def track_id(*, camera: str, session: str, number: int) -> str:
    """`<camera>-<session>-<number>`: unique over cameras and restarts; the number ends it."""
    return f'{camera}-{session}-{number}'


def track_number(identifier: str) -> int:
    """The tracker's number in an id made by `track_id`."""
    return int(identifier.rsplit('-', 1)[-1])


def status_name(*, node: str, task: str) -> str:
    """Name of a diagnostic_msgs/DiagnosticStatus: of a camera, or of the 'node' itself."""
    return f'{node}: {task}'
