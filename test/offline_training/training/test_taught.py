"""A student beside a frozen teacher: what is computed, kept, written, and resumed to the bit."""

from dataclasses import replace
import json
import socket

import numpy as np
import pytest
from safetensors.numpy import load_file
import torch

from mot_compress_ros.datatypes import Frame
from mot_compress_ros.errors import BundleError, InvalidOptionError
from mot_compress_ros.inference import (
    BackendOptions,
    build_detector,
    check_pair,
    DecodeConfig,
    load_bundle,
)
from mot_compress_ros.networks import ArchitectureConfig, JointDetector
from mot_compress_ros.options import from_mapping
from offline_training.__main__ import main
from offline_training.command_options import parse_settings
from offline_training.datasets.collect import collect_sources
from offline_training.datasets.identities import number_identities
from offline_training.datasets.sampler import KeyframeSampler
from offline_training.distillation.levels import LEVELS
from offline_training.distillation.teacher import taught_by
from offline_training.distillation.tutor import Curriculum, Tutor
from offline_training.engine import CHECKPOINT_FILE
from offline_training.recipes import experiment_digest, read_recipe, RecipeConfig
from offline_training.training.assembly import make_criterion, make_sampler, make_tutor
from offline_training.training.trainer import to_network_input, Trainer

TAUGHT = {
    'architecture.fusion': 'gated',
    'sampler': 'keyframes',
    'attention.prior': 'mixed',
    'attention.max_gap_frames': 2,
    'attention.drop': 0.1,
    'loss.ifm': 1.0,
}


def flags(settings):
    return [word for key, value in settings.items() for word in ('--set', f'{key}={value}')]


@pytest.fixture(scope='module')
def teacher(data, write_recipe, tmp_path_factory):
    """A teacher of the road, wider than its students; the folder of its bundle."""
    folder = tmp_path_factory.mktemp('teacher')
    words = [
        '--data',
        str(data),
        '--output',
        str(folder / 'teacher'),
        '--run',
        str(folder / 'run'),
    ]
    sets = flags({'architecture.width': 0.125})
    recipe = str(write_recipe(steps=4, ema_decay=0.5))
    assert main(['train', recipe, *words, '--threads', '1', *sets]) == 0
    return folder / 'teacher'


@pytest.fixture
def config_of(write_recipe):
    """The options of a recipe with some settings."""

    def make(**settings):
        values = parse_settings(RecipeConfig, [f'{k}={v}' for k, v in settings.items()])
        return read_recipe(write_recipe(), values).config

    return make


def network_of(config, seed=0):
    torch.manual_seed(seed)
    return JointDetector(config.architecture)


def setting(data, config, folder):
    """A trainer beside the teacher in `folder`, and its sampler."""
    from mot_compress_ros.inference.backends.torch_eager import load_network

    sources, n_identities = number_identities(collect_sources([{'path': 'road'}], data))
    network, asked = network_of(config), load_network(load_bundle(folder))
    torch.manual_seed(1)
    trainer = Trainer(
        network,
        make_criterion(config, n_identities=n_identities, teacher_dim=8),
        config.train,
        tutor=make_tutor(config, network, asked, device='cpu'),
    )
    return trainer, make_sampler(config, sources), asked


def test_the_teacher_does_not_move_and_is_in_no_checkpoint(data, config_of, teacher):
    config = config_of(**{**TAUGHT, 'attention.prior': 'teacher', 'loss.layerwise': 10.0})
    trainer, sampler, asked = setting(data, config, teacher)
    before = {key: value.clone() for key, value in asked.state_dict().items()}
    report = trainer.step(0, [sampler.batch(0)])
    assert {'ifm', 'layerwise'} <= set(report.parts)
    for key, value in asked.state_dict().items():
        assert torch.equal(value, before[key])
    assert not any(p.requires_grad for p in asked.parameters())
    assert not asked.training
    ids = {id(p) for p in asked.parameters()}
    assert not [p for g in trainer.optimizer.param_groups for p in g['params'] if id(p) in ids]
    assert not [key for key in trainer.criterion.state_dict() if 'teacher' in key]


