"""FairMOT's recipe to the letter, its sampler, its identities, and a run of it."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mot_compress_ros.inference import load_bundle
from mot_compress_ros.networks import ArchitectureConfig
from offline_training.__main__ import main
from offline_training.datasets.augment import AugmentConfig
from offline_training.datasets.identities import number_identities
from offline_training.datasets.sampler import EpochSampler, PairSampler, SAMPLERS
from offline_training.datasets.training_images import (
    of_first_classes,
    TrainingImage,
    TrainingSource,
)
from offline_training.losses import PARTS
from offline_training.recipes import read_recipe, RecipeConfig

CONFIGS = Path(__file__).parents[2] / 'config' / 'training'
AUGMENT = AugmentConfig(width_px=96, height_px=64, min_full_width_px=96.0, max_full_width_px=128.0)


def make_images(folder, count, first_identity=0, nameless_clip=-1):
    """Images of one box each; the red of its ground is the number of the image."""
    folder.mkdir(parents=True)
    images = []
    for k in range(count):
        path = folder / f'{k}.png'
        picture = np.zeros((64, 96, 3), np.uint8)
        picture[..., 2] = 10 * (k + 1)
        cv2.imwrite(str(path), picture)
        images.append(
            TrainingImage(
                path=path,
                boxes_xyxy_px=np.array([[20, 10, 70, 50]], np.float32),
                class_ids=np.array([2]),
                identities=np.array([first_identity + k]),
                ignore_xyxy_px=np.zeros((0, 4), np.float32),
                ignore_class_ids=np.zeros(0, np.int64),
                labelled_classes=(0, 1, 2),
                nameless_clip=nameless_clip,
            )
        )
    return tuple(images)


def make_sampler(kind, sources, batch_size=4, **options):
    augment = AugmentConfig(
        **{
            'geometry': 'letterbox',
            'width_px': 96,
            'height_px': 64,
            'saturation_value': 0.0,
            'min_scale': 1.0,
            **options,
        }
    )
    return SAMPLERS[kind](sources, config=augment, batch_size=batch_size, n_class=3, seed=3)


@pytest.mark.parametrize(
    ('name', 'rate', 'batch_size', 'dim', 'extents', 'identity', 'balance'),
    [
        ('fairmot_light', 5e-4, 16, 64, 0.5, 0.1, 'fixed'),
        ('fairmot_road', 5e-4, 16, 64, 0.5, 0.1, 'fixed'),
        ('fairmot_dla34', 1e-4, 12, 128, 0.1, 1.0, 'learned'),
    ],
)
def test_fairmots_recipe_to_the_letter(name, rate, batch_size, dim, extents, identity, balance):
    config = read_recipe(CONFIGS / f'{name}.yaml').config
    train, augment, loss = config.train, config.augment, config.loss
    assert (train.optimizer, train.learning_rate, train.weight_decay) == ('adam', rate, 0)
    assert (train.schedule, train.gamma, train.warmup_steps) == ('step', 0.1, 0)
    assert train.step_at == pytest.approx(20 / 30, abs=1e-6)
    assert (train.batch_size, train.seed, train.ema_decay, train.clip_norm) == (
        batch_size,
        317,
        0,
        0,
    )
    assert config.architecture.embedding_dim == dim
    assert config.sampler == 'epochs'
    assert (augment.geometry, augment.size_wh) == ('letterbox', (1088, 608))
    assert (augment.min_scale, augment.max_scale, augment.translate) == (0.5, 1.2, 0.1)
    assert (augment.rotation_deg, augment.shear_deg) == (5, 2)
    assert (augment.saturation_value, augment.flip_probability) == (0.5, 0.5)
    assert augment.mosaic_probability == 0
    weights = {part: w for part in PARTS if (w := getattr(loss, part))}
    assert weights == {'heatmap': 1, 'wh_l1': extents, 'offset': 1, 'identity_ce': identity}
    assert (loss.balance, loss.s_detection, loss.s_identity) == (balance, -1.85, -1.05)


def seen(sampler, steps, **shard):
    """Numbers of the images in the batches, told by their red."""
    reds = []
    for step in range(steps):
        for picture in sampler.batch(step, **shard).images.numpy():
            # The letterbox is filled by the picture; grey may come in at its border only.
            reds.append(int(np.median(picture[20:44, 30:66, 0])) // 10 - 1)
    return reds


def test_an_epoch_shows_every_image_once(tmp_path):
    sources = [
        TrainingSource(name='a', images=make_images(tmp_path / 'a', 6), weight=5.0),
        TrainingSource(name='b', images=make_images(tmp_path / 'b', 10)[6:], weight=0.1),
    ]
    sampler = make_sampler('epochs', sources, batch_size=5, max_scale=1.0, rotation_deg=0.0)
    first, second = seen(sampler, 2), seen(sampler, 4)[10:]
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second
    assert first == seen(make_sampler('epochs', sources, batch_size=5, max_scale=1.0), 2)


def test_shards_of_an_epoch_are_parts_of_its_batches(tmp_path):
    sources = [TrainingSource(name='a', images=make_images(tmp_path / 'a', 9), weight=1.0)]
    sampler = make_sampler('epochs', sources, batch_size=4)
    for step in (0, 2):
        whole = sampler.batch(step).images
        parts = [sampler.batch(step, shard=k, n_shards=2).images for k in range(2)]
        assert torch.equal(whole, torch.cat(parts))


def test_a_batch_may_reach_into_the_next_epoch(tmp_path):
    sources = [TrainingSource(name='a', images=make_images(tmp_path / 'a', 3), weight=1.0)]
    drawn = seen(make_sampler('epochs', sources, batch_size=2, max_scale=1.0), 3)
    assert sorted(drawn[:3]) == sorted(drawn[3:]) == [0, 1, 2]


@pytest.mark.parametrize('kind', SAMPLERS)
def test_every_sampler_is_a_function_of_seed_and_step(tmp_path, kind):
    sources = [TrainingSource(name='a', images=make_images(tmp_path / 'a', 5), weight=1.0)]
    chance = 0.5 if SAMPLERS[kind].has_mosaics else 0.0
    one = make_sampler(kind, sources, mosaic_probability=chance)
    two = make_sampler(kind, sources, mosaic_probability=chance)
    two.batch(0)
    assert torch.equal(one.batch(4).images, two.batch(4).images)
    assert not torch.equal(one.batch(4).images, one.batch(5).images)


@pytest.mark.parametrize('kind', [k for k, member in SAMPLERS.items() if member.has_mosaics])
def test_mosaics_show_several_images(tmp_path, kind):
    sources = [TrainingSource(name='a', images=make_images(tmp_path / 'a', 8), weight=1.0)]
    still = {'max_scale': 1.0, 'translate': 0.0, 'rotation_deg': 0.0, 'shear_deg': 0.0}

    def colours(chance):
        batch = make_sampler(kind, sources, **still, mosaic_probability=chance).batch(0)
        return [len(np.unique(picture[..., 0])) for picture in batch.images.numpy()]

    assert max(colours(0.0)) == 1
    assert min(colours(1.0)) >= 2


def test_samplers_draw_units_of_their_size():
    assert (EpochSampler.unit_images, PairSampler.unit_images) == (1, 2)


def test_identities_become_dense_and_nameless_ones_come_last(tmp_path):
    """Known 40, 41, 7, 8; of a clip without identities 20, 21: four classes."""
    sources = [
        TrainingSource(name='a', images=make_images(tmp_path / 'a', 2, 40), weight=1.0),
        TrainingSource(
            name='b', images=make_images(tmp_path / 'b', 2, 20, nameless_clip=3), weight=1.0
        ),
        TrainingSource(name='c', images=make_images(tmp_path / 'c', 2, 7), weight=1.0),
    ]
    numbered, n_identities = number_identities(sources)
    assert n_identities == 4
    found = [[int(i.identities[0]) for i in s.images] for s in numbered]
    assert found == [[2, 3], [4, 5], [0, 1]]
    assert [s.name for s in numbered] == ['a', 'b', 'c']
    assert sources[0].images[0].identities.tolist() == [40]  # its input stays


def test_no_identities_at_all():
    assert number_identities([]) == ([], 0)


def write_sequence(folder, n_frames=3):
    (folder / 'img1').mkdir(parents=True)
    (folder / 'gt').mkdir()
    rows = []
    for frame in range(1, n_frames + 1):
        picture = np.full((64, 96, 3), 40, np.uint8)
        for identity in (1, 2, 3):
            x = 5 + 28 * (identity - 1) + frame
            picture[20:40, x : x + 20] = 70 * identity
            rows.append(f'{frame},{identity},{x},20,20,20,1,1,1.0\n')
        cv2.imwrite(str(folder / 'img1' / f'{frame:06d}.png'), picture)
    (folder / 'gt' / 'gt.txt').write_text(''.join(rows))
    (folder / 'seqinfo.ini').write_text(
        f'[Sequence]\nname={folder.name}\nimDir=img1\nframeRate=10\nseqLength={n_frames}\n'
        'imWidth=96\nimHeight=64\nimExt=.png\n'
    )


def test_a_run_of_fairmots_recipe_keeps_its_classifier_out_of_the_bundle(tmp_path):
    """What the criterion learns is in the checkpoint, and moves."""
    write_sequence(tmp_path / 'road')
    recipe = tmp_path / 'r.yaml'
    text = (CONFIGS / 'fairmot_light.yaml').read_text().split('sources:')[0]
    recipe.write_text(text + 'sources:\n  - {layout: mot, path: road}\n')
    small = ['architecture.width=0.0625', 'architecture.embedding_dim=8', 'train.steps=3']
    small += ['augment.width_px=96', 'augment.height_px=64', 'train.batch_size=2']
    small += ['loss.balance=learned', 'loss.identity_ce=1.0']
    words = ['train', str(recipe), '--data', str(tmp_path), '--run', str(tmp_path / 'run')]
    words += ['--output', str(tmp_path / 'tiny'), '--input-size', '96x64']
    assert main([*words, *(w for s in small for w in ('--set', s))]) == 0
    bundle = load_bundle(tmp_path / 'tiny')
    assert not [k for k in bundle.tensors if 'classifier' in k or 'log_variance' in k]
    checkpoint = torch.load(tmp_path / 'run' / 'checkpoint.pt', weights_only=True)
    found = dict(flattened(checkpoint))
    (classifier,) = (v for k, v in found.items() if k.endswith('identity_ce.classifier.weight'))
    assert classifier.shape == (3, 8)
    (s_detection,) = (v for k, v in found.items() if k.endswith('log_variance.detection'))
    assert s_detection.item() != -1.85


def flattened(content, prefix=''):
    for key, value in content.items():
        name = f'{prefix}{key}'
        if isinstance(value, dict):
            yield from flattened(value, f'{name}.')
        elif 'average' not in name and 'exp_avg' not in name:
            yield name, value


def test_a_recipe_may_learn_the_first_classes_only(tmp_path):
    """Pedestrians alone, as a public FairMOT checkpoint knows them."""
    image = TrainingImage(
        path=tmp_path / 'a.png',
        boxes_xyxy_px=np.arange(8, dtype=np.float32).reshape(2, 4),
        class_ids=np.array([2, 0]),
        identities=np.array([7, 8]),
        ignore_xyxy_px=np.zeros((1, 4), np.float32),
        ignore_class_ids=np.array([1]),
        labelled_classes=(0, 2),
    )
    kept = of_first_classes(image, 1)
    assert kept.identities.tolist() == [8] and kept.boxes_xyxy_px.tolist() == [[4, 5, 6, 7]]
    assert kept.labelled_classes == (0,) and len(kept.ignore_class_ids) == 0
    config = RecipeConfig(architecture=ArchitectureConfig(n_class=1))
    assert config.class_names == ('pedestrian',)
