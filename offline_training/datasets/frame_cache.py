"""Decoded frames kept on disk: the pixels of an image file, mapped into memory instead of decoded.

A frame is one `.npy` file under a name made of the image's path, size and time of change, so that
a changed image is decoded again. It is written beside its place and then moved there: several
processes may share a folder, and a kill leaves no half frame behind.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
import hashlib
import os
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.errors import InputError
from mot_compress_ros.image_decoding import read_image
from offline_training.datasets.training_images import TrainingImage


@dataclass(frozen=True, eq=False, kw_only=True)
class StoredFrame:
    """The pixels of an image file, whole or made smaller.

    Attributes:
        image_bgr: (H, W, 3) uint8; of a cache it is read-only.
        scale_xy: width and height over those of the file; (1, 1) where nothing was made smaller.
    """

    image_bgr: NDArray[np.uint8]
    scale_xy: tuple[float, float] = (1.0, 1.0)

    def fit(self, labels: TrainingImage) -> TrainingImage:
        """The labels of the file, in pixels of this image."""
        if self.scale_xy == (1.0, 1.0):
            return labels
        factors = np.array([*self.scale_xy, *self.scale_xy], np.float32)
        return replace(
            labels,
            boxes_xyxy_px=labels.boxes_xyxy_px * factors,
            ignore_xyxy_px=labels.ignore_xyxy_px * factors,
        )


def read_frame(path: Path) -> StoredFrame:
    """Decode the file.

    Raises:
        InputError: it is not a readable image.
    """
    image = read_image(path)
    if image is None:
        raise InputError(f'{path}: not a readable image; run the data set download again')
    return StoredFrame(image_bgr=image)


class FrameCache:
    """Reads frames as `read_frame` does, and keeps what it has decoded.

    Args:
        folder: where the frames are kept; made where it is missing. A frame takes three bytes a
            pixel, 0.7 MB at 640 x 360 and 2.8 MB at 1280 x 720.
        max_width_px: wider images are kept at this width, averaged over the area; 0 for none.
    """

    def __init__(self, folder: Path, *, max_width_px: int = 0) -> None:
        self._folder = folder
        self._max_width_px = max_width_px

    def __call__(self, path: Path) -> StoredFrame:
        """The frame of an image file, from the cache where it is there.

        Raises:
            InputError: the file is not a readable image, or the cache cannot be written.
        """
        place = self._place(path)
        frame = _load(place)
        if frame is None:
            self._keep(read_frame(path).image_bgr, place)
            frame = _load(place)
        if frame is None:
            raise InputError(f'{place}: written, but not readable; is the disk full or damaged?')
        return frame

    def _place(self, path: Path) -> Path:
        try:
            status = path.stat()
        except OSError as error:
            raise InputError(f'{path}: not a readable image ({error.strerror})') from None
        parts = (path.resolve(), status.st_size, status.st_mtime_ns, self._max_width_px)
        key = hashlib.sha256('\0'.join(map(str, parts)).encode()).hexdigest()[:40]
        return self._folder / key[:2] / f'{key}.npy'

    def _keep(self, image: NDArray[np.uint8], place: Path) -> None:
        height, width = image.shape[:2]
        if 0 < self._max_width_px < width:
            size_wh = (self._max_width_px, max(1, round(height * self._max_width_px / width)))
            image = np.asarray(cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA), np.uint8)
        temporary = place.with_suffix(f'.{os.getpid()}-{os.urandom(4).hex()}.new')
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open('wb') as file:
                np.save(file, image)
                np.save(file, np.array([width, height]))  # after the pixels, which are mapped
            temporary.replace(place)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink()
            raise InputError(
                f'{place.parent}: the cache cannot be written ({error}); free some space or train '
                'without a cache'
            ) from None


def _load(place: Path) -> StoredFrame | None:
    """The kept frame; None where there is none, or one that is not whole."""
    try:
        pixels = np.load(place, mmap_mode='r')
        with place.open('rb') as file:
            file.seek(pixels.offset + pixels.nbytes)
            width, height = np.load(file).tolist()
    except (OSError, ValueError, EOFError):
        return None
    scale_xy = (pixels.shape[1] / width, pixels.shape[0] / height)
    return StoredFrame(image_bgr=np.asarray(pixels), scale_xy=scale_xy)
