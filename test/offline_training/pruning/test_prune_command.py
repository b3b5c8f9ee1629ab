"""`prune`: from a bundle to a smaller bundle, with trainings between."""

from dataclasses import replace
import json

import numpy as np
import pytest
import torch

from mot_compress_ros.errors import InputError, InvalidOptionError
from mot_compress_ros.inference import load_bundle
from mot_compress_ros.inference.backends.torch_eager import load_network
from mot_compress_ros.inference.checkpoint import save_bundle
from offline_training.__main__ import build_parser
from offline_training.commands import prune
from offline_training.commands.sizes import measure, open_candidate
from offline_training.distillation.start import open_start, started_network
from offline_training.evaluation.sizes import sizes_json
from offline_training.model_sizes import shipped_bytes
from offline_training.pruning import METHODS
from offline_training.pruning.contract import MethodOptions
from offline_training.pruning.recalibration import recalibrated
from offline_training.pruning.removal import changed_channels
from offline_training.pruning.unstructured import sparsity_report
from offline_training.pruning.work import prune_in_steps, WORK_FILE, write_pruned

SIZE_WH = (96, 64)
IMAGES = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))


def method(name='structured', target=('macs', 0.6), **settings):
    options = MethodOptions(target=target, settings=settings, input_size_wh=SIZE_WH)
    return METHODS[name]()(options)


def run(*words):
    return prune.run(build_parser().parse_args(['prune', *map(str, words)]))


@pytest.fixture
def words(bundle, tmp_path):
    """Words of `prune` beside method and target."""
    return [
        *('--model', bundle.path, '--output', tmp_path / 'small', '--run', tmp_path / 'run'),
        *('--threads', 1, '--json', tmp_path / 'report.json'),
    ]


def test_a_pruned_network_goes_through_a_bundle_unchanged(bundle, tmp_path):
    way = method()
    network = load_network(bundle).eval()
    way.begin(network)
    smaller = way.prune(network, way.goals(network)[0])
    steps = prune_in_steps(bundle, method(), tmp_path / 'run', work={}, tuning=None)
    written = write_pruned(bundle, steps, tmp_path / 'small', {'method': 'structured'})
    again = load_bundle(tmp_path / 'small')
    assert again.manifest == written.manifest
    assert {k: tuple(v) for k, v in again.manifest.channels.items()} == changed_channels(smaller)
    assert again.manifest.training['pruning']['of_sha256'] == bundle.manifest.weights_sha256
    assert again.manifest.metrics == {}  # those of the whole network are not its own
    loaded = load_network(again).eval()
    with torch.no_grad():
        for head, values in smaller(IMAGES).items():
            assert torch.equal(loaded(IMAGES)[head], values)
    parameters = sum(p.numel() for p in smaller.parameters())
    sizes = sizes_json(again.manifest)
    assert sizes['parameters'] == parameters  # not those of the whole architecture
    measured = measure(open_candidate(str(again.path), None), 0)
    assert (measured['parameters'], measured['shipped_bytes']) == (
        parameters,
        shipped_bytes(smaller),
    )
    small, whole = ((b.path / 'weights.safetensors').stat().st_size for b in (again, bundle))
    assert small < 0.8 * whole
    assert {t.dtype for t in again.tensors.values()} == {t.dtype for t in bundle.tensors.values()}


def test_a_training_begins_with_a_pruned_network_and_no_other_fusion(bundle, tmp_path):
    steps = prune_in_steps(bundle, method(), tmp_path / 'run', work={}, tuning=None)
    pruned = load_network(steps[0].bundle)
    wanted = pruned.config
    start = open_start(str(steps[0].bundle.path), wanted)
    network = started_network(start, wanted)
    assert all(torch.equal(pruned.state_dict()[k], v) for k, v in network.state_dict().items())
    other = type(wanted)(**{**vars(wanted), 'fusion': 'gated'})
    with pytest.raises(InvalidOptionError, match='is pruned'):
        open_start(str(steps[0].bundle.path), other)


def test_steps_with_training_end_in_a_bundle_and_a_report(bundle, words, recipe, data, tmp_path):
    words += ['--target', 'macs=0.6', '--steps', 2, '--recipe', recipe, '--data', data]
    assert run(*words, '--frame-count', 2) == 0
    report = json.loads((tmp_path / 'report.json').read_text())
    assert report['kind'] == 'prune'
    assert report['after']['macs'] <= 0.6 * report['before']['macs']
    assert report['after']['file_bytes'] < report['before']['file_bytes']
    assert report['before']['score'] == 1.0
    assert len(report['steps']) == 2
    assert all(s['score_tuned'] is not None and s['macs'] <= s['goal'] for s in report['steps'])
    small = load_bundle(tmp_path / 'small')
    tuned = load_bundle(tmp_path / 'run' / 'step_2' / 'tuned')
    cut = load_bundle(tmp_path / 'run' / 'step_2' / 'pruned')
    assert small.manifest.channels == tuned.manifest.channels == cut.manifest.channels
    assert any((tuned.tensors[k] != cut.tensors[k]).any() for k in tuned.tensors)
    assert small.manifest.training['pruning']['goals'] == [s['goal'] for s in report['steps']]

    # Again: nothing is done anew; and a step that is gone is made again, the same.
    first = (tmp_path / 'run' / 'step_1' / 'tuned' / 'model.json').stat().st_mtime_ns
    manifest = tmp_path / 'run' / 'step_2' / 'tuned' / 'model.json'
    manifest.unlink()
    assert run(*words, '--frame-count', 2) == 0
    assert (tmp_path / 'run' / 'step_1' / 'tuned' / 'model.json').stat().st_mtime_ns == first
    again = load_bundle(tmp_path / 'small')
    assert again.manifest.weights_sha256 == small.manifest.weights_sha256


