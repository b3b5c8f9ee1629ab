"""An MP4 video, with the truth in a folder beside it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2

from mot_compress_ros.errors import InputError
from offline_training.synthetic.scene import SyntheticFrame
from offline_training.synthetic.writers.options import truth_folder, WriteOptions
from offline_training.synthetic.writers.truth_files import TruthFiles

# MPEG-4 part 2: every OpenCV build can write it and every desktop player can show it.
_CODEC = 'mp4v'


def write_video(frames: Iterable[SyntheticFrame], path: Path, options: WriteOptions) -> Path:
    """Write one video to the file `path`, replacing it, and return it.

    Raises:
        InputError: not an .mp4 name, or OpenCV cannot write it.
    """
    if path.suffix != '.mp4':
        raise InputError(f'{path}: a video is written as MP4; name it {path.with_suffix(".mp4")}')
    path.parent.mkdir(parents=True, exist_ok=True)
    video: cv2.VideoWriter | None = None
    try:
        with TruthFiles(truth_folder(path)) as truth:
            for frame in frames:
                if video is None:
                    video = _opened(path, options.fps, frame)
                video.write(frame.image_bgr)
                truth.write(frame.truth)
    finally:
        if video is not None:
            video.release()
    return path


def _opened(path: Path, fps: float, first: SyntheticFrame) -> cv2.VideoWriter:
    height, width = first.image_bgr.shape[:2]
    if width % 2 or height % 2:
        raise InputError(f'{path}: a video needs even sides, got {width}x{height}')
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*_CODEC), fps, (width, height))
    if not video.isOpened():
        raise InputError(f'{path}: OpenCV cannot write this file; is the folder writable?')
    return video