def test_only_what_is_asked_for_is_computed(data, config_of, teacher):
    """Heads and backbones of the teacher, counted."""
    calls = []
    for settings, priors, expected in (
        ({'attention.prior': 'truth', 'loss.ifm': 0.0}, False, []),
        ({'attention.prior': 'truth', 'loss.ifm': 1.0}, True, ['backbone', 'id']),
        ({'attention.prior': 'teacher', 'loss.ifm': 0.0}, True, ['backbone', 'hm', 'reg', 'wh']),
        (
            {'attention.prior': 'truth', 'loss.ifm': 0.0, 'loss.layerwise': 1.0},
            True,
            ['backbone'],
        ),
    ):
        config = config_of(**{**TAUGHT, **settings, 'attention.drop': 0.0})
        trainer, sampler, asked = setting(data, config, teacher)
        calls.clear()
        for name in ('backbone', 'hm', 'wh', 'id', 'reg'):
            asked.get_submodule(name).register_forward_hook(
                lambda *_, name=name: calls.append(name)
            )
        trainer.step(0, [sampler.batch(0)])
        assert sorted(calls) == expected, settings
        assert config.needs_teacher is priors


def test_a_lesson_is_the_teachers_word_on_the_same_images(data, config_of, teacher):
    config = config_of(**{**TAUGHT, 'attention.prior': 'teacher', 'attention.drop': 0.0})
    _, sampler, asked = setting(data, config, teacher)
    for head, answer in (('hm', 1.0), ('wh', 2.0)):  # it sees something, of some 16 pixels
        asked.get_submodule(head)[2].bias.data.fill_(answer)
    tutor = Tutor(
        network_of(config), asked, Curriculum(embeddings=True, levels=True), device='cpu'
    )
    batch = sampler.batch(3)
    images = to_network_input(batch.images)
    lesson = tutor.lesson(batch, images, to_network_input)
    with torch.no_grad():
        assert torch.equal(lesson.taught['id'], asked(images)['id'])
    assert {'id', *LEVELS} == set(lesson.taught)
    assert tuple(lesson.prior.shape) == (4, 5, 16, 24)
    assert not lesson.prior.requires_grad and 0 <= lesson.prior.min() <= lesson.prior.max() <= 1
    assert lesson.prior.max() > 0.2, 'the teacher has found something'
    concat = config_of(**{**TAUGHT, 'architecture.fusion': 'concat'})
    paper = Tutor(network_of(concat), asked, Curriculum(), device='cpu')
    planes = paper.lesson(batch, images, to_network_input).prior
    assert torch.equal(planes, lesson.prior[:, :3])


def test_shards_see_what_the_whole_batch_sees(data, config_of, teacher):
    """The teacher says the same of an image in whatever batch it is."""
    config = config_of(**{**TAUGHT, 'attention.prior': 'teacher', 'train.batch_size': 8})
    _, sampler, asked = setting(data, config, teacher)
    tutor = Tutor(network_of(config), asked, Curriculum(), device='cpu')

    def prior(batch):
        return tutor.lesson(batch, to_network_input(batch.images), to_network_input).prior

    parts = [prior(sampler.batch(2, shard=k, n_shards=2)) for k in range(2)]
    torch.testing.assert_close(torch.cat(parts), prior(sampler.batch(2)), atol=1e-4, rtol=0)


def words_of(train_words, teacher, name, *more):
    return [*train_words(name), '--teacher', str(teacher), '--input-size', '96x64', *more]


