"""Two processes over gloo do what one process does; a lost one does not hang the other."""

import signal
import socket
import time

import pytest
import torch

from offline_training.__main__ import main
from offline_training.engine import CHECKPOINT_FILE
from offline_training.training.processes import join_processes, Processes
from offline_training.training.records import LOG_FILE

TORCHRUN = 'torch.distributed.run'


def free_port():
    with socket.socket() as found:
        found.bind(('127.0.0.1', 0))
        return found.getsockname()[1]


def standalone(n):
    """Words that start n processes on this machine."""
    return ['--nproc-per-node', n, '--master-port', free_port(), '-m', 'offline_training']


def checkpoint(folder):
    return torch.load(folder / CHECKPOINT_FILE, weights_only=True)


def test_two_processes_match_one_to_a_millionth(
    write_recipe, train_words, tmp_path, start_command
):
    """Through torchrun: parameters, running statistics, averaged weights, and the criterion's.

    The criterion learns too, and the head of the offset gets no gradient from anybody.
    """
    steps = 4
    loss = [f'loss.{x}' for x in ('identity_ce=1', 'reid=0', 'offset=0', 'balance=learned')]
    options = [word for value in loss for word in ('--set', value)]
    recipe = str(write_recipe(steps=steps, batch_size=8, learning_rate=0.01, log_every=1))
    words = ['train', recipe, *options]
    two = start_command(*standalone(2), *words, *train_words('two'), module=TORCHRUN)
    errors = two.communicate(timeout=100)[1]
    assert two.returncode == 0, errors
    assert main([*words, *train_words('one'), '--set', 'train.shards=2']) == 0
    found, wanted = (checkpoint(tmp_path / 'runs' / name) for name in ('two', 'one'))
    assert found['step'] == wanted['step'] == steps
    assert found['digest'] == wanted['digest'], 'the same experiment: one may resume the other'
    assert len(wanted['criterion']) == 4, 'a classifier and two log variances'
    for part in ('model', 'average', 'criterion'):
        for name, value in wanted[part].items():
            torch.testing.assert_close(found[part][name], value, rtol=0, atol=1e-6, msg=name)
    logs = [(tmp_path / 'runs' / n / LOG_FILE).read_text().splitlines() for n in ('two', 'one')]
    assert len(logs[0]) == len(logs[1]) == steps, 'the first process alone writes'
    assert errors.count('wrote ') == 1
    assert (tmp_path / 'models' / 'two' / 'model.json').exists()


@pytest.mark.slow
def test_a_signal_to_torchrun_keeps_the_step_of_both(
    write_recipe, train_words, tmp_path, start_command
):
    recipe = str(write_recipe(steps=500, log_every=1, checkpoint_every=1000))
    words = ['train', recipe, *train_words('two')]
    both = start_command(*standalone(2), *words, module=TORCHRUN)
    log = tmp_path / 'runs' / 'two' / LOG_FILE
    while not log.exists() or len(log.read_text().splitlines()) < 3:
        assert both.poll() is None
        time.sleep(0.05)
    both.send_signal(signal.SIGTERM)
    errors = both.communicate(timeout=60)[1]
    assert both.returncode != 0
    assert errors.count('stopped by SIGTERM with') == 1
    assert 3 <= checkpoint(tmp_path / 'runs' / 'two')['step'] < 500


def start_pair(start_command, words, run_of_the_second, **both):
    """Two processes without torchrun, which would end one when the other dies."""
    port, processes = str(free_port()), []
    for rank in (0, 1):
        place = {'RANK': str(rank), 'WORLD_SIZE': '2', 'MASTER_ADDR': '127.0.0.1'}
        mine = [*words, *(run_of_the_second if rank else [])]
        processes.append(start_command(*mine, MASTER_PORT=port, **place, **both))
    return processes


@pytest.mark.slow
def test_a_lost_process_is_one_clear_line_and_both_go_on_later(
    write_recipe, train_words, tmp_path, start_command
):
    """The second process has a folder of its own, as on another machine: no checkpoint."""
    recipe = str(write_recipe(steps=60, batch_size=8, checkpoint_every=1, log_every=1))
    words = ['train', recipe, *train_words('pair'), '--peer-timeout', '20']
    elsewhere = ['--run-folder', str(tmp_path / 'elsewhere')]
    first, second = start_pair(start_command, words, elsewhere)
    log = tmp_path / 'runs' / 'pair' / LOG_FILE
    while not log.exists() or len(log.read_text().splitlines()) < 5:
        assert first.poll() is None and second.poll() is None
        time.sleep(0.05)
    second.kill()
    errors = first.communicate(timeout=60)[1]
    assert first.returncode == 2
    line = errors.strip().splitlines()[-1]
    assert 'another process is gone' in line and 'goes on from the last checkpoint' in line
    pair = start_pair(start_command, words, elsewhere)
    assert [(p.communicate(timeout=100), p.returncode)[1] for p in pair] == [0, 0]
    assert not (tmp_path / 'elsewhere' / CHECKPOINT_FILE).exists()
    assert len(log.read_text().splitlines()) == 60
    assert main([*words[:2], *train_words('one'), '--set', 'train.shards=2']) == 0
    found, wanted = (checkpoint(tmp_path / 'runs' / name) for name in ('pair', 'one'))
    for name, value in wanted['model'].items():
        torch.testing.assert_close(found['model'][name], value, rtol=0, atol=1e-5, msg=name)


@pytest.mark.slow
def test_processes_with_other_options_do_not_train_together(
    write_recipe, train_words, start_command
):
    recipe = str(write_recipe(batch_size=8))
    words = ['train', recipe, *train_words('pair'), '--peer-timeout', '20']
    pair = start_pair(start_command, words, ['--set', 'train.learning_rate=0.5'])
    lines = [p.communicate(timeout=60)[1].strip().splitlines()[-1] for p in pair]
    assert [p.returncode for p in pair] == [2, 2]
    assert all('has not the recipe, data or first weights of the others' in x for x in lines)


@pytest.mark.slow
def test_others_that_do_not_come_are_not_waited_for_for_ever(
    write_recipe, train_words, start_command
):
    recipe = str(write_recipe(batch_size=8))
    place = {'WORLD_SIZE': '2', 'MASTER_ADDR': '127.0.0.1', 'MASTER_PORT': str(free_port())}
    words = ['train', recipe, *train_words('alone'), '--peer-timeout', '2']
    alone = start_command(*words, RANK='0', **place)
    line = alone.communicate(timeout=60)[1].strip().splitlines()[-1]
    assert alone.returncode == 2
    assert 'the others were not there within 2 s' in line


def test_one_process_alone_needs_nobody(monkeypatch):
    monkeypatch.delenv('WORLD_SIZE', raising=False)
    with join_processes('cpu') as alone:
        assert alone == Processes() and alone.leads
        tensor = torch.ones(3)
        alone.sum_in_place([tensor])
        alone.expect_same('anything')
        assert torch.equal(tensor, torch.ones(3))
        assert alone.share_bytes(b'ab') == b'ab'
