"""The command, on sequences and with a network whose truth is known."""

import argparse
from dataclasses import replace
import json
import shutil

import cv2
import numpy as np
import pytest

from mot_compress_ros.errors import InputError, InvalidOptionError
from mot_compress_ros.inference.backends.scripted import write_scripted_bundle
from mot_compress_ros.inference.checkpoint import load_bundle, save_bundle
from mot_compress_ros.pipeline import PipelineConfig
from offline_training.__main__ import main
from offline_training.commands import evaluate, stream_evaluate
from offline_training.datasets.mot_layout import read_sequence
from offline_training.datasets.mot_writing import GroundTruthRow, SequenceWriter
from offline_training.evaluation.inference import open_detector, run_sequence
from offline_training.evaluation.streaming_latency import (
    choose_latency,
    DrawnLatency,
    MeasuredLatency,
    TimedNetwork,
)
from offline_training.evaluation.streaming_run import PlayOptions, StreamedSequence
from offline_training.evaluation.streaming_scores import score_played, StreamingConfig
from offline_training.evaluation.tracking_scores import score_class

SIZE_WH = (320, 192)
RED_BGR, BLUE_BGR = (0, 0, 255), (255, 0, 0)  # the scripted network: pedestrian, vehicle
N, FPS = 10, 10
NOTHING_LOST = {'hota': 0, 'mota': 0, 'idf1': 0, 'ap': 0}


def painted(frame):
    """A pedestrian that stands still and a vehicle of 40 px that drives 10 px a frame."""
    image = np.full((SIZE_WH[1], SIZE_WH[0], 3), 90, np.uint8)
    rows = []
    for number, class_id, colour, (x, y, w, h) in (
        (1, 0, RED_BGR, (20, 120, 20, 60)),
        (2, 2, BLUE_BGR, (60 + 10 * frame, 40, 40, 40)),
    ):
        cv2.rectangle(image, (x, y), (x + w - 1, y + h - 1), colour, cv2.FILLED)
        box = np.array([x, y, x + w, y + h], float)
        rows.append(
            GroundTruthRow(frame_index=frame, track_id=number, xyxy_px=box, class_id=class_id)
        )
    return image, rows


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """A sequence in PNG, so that colours stay pure."""
    folder = tmp_path_factory.mktemp('data') / 'drive'
    writer = SequenceWriter(folder, fps=FPS)
    rows = []
    for frame in range(N):
        image, here = painted(frame)
        writer.add_image(image)
        rows += here
    writer.finish(rows)
    for frame, path in enumerate(sorted((folder / 'img1').iterdir())):
        path.unlink()
        cv2.imwrite(str(path.with_suffix('.png')), painted(frame)[0])
    info = folder / 'seqinfo.ini'
    info.write_text(info.read_text().replace('.jpg', '.png'))
    return folder


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp('models') / 'scripted'
    return str(write_scripted_bundle(folder, input_size_wh=SIZE_WH))


def arguments(*given):
    parser = argparse.ArgumentParser()
    stream_evaluate.add_arguments(parser)
    return parser.parse_args([str(v) for v in given])


def streamed(model, data, *given):
    return stream_evaluate.stream_evaluate(arguments('--model', model, '--data', data, *given))


def test_without_latency_the_scores_are_those_of_evaluate(model, data):
    """To the last bit, through the pooled sequences and classes too."""
    report = streamed(model, data, '--latency', '0')
    parser = argparse.ArgumentParser()
    evaluate.add_arguments(parser)
    offline = evaluate.evaluate(parser.parse_args(['--model', model, '--data', str(data)]))
    (reference,) = offline['sequences']
    for rung in (report['offline'], *report['rungs']):
        (scores,) = rung['sequences']
        for part in ('all', 'class_average'):
            for field, value in reference[part].items():
                assert scores[part][field] == value, (part, field)
                assert (
                    rung['combined']['real'][part][field]
                    == offline['combined']['real'][part][field]
                )
    assert [rung['speed_factor'] for rung in report['rungs']] == [0.25, 0.5, 1.0, 2.0, 4.0]
    assert report['rungs'][0]['combined']['real']['loss'] == NOTHING_LOST
    assert report['offline']['sequences'][0]['detection']['class_average']['ap'] > 0.8


