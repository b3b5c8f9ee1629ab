"""When the teacher runs, and what the student is told of what it saw.

A schedule answers which `Role` the next frame of a camera has, and goes on when it is told that
the frame was served; so a network that fails does not use a keyframe up.
"""

from mot_compress_ros.keyframe.config import KeyframeConfig
from mot_compress_ros.keyframe.fixed import FixedSchedule
from mot_compress_ros.keyframe.schedule import FrameFacts, FrameReport, Role, Schedule

__all__ = ['FixedSchedule', 'FrameFacts', 'FrameReport', 'KeyframeConfig', 'Role', 'Schedule']
