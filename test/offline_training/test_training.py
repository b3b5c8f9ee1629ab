"""Sampling, augmentation, recipes and the training loop, on images made here."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mot_compress_ros.errors import InputError, InvalidOptionError, MotCompressError
from mot_compress_ros.inference import build_detector, load_bundle
from mot_compress_ros.inference.backends import BackendOptions
from mot_compress_ros.inference.backends.torch_eager import TorchEagerBackend
from mot_compress_ros.inference.checkpoint import ModelManifest, save_bundle
from mot_compress_ros.networks import ArchitectureConfig, JointDetector
from mot_compress_ros.networks.backbones import BACKBONES
from mot_compress_ros.options import to_mapping
from offline_training.__main__ import main
from offline_training.command_options import parse_settings
from offline_training.commands.train import halved
from offline_training.datasets.augment import augment, AugmentConfig
from offline_training.datasets.classes import CLASS_NAMES
from offline_training.datasets.collect import collect_sources
from offline_training.datasets.sampler import PairSampler
from offline_training.datasets.training_images import TrainingImage, TrainingSource
from offline_training.distillation.start import open_start
from offline_training.engine import CHECKPOINT_FILE, train, TrainConfig, TrainingStoppedError
from offline_training.losses.config import LossConfig
from offline_training.losses.joint import JointCriterion
from offline_training.recipes import experiment_digest, read_recipe, RecipeConfig

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


def make_labels(path, *, boxes=((34, 40, 84, 80),), class_ids=(2,), ignore=(), ignored_as=()):
    return TrainingImage(
        path=path,
        boxes_xyxy_px=np.array(boxes, np.float32),
        class_ids=np.array(class_ids),
        identities=np.arange(len(boxes)) + 5,
        ignore_xyxy_px=np.array(ignore, np.float32).reshape(-1, 4),
        ignore_class_ids=np.array(ignored_as, np.int64),
        labelled_classes=(0, 1, 2),
    )


def make_sampler(folder):
    image = make_labels(folder / 'img1' / '000001.png')
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
    path.write_text('sources: [1]')
    with pytest.raises(InvalidOptionError, match=r'expected mappings such as .* got 1'):
        read_recipe(path)


@pytest.mark.parametrize(
    ('option', 'message'),
    [
        ('train.batch_size=5', 'even number'),
        ('augment.width_px=100', 'multiples of 32'),
        ('augment.height_px=100', 'multiples of 32'),
        ('architecture.n_class=4', 'expected at most 3: the data sets have pedestrian'),
        ('train.learning_rate=quick', 'expected float'),
        ('train.steps=1.5', 'expected int'),
        ('train.steps', 'NAME=VALUE'),
    ],
)
def test_values_that_cannot_be_trained_with_are_refused(tmp_path, option, message):
    recipe = write_recipe(tmp_path / 'r.yaml')
    with pytest.raises(InvalidOptionError, match=message):
        read_recipe(recipe, parse_settings(RecipeConfig, [option]))


def test_numbers_may_be_written_as_engineers_do(tmp_path):
    """YAML 1.1 takes 5e-4 for text."""
    recipe = write_recipe(tmp_path / 'r.yaml', weight_decay='1e-3')
    settings = parse_settings(RecipeConfig, ['train.learning_rate=5e-4', 'train.precision=fp32'])
    config = read_recipe(recipe, settings).config.train
    assert (config.learning_rate, config.weight_decay) == (5e-4, 1e-3)
    assert config.precision == 'fp32'


@pytest.mark.parametrize(
    'entry',
    [
        {'layout': 'mot', 'path': 'road', 'split': 'train'},
        {'layout': 'bdd100k', 'path': 'road', 'origin_px': 1},
        {'layout': 'pennfudan', 'path': 'road', 'identities': False},
        {'layout': 'pennfudan', 'path': 'road', 'split': 'train'},
    ],
)
def test_options_of_another_layout_are_refused(tmp_path, entry):
    with pytest.raises(InvalidOptionError, match='means nothing in the layout'):
        collect_sources([entry], tmp_path)


def test_labels_that_count_from_one_are_shifted(tmp_path):
    folder = make_sequence(tmp_path / 'road')
    with (folder / 'gt' / 'gt.txt').open('a') as file:
        file.write('1,7,11,21,10,10,0,1,1.0\n')
    boxes = {}
    for origin_px in (0, 1):
        (source,) = collect_sources([{'path': 'road', 'origin_px': origin_px}], tmp_path)
        first = source.images[0]
        boxes[origin_px] = [*first.boxes_xyxy_px.tolist(), *first.ignore_xyxy_px.tolist()]
        assert first.ignore_class_ids.tolist() == [0]
    assert boxes == {
        0: [[34, 40, 84, 80], [11, 21, 21, 31]],
        1: [[33, 39, 83, 79], [10, 20, 20, 30]],
    }


def test_a_clip_without_identities_pairs_images_with_themselves(tmp_path):
    make_sequence(tmp_path / 'road')
    entry = {'path': 'road', 'identities': False}
    named, nameless = collect_sources([{'path': 'road'}, entry], tmp_path)
    assert {image.nameless_clip for image in named.images} == {-1}
    (clip,) = {image.nameless_clip for image in nameless.images}
    assert clip >= 0
    assert len({int(image.identities[0]) for image in nameless.images}) == 4
    sampler = PairSampler([nameless], config=AUGMENT, batch_size=2, n_class=3, seed=0)
    for step in range(6):
        batch = sampler.batch(step)
        assert len(set(batch.identities.tolist())) <= 1  # two views of one image
        assert set(batch.nameless_clips.tolist()) <= {clip}


def blurred_disc(centre_xy, size_wh=(160, 120)):
    """A bright spot on black with its intensity-weighted centroid at `centre_xy`, px."""
    x, y = np.meshgrid(np.arange(size_wh[0]) + 0.5, np.arange(size_wh[1]) + 0.5)
    bell = np.exp(-((x - centre_xy[0]) ** 2 + (y - centre_xy[1]) ** 2) / (2 * 5.0**2))
    return np.dstack([np.round(250 * bell).astype(np.uint8)] * 3)


@pytest.mark.parametrize('flip', [0.0, 1.0])
@pytest.mark.parametrize('zoom', [1, 2])
def test_augmented_boxes_follow_the_pixels(flip, zoom):
    """The centroid of a bright spot and the middle of its box move together, to 0.15 px."""
    config = AugmentConfig(
        width_px=320,
        height_px=256,
        min_full_width_px=160.0 * zoom,
        max_full_width_px=160.0 * zoom,
        rotation_deg=0.0,
        shear_deg=0.0,
        saturation_value=0.0,
        flip_probability=flip,
    )
    centre = np.array([61.0, 47.0])
    box = [[*(centre - 20), *(centre + 20)]]
    checked = 0
    for seed in range(10):
        found = augment(
            blurred_disc(centre),
            make_labels(Path('x'), boxes=box),
            config,
            np.random.default_rng(seed),
        )
        # The border is grey: look at the box only, which lies inside the image.
        x1, y1, x2, y2 = found.boxes_xyxy_px[0].round().astype(int)
        if x1 < 0 or y1 < 0 or x2 > 320 or y2 > 256:
            continue
        weight = found.image_rgb[y1:y2, x1:x2, 1].astype(float)
        ys, xs = np.mgrid[y1:y2, x1:x2] + 0.5
        measured = np.array([(xs * weight).sum(), (ys * weight).sum()]) / weight.sum()
        middle = (found.boxes_xyxy_px[0, :2] + found.boxes_xyxy_px[0, 2:]) / 2
        assert np.abs(measured - middle).max() < 0.15
        checked += 1
    assert checked >= 5


def test_batches_are_a_function_of_seed_and_step(tmp_path):
    folder = make_sequence(tmp_path / 'road')
    one, two = make_sampler(folder), make_sampler(folder)
    assert torch.equal(one.batch(7).images, two.batch(7).images)
    assert not torch.equal(one.batch(7).images, one.batch(8).images)
    ahead = list(one.batches(start=3, stop=6))
    assert torch.equal(ahead[1][0].images, two.batch(4).images)


def test_a_hardly_visible_box_becomes_an_ignore_region():
    labels = make_labels(
        Path('x'),
        boxes=[[0, 0, 4, 3], [10, 10, 90, 60]],
        class_ids=[0, 2],
        ignore=[[50, 5, 60, 15]],
        ignored_as=[1],
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
    assert found.identities.tolist() == [6]
    assert len(found.ignore_xyxy_px) == 2
    assert found.ignore_class_ids.tolist() == [1, 0]  # the second is the pedestrian's own


def tiny_model():
    return JointDetector(ArchitectureConfig(width=0.0625, embedding_dim=8))


def test_training_stops_on_a_loss_that_is_not_finite(tmp_path):
    sampler = make_sampler(make_sequence(tmp_path / 'road'))
    model = tiny_model()
    torch.nn.init.constant_(model.wh[2].bias, float('nan'))
    with pytest.raises(TrainingStoppedError, match='not finite'):
        train(
            model,
            sampler,
            TrainConfig(steps=2, batch_size=4),
            JointCriterion(LossConfig()),
            tmp_path / 'r',
        )


def test_training_stops_on_a_gradient_that_is_not_finite(tmp_path):
    """The loss is fine, and the weights of before are left as they were."""
    sampler = make_sampler(make_sequence(tmp_path / 'road'))
    model = tiny_model()
    model.wh[2].bias.register_hook(lambda gradient: gradient * float('inf'))
    before = model.wh[2].weight.detach().clone()
    with pytest.raises(TrainingStoppedError, match='gradient is not finite'):
        train(
            model,
            sampler,
            TrainConfig(steps=2, batch_size=4),
            JointCriterion(LossConfig()),
            tmp_path / 'r',
        )
    assert torch.equal(model.wh[2].weight, before)
    assert issubclass(TrainingStoppedError, MotCompressError)  # one line on the command line


def test_another_experiment_is_not_resumed(tmp_path, capsys):
    sampler = make_sampler(make_sequence(tmp_path / 'road'))
    config = TrainConfig(steps=1, batch_size=4, precision='fp32')
    run = tmp_path / 'r'

    def go(digest):
        return train(
            tiny_model(), sampler, config, JointCriterion(LossConfig()), run, digest=digest
        )

    go('first')
    with pytest.raises(InputError, match=r'another recipe, data or --init; remove .* pass --run'):
        go('second')
    go('first')
    assert 'which experiment' not in capsys.readouterr().err
    checkpoint = torch.load(run / CHECKPOINT_FILE, weights_only=True)
    del checkpoint['digest']
    torch.save(checkpoint, run / CHECKPOINT_FILE)
    go('second')  # written before there were digests
    assert 'does not say which experiment' in capsys.readouterr().err


def test_the_digest_stands_for_recipe_data_and_first_weights(tmp_path):
    make_sequence(tmp_path / 'road')
    (source,) = collect_sources([{'path': 'road'}], tmp_path)
    digest = experiment_digest(RecipeConfig(), [source])
    assert digest == experiment_digest(RecipeConfig(), [source])
    rarely = RecipeConfig(
        train=TrainConfig(checkpoint_every=7, checkpoint_every_s=1.0, log_every=3)
    )
    assert digest == experiment_digest(rarely, [source])
    fewer = TrainingSource(name='road', images=source.images[1:], weight=1.0)
    others = {
        experiment_digest(RecipeConfig(train=TrainConfig(steps=9)), [source]),
        experiment_digest(RecipeConfig(loss=LossConfig(reid=0.0)), [source]),
        experiment_digest(RecipeConfig(), [fewer]),
        experiment_digest(RecipeConfig(), [source], init_sha256='ab'),
    }
    assert len(others | {digest}) == 5


def test_the_command_refuses_foreign_first_weights_and_foreign_runs(tmp_path, capsys):
    make_sequence(tmp_path / 'road')
    recipe = write_recipe(tmp_path / 'r.yaml', steps=1)
    words = ['train', str(recipe), '--data', str(tmp_path), '--run', str(tmp_path / 'run')]
    small = str(tmp_path / 'small')
    assert main([*words, '--output', small]) == 0
    wider = ['--output', str(tmp_path / 'wide'), '--set', 'architecture.width=0.125']
    assert main([*words, *wider, '--init', small]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert 'has width 0.0625, the recipe says 0.125' in line
    assert main([*words, '--output', small, '--init', small]) == 2
    assert 'pass --run' in capsys.readouterr().err.splitlines()[-1]
    again = ['--output', str(tmp_path / 'again'), '--init', small, '--run', str(tmp_path / 'run2')]
    assert main([*words, *again]) == 0


def test_zero_and_the_published_value_are_the_same_architecture(tmp_path):
    """A bundle that states its width may be trained on by a recipe that leaves it open."""
    stated = ArchitectureConfig(name='yolov5_light', width=0.5, head_channels=64)
    bundle = tmp_path / 'light'
    manifest = ModelManifest(
        name='light',
        architecture=to_mapping(stated),
        class_names=CLASS_NAMES,
        input_size_wh=(96, 64),
        embedding_dim=64,
    )
    state = JointDetector(stated).state_dict()
    save_bundle(bundle, manifest, {key: value.numpy() for key, value in state.items()})
    open_start(str(bundle), ArchitectureConfig())
    with pytest.raises(InvalidOptionError, match=r'has width 0\.5, the recipe says 0\.25'):
        open_start(str(bundle), ArchitectureConfig(width=0.25, head_channels=64))


def test_half_precision_never_makes_values_infinite():
    """The variance of a BatchNorm may be more than 65 504; half precision ends there."""
    large, small = torch.tensor([1.0, 1e5]), torch.tensor([1.0, 1e-9])
    assert torch.equal(halved(large), large) and halved(large).dtype is torch.float32
    assert halved(small).dtype is torch.float16
    assert halved(torch.tensor(3)).dtype is torch.int64


@pytest.mark.parametrize('name', BACKBONES)
def test_every_family_trains_into_a_bundle_that_runs(tmp_path, name):
    """Two steps through the command line; the stored half precision answers like the network."""
    make_sequence(tmp_path / 'road', n_frames=2)
    recipe = write_recipe(tmp_path / 'r.yaml', steps=2, batch_size=2, precision='fp32')
    words = ['--data', str(tmp_path), '--output', str(tmp_path / 'm'), '--run', str(tmp_path)]
    sets = [f'architecture.name={name}', 'architecture.width=0.125']
    flags = [word for value in sets for word in ('--set', value)]
    assert main(['train', str(recipe), *words, '--input-size', '96x64', *flags]) == 0
    bundle = load_bundle(tmp_path / 'm')
    assert bundle.manifest.architecture['head_channels'] > 0
    backend = TorchEagerBackend(bundle, BackendOptions(device='cpu', precision='fp32'))
    images = np.random.default_rng(0).integers(0, 256, (1, 64, 96, 3), np.uint8)
    average = torch.load(tmp_path / CHECKPOINT_FILE, weights_only=True)['average']
    network = JointDetector(ArchitectureConfig(**bundle.manifest.architecture)).eval()
    network.load_state_dict({key[7:]: t for key, t in average.items() if key[:7] == 'module.'})
    with torch.inference_mode():
        maps = network(torch.from_numpy(images).permute(0, 3, 1, 2) / 255)
    np.testing.assert_allclose(backend.run(images).heatmap, maps['hm'].sigmoid(), atol=2e-3)


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
