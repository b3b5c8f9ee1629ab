"""The benchmark of keyframe modes, on networks and clips whose truth is known."""

import argparse
import json
import os
import subprocess
import sys
import threading
import time

import pytest

from mot_compress_ros.assembly import simulated_teacher
from mot_compress_ros.datatypes import Frame
from mot_compress_ros.errors import InputError, InvalidOptionError
from mot_compress_ros.health import Health
from mot_compress_ros.inference import build_detector, Detector, load_bundle
from mot_compress_ros.keyframe import KeyframeConfig
from mot_compress_ros.pipeline import Pipeline, PipelineConfig
from offline_training.benchmarks import keyframe
from offline_training.benchmarks.keyframe_cores import _own_s, choose_cores, OtherWork, pinned
from offline_training.benchmarks.keyframe_report import contention, goals, tables
from offline_training.benchmarks.keyframe_turn import median_turn, play_turn, STEP
from offline_training.commands import benchmark
from offline_training.marked_page import between_markers, read_page


@pytest.fixture
def frames(painted_images):
    return [
        Frame(image=image, stamp_ns=100_000_000 * i, camera='camera', frame_index=i)
        for i, image in enumerate(painted_images)
    ]


@pytest.fixture
def build(scripted_bundle):
    """Pipelines whose teacher answers 250 ms of stamps later."""

    def make(mode, *, student=None, **options):
        config = PipelineConfig(keyframe=KeyframeConfig(mode=mode, teacher_ms=250.0, **options))
        bundle = load_bundle(scripted_bundle)
        detector = build_detector(bundle, options=config.runtime, decode=config.decode)
        return Pipeline(
            cameras=['camera'],
            student=student(detector) if student else detector,
            teacher=simulated_teacher(detector, config.keyframe),
            config=config,
            health=Health(window=100),
        )

    return make


def test_a_turn_says_how_late_the_results_are(build, frames):
    """Frames 0, 3, 6 are answered at 3, 6, 9; what is answered in the warm-up does not count."""
    found = play_turn(build('async'), frames, camera='camera', fps=0, warm_up=4)
    assert len(found[STEP]) == 8
    assert found['late_p50_frames'] == 3
    assert found['late_result_p50_ms'] > 0
    assert (found['dropped'], found['refused']) == (0, 0)
    assert 0 < found['p50_ms'] <= found['p95_ms'] <= found['p99_ms'] <= found['max_ms']
    fixed = play_turn(build('fixed', interval=4), frames, camera='camera', fps=0, warm_up=1)
    assert fixed['late_p50_frames'] is None
    assert fixed['late_result_max_ms'] is None
    assert fixed['keyframes_per_s'] * sum(fixed[STEP]) / 1e3 == pytest.approx(2, rel=0.2)


class Slow(Detector):
    """Needs 60 ms."""

    def __init__(self, detector):
        super().__init__(detector.manifest, detector.backend, detector.config)

    def observe(self, frames, health=None, *, priors=()):
        time.sleep(0.06)
        return super().observe(frames, health, priors=priors)


def test_frames_come_at_the_rate_of_the_camera(build, frames):
    """At 25 Hz a step of 60 ms leaves a third of the frames out; at 100 Hz a fast one waits."""
    slow = play_turn(build('off', student=Slow), frames, camera='camera', fps=25, warm_up=0)
    assert 3 <= slow['dropped'] <= 6
    assert slow['p50_ms'] >= 60
    assert slow['student_p50_ms'] >= 60
    begin_s = time.perf_counter()
    play_turn(build('off'), frames, camera='camera', fps=100, warm_up=0)
    assert time.perf_counter() - begin_s >= 0.11


def test_the_median_of_turns():
    turns = [{'p50_ms': v, 'late_p50_ms': late, STEP: [v]} for v, late in
             ((1.0, None), (5.0, 7.0), (2.0, None))]  # fmt: skip
    found = median_turn(turns)
    assert (found['p50_ms'], found['late_p50_ms']) == (2.0, 7.0)
    assert found['turns'] == turns


def measured(p99_ms, max_ms, student_ms):
    return {'p99_ms': p99_ms, 'max_ms': max_ms, 'student_p50_ms': student_ms}


def test_goals_are_met_or_missed():
    modes = {'off': measured(10, 20, 8), 'fixed:6': measured(50, 60, 8)}
    modes['async'] = measured(11.4, 24, 10)
    (cpu,), (gpu,) = (goals(modes, device=device) for device in ('cpu', 'cuda'))
    assert (cpu['value'], cpu['met']) == (pytest.approx(1.14), True)
    assert (gpu['value'], gpu['met']) == (pytest.approx(1.2), False)
    assert contention(modes) == pytest.approx(1.25)
    del modes['off']
    assert goals(modes, device='cpu') == []
    assert contention(modes) is None


