"""How a camera is mounted, from tf, where `tf2_ros` is installed."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from rclpy.node import Node
from rclpy.time import Time

from mot_compress_ros.camera_motion import from_quaternion, Rotation


def is_available() -> bool:
    """Whether `tf2_ros` can be imported; a ROS distribution brings it, the wheels do not."""
    return find_spec('tf2_ros') is not None


class TransformFinder:
    """Listens to tf and looks rotations up."""

    def __init__(self, node: Node) -> None:
        # Imported here: it may be missing.
        from tf2_ros import Buffer, TransformListener

        self._buffer: Any = Buffer()
        self._listener: Any = TransformListener(self._buffer, node)

    def rotation(self, *, to_frame: str, from_frame: str) -> Rotation | None:
        """The rotation that takes directions in one frame to another; None while tf has none."""
        from tf2_ros import TransformException

        try:
            found = self._buffer.lookup_transform(to_frame, from_frame, Time())
        except TransformException:
            return None
        q = found.transform.rotation
        return from_quaternion(x=q.x, y=q.y, z=q.z, w=q.w)

    def close(self) -> None:
        """Leave the topics of tf."""
        self._listener.unregister()