def test_the_offline_pass_is_that_of_the_evaluation(model, data):
    config = PipelineConfig()
    detector, sequence = open_detector(model, config), read_sequence(data)
    result = run_sequence(sequence, student=detector, teacher=None, config=config)
    streamed = StreamedSequence(sequence, student=detector, teacher=None, config=config)
    played = streamed.play(MeasuredLatency(1.0), PlayOptions(offline=True))
    scored = score_played(sequence, played, StreamingConfig())
    for class_id in sequence.labelled_class_ids:
        expected = score_class(sequence.truth, result.tracks, class_id).summary()
        assert scored.raw[class_id].summary() == expected


def test_the_ladder_has_a_place_where_it_collapses(model, data, tmp_path, capsys):
    """50 ms at 1x: a frame late at 0.5x and above, 200 ms and every other frame at 0.25x."""
    out, plot = tmp_path / 'new' / 'stream.json', tmp_path / 'plots' / 'ladder.png'
    code = main(
        [
            *('stream-evaluate', '--model', model, '--data', str(data), '--latency', '50'),
            *('--json', str(out), '--plot', str(plot)),
        ]
    )
    assert code == 0
    report = json.loads(out.read_text())
    assert report['kind'] == 'streaming'
    assert report['latency'] == 'student 50 ms'
    assert (report['options']['streaming.eta'], report['seed']) == (0.0, 0)
    quarter, half, *fast = (rung['combined']['real'] for rung in report['rungs'])
    assert quarter['timing']['dropped'] == 4  # 0, 2, 4, 6, 8, and 9 when the camera has ended
    assert quarter['timing']['age_frames'] == {'mean': 2.5, 'p95': 3.0}
    assert quarter['timing']['empty'] == 2
    assert quarter['timing']['missed_share'] == 1.0
    for rung in (half, *fast):
        assert rung['timing']['dropped'] == rung['timing']['missed_deadlines'] == 0
        assert rung['timing']['age_ms'] == {'mean': 100.0, 'p95': 100.0}
        # One frame late: the one that stands is missed once, the vehicle has IoU 30 / 50.
        assert rung['classes']['pedestrian']['mota'] == pytest.approx(0.9)
        assert rung['classes']['vehicle']['mota'] == pytest.approx(0.9)
        # Of the 19 thresholds 12 are at most 0.6; there DetA and AssA are both 9 of 10.
        assert rung['classes']['vehicle']['hota'] == pytest.approx(0.9 * 12 / 19, abs=0.05)
    assert quarter['classes']['pedestrian']['mota'] == pytest.approx(0.8)
    assert quarter['classes']['vehicle']['mota'] == pytest.approx(-0.8)  # all are elsewhere
    assert quarter['loss']['mota'] == pytest.approx(1.0 - quarter['all']['mota'])
    assert plot.read_bytes().startswith(b'\x89PNG')
    table = capsys.readouterr().out
    assert 'offline, drive' in table
    assert '0.25x, drive' in table
    assert main(['results', '--json', str(out)]) == 0
    page = capsys.readouterr().out
    assert '## Streaming scores of scripted' in page
    assert 'student 50 ms; eta 0, forecast off' in page
    assert table.strip() in page


def test_one_period_may_be_forgiven(model, data):
    report = streamed(model, data, '--latency', '100', '--speed-factor', '1', '--eta', '-1')
    (rung,) = report['rungs']
    assert rung['combined']['real']['loss'] == NOTHING_LOST


