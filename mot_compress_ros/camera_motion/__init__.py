"""How the picture moved because the camera did: from pixels of one frame to pixels of the next.

The contract is `CameraMotion`: it remembers of each frame what it needs as a `View`, and answers
for two views with a homography, or with None where nothing can be said. It keeps no state between
frames, so whoever holds the views decides which two are compared. A new source is one new file and
one line in `SOURCES`.

`image` looks at the pictures; `odometry` and `imu` turn measured angular velocities into a
rotation; `none` says nothing and costs nothing.
"""

from collections.abc import Callable, Mapping

from mot_compress_ros.camera_motion.config import CameraMotionConfig
from mot_compress_ros.camera_motion.contract import CameraMotion, Homography, View
from mot_compress_ros.camera_motion.image import ImageMotion
from mot_compress_ros.camera_motion.intrinsics import Intrinsics, raw_intrinsics
from mot_compress_ros.camera_motion.mounting import (
    EVERY_CAMERA,
    from_quaternion,
    mounting_of,
    OPTICAL_FROM_BODY,
    parse_mountings,
    Rotation,
)
from mot_compress_ros.camera_motion.none import NoMotion
from mot_compress_ros.camera_motion.rotation import RotationMotion
from mot_compress_ros.camera_motion.samples import Added, imu_measures, RotationSamples

__all__ = [
    'EVERY_CAMERA',
    'OPTICAL_FROM_BODY',
    'SOURCES',
    'Added',
    'CameraMotion',
    'CameraMotionConfig',
    'Homography',
    'ImageMotion',
    'Intrinsics',
    'NoMotion',
    'Rotation',
    'RotationMotion',
    'RotationSamples',
    'View',
    'build_camera_motion',
    'from_quaternion',
    'imu_measures',
    'mounting_of',
    'parse_mountings',
    'raw_intrinsics',
]

# Odometry and IMU differ in where the samples come from, not in what is done to them.
SOURCES: Mapping[str, Callable[[CameraMotionConfig, str, RotationSamples], CameraMotion]] = {
    'none': NoMotion,
    'image': ImageMotion,
    'odometry': RotationMotion,
    'imu': RotationMotion,
}


def build_camera_motion(
    config: CameraMotionConfig, *, camera: str, samples: RotationSamples
) -> CameraMotion:
    """The estimator of a camera that the options ask for.

    Args:
        config: the options.
        camera: name of the camera, as `config.mounting` may name it.
        samples: angular velocities of the vehicle, shared by all cameras.
    """
    return SOURCES[config.source](config, camera, samples)
