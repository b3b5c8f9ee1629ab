"""Keyframe modes in simulated time, followed with a pencil: 10 frames a second, one per 100 ms."""

import argparse
import json

import cv2
import numpy as np
import pytest

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.inference.backends.scripted import write_scripted_bundle
from mot_compress_ros.keyframe import KeyframeConfig
from mot_compress_ros.pipeline import PipelineConfig
from offline_training.__main__ import main
from offline_training.commands import stream_evaluate
from offline_training.datasets.mot_layout import read_sequence
from offline_training.datasets.mot_writing import GroundTruthRow, SequenceWriter
from offline_training.evaluation.inference import open_detector, run_sequence
from offline_training.evaluation.streaming_clock import PlayClock, slowed_ns
from offline_training.evaluation.streaming_latency import DrawnLatency
from offline_training.evaluation.streaming_modes import mode_configs
from offline_training.evaluation.streaming_run import PlayOptions, StreamedSequence

SIZE_WH, N, FPS = (320, 192), 12, 10
MS = 1_000_000
BLUE, DIM_RED = (255, 0, 0), (0, 0, 150)  # BGR; the dim one is seen only where it is expected
RED = (0, 0, 255)


@pytest.fixture(scope='module')
def sequence(tmp_path_factory):
    """A vehicle that drives, and a pedestrian that is bright on every third frame alone."""
    folder = tmp_path_factory.mktemp('data') / 'street'
    writer = SequenceWriter(folder, fps=FPS)
    rows, images = [], []
    for index in range(N):
        image = np.full((*SIZE_WH[::-1], 3), 90, np.uint8)
        boxes = [(1, 2, BLUE, 20 + 10 * index, 40, 40, 40)]
        boxes.append((2, 0, DIM_RED if index % 3 else RED, 240 - 4 * index, 110, 20, 60))
        for number, class_id, colour, x, y, w, h in boxes:
            cv2.rectangle(image, (x, y), (x + w - 1, y + h - 1), colour, cv2.FILLED)
            box = np.array([x, y, x + w, y + h], float)
            rows.append(
                GroundTruthRow(frame_index=index, track_id=number, xyxy_px=box, class_id=class_id)
            )
        writer.add_image(image)
        images.append(image)
    writer.finish(rows)
    for path, image in zip(sorted((folder / 'img1').iterdir()), images, strict=True):
        path.unlink()
        cv2.imwrite(str(path.with_suffix('.png')), image)
    info = folder / 'seqinfo.ini'
    info.write_text(info.read_text().replace('.jpg', '.png'))
    return read_sequence(folder)


@pytest.fixture(scope='module')
def models(tmp_path_factory):
    """Paths of a plain network and of one that takes a prior."""
    folder = tmp_path_factory.mktemp('models')
    plain = write_scripted_bundle(folder / 'plain', input_size_wh=SIZE_WH)
    told = write_scripted_bundle(folder / 'told', input_size_wh=SIZE_WH, fusion='concat')
    return str(plain), str(told)


@pytest.fixture(scope='module')
def detectors(models):
    plain, told = (open_detector(path, PipelineConfig()) for path in models)
    return plain, told


def config_of(mode, **options):
    return PipelineConfig(keyframe=KeyframeConfig(mode=mode, **options))


@pytest.fixture
def play(sequence, detectors):
    """Plays with constant runtimes in ms."""
    plain, told = detectors
    streamed = {
        name: StreamedSequence(sequence, student=student, teacher=plain, config=PipelineConfig())
        for name, student in (('plain', plain), ('told', told))
    }

    def run(mode, student_ms, teacher_ms, *, student='plain', played=None, speed=1.0, **options):
        samples = {'student': np.atleast_1d(student_ms), 'teacher': np.atleast_1d(teacher_ms)}
        latency = DrawnLatency(samples, speed_factor=speed, seed=3)
        return streamed[student].play(latency, played, config=config_of(mode, **options))

    run.streamed = streamed
    return run


def times_ms(played):
    return [(o.frame_index, o.begun_ns / MS, o.ready_ns / MS) for o in played.outputs]


def runs_ms(played):
    return [
        (r.frame_index, r.begun_ns / MS, r.due_ns / MS, r.taken_ns and r.taken_ns / MS)
        for r in played.teacher_runs
    ]


