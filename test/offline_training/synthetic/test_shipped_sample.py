import argparse
from collections import Counter
from pathlib import Path
import re
import shlex

import numpy as np

from mot_compress_ros.sources import open_source
from offline_training.commands import synthesize
from offline_training.datasets.mot_layout import read_ground_truth

SAMPLES = Path(__file__).resolve().parents[3] / 'samples'


def _documented_words() -> list[str]:
    """The words of the command in samples/README.md after `synthesize`."""
    block = re.search(r'```\n(python -m offline_training synthesize.*?)```', _readme(), re.DOTALL)
    assert block is not None
    return shlex.split(block[1].replace('\\\n', ' '))[4:]


def _readme() -> str:
    return (SAMPLES / 'README.md').read_text(encoding='utf-8')


def test_the_sample_is_small_and_complete():
    size = sum(f.stat().st_size for f in SAMPLES.rglob('*') if f.is_file())
    assert size <= 4_000_000
    source = open_source(SAMPLES / 'street')
    frames = list(source)
    assert len(frames) == len(source) == 120
    assert source.skipped == 0
    assert {f.image.shape for f in frames} == {(468, 832, 3)}
    steps_ns = np.diff([f.stamp_ns for f in frames])
    assert abs(steps_ns - 1e9 / 15).max() < 2


def test_the_truth_of_the_sample_has_every_class_and_occlusions():
    truth = read_ground_truth(SAMPLES / 'street_gt.txt', n_frames=120)
    ids: Counter[int] = Counter()
    for class_id in range(3):
        of_class = [frame.of_class(class_id) for frame in truth]
        ids[class_id] = len({k for rows in of_class for k in rows.ids[~rows.ignore].tolist()})
    assert min(ids.values()) >= 5
    hidden = sum(int(((f.visibility > 0.2) & (f.visibility < 0.6)).sum()) for f in truth)
    assert hidden > 100


def test_the_documented_command_is_understood():
    parser = argparse.ArgumentParser()
    synthesize.add_arguments(parser)
    args = parser.parse_args(_documented_words())
    assert (args.format, args.size, args.frames, args.fps) == ('bag', '832x468', 120, 15.0)
