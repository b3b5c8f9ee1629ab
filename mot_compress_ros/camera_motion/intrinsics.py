"""The camera matrix, for whatever size an image comes in."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mot_compress_ros.errors import InvalidDataError


class Intrinsics:
    """A camera matrix and the size of the images it holds for. Immutable.

    Args:
        matrix: (3, 3) focal lengths and principal point in pixels; (0, 0) is the centre of the
            first pixel.
        size_wh: width and height of the images in pixels.

    Raises:
        InvalidDataError: another shape, not finite, no focal length, or an empty image.
    """

    def __init__(self, matrix: ArrayLike, *, size_wh: tuple[int, int]) -> None:
        array = np.array(matrix, np.float64)
        if array.shape != (3, 3) or not np.isfinite(array).all():
            raise InvalidDataError(f'intrinsics: expected a finite (3, 3) matrix, got {array}')
        focal_px = min(array[0, 0], array[1, 1])
        if focal_px <= 0 or min(size_wh) < 1 or array[2].tolist() != [0, 0, 1]:
            raise InvalidDataError(
                'intrinsics: expected focal lengths above 0, a last row 0, 0, 1 and an image that '
                f'is not empty, got {array.tolist()} for {size_wh}; calibrate the camera'
            )
        array.setflags(write=False)
        self.matrix: NDArray[np.float64] = array
        self.size_wh = size_wh

    def of_size(self, size_wh: tuple[int, int]) -> NDArray[np.float64]:
        """The matrix (3, 3) after the image was resized to `size_wh` pixels."""
        if size_wh == self.size_wh:
            return self.matrix
        x, y = size_wh[0] / self.size_wh[0], size_wh[1] / self.size_wh[1]
        resize = np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])
        return np.asarray(resize @ self.matrix, np.float64)


def guessed_intrinsics(size_wh: tuple[int, int], *, field_of_view_deg: float) -> Intrinsics:
    """Of a camera nobody calibrated: square pixels, looking through the middle of the image."""
    width, height = size_wh
    focal_px = width / 2 / math.tan(math.radians(field_of_view_deg) / 2)
    matrix = np.array([[focal_px, 0, (width - 1) / 2], [0, focal_px, (height - 1) / 2], [0, 0, 1]])
    return Intrinsics(matrix, size_wh=size_wh)


def raw_intrinsics(
    k: ArrayLike, *, size_wh: tuple[int, int], region_xywh: tuple[int, int, int, int]
) -> Intrinsics:
    """From the fields of a `sensor_msgs/CameraInfo`: for images as the driver publishes them.

    Args:
        k: (9,) the matrix of the whole sensor, row by row; zeros where it is not calibrated.
        size_wh: width and height of the whole sensor.
        region_xywh: the part that the driver sends; width and height 0 where that is all. Binning
            needs no mention: `Intrinsics.of_size` sees it from the size of the image.

    Raises:
        InvalidDataError: the camera is not calibrated.
    """
    left, top, width, height = region_xywh
    matrix = np.array(k, np.float64).reshape(3, 3)
    matrix[:2, 2] -= (left, top)
    return Intrinsics(matrix, size_wh=(width or size_wh[0], height or size_wh[1]))