def same_tracks(one, other):
    for a, b in zip(one, other, strict=True):
        assert a.track_ids.tolist() == b.track_ids.tolist()
        assert np.array_equal(a.boxes_xyxy_px, b.boxes_xyxy_px)
        assert np.array_equal(a.velocities_px_s, b.velocities_px_s)


@pytest.mark.parametrize('teacher_ms', [250, 300])
def test_a_late_result_is_used_at_the_next_step_that_begins(play, teacher_ms):
    """Given at 0, due at 250 or just at 300: the step at 300 uses it, and gives frame 3."""
    played = play('async', 30, teacher_ms)
    assert times_ms(played) == [(i, 100 * i, 100 * i + 30) for i in range(N)]
    assert runs_ms(played) == [
        (k, 100 * k, 100 * k + teacher_ms, 100 * k + 300 if k < 9 else None) for k in (0, 3, 6, 9)
    ]
    assert played.counters['late_results'] == 3
    assert played.counters['late_frames_replayed'] == 6  # frames 1, 2 after 0, and so on
    assert {o.tracks.source for o in played.outputs} == {'student'}


def test_a_node_that_lags_goes_by_its_own_time_not_by_stamps(play):
    """Steps begin at 0, 150, 300, ...; what is given at 450, with frame 4, is due at 850."""
    played = play('async', 150, 400)
    frames = [(0, 0), (1, 150), (3, 300), (4, 450), (6, 600), (7, 750), (9, 900), (10, 1050)]
    assert times_ms(played) == [(i, t, t + 150) for i, t in [*frames, (11, 1200)]]
    assert runs_ms(played) == [(0, 0, 400, 450), (4, 450, 850, 900), (9, 900, 1300, None)]


def test_a_keyframe_stalls_where_networks_take_turns(play):
    """The teacher has frame 0 until 250; 2, 3, 4 are the student's; frame 5 is a keyframe."""
    played = play('fixed', 30, 250, interval=4)
    assert times_ms(played) == [
        *((0, 0, 250), (2, 250, 280), (3, 300, 330), (4, 400, 430)),
        *((5, 500, 750), (7, 750, 780), (8, 800, 830), (9, 900, 930), (10, 1000, 1250)),
        (11, 1250, 1280),
    ]
    assert runs_ms(played) == [(k, 100 * k, 100 * k + 250, 100 * k + 250) for k in (0, 5, 10)]
    assert [o.tracks.source for o in played.outputs][:5] == [
        'teacher',
        *['student'] * 3,
        'teacher',
    ]


def test_a_slow_teacher_beside_never_delays_a_frame(play):
    random = np.random.default_rng(0)
    student_ms = random.uniform(5, 180, 40)
    alone = play('off', student_ms, 0)
    for teacher_ms in (1, 90, 5000, random.uniform(1, 900, 40)):
        assert times_ms(play('async', student_ms, teacher_ms)) == times_ms(alone)


