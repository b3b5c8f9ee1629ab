"""When the teacher runs.

A schedule answers which `Role` the next frame of a camera has, and goes on when it is told that
the frame was served; so a network that fails does not use a keyframe up.
"""

from mot_compress_ros.keyframe.fixed import FixedSchedule, KeyframeConfig, Role

__all__ = ['FixedSchedule', 'KeyframeConfig', 'Role']
