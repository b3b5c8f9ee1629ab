"""A sequence folder as MOTChallenge lays it out: NAME/img1/*.jpg, NAME/gt/, NAME/seqinfo.ini."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2

from mot_compress_ros.errors import InputError
from offline_training.synthetic.scene import SyntheticFrame
from offline_training.synthetic.writers.options import WriteOptions
from offline_training.synthetic.writers.truth_files import TruthFiles


def write_mot(frames: Iterable[SyntheticFrame], path: Path, options: WriteOptions) -> Path:
    """Write one sequence into the folder `path` and return it.

    Raises:
        InputError: the folder holds a sequence already.
    """
    images = path / 'img1'
    if images.exists():
        raise InputError(f'{path}: already holds a sequence; remove it or name another')
    images.mkdir(parents=True)
    count, size_wh = 0, (0, 0)
    with TruthFiles(path / 'gt') as truth:
        for count, frame in enumerate(frames, start=1):
            size_wh = (frame.image_bgr.shape[1], frame.image_bgr.shape[0])
            file = images / f'{count:06d}.jpg'
            cv2.imwrite(str(file), frame.image_bgr, [cv2.IMWRITE_JPEG_QUALITY, options.quality])
            truth.write(frame.truth)
    info = _sequence_info(path.name, options.fps, count, size_wh)
    (path / 'seqinfo.ini').write_text(info, encoding='utf-8')
    return path


def _sequence_info(name: str, fps: float, count: int, size_wh: tuple[int, int]) -> str:
    return (
        f'[Sequence]\nname={name}\nimDir=img1\nframeRate={fps:g}\nseqLength={count}\n'
        f'imWidth={size_wh[0]}\nimHeight={size_wh[1]}\nimExt=.jpg\n'
        'labelledClasses=pedestrian,cyclist,vehicle\n'
    )
