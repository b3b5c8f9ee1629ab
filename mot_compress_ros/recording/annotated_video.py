"""annotated.mp4: every frame with its tracks drawn."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from mot_compress_ros.errors import MotCompressError
from mot_compress_ros.recording.step import Image, RunInfo, Step

# MPEG-4 part 2: every OpenCV build can write it and every desktop player can show it.
_CODEC = 'mp4v'


class AnnotatedVideoSink:
    """An MP4 at the nominal rate of the input, in the size of its first frame.

    Frames of another size (a resolution change mid-stream) are fitted into it with a border.
    """

    def __init__(self, path: Path, info: RunInfo) -> None:
        self._path = path
        self._fps_hz = min(max(info.fps_hz, 1.0), 240.0)
        self._size_wh = (0, 0)
        self._writer: cv2.VideoWriter | None = None

    def write(self, step: Step, annotated: Image) -> None:
        """Append one picture.

        Raises:
            MotCompressError: this build of OpenCV cannot write the file.
        """
        if self._writer is None:
            self._writer = self._opened(annotated)
        self._writer.write(fitted(annotated, self._size_wh))

    def close(self) -> None:
        """Write the index without which players cannot open the file."""
        if self._writer is not None:
            self._writer.release()

    def _opened(self, first: Image) -> cv2.VideoWriter:
        # The codec halves the colour planes, so both sides have to be even.
        self._size_wh = (first.shape[1] + first.shape[1] % 2, first.shape[0] + first.shape[0] % 2)
        fourcc = cv2.VideoWriter.fourcc(*_CODEC)
        writer = cv2.VideoWriter(
            str(self._path), cv2.CAP_FFMPEG, fourcc, self._fps_hz, self._size_wh
        )
        if not writer.isOpened():
            raise MotCompressError(
                f'{self._path}: OpenCV cannot write MP4 files here; use --no-video, or '
                'opencv-python-headless from PyPI'
            )
        return writer


def fitted(image: Image, size_wh: tuple[int, int]) -> Image:
    """`image` in a picture of `size_wh`: as it is where it fits, else scaled; black border."""
    width, height = size_wh
    if image.shape[:2] == (height, width):
        return image
    scale = min(width / image.shape[1], height / image.shape[0])
    if not 1.0 <= scale < 1.01:  # a missing last row or column is padding, not another size
        inner = (max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1))
        image = np.asarray(cv2.resize(image, inner, interpolation=cv2.INTER_AREA), np.uint8)
    canvas = np.zeros((height, width, 3), np.uint8)
    top, left = (height - image.shape[0]) // 2, (width - image.shape[1]) // 2
    canvas[top : top + image.shape[0], left : left + image.shape[1]] = image
    return canvas
