"""A sequence folder as MOTChallenge lays it out, without images: NAME/gt/, NAME/seqinfo.ini."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mot_compress_ros.errors import InputError
from offline_training.datasets.classes import CLASS_NAMES
from offline_training.datasets.mot_writing import seqinfo_text
from offline_training.synthetic.ground_truth import FrameTruth
from offline_training.synthetic.writers.options import WriteOptions
from offline_training.synthetic.writers.truth_files import TruthFiles


def write_boxes(frames: Iterable[FrameTruth], path: Path, options: WriteOptions) -> Path:
    """Write one sequence into the folder `path` and return it.

    Raises:
        InputError: the folder holds a sequence already, or there is no frame.
    """
    if any((path / name).exists() for name in ('seqinfo.ini', 'gt', 'img1')):
        raise InputError(f'{path}: already holds a sequence; remove it or name another')
    path.mkdir(parents=True, exist_ok=True)
    count, size_wh = 0, (0, 0)
    with TruthFiles(path / 'gt', path) as files:
        for truth in frames:
            files.write(truth)
            count, size_wh = count + 1, truth.camera.size_wh
    if count == 0:
        raise InputError(f'{path}: expected at least one frame, got none; ask for a longer scene')
    text = seqinfo_text(
        name=path.name,
        fps=options.fps,
        n_frames=count,
        size_wh=size_wh,
        suffixes=(),
        labelled_classes=CLASS_NAMES,
        origin='synthetic',
    )
    (path / 'seqinfo.ini').write_text(text, encoding='utf-8')
    return path
