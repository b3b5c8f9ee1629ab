"""A road of four frames, a recipe that trains on it in moments, and what a training needs."""

import os
from pathlib import Path
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch

from mot_compress_ros.networks import ArchitectureConfig, JointDetector
from offline_training.datasets.augment import AugmentConfig
from offline_training.datasets.collect import collect_sources
from offline_training.datasets.sampler import PairSampler

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope='session')
def data(tmp_path_factory):
    """A folder of data with one MOT sequence, `road`: bright boxes over a noisy dark ground."""
    folder = tmp_path_factory.mktemp('data')
    (folder / 'road' / 'img1').mkdir(parents=True)
    (folder / 'road' / 'gt').mkdir()
    lines = []
    for frame in range(1, 5):
        image = np.random.default_rng(frame).integers(20, 60, (120, 160, 3), dtype=np.uint8)
        x, y = 30 + 4 * frame, 40
        image[y : y + 40, x : x + 50] = (40, 60, 220)
        for track, left in ((2, 5), (3, 110)):
            image[90:115, left : left + 30] = (80 * track, 200, 20)
            lines.append(f'{frame},{track},{left},90,30,25,1,{track - 1},1.0\n')
        cv2.imwrite(str(folder / 'road' / 'img1' / f'{frame:06d}.png'), image)
        lines.append(f'{frame},1,{x},{y},50,40,1,3,1.0\n')
    (folder / 'road' / 'gt' / 'gt.txt').write_text(''.join(lines))
    (folder / 'road' / 'seqinfo.ini').write_text(
        '[Sequence]\nname=road\nimDir=img1\nframeRate=10\nseqLength=4\n'
        'imWidth=160\nimHeight=120\nimExt=.png\n'
    )
    return folder


@pytest.fixture(scope='session')
def write_recipe(tmp_path_factory):
    """Writes a recipe of a tiny network in fp32, with options of `train`."""

    def write(**train_options):
        options = {'steps': 6, 'batch_size': 4, 'precision': 'fp32', 'warmup_steps': 1}
        rows = ''.join(f'  {k}: {v}\n' for k, v in {**options, **train_options}.items())
        path = tmp_path_factory.mktemp('recipe') / 'recipe.yaml'
        path.write_text(
            'architecture: {width: 0.0625, embedding_dim: 8}\n'
            f'train:\n{rows}'
            'augment: {width_px: 96, height_px: 64, min_full_width_px: 96,'
            ' max_full_width_px: 128}\n'
            'sources:\n  - {layout: mot, path: road, weight: 1}\n'
        )
        return path

    return write


@pytest.fixture
def train_words(data, tmp_path):
    """Words of `train` after the recipe, for a run of this name."""

    def words(name):
        return [
            *('--data', str(data), '--output', str(tmp_path / 'models' / name)),
            *('--run-folder', str(tmp_path / 'runs' / name), '--threads', '1'),
        ]

    return words


@pytest.fixture
def make_sampler(data):
    def make(batch_size=4):
        return PairSampler(
            collect_sources([{'path': 'road'}], data),
            config=AugmentConfig(
                width_px=96, height_px=64, min_full_width_px=96.0, max_full_width_px=128.0
            ),
            batch_size=batch_size,
            n_class=3,
            seed=0,
        )

    return make


@pytest.fixture
def make_network():
    def make(seed=0):
        torch.manual_seed(seed)
        return JointDetector(ArchitectureConfig(width=0.0625, embedding_dim=8))

    return make


@pytest.fixture
def start_command():
    """Starts `python -m offline_training ...`; what still runs at the end is killed."""
    started = []

    def start(*words, module='offline_training', **environment):
        one_thread = {'OMP_NUM_THREADS': '1', 'OPENCV_NUM_THREADS': '1'}
        process = subprocess.Popen(
            [sys.executable, '-m', module, *map(str, words)],
            cwd=ROOT,
            env={**os.environ, **one_thread, **environment},
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