def test_an_interrupted_training_with_a_teacher_goes_on_to_the_same_bits(
    data, write_recipe, train_words, tmp_path, teacher, monkeypatch
):
    from offline_training.training.trainer import TrainingStoppedError

    recipe = str(write_recipe(steps=6, checkpoint_every=1, log_every=1))
    sets = flags(TAUGHT)
    assert main(['train', recipe, *words_of(train_words, teacher, 'whole'), *sets]) == 0
    step = Trainer.step

    def broken(self, index, *args, **options):
        if index == 3:
            raise TrainingStoppedError('the power went')
        return step(self, index, *args, **options)

    words = ['train', recipe, *words_of(train_words, teacher, 'parts'), *sets]
    monkeypatch.setattr(Trainer, 'step', broken)
    assert main(words) == 2
    monkeypatch.setattr(Trainer, 'step', step)
    assert torch.load(tmp_path / 'runs' / 'parts' / CHECKPOINT_FILE)['step'] == 3
    assert main(words) == 0
    one, two = (
        load_file(tmp_path / 'models' / n / 'weights.safetensors') for n in ('whole', 'parts')
    )
    assert one.keys() == two.keys()
    for key, value in one.items():
        np.testing.assert_array_equal(value, two[key], err_msg=key)


def test_two_shards_are_two_processes(data, config_of, teacher):
    """One step of two shards averages what each shard alone would give."""
    config = config_of(
        **{**TAUGHT, 'attention.prior': 'teacher', 'train.shards': 2, 'train.batch_size': 8}
    )
    trainer, sampler, _ = setting(data, config, teacher)
    both = trainer.step(4, [sampler.batch(4, shard=k, n_shards=2) for k in range(2)]).parts
    single = config_of(**{**TAUGHT, 'attention.prior': 'teacher', 'train.batch_size': 8})
    alone = []
    for k in range(2):
        one, sampler, _ = setting(data, single, teacher)
        alone.append(one.step(4, [sampler.batch(4, shard=k, n_shards=2)]).parts)
    for name, value in both.items():
        mean = (alone[0][name] + alone[1][name]) / 2
        torch.testing.assert_close(value, mean, rtol=1e-4, atol=1e-5, msg=name)


def test_ifm_writes_a_student_of_its_teachers_space(write_recipe, train_words, tmp_path, teacher):
    recipe = str(write_recipe(steps=2))
    words = ['train', recipe, *words_of(train_words, teacher, 'student')]
    assert main([*words, *flags(TAUGHT)]) == 0
    student, other = load_bundle(tmp_path / 'models' / 'student'), load_bundle(teacher)
    assert student.manifest.teacher == {
        'name': 'teacher',
        'weights_sha256': other.manifest.weights_sha256,
        'mapping': 'ifm',
    }
    spaces = {build_detector(b).embedding_space for b in (student, other)}
    assert spaces == {f'teacher@{other.manifest.weights_sha256[:12]}'}
    check_pair(student.manifest, other.manifest)
    with pytest.raises(BundleError, match='its embeddings are those of teacher teacher'):
        check_pair(
            student.manifest,
            student.manifest.__class__(**{**vars(other.manifest), 'weights_sha256': 'f' * 64}),
        )
    assert build_detector(student).takes_prior


def test_efm_writes_both_with_one_pivot_layer(write_recipe, train_words, tmp_path, teacher, data):
    recipe = str(write_recipe(steps=3))
    settings = {**TAUGHT, 'loss.ifm': 0.0, 'loss.reid': 0.0, 'loss.efm': 1.0}
    output = tmp_path / 'models' / 'teacher_pivots'
    words = words_of(train_words, teacher, 'student', '--teacher-output', str(output))
    assert main(['train', recipe, *words, *flags(settings)]) == 0
    student, taught = load_bundle(tmp_path / 'models' / 'student'), load_bundle(output)
    before = load_bundle(teacher)
    for key in ('pivot.weight', 'pivot.bias'):
        np.testing.assert_array_equal(student.tensors[key], taught.tensors[key])
    for key, value in before.tensors.items():
        np.testing.assert_array_equal(taught.tensors[key], value)
    assert student.manifest.embedding_dim == taught.manifest.embedding_dim == 3
    assert student.manifest.space == taught.manifest.space
    assert student.manifest.space.startswith('pivots@')
    assert student.manifest.teacher['weights_sha256'] == taught.manifest.weights_sha256
    assert student.manifest.teacher['mapping'] == 'efm'
    assert taught.manifest.metrics == {} and taught.manifest.name == 'teacher_pivots'
    check_pair(student.manifest, taught.manifest)
    with pytest.raises(BundleError):
        check_pair(student.manifest, before.manifest)
    frame = Frame(
        image=np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8), stamp_ns=0
    )
    for bundle in (student, taught):
        detector = build_detector(
            bundle,
            options=BackendOptions(device='cpu', precision='fp32'),
            decode=DecodeConfig(min_score=0.0),
        )
        embeddings = detector.detect([frame])[0].embeddings
        assert embeddings.shape[1] == 3 and len(embeddings)
        np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)


