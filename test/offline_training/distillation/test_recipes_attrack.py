"""AttTrack's recipe to the letter, and ours."""

from pathlib import Path

import pytest

from mot_compress_ros.networks.zoo import ZOO
from offline_training.losses import PARTS
from offline_training.recipes import read_recipe
from offline_training.training.optimizers import learning_rate

CONFIGS = Path(__file__).parents[3] / 'config' / 'training'


def test_atttracks_recipe_to_the_letter():
    """Section 5.2, eqs. 4 to 6."""
    config = read_recipe(CONFIGS / 'attrack_yolov5.yaml').config
    train, augment, loss = config.train, config.augment, config.loss
    assert (train.optimizer, train.learning_rate, train.batch_size) == ('adam', 1e-5, 12)
    epoch = train.steps / 35
    assert epoch * 12 == 2664  # frames of the first halves of MOT17
    rates = [learning_rate(train, round(epoch * e) + 1) for e in (0, 24.9, 25, 34)]
    assert rates == pytest.approx([1e-5, 1e-5, 1e-6, 1e-6])
    assert augment.size_wh == (1088, 608)
    assert augment.rotation_deg > 0 and augment.min_scale < 1 < augment.max_scale
    assert (augment.translate, augment.shear_deg, augment.flip_probability) == (0, 0, 0)
    weights = {part: w for part in PARTS if (w := getattr(loss, part))}
    fairmot = {'heatmap': 1, 'wh_l1': 0.1, 'offset': 1, 'identity_ce': 1}
    assert weights == {**fairmot, 'ifm': 1}
    assert (loss.balance, config.mapping) == ('learned', 'ifm')
    assert config.architecture.fusion == 'concat' and config.attention.prior == 'teacher'
    small = ZOO['light_small']
    assert (config.architecture.name, config.architecture.width) == (small.name, small.width)


def test_our_recipe_asks_for_the_shipped_pair():
    config = read_recipe(CONFIGS / 'attrack_road.yaml').config
    refined = read_recipe(CONFIGS / 'road_student_refine.yaml')
    assert config.augment == refined.config.augment
    assert config.needs_teacher and config.mapping == 'ifm'
    assert (config.architecture.fusion, config.attention.prior) == ('gated', 'mixed')
    mine = read_recipe(CONFIGS / 'attrack_road.yaml').sources
    assert {s['path'] for s in mine} == {s['path'] for s in refined.sources}
