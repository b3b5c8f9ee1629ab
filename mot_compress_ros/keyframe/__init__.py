"""When the teacher runs.

A schedule is asked once per frame of a camera and answers with a `Role`; it keeps its own count.
"""

from mot_compress_ros.keyframe.fixed import FixedSchedule, KeyframeConfig, Role

__all__ = ['FixedSchedule', 'KeyframeConfig', 'Role']