def test_what_teacher_and_student_cost_each_other(play):
    """1.5 times as slow while the teacher works: 60 ms; at 200 it works for 50 ms more, in which
    33.3 of the 40 ms are done."""
    played = play('async', 40, 250, played=PlayOptions(contention=1.5))
    took_ms = [(o.ready_ns - o.begun_ns) / MS for o in played.outputs]
    assert took_ms[:4] == pytest.approx([60, 60, 50 + (40 - 50 / 1.5), 60])
    stalled = play('fixed', 40, 250, interval=3, played=PlayOptions(contention=1.5))
    assert {(o.ready_ns - o.begun_ns) // MS for o in stalled.outputs} == {40, 250}


def test_slowed_work_against_small_steps():
    random = np.random.default_rng(1)
    for _ in range(20):
        work, beside = random.integers(1, 400, 2)
        contention = random.uniform(1, 3)
        done, steps = 0.0, 0
        while done < work:
            done += 1 / contention if steps < beside else 1
            steps += 1
        found = slowed_ns(int(work) * 1000, beside_ns=int(beside) * 1000, contention=contention)
        assert found / 1000 == pytest.approx(steps, abs=1.01)


def test_deadline_decides_by_the_simulated_times(play):
    """95 ms of 100 do not fit into 0.9 of them; on a machine twice as fast they do.

    A second look after a second finds that it was not the first frame alone.
    """
    assert [r[0] for r in runs_ms(play('deadline', 10, 95, interval=4))] == [0, 10]
    fast = play('deadline', 10, 95, interval=4, speed=2.0)
    assert [r[0] for r in runs_ms(fast)] == [0, 4, 8]


def test_the_budget_is_charged_what_the_teacher_took(play):
    """400 ms a second, the bucket too; 250 ms are charged when the frame at 200 was the last.

    The next run fits when the debt is 150: at 450, so with frame 5, where it is 130 + 250; 150
    again at 1075, with frame 11.
    """
    runs = runs_ms(play('async', 10, 250, budget_ms_per_s=400.0))
    assert [r[0] for r in runs] == [0, 5, 11]
    assert len(runs_ms(play('async', 10, 250))) == 4


def test_a_play_is_the_same_each_time(play):
    student_ms, teacher_ms = [10, 60, 130], [90, 250]
    for mode in ('fixed', 'adaptive', 'deadline', 'async', 'off'):
        one, two = (
            play(mode, student_ms, teacher_ms, student='told', interval=3) for _ in range(2)
        )
        assert times_ms(one) == times_ms(two)
        assert runs_ms(one) == runs_ms(two)
        same_tracks([o.tracks for o in one.outputs], [o.tracks for o in two.outputs])


@pytest.mark.parametrize('mode', ['fixed', 'adaptive', 'async', 'off'])
@pytest.mark.parametrize('student', ['plain', 'told'])
def test_what_is_remembered_of_a_network_is_what_it_says(play, sequence, detectors, mode, student):
    """Offline, against the run of `evaluate`, whose networks always look; the answers of a
    teacher beside come after 250 ms in both."""
    offline = PlayOptions(offline=True)
    for _ in range(2):
        played = play(mode, 10, 250, student=student, played=offline, interval=3)
    expected = run_sequence(
        sequence,
        student=detectors[student == 'told'],
        teacher=detectors[0],
        config=config_of(mode, interval=3, teacher_ms=250.0),
    )
    same_tracks([o.tracks for o in played.outputs], expected.tracks)
    assert all(o.ready_ns == o.begun_ns for o in played.outputs)


def test_a_network_that_is_told_things_looks_again_only_where_they_differ(play):
    streamed = play.streamed['told']
    student, teacher = streamed._student, streamed._teacher
    play('off', 10, 50, student='told')
    assert (student.looks, teacher.looks) == (N, 0)
    play('async', 10, 250, student='told')
    with_async = student.looks
    assert N < with_async <= 2 * N
    assert teacher.looks == 4  # frames 0, 3, 6, 9
    play('async', 20, 210, student='told')  # other times, but the same decisions
    assert (student.looks, teacher.looks) == (with_async, 4)
    play('fixed', 10, 50, student='told', interval=3)
    assert teacher.looks == 4
    plain = play.streamed['plain']
    for mode in ('off', 'async', 'fixed'):
        play(mode, 10, 50)
    assert plain._student.looks == N


def test_told_networks_see_more(play):
    """The dim pedestrian is seen where the teacher's carried heat map expects it."""
    told, plain = (
        play('fixed', 10, 20, student=student, interval=3) for student in ('told', 'plain')
    )
    seen = [[int((o.tracks.class_ids == 0).sum()) for o in p.outputs] for p in (told, plain)]
    assert sum(seen[0]) > sum(seen[1])


def test_the_clock():
    wall = iter(range(0, 1000, 10)).__next__
    clock = PlayClock(wall_rate=0.5, wall=wall)  # looks at 0
    clock.set(1000)  # at 10
    assert clock() == 1000 + 5  # at 20
    with clock.stopped():  # at 30 and 40: 1010
        clock.advance(100)
        assert clock() == clock() == 1000 + 10 + 100
    assert clock() == 1110 + 5  # from 50 to 60
    still = PlayClock()
    still.set(7)
    still.advance(3)
    assert still() == 10


def test_modes_as_people_write_them():
    base = config_of('fixed', interval=6, threshold=0.7)
    found = mode_configs(['fixed:2', 'adaptive', 'off'], base, has_teacher=True)
    assert {t: (c.keyframe.mode, c.keyframe.interval) for t, c in found.items()} == {
        'fixed:2': ('fixed', 2),
        'adaptive': ('adaptive', 6),
        'off': ('off', 6),
    }
    assert all(c.keyframe.threshold == 0.7 for c in found.values())
    for texts, message in (
        (['sometimes'], 'one of fixed, adaptive'),
        (['fixed:x'], 'expected MODE'),
        (['fixed:0'], 'interval'),
        (['off', 'off'], 'twice'),
    ):
        with pytest.raises(InvalidOptionError, match=message):
            mode_configs(texts, base, has_teacher=True)
    with pytest.raises(InvalidOptionError, match='need a --teacher'):
        mode_configs(['fixed'], base, has_teacher=False)


def streamed_report(sequence, models, *given):
    parser = argparse.ArgumentParser()
    stream_evaluate.add_arguments(parser)
    folder = sequence.image_paths[0].parent.parent
    words = ['--model', models[0], '--teacher', models[0], '--data', str(folder)]
    return parser.parse_args([*words, '--resamples', '0', *map(str, given)])


def test_the_command_puts_modes_beside_each_other(sequence, models, tmp_path, capsys):
    out, plot = tmp_path / 'modes.json', tmp_path / 'modes.png'
    args = streamed_report(
        *(sequence, models, '--latency', '30,250', '--speed-factor', '1', '10'),
        *('--modes', 'fixed:4', 'async', 'off', '--json', out, '--plot', plot),
    )
    assert stream_evaluate.run(args) == 0
    report = json.loads(out.read_text())
    assert report['kind'] == 'streaming_modes'
    modes = {mode['mode']: mode for mode in report['modes']}
    timing = {
        name: [rung['combined']['real']['timing'] for rung in mode['rungs']]
        for name, mode in modes.items()
    }
    assert [t['teacher_runs'] for t in timing['fixed:4']] == [3, 3]
    assert [t['teacher_runs'] for t in timing['async']] == [4, 12]
    assert timing['async'][0]['late_ms']['mean'] == pytest.approx(300)
    assert timing['async'][0]['teacher_runs_per_s'] == pytest.approx(4 / 1.2)
    assert timing['off'][0]['teacher_runs'] == 0
    assert timing['off'][0]['late_ms'] is None
    assert timing['async'][0]['runtime_ms'] == timing['off'][0]['runtime_ms']
    assert timing['fixed:4'][0]['runtime_ms']['max'] == pytest.approx(250)
    assert modes['fixed:4']['options']['keyframe.interval'] == 4
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith('| ')]
    assert len(lines) == 1 + 3 * 2
    assert lines[1].startswith('| fixed:4, 1x, street')
    assert plot.read_bytes().startswith(b'\x89PNG')
    assert main(['results', '--json', str(out)]) == 0
    page = capsys.readouterr().out
    assert '## Keyframe modes of plain and plain' in page
    assert lines[1] in page


