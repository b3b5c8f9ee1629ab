"""A sequence folder as MOTChallenge lays it out: NAME/img1/*.jpg, NAME/gt/, NAME/seqinfo.ini.

The truth of the camera's motion lies beside them: NAME/camera.json, imu.csv, odometry.csv.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from offline_training.datasets.mot_writing import SequenceWriter
from offline_training.synthetic.scene import SyntheticFrame
from offline_training.synthetic.writers.options import WriteOptions
from offline_training.synthetic.writers.truth_files import TruthFiles


def write_mot(frames: Iterable[SyntheticFrame], path: Path, options: WriteOptions) -> Path:
    """Write one sequence into the folder `path` and return it.

    Raises:
        InputError: the folder holds a sequence already, or an image cannot be written.
    """
    writer = SequenceWriter(path, fps=options.fps, origin='synthetic', quality=options.quality)
    with TruthFiles(path / 'gt', path) as truth:
        for frame in frames:
            writer.add_image(frame.image_bgr)
            truth.write(frame.truth)
    writer.write_info()
    return path