def test_cores_are_pinned_and_let_go():
    before = os.sched_getaffinity(0)
    one = min(before)
    release, seen = threading.Event(), []
    thread = threading.Thread(
        target=lambda: (release.wait(5), seen.append(os.sched_getaffinity(0)))
    )
    thread.start()
    with pinned({one}):
        assert os.sched_getaffinity(0) == {one}
        release.set()
        thread.join()
    assert seen == [{one}]  # of a thread that was there before
    assert os.sched_getaffinity(0) == before
    with pinned(frozenset()):
        assert os.sched_getaffinity(0) == before


def test_what_others_use_is_told_from_our_own_work():
    """Ours is not counted, that of our children neither, while they live and after."""
    work = 'import time\nend = time.process_time() + {}\nwhile time.process_time() < end: pass'
    before = _own_s()
    child = subprocess.Popen([sys.executable, '-c', work.format(0.3) + '\ninput()'],
                             stdin=subprocess.PIPE)  # fmt: skip
    until_s = time.monotonic() + 10
    while _own_s() - before < 0.3 and time.monotonic() < until_s:
        time.sleep(0.01)
    assert _own_s() - before >= 0.3
    child.communicate(b'\n')
    assert 0.3 <= _own_s() - before < 1.5
    others = OtherWork()
    end_s = time.process_time() + 0.2
    while time.process_time() < end_s:
        pass
    assert 0 <= others.share() <= 1


def test_cores_that_are_chosen():
    assert choose_cores('', '', device='cuda').to_json() == {'student': [], 'teacher': []}
    if len(os.sched_getaffinity(0)) > 1:
        cores = choose_cores('', '', device='cpu')
        assert len(cores.student) == len(cores.teacher) == 1
        assert not cores.student & cores.teacher
        assert choose_cores('0', '1', device='cpu').teacher_text == '1'
    with pytest.raises(InvalidOptionError, match='share'):
        choose_cores('0', '0', device='cpu')


def arguments(*given):
    parser = argparse.ArgumentParser()
    benchmark.add_arguments(parser)
    return parser.parse_args(['keyframe', *map(str, given)])


def test_the_command_with_a_real_process(scripted_bundle, painted_sequence, tmp_path, capsys):
    page = tmp_path / 'docs' / 'page.md'
    page.parent.mkdir()
    page.write_text('a\n<!-- keyframe times: begin -->\n<!-- keyframe times: end -->\nz\n')
    out, plot = tmp_path / 'times.json', tmp_path / 'times.png'
    cores = ('--student-cores', 0, '--teacher-cores', 1) if (os.cpu_count() or 1) > 1 else ()
    args = arguments(
        *('--model', scripted_bundle, '--teacher', scripted_bundle, '--size', '320x192'),
        *('--input', painted_sequence, '--frames', 8, '--warm-up', 4, '--repeats', 2),
        *('--modes', 'off', 'fixed:2', 'async', '--fps', 40, *cores),
        *('--json', out, '--plot', plot, '--update', page),
    )
    assert keyframe.run(args) == 0
    report = json.loads(out.read_text())
    assert report['kind'] == 'benchmark keyframe'
    assert set(report['modes']) == {'off', 'fixed:2', 'async'}
    assert [len(found['turns']) for found in report['modes'].values()] == [2, 2, 2]
    assert report['modes']['off']['keyframes_per_s'] == 0
    assert report['modes']['fixed:2']['keyframes_per_s'] > 10
    assert report['modes']['async']['keyframes_per_s'] > 0
    assert report['teacher']['runtime'].startswith('process ')
    assert report['goals'][0]['met'] == (report['goals'][0]['value'] <= 1.15)
    assert plot.read_bytes().startswith(b'\x89PNG')
    assert '<svg' in (page.parent / 'images' / 'keyframe_times.svg').read_text()
    text = page.read_text()
    assert text.startswith('a\n')
    assert text.endswith('z\n')
    assert 0 <= report['others_share'] <= 1
    assert tables(report) in text
    assert tables(report) in capsys.readouterr().out


def test_options_that_make_no_sense(tmp_path):
    for given in (('--frames', 0), ('--fps', -1), ('--plot', 'x.jpg')):
        with pytest.raises(InvalidOptionError):
            keyframe.run(arguments(*given))
    page = tmp_path / 'page.md'
    page.write_text('nothing')
    with pytest.raises(InputError, match='needs the lines'):
        read_page(page, 'keyframe times')
    with pytest.raises(InputError, match='no page'):
        read_page(tmp_path / 'gone.md', 'keyframe times')
    marked = '<!-- x: begin -->\nold\n<!-- x: end -->'
    assert between_markers(marked, 'x', 'new') == '<!-- x: begin -->\n\nnew\n\n<!-- x: end -->'
