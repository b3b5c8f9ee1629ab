"""Many tasks: in turn and on a local Ray they give the same, and one failure stops nothing."""

import importlib
import json
import os
import re
import subprocess
import sys

import pytest

from mot_compress_ros.errors import InputError, InvalidOptionError
from offline_training import parallel
from offline_training.__main__ import main
from offline_training.commands.replay_many import output_names
from offline_training.parallel import failures, run_all, Task

HAS_RAY = importlib.util.find_spec('ray') is not None
needs_ray = pytest.mark.skipif(not HAS_RAY, reason=f'Ray is not installed: {parallel.INSTALL}')


def make_squared():
    """A function that travels to another process as it is: tests are no modules there."""

    def squared(value):
        if value == 3:
            raise InputError('three is\nno good')
        if value == 4:
            raise ZeroDivisionError('four')
        if value == 5:
            os._exit(1)  # what a process looks like that is killed for its memory
        return value * value

    return squared


squared = make_squared()


def tasks(count):
    return [Task(name=f'task {n}', value=n) for n in range(count)]


def test_results_come_in_order_and_failures_by_name():
    heard = []
    outcomes = run_all(tasks(5), squared, progress=lambda done, name: heard.append((done, name)))
    assert [outcome.result for outcome in outcomes] == [0, 1, 4, None, None]
    assert failures(outcomes) == ['task 3: three is no good', 'task 4: ZeroDivisionError: four']
    assert heard == [(n + 1, f'task {n}') for n in range(5)]


def test_no_task_is_no_work():
    assert run_all([], squared) == []


def test_names_must_differ():
    with pytest.raises(InputError, match='two tasks are called a'):
        run_all([Task(name='a', value=1), Task(name='a', value=2)], squared)


@pytest.mark.parametrize('workers', [0, -1, 1025])
def test_a_wrong_number_of_workers_is_refused(workers):
    with pytest.raises(InvalidOptionError, match='expected 1 to 1024'):
        run_all(tasks(1), squared, workers=workers)


def test_without_ray_the_message_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, 'ray', None)  # import ray -> ImportError
    with pytest.raises(InvalidOptionError, match=re.escape(parallel.INSTALL)):
        run_all(tasks(2), squared, workers=2)
    assert run_all(tasks(2), squared)[1].result == 1


def test_ray_is_imported_only_where_it_is_asked_for():
    program = (
        'import sys; from offline_training.__main__ import build_parser; build_parser();'
        'from offline_training.parallel import run_all, Task;'
        'run_all([Task(name="a", value=-1)], abs); sys.exit("ray" in sys.modules)'
    )
    assert subprocess.run([sys.executable, '-c', program], check=False).returncode == 0


def test_outputs_are_named_after_inputs(tmp_path):
    def place(*parts):
        path = tmp_path.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        return path

    drive = tmp_path / '2026.05.01'
    drive.mkdir()
    assert output_names([place('a', 'front.mp4'), drive]) == ['front', '2026.05.01']
    same = [place('a', 'front.mp4'), place('b', 'front.mcap')]
    assert output_names(same) == ['a_front', 'b_front']
    with pytest.raises(InputError, match='a_front'):
        output_names([place('a', 'front.mp4'), place('a', 'front.mcap')])


def replay(out, *inputs, model, more=()):
    words = ['replay', *inputs, '--model', model, '--output', out, '--no-video', *more]
    return main([str(word) for word in words])


def test_many_inputs_are_replayed_each_into_its_folder(
    painted_sequence, scripted_bundle, tmp_path, capsys
):
    broken = tmp_path / 'broken.mp4'
    broken.write_bytes(b'no video')
    file = tmp_path / 'all.json'
    code = replay(
        tmp_path / 'out', broken, painted_sequence, model=scripted_bundle, more=['--json', file]
    )
    assert code == 1
    said = capsys.readouterr()
    assert 'error: broken: ' in said.err
    assert '| broken  |' in said.out and 'failed' in said.out and 'complete' in said.out
    assert (tmp_path / 'out' / 'painted' / 'tracks.txt').read_text().count('\n') > 20
    first, second = json.loads(file.read_text())['replays']
    assert first['summary'] is None and 'broken.mp4' in first['error']
    assert second['error'] == '' and second['summary']['tracks']['total'] == 3


@needs_ray
@pytest.mark.slow
@pytest.mark.filterwarnings('ignore')  # Ray's own, at start and end
def test_a_local_ray_gives_what_a_loop_gives_and_outlives_a_dead_process():
    outcomes = run_all(tasks(7), squared, workers=2)
    assert [outcome.result for outcome in outcomes] == [0, 1, 4, None, None, None, 36]
    assert failures(outcomes)[:2] == failures(run_all(tasks(5), squared))
    assert 'task 5: WorkerCrashedError' in failures(outcomes)[2]


@needs_ray
@pytest.mark.slow
@pytest.mark.filterwarnings('ignore')
def test_replays_on_ray_write_the_same_bytes(painted_sequence, write_tiny_bundle, tmp_path):
    again = tmp_path / 'again'
    again.symlink_to(painted_sequence)
    inputs, model = [painted_sequence, again / 'img1'], write_tiny_bundle(tmp_path / 'tiny')
    # The tiny network is not trained: it answers where the scores ask for little.
    options = ['decode.min_score=0.01', 'tracker.new_track_score=0.01', 'runtime.precision=fp32']
    more = ['--fps', 10, '--threads', 1, *(word for pair in options for word in ('--set', pair))]
    assert replay(tmp_path / 'one', *inputs, model=model, more=more) == 0
    assert replay(tmp_path / 'two', *inputs, model=model, more=[*more, '--workers', 2]) == 0
    written = sorted(p.relative_to(tmp_path / 'one') for p in tmp_path.glob('one/*/tracks.txt'))
    assert [path.parent.name for path in written] == ['img1', 'painted']
    for path in written:
        data = (tmp_path / 'one' / path).read_bytes()
        assert data and data == (tmp_path / 'two' / path).read_bytes()


@needs_ray
@pytest.mark.filterwarnings('ignore')
def test_a_cluster_that_does_not_answer_is_named():
    with pytest.raises(InputError, match=r"Ray at '127.0.0.1:1' cannot be used"):
        run_all(tasks(1), squared, address='127.0.0.1:1')
    with pytest.raises(InputError, match=r"Ray at 'auto' cannot be used"):
        run_all(tasks(1), squared, address='auto')
