import argparse
import importlib
import json

import numpy as np
import pytest

from mot_compress_ros.errors import InputError, InvalidOptionError
from mot_compress_ros.inference.backends.scripted import write_scripted_bundle
from offline_training.benchmarks import MEMBERS, pipeline
from offline_training.benchmarks.pipeline import (
    Contestant,
    measure,
    median_turn,
    parse_contestant,
)
from offline_training.command_options import parse_size
from offline_training.commands import benchmark, results
from offline_training.datasets.mot_writing import SequenceWriter

STAGES = ('preprocess', 'infer', 'decode', 'track', 'total')


def arguments(*given: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    benchmark.add_arguments(parser)
    return parser.parse_args(['pipeline', *(str(v) for v in given)])


@pytest.fixture
def quick(tmp_path) -> tuple:
    model = write_scripted_bundle(tmp_path / 'tiny', input_size_wh=(640, 352))
    pair = f'{model}+{model}@3'
    return (
        *('--models', model, pair, '--size', '128x96', '--source-size', '160x120'),
        *('--frames', 4, '--warm-up', 1, '--repeats', 3),
    )


def test_every_stage_of_every_contestant_is_measured(quick, tmp_path, capsys):
    out = tmp_path / 'reports' / 'speed.json'
    assert benchmark.run(arguments(*quick, '--json', out)) == 0
    report = json.loads(out.read_text())
    assert (report['size_wh'], report['source_size_wh']) == ([128, 96], [160, 120])
    assert (report['frames'], report['warm_up'], report['repeats']) == (4, 1, 3)
    assert set(report['models']) == {'tiny', 'tiny+tiny@3'}
    assert report['environment']['threads'] >= 1
    assert report['environment']['cpu']
    for model in report['models'].values():
        assert tuple(model['stages']) == STAGES
        assert len(model['turns']) == 3
        total = model['stages']['total']
        assert 0 < total['p50_ms'] <= total['p95_ms'] <= total['p99_ms']
        assert total['p50_ms'] >= model['stages']['infer']['p50_ms']
        assert model['frames_per_s'] > 0
    assert 'frames/s' in capsys.readouterr().out


def test_the_load_is_read_before_the_models(quick, monkeypatch):
    """Loading and warming up is load of our own."""
    order = []
    real_load, real_open = pipeline.os.getloadavg, pipeline.open_pipeline
    monkeypatch.setattr(pipeline.os, 'getloadavg', lambda: (order.append('load'), real_load())[1])
    monkeypatch.setattr(
        pipeline, 'open_pipeline', lambda *a, **k: (order.append('open'), real_open(*a, **k))[1]
    )
    measure(arguments(*quick))
    assert order == ['load', 'open', 'open']


def test_the_network_gets_the_size_that_was_asked_for(quick):
    """The bundle says 640 x 352."""
    report = measure(arguments(*quick))
    assert report['size_wh'] == [128, 96]
    with pytest.raises(InvalidOptionError, match='multiples of 32'):
        measure(arguments(*quick, '--size', '100x96'))


def test_an_input_of_the_users_own(quick, tmp_path):
    writer = SequenceWriter(tmp_path / 'own', fps=10)
    for k in range(5):
        writer.add_image(np.full((40, 60, 3), k, np.uint8))
    writer.finish([])
    report = measure(arguments(*quick, '--input', tmp_path / 'own'))
    assert (report['source_size_wh'], report['input']) == ([60, 40], 'own')
    with pytest.raises(InvalidOptionError, match='5 frames, fewer than'):
        measure(arguments(*quick, '--input', tmp_path / 'own', '--frames', 9))


def test_contestants():
    assert parse_contestant('models/small') == Contestant(student='models/small')
    pair = parse_contestant('models/small+models/big@6')
    assert pair == Contestant(student='models/small', teacher='models/big', interval=6)
    assert pair.label == 'small+big@6'
    fast = parse_contestant('models/small:openvino:int8+models/big@6')
    assert (fast.student, fast.backend, fast.precision) == ('models/small', 'openvino', 'int8')
    assert (fast.teacher, fast.label) == ('models/big', 'small:openvino:int8+big@6')
    assert parse_contestant('small:auto').backend == 'auto'
    for wrong in (
        'small+big',
        ':openvino',
        'small:a:b:c',
        'small+big@0',
        'small+@3',
        '+big@3',
        'small+big@x',
    ):
        with pytest.raises(InvalidOptionError, match=r'STUDENT\+TEACHER@K'):
            parse_contestant(wrong)


def test_sizes():
    assert parse_size('1088x608', multiple=32) == (1088, 608)
    for wrong in ('1088', 'x', '0x32', 'axb', '-32x32'):
        with pytest.raises(InvalidOptionError, match='WIDTHxHEIGHT'):
            parse_size(wrong)


def test_the_median_of_turns_is_taken_number_by_number():
    turns = [{'stages': {'infer': {'p50_ms': v}}, 'frames_per_s': 10 * v} for v in (3.0, 1.0, 8.0)]
    middle = median_turn(turns)
    assert middle['stages'] == {'infer': {'p50_ms': 3.0}}
    assert middle['frames_per_s'] == 30.0
    assert middle['turns'] == turns


def test_counts_below_one_are_refused(quick):
    for option in ('--frames', '--repeats'):
        with pytest.raises(InvalidOptionError, match='at least 1'):
            measure(arguments(*quick, option, 0))


def test_results_page_is_made_of_reports(quick, tmp_path, capsys):
    speed = tmp_path / 'speed.json'
    benchmark.run(arguments(*quick, '--json', speed))
    capsys.readouterr()
    parser = argparse.ArgumentParser()
    results.add_arguments(parser)
    page = tmp_path / 'results.md'
    assert results.run(parser.parse_args(['--json', str(speed), '--output', str(page)])) == 0
    text = page.read_text()
    report = json.loads(speed.read_text())
    assert '## Speed of the pipeline at 128 x 96' in text
    assert f'`{report["command"]}`' in text
    assert report['environment']['cpu'] in text
    assert f'{report["models"]["tiny"]["stages"]["total"]["p95_ms"]:.1f}' in text
    assert 'tiny+tiny@3 (scripted), total' in text


def test_results_page_refuses_other_files(tmp_path):
    parser = argparse.ArgumentParser()
    results.add_arguments(parser)
    other = tmp_path / 'other.json'
    for content in ('{', '[]', '{"kind": "cake"}'):
        other.write_text(content)
        with pytest.raises(InputError):
            results.run(parser.parse_args(['--json', str(other)]))
    other.write_text('{"kind": "cake", "command": "bake", "environment": {}}')
    with pytest.raises(InputError, match="'cake'; legal"):
        results.run(parser.parse_args(['--json', str(other)]))


def test_members_keep_the_contract():
    for path in MEMBERS.values():
        module = importlib.import_module(path)
        assert module.HELP
        assert callable(module.add_arguments)
        assert callable(module.run)
