"""Teacher every K frames (AttTrack, section 3)."""

from __future__ import annotations

from collections import Counter

from mot_compress_ros.keyframe.config import KeyframeConfig
from mot_compress_ros.keyframe.schedule import Role


class FixedSchedule:
    """A camera's first frame and every K-th after it go to the teacher, if there is one."""

    def __init__(self, config: KeyframeConfig, *, has_teacher: bool) -> None:
        self._config = config
        self._has_teacher = has_teacher
        self._seen: Counter[str] = Counter()

    def role(self, camera: str) -> Role:
        """Role of the next frame of `camera`; the same until `advance`."""
        due = self._has_teacher and self._seen[camera] % self._config.interval == 0
        return Role.TEACHER if due else Role.STUDENT

    def advance(self, camera: str) -> None:
        """The next frame of `camera` was served by the network of its role."""
        self._seen[camera] += 1

    def reset(self, camera: str) -> None:
        """Begin anew: the next frame of `camera` is a keyframe."""
        del self._seen[camera]