def test_the_forecast_brings_the_vehicle_back(model, data):
    plain, moved = (
        streamed(model, data, '--latency', '100', '--speed-factor', '1', *extra)['rungs'][0]
        for extra in ((), ('--forecast',))
    )
    before, after = (r['sequences'][0]['classes']['vehicle']['hota'] for r in (plain, moved))
    assert before < 0.6
    assert after > 0.75  # the tracker has to learn the velocity first


def test_keyframes_cost_what_the_teacher_costs(model, data):
    """The teacher needs 3.5 periods: it sees frame 0, the student 3 to 8, the teacher 9."""
    report = streamed(
        *(model, data, '--teacher', model, '--keyframe-interval', '7'),
        *('--latency', '10,350', '--speed-factor', '1'),
    )
    timing = report['rungs'][0]['combined']['real']['timing']
    assert timing['dropped'] == 2
    # Processed 0, 3..9: the eighth frame that is seen, number 9, is a keyframe again.
    assert timing['runtime_ms']['mean'] == pytest.approx((2 * 350 + 6 * 10) / 8)
    assert report['teacher']['name'] == 'scripted'


def test_a_model_of_pedestrians_is_judged_by_pedestrians(model, data, tmp_path):
    """As `evaluate` does: what it cannot know is no miss."""
    bundle = load_bundle(model)
    manifest = replace(bundle.manifest, class_names=('pedestrian',))
    save_bundle(tmp_path / 'walkers', manifest, bundle.tensors)
    report = streamed(str(tmp_path / 'walkers'), data, '--latency', '0', '--speed-factor', '1')
    for part in (report['offline'], *report['rungs']):
        pooled = part['combined']['real']
        assert list(pooled['classes']) == list(pooled['detection']['classes']) == ['pedestrian']
        assert pooled['all']['mota'] == pytest.approx(1.0)


def test_intervals_of_two_sequences(model, data, tmp_path):
    other = shutil.copytree(data, tmp_path / 'other')
    info = other / 'seqinfo.ini'
    info.write_text(info.read_text().replace('name=drive', 'name=other'))
    given = ('--latency', '100', '--speed-factor', '1', '--resamples', '20')
    report = streamed(model, data, other, *given)
    pooled = report['rungs'][0]['combined']['real']
    bounds = pooled['bootstrap']['scores']['all']['hota']
    assert bounds['low'] == pytest.approx(pooled['all']['hota'])  # both drive alike
    assert bounds['high'] == pytest.approx(pooled['all']['hota'])
    assert report['bootstrap']['resamples'] == 20


def test_sequences_without_identities_are_refused(model, data, monkeypatch):
    sequence = replace(read_sequence(data), has_identities=False)
    monkeypatch.setattr(evaluate, 'open_sequences', lambda folders: [sequence])
    with pytest.raises(InputError, match='drive: identities mean nothing'):
        streamed(model, data, '--latency', '0')


def test_measured_runtimes(model, data):
    """Some milliseconds of a scripted network; a machine 1000 times slower drops nearly all."""
    report = streamed(model, data, '--latency', 'measured', '--speed-factor', '0.001', '1000')
    slow, fast = (rung['combined']['real'] for rung in report['rungs'])
    assert 0 < fast['timing']['runtime_ms']['mean'] < 100
    assert fast['timing']['dropped'] == 0
    assert slow['timing']['dropped'] >= 5
    assert slow['timing']['latency_ms']['mean'] > 300
    assert 'wall clock' in report['latency']


def network(name, size_wh=SIZE_WH):
    return TimedNetwork(name=name, input_size_wh=size_wh)


def benchmark_file(path, samples):
    models = {
        name: {'turns': [{'samples_ms': list(of_turn)} for of_turn in turns]}
        for name, turns in samples.items()
    }
    path.write_text(
        json.dumps({'kind': 'benchmark pipeline', 'size_wh': list(SIZE_WH), 'models': models})
    )
    return path


