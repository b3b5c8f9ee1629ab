"""Rotations between the frames of a recording's `/tf_static`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from mot_compress_ros.camera_motion import from_quaternion, Rotation


class StaticTransforms:
    """The graph of the frames that static transforms join."""

    def __init__(self) -> None:
        self._to_neighbours: dict[str, dict[str, Rotation]] = {}

    def add(self, transforms: Iterable[Any]) -> None:
        """Take in the `geometry_msgs/TransformStamped` of a message."""
        for item in transforms:
            q = item.transform.rotation
            parent_from_child = from_quaternion(x=q.x, y=q.y, z=q.z, w=q.w)
            if parent_from_child is not None:
                parent, child = _name(item.header.frame_id), _name(item.child_frame_id)
                self._to_neighbours.setdefault(child, {})[parent] = parent_from_child
                self._to_neighbours.setdefault(parent, {})[child] = parent_from_child.T

    def rotation(self, *, to_frame: str, from_frame: str) -> Rotation | None:
        """The rotation (3, 3) of directions in one frame to another; None where not joined."""
        start, goal = _name(from_frame), _name(to_frame)
        known: dict[str, Rotation] = {start: np.eye(3)}
        waiting = [start] if start in self._to_neighbours else []
        while waiting and goal not in known:
            here = waiting.pop(0)
            for there, there_from_here in self._to_neighbours[here].items():
                if there not in known:
                    known[there] = there_from_here @ known[here]
                    waiting.append(there)
        return known.get(goal) if start and goal else None


def _name(frame: str) -> str:
    """tf2 knows no leading slash; recordings of old have one."""
    return frame.removeprefix('/')