def test_one_mode_alone_says_what_it_says_beside_others(sequence, models):
    given = ('--latency', '60,150', '--speed-factor', '1')
    together = stream_evaluate.stream_evaluate(
        streamed_report(sequence, models, *given, '--modes', 'off', 'async', 'fixed:6')
    )
    for mode in together['modes']:
        name, _, k = mode['mode'].partition(':')
        alone = stream_evaluate.stream_evaluate(
            streamed_report(
                sequence, models, *given, '--set', f'keyframe.mode={name}',
                *(('--keyframe-interval', k) if k else ()),
            )
        )  # fmt: skip
        assert alone['kind'] == 'streaming'
        assert alone['rungs'] == mode['rungs']
        assert alone['offline'] == mode['offline']


def test_slow_steps_of_the_python_around_are_no_simulated_time(play, monkeypatch):
    """Given runtimes do not depend on how busy this machine is."""
    import time

    from mot_compress_ros.tracking import Tracker

    before = play('deadline', 10, 50, interval=2)
    update = Tracker.update

    def slow(self, *args, **kwargs):
        time.sleep(0.01)
        return update(self, *args, **kwargs)

    monkeypatch.setattr(Tracker, 'update', slow)
    after = play('deadline', 10, 50, interval=2)
    assert times_ms(after) == times_ms(before)
    assert runs_ms(after) == runs_ms(before)