def test_runtimes_are_drawn_from_a_benchmark(model, data, tmp_path):
    file = benchmark_file(tmp_path / 'speed.json', {'scripted': [[10, 20], [30]]})
    choice = choose_latency(str(file), student=network('scripted'))
    assert choice.samples_ms == {'student': (10.0, 20.0, 30.0)}
    drawn = [choice.source(speed_factor=2, seed=5) for _ in range(2)]
    first, again = ([s.duration_ns('student', 0) for _ in range(200)] for s in drawn)
    assert first == again  # the seed says which
    assert set(first) == {5_000_000, 10_000_000, 15_000_000}
    other = choice.source(speed_factor=2, seed=6)
    assert [other.duration_ns('student', 0) for _ in range(200)] != first
    one, two = (
        streamed(model, data, '--latency', file, '--speed-factor', '0.1') for _ in range(2)
    )
    assert one['rungs'] == two['rungs']
    assert one['latency'] == 'drawn from speed.json: 3 samples of scripted'
    pair = choose_latency('17,60', student=network('s'), teacher=network('t')).source(
        speed_factor=1, seed=0
    )
    assert isinstance(pair, DrawnLatency)
    assert pair.duration_ns('teacher', 0) == 60_000_000


def test_the_benchmark_writes_what_is_drawn(model, data, tmp_path):
    out = tmp_path / 'speed.json'
    code = main(
        [
            *('benchmark', 'pipeline', '--models', model, '--size', '320x192'),
            *('--input', str(data), '--frames', '3', '--warm-up', '1', '--repeats', '2'),
            *('--threads', '1'),
            *('--json', str(out)),
        ]
    )
    assert code == 0
    samples = choose_latency(str(out), student=network('scripted')).samples_ms
    assert len(samples['student']) == 6
    measured = json.loads(out.read_text())['models']['scripted']
    turn = measured['turns'][0]
    assert np.percentile(turn['samples_ms'], 50) == pytest.approx(
        turn['stages']['total']['p50_ms'], abs=1e-3
    )


@pytest.mark.parametrize(
    ('text', 'error', 'message'),
    [
        ('soon', InvalidOptionError, 'expected measured, MS'),
        ('-1', InvalidOptionError, '0 and above'),
        ('nan', InvalidOptionError, '0 and above'),
        ('1,2', InvalidOptionError, '2 runtimes for 1 networks'),
        ('gone.json', InputError, 'not a JSON file of'),
    ],
)
def test_runtimes_that_are_none(text, error, message):
    with pytest.raises(error, match=message):
        choose_latency(text, student=network('student'))


def test_files_without_runtimes(tmp_path):
    file = tmp_path / 'speed.json'
    head, other = (
        f'{{"kind": "benchmark pipeline", "size_wh": {size}' for size in ('[320, 192]', '[64, 32]')
    )
    for content, message in (
        ('{', 'not a JSON file'),
        ('[]', 'not a JSON file'),
        ('{"kind": "evaluation"}', "of kind 'evaluation'"),
        (f'{head}, "models": {{"x": {{}}}}}}', 'no runtimes of net, only of x'),
        (f'{head}, "models": {{"net": {{"turns": [{{}}]}}}}}}', 'measure again'),
        (f'{head}, "models": {{"net": 5}}}}', 'measure again'),
        (f'{other}, "models": {{"net": 5}}}}', r'\[64, 32\], net has 320x192'),
    ):
        file.write_text(content)
        with pytest.raises(InputError, match=message):
            choose_latency(str(file), student=network('net'))


def test_options_that_make_no_sense(model, data):
    for given, message in (
        (('--eta', '-2'), 'streaming.eta|eta'),
        (('--speed-factor', '0'), 'above 0'),
        (('--speed-factor', '1', '1'), 'different'),
        (('--keyframe-interval', '3'), 'need a --teacher'),
        (('--seed', '-1'), 'seed'),
    ):
        with pytest.raises(InvalidOptionError, match=message):
            streamed(model, data, *given)
    with pytest.raises(InputError, match='drive is given twice'):
        streamed(model, data, data)
