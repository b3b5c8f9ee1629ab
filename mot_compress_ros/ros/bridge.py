"""Encodings that this project does not read itself, through `cv_bridge` where it is installed."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import Image

from mot_compress_ros.errors import UnsupportedImageError


def is_available() -> bool:
    """Whether `cv_bridge` can be imported; a ROS distribution brings it, the wheels do not."""
    return find_spec('cv_bridge') is not None


def convert(message: Image) -> NDArray[np.uint8]:
    """A BGR image (H, W, 3) of any encoding that `cv_bridge` knows.

    Raises:
        UnsupportedImageError: it does not know the encoding either, or the payload is damaged.
    """
    # Imported here: it may be missing, and its binary interface may not fit this numpy.
    try:
        from cv_bridge import CvBridge

        image = CvBridge().imgmsg_to_cv2(message, desired_encoding='bgr8')
    except Exception as error:  # cv_bridge raises its own, OpenCV's and numpy's errors
        raise UnsupportedImageError(
            f'{message.encoding[:40]!r} cannot be read, by cv_bridge neither: {error}'
        ) from error
    return np.asarray(image, np.uint8)
