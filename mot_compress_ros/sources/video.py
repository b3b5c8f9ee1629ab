"""Frames of a video file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from mot_compress_ros.datatypes import Frame
from mot_compress_ros.errors import InputError
from mot_compress_ros.sources.source import FIRST_STAMP_NS, SourceOptions, stamp_of_index

# Headers of sound videos are off by a frame or two.
_TOLERANCE_FRAMES = 3
SUFFIXES = ('.mp4', '.avi', '.mkv', '.mov', '.webm', '.m4v', '.mpg', '.mpeg')


def is_video(path: Path) -> bool:
    """Whether `path` looks like a video file."""
    return path.is_file() and path.suffix.lower() in SUFFIXES


class VideoSource:
    """Every frame of a video; stamps are its presentation times, from one second on."""

    kind = 'video'
    skipped = 0

    def __init__(self, path: Path, options: SourceOptions) -> None:
        self.path = path
        self.missing, self.early_end = 0, ''
        self.camera = options.camera or 'camera'
        self._given_fps_hz = options.fps_hz
        capture = _opened(path)
        readable, _ = capture.read()
        stated_hz = capture.get(cv2.CAP_PROP_FPS)
        self._count = max(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), 1)
        capture.release()
        if not readable:
            raise InputError(f'{path}: the video has no readable frame; play or re-encode it')
        # Broken headers state 0, NaN or absurd rates.
        self._stated_hz = float(stated_hz) if 1 <= stated_hz <= 1000 else 25.0
        self.fps = options.fps_hz or self._stated_hz

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Frame]:
        capture = _opened(self.path)
        self.missing, self.early_end = 0, ''
        latest_ns, shown_s = 0, 0.0
        try:
            index = 0
            while True:
                readable, image = capture.read()
                if not readable:
                    self._note_end(index, shown_s)
                    return
                shown_s = capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3
                latest_ns = self._stamp_ns(capture, index, latest_ns)
                yield Frame(
                    image=np.asarray(image, np.uint8),
                    stamp_ns=latest_ns,
                    camera=self.camera,
                    frame_index=index,
                )
                index += 1
        finally:
            capture.release()

    def _note_end(self, read: int, shown_s: float) -> None:
        """A video ends early where both its frames and its time fall short of the header.

        Where the rate varies, the header's count is only an estimate from the time.
        """
        short_s = self._count / self._stated_hz - shown_s
        if min(self._count - read, short_s * self._stated_hz) > _TOLERANCE_FRAMES:
            self.missing = self._count - read
            self.early_end = (
                f'{self.path}: ended after {read} of {self._count} frames; the file is truncated '
                'or damaged'
            )

    def _stamp_ns(self, capture: cv2.VideoCapture, index: int, latest_ns: int) -> int:
        """Presentation time where the container has a rising one, else the nominal rate."""
        if self._given_fps_hz:
            return stamp_of_index(index, self.fps)
        shown_ns = FIRST_STAMP_NS + round(capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
        rising = index == 0 or shown_ns > latest_ns
        return shown_ns if rising else latest_ns + round(1e9 / self.fps)


def _opened(path: Path) -> cv2.VideoCapture:
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise InputError(f'{path}: cannot be opened as a video; is it complete?')
    return capture
