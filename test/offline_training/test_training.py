"""Sampling, augmentation, recipes and the training loop, on images made here."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mot_compress_ros.errors import InputError, InvalidOptionError
from mot_compress_ros.inference import build_detector, load_bundle
from mot_compress_ros.networks import ArchitectureConfig, JointDetector
from offline_training.__main__ import main
from offline_training.datasets.augment import augment, AugmentConfig
from offline_training.datasets.records import TrainingImage, TrainingSource
from offline_training.datasets.sampler import PairSampler
from offline_training.engine import CHECKPOINT_FILE, train, TrainConfig, TrainingStoppedError
from offline_training.losses.joint import LossWeights
from offline_training.recipes import read_recipe

CONFIGS = sorted((Path(__file__).parents[2] / 'config' / 'training').glob('*.yaml'))
AUGMENT = AugmentConfig(width_px=96, height_px=64, min_full_width_px=96.0, max_full_width_px=128.0)


def make_sequence(folder, n_frames=4):
    """A MOT sequence of a bright box that moves over a dark ground."""
    (folder / 'img1').mkdir(parents=True)
    (folder / 'gt').mkdir()
    lines = []
    for frame in range(1, n_frames + 1):
        image = np.full((120, 160, 3), 40, np.uint8)
        x, y = 30 + 4 * frame, 40
        image[y : y + 40, x : x + 50] = (40, 60, 220)
        cv2.imwrite(str(folder / 'img1' / f'{frame:06d}.png'), image)
        lines.append(f'{frame},1,{x},{y},50,40,1,3,1.0\n')
    (folder / 'gt' / 'gt.txt').write_text(''.join(lines))
    (folder / 'seqinfo.ini').write_text(
        f'[Sequence]\nname={folder.name}\nimDir=img1\nframeRate=10\nseqLength={n_frames}\n'
        'imWidth=160\nimHeight=120\nimExt=.png\n'
    )
    return folder


def write_recipe(path, **train_options):
    options = {'steps': 4, 'batch_size': 4, 'checkpoint_every': 2, **train_options}
    rows = ''.join(f'  {k}: {v}\n' for k, v in options.items())
    path.write_text(
        'architecture: {width: 0.0625, embedding_dim: 8}\n'
        f'train:\n{rows}'
        'augment: {width_px: 96, height_px: 64, min_full_width_px: 96, max_full_width_px: 128}\n'
        'sources:\n  - {layout: mot, path: road, weight: 1}\n'
    )
    return path


def make_sampler(folder):
    image = TrainingImage(
        path=folder / 'img1' / '000001.png',
        boxes_xyxy_px=np.array([[34, 40, 84, 80]], np.float32),
        class_ids=np.array([2]),
        identities=np.array([5]),
        ignore_xyxy_px=np.zeros((0, 4), np.float32),
        labelled_classes=(0, 1, 2),
    )
    source = TrainingSource(name='road', images=(image,), weight=1.0)
    return PairSampler([source], config=AUGMENT, batch_size=4, n_class=3, seed=0)


@pytest.mark.parametrize('path', CONFIGS, ids=lambda p: p.stem)
def test_every_shipped_recipe_loads_and_builds(path):
    recipe = read_recipe(path)
    JointDetector(recipe.config.architecture)
    assert recipe.sources


def test_recipe_errors(tmp_path):
    path = write_recipe(tmp_path / 'r.yaml', speed=3)
    with pytest.raises(InvalidOptionError, match=r'unknown option train\.speed'):
        read_recipe(path)
    path.write_text('train: {steps: 3}')
    with pytest.raises(InputError, match='sources'):
        read_recipe(path)


def test_augmented_boxes_follow_the_pixels(tmp_path):
    """The bright box and its label move together, whatever the draw."""
    sampler = make_sampler(make_sequence(tmp_path / 'road'))
    errors = []
    for step in range(12):
        batch = sampler.batch(step)
        for k in range(len(batch.xs)):
            image = batch.images[batch.image_index[k]].numpy().astype(int)
            mask = image[..., 0] > image[..., 2] + 25
            ys, xs = np.nonzero(mask)
            centre = (torch.stack([batch.xs[k], batch.ys[k]]) + batch.offset[k]).numpy() * 4
            if len(xs) and xs.min() > 1 and ys.min() > 1 and xs.max() < 94 and ys.max() < 62:
                errors.append(np.abs(centre - [xs.mean() + 0.5, ys.mean() + 0.5]).max())
    assert len(errors) > 10
    assert np.max(errors) < 1.0


def test_batches_are_a_function_of_seed_and_step(tmp_path):
    folder = make_sequence(tmp_path / 'road')
    one, two = make_sampler(folder), make_sampler(folder)
    assert torch.equal(one.batch(7).images, two.batch(7).images)
    assert not torch.equal(one.batch(7).images, one.batch(8).images)
    ahead = list(one.batches(start=3, stop=6))
    assert torch.equal(ahead[1].images, two.batch(4).images)


def test_a_hardly_visible_box_becomes_an_ignore_region():
    labels = TrainingImage(
        path=Path('x'),
        boxes_xyxy_px=np.array([[0, 0, 4, 3], [10, 10, 90, 60]], np.float32),
        class_ids=np.array([0, 2]),
        identities=np.array([1, 2]),
        ignore_xyxy_px=np.zeros((0, 4), np.float32),
        labelled_classes=(0, 1, 2),
    )
    config = AugmentConfig(
        width_px=96,
        height_px=64,
        min_full_width_px=96.0,
        max_full_width_px=96.0,
        rotation_deg=0.0,
        shear_deg=0.0,
        flip_probability=0.0,
    )
    image = np.zeros((64, 96, 3), np.uint8)
    found = augment(image, labels, config, np.random.default_rng(0))
    assert found.identities.tolist() == [2]
    assert len(found.ignore_xyxy_px) == 1


def test_training_resumes_to_the_same_weights(tmp_path):
    folder = make_sequence(tmp_path / 'road')
    config = TrainConfig(steps=4, batch_size=4, warmup_steps=1, precision='fp32')

    def model():
        torch.manual_seed(0)
        return JointDetector(ArchitectureConfig(width=0.0625, embedding_dim=8))

    def go(run, stop_after=None):
        sampler = make_sampler(folder)
        if stop_after is not None:
            short = sampler.batches
            sampler.batches = lambda *, start, stop: short(start=start, stop=stop_after)
        every = stop_after or config.checkpoint_every
        cut = TrainConfig(**{**vars(config), 'checkpoint_every': every})
        return train(model(), sampler, cut, LossWeights(), run)

    whole = go(tmp_path / 'whole')
    go(tmp_path / 'parts', stop_after=2)
    assert torch.load(tmp_path / 'parts' / CHECKPOINT_FILE, weights_only=True)['step'] == 2
    resumed = go(tmp_path / 'parts')
    for (name, a), b in zip(
        whole.state_dict().items(), resumed.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(a, b, msg=name)


def test_training_stops_on_a_loss_that_is_not_finite(tmp_path):
    sampler = make_sampler(make_sequence(tmp_path / 'road'))
    model = JointDetector(ArchitectureConfig(width=0.0625, embedding_dim=8))
    torch.nn.init.constant_(model.wh[2].bias, float('nan'))
    with pytest.raises(TrainingStoppedError, match='not finite'):
        train(model, sampler, TrainConfig(steps=2, batch_size=4), LossWeights(), tmp_path / 'r')


def test_train_command_learns_and_writes_a_bundle_that_loads(tmp_path):
    """From recipe to bundle through the command line; the loss falls on one easy scene."""
    import json

    make_sequence(tmp_path / 'road')
    recipe = write_recipe(
        tmp_path / 'r.yaml', steps=30, learning_rate=0.003, warmup_steps=2, ema_decay=0.5
    )
    arguments = ['--data', str(tmp_path), '--output', str(tmp_path / 'models' / 'tiny')]
    code = main(['train', str(recipe), *arguments, '--run', str(tmp_path / 'run')])
    assert code == 0
    log = [json.loads(line) for line in (tmp_path / 'run' / 'log.jsonl').read_text().splitlines()]
    assert log[-1]['total'] < 0.8 * log[0]['total']
    bundle = load_bundle(tmp_path / 'models' / 'tiny')
    assert bundle.manifest.training['data']['road']['images'] == 4
    assert build_detector(bundle).name == 'tiny'


def test_a_missing_data_set_is_one_line(tmp_path, capsys):
    recipe = write_recipe(tmp_path / 'r.yaml')
    code = main(['train', str(recipe), '--data', str(tmp_path), '--output', str(tmp_path / 'm')])
    assert code == 2
    assert 'road' in capsys.readouterr().err.splitlines()[-1]