def test_zeros_stay_through_the_training_after_them(bundle, words, recipe, data, tmp_path, capsys):
    words += ['--method', 'unstructured', '--target', 'sparsity=0.4', '--recipe', recipe]
    assert run(*words, '--data', data, '--frame-count', 2) == 0
    report = json.loads((tmp_path / 'report.json').read_text())
    before, after = report['before'], report['after']
    assert after['sparsity'] == pytest.approx(0.4, abs=1e-3) and before['sparsity'] < 0.1
    for key in ('macs', 'parameters', 'shipped_bytes'):
        assert after[key] == before[key]
    assert after['zipped_bytes'] < before['zipped_bytes']
    assert 'Zeros are stored and multiplied' in capsys.readouterr().out
    assert load_bundle(tmp_path / 'small').manifest.channels == {}


def test_zeros_can_come_during_a_training(bundle, words, recipe, data, tmp_path):
    words += ['--method', 'unstructured', '--target', 'sparsity=0.4', '--schedule', 'gradual']
    with pytest.raises(InvalidOptionError, match='--recipe'):
        run(*words)
    assert run(*words, '--recipe', recipe, '--data', data, '--frame-count', 2) == 0
    report = sparsity_report(load_network(load_bundle(tmp_path / 'small')))
    assert report.sparsity == pytest.approx(0.4, abs=0.02)


def test_without_frames_it_says_that_nobody_looked(words, capsys):
    assert run(*words, '--target', 'parameters=0.7') == 0
    assert 'Nobody has looked' in capsys.readouterr().out


def test_sensitivity_is_drawn_and_prunes_nothing(bundle, data, tmp_path):
    words = ['--model', bundle.path, '--frames', data / 'road', '--frame-count', 1]
    chart, report = tmp_path / 'chart.svg', tmp_path / 'rows.json'
    assert run(*words, '--threads', 1, '--sensitivity', chart, '--json', report) == 0
    assert chart.read_text().startswith('<svg')
    rows = json.loads(report.read_text())['rows']
    assert {'hm.0', 'backbone.model.21.cv3.conv'} <= {row['name'] for row in rows}
    assert all(0 < row['gone'] < 1 and 0 < row['parameters'] < 1 for row in rows)
    assert any(row['drop'] > 0.1 for row in rows)


def test_another_work_is_not_gone_on_with(bundle, tmp_path):
    prune_in_steps(bundle, method(), tmp_path, work={'target': 'a'}, tuning=None)
    with pytest.raises(InputError, match='of another model'):
        prune_in_steps(bundle, method(), tmp_path, work={'target': 'b'}, tuning=None)
    (tmp_path / WORK_FILE).write_text('{}')
    with pytest.raises(InputError, match='cannot be read'):
        prune_in_steps(bundle, method(), tmp_path, work={'target': 'a'}, tuning=None)


def test_what_shares_embeddings_says_so_no_longer(bundle, tmp_path):
    taught = {'name': 't', 'weights_sha256': 'f' * 64, 'mapping': 'ifm'}
    manifest = replace(bundle.manifest, embedding_space='t@f', teacher=taught)
    student = save_bundle(tmp_path / 'student', manifest, bundle.tensors)
    (step,) = prune_in_steps(student, method(), tmp_path / 'run', work={}, tuning=None)
    assert step.bundle.manifest.embedding_space == ''
    assert step.bundle.manifest.teacher == {}


@pytest.mark.parametrize(
    ('changes', 'reason'),
    [
        (['--target', 'size=0.5'], 'expected a share'),
        (['--target', 'macs=0.5', '--importance', 'magic'], 'magic'),
        (['--target', 'macs=0.5', '--importance', 'taylor'], '--recipe'),
        (['--target', 'macs=0.5', '--schedule', 'gradual'], 'schedule'),
        (['--target', 'macs=0.5', '--method', 'unstructured'], 'sparsity=NUMBER'),
        (['--target', 'macs=0.5', '--recalibrate'], '--frames'),
        (['--target', 'macs=0.5', '--latency', 'abacus'], 'torch_eager'),
        ([], '--target'),
    ],
)
def test_what_cannot_be_is_said(words, changes, reason):
    with pytest.raises(InvalidOptionError, match=reason):
        run(*words, *changes)


def test_statistics_are_measured_again(make_detector):
    network = make_detector()
    batches = [
        (torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(k)),) for k in (1, 2)
    ]
    before = {key: value.clone() for key, value in network.state_dict().items()}
    found = recalibrated(network, batches)
    norm = found.backbone.model[0].conv.bn
    conv = network.backbone.model[0].conv.conv
    with torch.no_grad():
        parts = [
            torch.cat([x[..., r::2, c::2] for c in (0, 1) for r in (0, 1)], dim=1)
            for (x,) in batches
        ]
        means = [conv(part).mean(dim=(0, 2, 3)) for part in parts]
    torch.testing.assert_close(norm.running_mean, sum(means) / 2, rtol=1e-4, atol=1e-5)
    assert norm.momentum == network.backbone.model[0].conv.bn.momentum
    assert not found.training
    assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())
    weights = [k for k in before if not k.rpartition('.')[2].startswith(('running', 'num'))]
    assert all(torch.equal(before[k], found.state_dict()[k]) for k in weights)


def test_taylor_reads_a_recipe(words, recipe, data, tmp_path):
    words += ['--target', 'macs=0.7', '--importance', 'taylor', '--batches', 1]
    words += ['--recipe', recipe, '--data', data, '--frame-count', 1]
    assert run(*words) == 0
    assert np.isfinite(load_bundle(tmp_path / 'small').tensors['hm.2.bias']).all()
