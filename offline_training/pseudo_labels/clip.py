"""Frames of a video file or of a folder of images, with a stride and a limit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.errors import InputError, InvalidOptionError
from mot_compress_ros.image_decoding import read_image
from mot_compress_ros.sources import FPS_RANGE_HZ
from mot_compress_ros.sources.source import is_frame_rate
from offline_training.datasets.mot_images import natural_key

IMAGE_SUFFIXES = frozenset({'.jpg', '.jpeg', '.png'})


class Clip:
    """A source of BGR images (H, W, 3).

    Args:
        source: a video file, or a folder of images read in order of their names.
        stride: every how many frames one is taken.
        max_frames: how many are taken at most.
        fps: true frame rate; None takes what the video says, and 10 for a folder.

    Attributes:
        fps: of the frames that are taken.
        n_left_out: frames beyond `max_frames`.

    Raises:
        InvalidOptionError: `stride` or `max_frames` is below 1, or `fps` out of range.
        InputError: there is nothing to read.
    """

    def __init__(self, source: Path, *, stride: int, max_frames: int, fps: float | None) -> None:
        if min(stride, max_frames) < 1 or (fps is not None and not is_frame_rate(fps)):
            raise InvalidOptionError(
                f'--stride {stride}, --max-frames {max_frames}, --fps {fps}: '
                'expected at least 1, at least 1, and {:g} to {:g} Hz'.format(*FPS_RANGE_HZ)
            )
        if not source.exists():
            raise InputError(f'{source}: no such video or image folder')
        self._source = source
        self._images: list[Path] = []
        if source.is_dir():
            images = (p for p in source.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
            found = sorted(images, key=natural_key)
            self._images, total, own_fps = found, len(found), 10.0
        else:
            video = cv2.VideoCapture(str(source))
            total = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
            own_fps = float(video.get(cv2.CAP_PROP_FPS))
            video.release()
        fps = own_fps if fps is None else fps
        if total < 1 or fps <= 0:
            raise InputError(f'{source}: holds no frames that can be read')
        self._stride = stride
        wanted = -(-total // stride)
        self._n = min(max_frames, wanted)
        self.n_left_out = wanted - self._n
        self.fps = fps / stride

    def __len__(self) -> int:
        return self._n

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        yield from self._from_folder() if self._images else self._from_video()

    def _from_folder(self) -> Iterator[NDArray[np.uint8]]:
        for path in self._images[:: self._stride][: self._n]:
            image = read_image(path)
            if image is None:
                raise InputError(f'{path}: not an image that can be read')
            yield image

    def _from_video(self) -> Iterator[NDArray[np.uint8]]:
        video = cv2.VideoCapture(str(self._source))
        try:
            for index in range(self._n * self._stride):
                ok, image = video.read()
                if not ok:
                    return
                if index % self._stride == 0:
                    yield np.asarray(image, np.uint8)
        finally:
            video.release()