def test_the_student_may_start_from_one_without_a_fusion(
    write_recipe, train_words, tmp_path, teacher
):
    recipe = str(write_recipe(steps=1))
    assert main(['train', recipe, *train_words('plain'), '--input-size', '96x64']) == 0
    plain = str(tmp_path / 'models' / 'plain')
    words = words_of(train_words, teacher, 'student', '--init', plain)
    assert main(['train', recipe, *words, *flags(TAUGHT)]) == 0
    student = load_bundle(tmp_path / 'models' / 'student')
    assert from_mapping(ArchitectureConfig, student.manifest.architecture).fusion == 'gated'
    assert student.manifest.training['started_from'] == 'plain'


@pytest.mark.parametrize(
    ('settings', 'more', 'message'),
    [
        ({}, (), '--teacher: the recipe asks a teacher'),
        ({'loss.ifm': 0.0, 'loss.efm': 1.0}, ('--teacher', 'T'), '--teacher-output: needed for'),
        ({}, ('--teacher', 'T', '--teacher-output', 'x'), '--teacher-output: needed for'),
        ({'architecture.n_class': 1}, ('--teacher', 'T'), 'the recipe learns pedestrian'),
        ({'architecture.embedding_dim': 16}, ('--teacher', 'T'), 'teacher have 8 values'),
        (
            {'loss.efm': 1.0, 'architecture.pivots': 9},
            ('--teacher', 'T', '--teacher-output', 'x'),
            'the sources have 3 identities',
        ),
    ],
)
def test_teachers_that_do_not_fit_are_one_line(
    settings, more, message, write_recipe, train_words, capsys, teacher
):
    recipe = str(write_recipe(steps=1))
    words = [str(teacher) if word == 'T' else word for word in more]
    sets = flags({**TAUGHT, **settings})
    assert main(['train', recipe, *train_words('s'), *words, *sets]) == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({'architecture.fusion': 'gated'}, 'got gated and off'),
        ({'attention.prior': 'truth'}, 'got none and truth'),
        ({**TAUGHT, 'sampler': 'pairs'}, 'expected keyframes'),
        ({**TAUGHT, 'augment.mosaic_probability': 0.5}, 'expected 0 with the sampler keyframes'),
        ({'architecture.pivots': 5}, 'would leave the pivots untrained'),
    ],
)
def test_recipes_that_would_learn_nothing_are_refused(config_of, settings, message):
    with pytest.raises(InvalidOptionError, match=message):
        config_of(**settings)


def test_variants_that_are_compared_begin_alike_and_see_the_same_pictures(
    write_recipe, train_words, tmp_path, teacher, monkeypatch
):
    """One classifier of the loss and the same pictures, whoever teaches and whatever is told."""
    from offline_training.training.trainer import TrainingStoppedError

    recipe = str(write_recipe(steps=1))
    assert main(['train', recipe, *train_words('first'), '--input-size', '96x64']) == 0
    seen = []

    def look(self, index, batches, **options):
        assert len(self.criterion.state_dict()) == 2
        seen.append([*self.criterion.state_dict().values(), batches[0].images])
        raise TrainingStoppedError('enough')

    monkeypatch.setattr(Trainer, 'step', look)
    plain = {'sampler': 'keyframes', 'loss.identity_ce': 1.0}
    for k, more in enumerate(({}, {'loss.layerwise': 9.0}, TAUGHT, {**TAUGHT, 'loss.ifm': 0.0})):
        words = [*words_of(train_words, teacher, f's{k}'), '--init']
        words += [str(tmp_path / 'models' / 'first'), *flags({**plain, **more})]
        assert main(['train', recipe, *words]) == 2
    assert len(seen) == 4
    for other in seen[1:]:
        assert all(map(torch.equal, seen[0], other))


def test_other_samples_are_another_experiment(data, config_of, monkeypatch):
    """Where the code draws other samples from one seed, an old run is not gone on with."""
    sources = collect_sources([{'path': 'road'}], data)
    keys, pairs = config_of(sampler='keyframes'), config_of()
    before = [experiment_digest(c, sources) for c in (keys, pairs)]
    monkeypatch.setattr(KeyframeSampler, 'edition', KeyframeSampler.edition + 1)
    after = [experiment_digest(c, sources) for c in (keys, pairs)]
    assert before[0] != after[0] and before[1] == after[1]


def test_a_teacher_is_part_of_the_experiment(data):
    sources = collect_sources([{'path': 'road'}], data)
    digests = {
        experiment_digest(RecipeConfig(), sources, teacher_sha256=sha) for sha in ('', 'a', 'b')
    }
    assert len(digests | {experiment_digest(RecipeConfig(), sources)}) == 3


def test_a_superfluous_teacher_is_named(write_recipe, train_words, tmp_path, teacher, capsys):
    recipe = str(write_recipe(steps=1))
    assert main(['train', recipe, *words_of(train_words, teacher, 's')]) == 0
    assert 'nothing in this recipe asks the teacher' in capsys.readouterr().err
    content = json.loads((tmp_path / 'models' / 's' / 'model.json').read_text())
    assert 'teacher' not in content


@pytest.mark.slow
def test_two_processes_with_a_teacher_do_what_one_does(
    write_recipe, train_words, tmp_path, teacher, start_command
):
    """Bit for bit, as without a teacher."""
    recipe = str(write_recipe(steps=4, batch_size=8))
    words = [recipe, *words_of(train_words, teacher, 'two'), *flags(TAUGHT)]
    with socket.socket() as found:
        found.bind(('127.0.0.1', 0))
        port = found.getsockname()[1]
    standalone = ['--nproc-per-node', 2, '--master-port', port, '-m', 'offline_training']
    both = start_command(*standalone, 'train', *words, module='torch.distributed.run')
    assert both.wait(timeout=120) == 0, both.communicate()[1]
    one = [recipe, *words_of(train_words, teacher, 'one'), *flags(TAUGHT)]
    assert main(['train', *one, '--set', 'train.shards=2']) == 0
    two, alone = (
        load_file(tmp_path / 'models' / name / 'weights.safetensors') for name in ('two', 'one')
    )
    for key, value in alone.items():
        np.testing.assert_array_equal(value, two[key], err_msg=key)


def test_more_identities_than_a_bundle_can_hold_are_refused(config_of):
    from offline_training.commands.train import _with_pivots
    from offline_training.recipes import Recipe

    config = config_of(**{**TAUGHT, 'loss.ifm': 0.0, 'loss.efm': 1.0})
    recipe = Recipe(config=config, sources=())
    assert _with_pivots(recipe, 7).config.architecture.pivots == 7
    with pytest.raises(InvalidOptionError, match=r'70000 identities.*at most 65536'):
        _with_pivots(recipe, 70_000)


def test_a_teacher_is_named_by_what_it_was_before_its_scores_were_mapped(teacher):
    bundle = load_bundle(teacher)
    assert taught_by(bundle, 'ifm')['weights_sha256'] == bundle.manifest.weights_sha256
    manifest = replace(bundle.manifest, calibrated_from='e' * 64)
    assert taught_by(replace(bundle, manifest=manifest), 'ifm')['weights_sha256'] == 'e' * 64
