"""A training that is killed or interrupted ends with the weights of one that is not."""

import json
import os
import signal
import threading
import time

import numpy as np
import pytest
from safetensors.numpy import load_file
import torch

from mot_compress_ros.errors import InputError
from offline_training.__main__ import main
from offline_training.engine import CHECKPOINT_FILE, train, TrainConfig
from offline_training.losses.config import LossConfig
from offline_training.losses.joint import JointCriterion
from offline_training.training.checkpoints import hold
from offline_training.training.records import LOG_FILE

STEPS = 12
OFTEN = {'checkpoint_every': 1, 'log_every': 1}


def wait_for(condition, timeout_s=60.0):
    end_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end_s, 'it never came'
        time.sleep(0.001)


def steps_in(log):
    """Steps of the whole lines."""
    if not log.exists():
        return []
    lines = log.read_text().split('\n')[:-1]
    return [json.loads(line)['step'] for line in lines]


@pytest.fixture(scope='module')
def whole(data, write_recipe, tmp_path_factory):
    """A run of some steps that nothing disturbs: its folder, its name is `whole`."""
    folder = tmp_path_factory.mktemp('whole')
    words = [
        *('--data', str(data), '--output', str(folder / 'models' / 'whole')),
        *('--run', str(folder / 'runs' / 'whole'), '--threads', '1'),
    ]
    assert main(['train', str(write_recipe(steps=STEPS)), *words]) == 0
    return folder


def assert_same_result(folder, name, whole):
    """Bit for bit: the bundle, and everything in the checkpoint."""
    files = ((folder, name), (whole, 'whole'))
    bundles = [load_file(f / 'models' / n / 'weights.safetensors') for f, n in files]
    assert bundles[0].keys() == bundles[1].keys()
    for key, value in bundles[0].items():
        np.testing.assert_array_equal(value, bundles[1][key], err_msg=key)
    first, second = (
        torch.load(f / 'runs' / n / CHECKPOINT_FILE, weights_only=True) for f, n in files
    )
    assert first['step'] == second['step']
    for part in ('model', 'average', 'criterion'):
        for key, value in first[part].items():
            assert torch.equal(value, second[part][key]), key
    moments = first['optimizer']['state'], second['optimizer']['state']
    for index, state in moments[0].items():
        for key, value in state.items():
            assert torch.equal(value, moments[1][index][key]), (index, key)


def test_a_killed_run_goes_on_to_the_same_bits(
    write_recipe, train_words, tmp_path, start_command, whole
):
    recipe = str(write_recipe(steps=STEPS, **OFTEN))
    run = tmp_path / 'runs' / 'killed'
    process = start_command('train', recipe, *train_words('killed'))
    wait_for(lambda: len(steps_in(run / LOG_FILE)) >= 3)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert 2 <= torch.load(run / CHECKPOINT_FILE, weights_only=True)['step'] < STEPS
    assert main(['train', recipe, *train_words('killed')]) == 0
    assert steps_in(run / LOG_FILE) == list(range(STEPS)), 'none is missing, none is there twice'
    assert_same_result(tmp_path, 'killed', whole)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_that_is_killed_again_and_again_goes_on_to_the_same_bits(
    write_recipe, train_words, tmp_path, start_command
):
    """At random moments of the steps, and four times while the checkpoint is written."""
    steps = 400
    recipe = str(write_recipe(steps=steps, **OFTEN))
    run, rng = tmp_path / 'runs' / 'killed', np.random.default_rng(317)
    in_the_write = []
    for attempt in range(10):
        before = torch.load(run / CHECKPOINT_FILE, weights_only=True)['step'] if attempt else 0
        process = start_command('train', recipe, *train_words('killed'))
        wait_for(lambda: max(steps_in(run / LOG_FILE), default=0) > before)  # noqa: B023
        time.sleep(rng.uniform(0, 0.3))
        if attempt % 2:
            new = run / 'checkpoint.new'
            end_s = time.monotonic() + 20
            while not new.exists() and time.monotonic() < end_s:
                pass
        process.kill()
        assert process.wait() == -signal.SIGKILL, 'it was done before it was killed'
        in_the_write.append((run / 'checkpoint.new').exists())
        assert torch.load(run / CHECKPOINT_FILE, weights_only=True)['step'] > before
    assert sum(in_the_write) >= 2, 'some kills have met the write'
    assert main(['train', recipe, *train_words('killed')]) == 0
    assert steps_in(run / LOG_FILE) == list(range(steps))
    assert main(['train', recipe, *train_words('whole')]) == 0
    assert_same_result(tmp_path, 'killed', tmp_path)


@pytest.mark.parametrize(('number', 'code'), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_step_and_keeps_it(
    number, code, write_recipe, train_words, tmp_path, capsys, whole
):
    recipe = str(write_recipe(steps=STEPS, log_every=1, checkpoint_every=1000))
    run = tmp_path / 'runs' / 'stopped'

    def interrupt():
        wait_for(lambda: len(steps_in(run / LOG_FILE)) >= 2)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=interrupt)
    thread.start()
    handlers = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    assert main(['train', recipe, *train_words('stopped')]) == code
    thread.join()
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == handlers
    done = torch.load(run / CHECKPOINT_FILE, weights_only=True)['step']
    assert 2 <= done < STEPS
    line = capsys.readouterr().err.splitlines()[-1]
    assert f'stopped by {number.name} with {done} steps done' in line
    assert 'the same command goes on from there' in line
    assert not (tmp_path / 'models' / 'stopped').exists()
    assert main(['train', recipe, *train_words('stopped')]) == 0
    assert steps_in(run / LOG_FILE) == list(range(STEPS))
    assert_same_result(tmp_path, 'stopped', whole)


def test_a_checkpoint_is_written_after_so_many_seconds(make_sampler, make_network, tmp_path):
    """At every step where the limit is 0 s; at the end only where both limits are far."""
    for limit_s, wanted in ((0.0, [1, 2, 3]), (1000.0, [0, 0, 3])):
        run = tmp_path / f'{limit_s}'
        seen = []

        class Looking(JointCriterion):
            """Looks at the start of a step what the step before has left behind."""

            def forward(self, maps, batch):
                path = run / CHECKPOINT_FILE  # noqa: B023
                seen.append(torch.load(path)['step'] if path.exists() else 0)  # noqa: B023
                return super().forward(maps, batch)

        config = TrainConfig(steps=3, batch_size=4, precision='fp32', checkpoint_every_s=limit_s)
        train(make_network(), make_sampler(), config, Looking(LossConfig()), run)
        final = torch.load(run / CHECKPOINT_FILE, weights_only=True)['step']
        assert [*seen[1:], final] == wanted


@pytest.mark.parametrize('damage', ['cut', 'flip', 'foreign', 'empty'])
def test_a_damaged_checkpoint_is_one_clear_line(
    damage, write_recipe, train_words, tmp_path, capsys
):
    recipe = str(write_recipe(steps=1))
    assert main(['train', recipe, *train_words('r')]) == 0
    path = tmp_path / 'runs' / 'r' / CHECKPOINT_FILE
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1  # one bit of a weight: torch itself would not see it
    damaged = {
        'cut': content[: len(content) // 2],
        'flip': content,
        'foreign': b'weights',
        'empty': b'',
    }
    path.write_bytes(damaged[damage])
    assert main(['train', recipe, *train_words('r')]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert 'damaged checkpoint' in line and 'remove it to begin anew' in line


def test_a_folder_in_which_a_training_is_at_work_is_left_alone(
    write_recipe, train_words, tmp_path, capsys
):
    run = tmp_path / 'runs' / 'r'
    run.mkdir(parents=True)
    words = ['train', str(write_recipe(steps=1)), *train_words('r')]
    with hold(run):
        assert main(words) == 2
        assert 'another training is at work' in capsys.readouterr().err.splitlines()[-1]
        assert not (run / CHECKPOINT_FILE).exists()
    assert main(words) == 0


def test_a_checkpoint_of_another_network_is_refused(make_sampler, make_network, tmp_path):
    config = TrainConfig(steps=1, batch_size=4, precision='fp32')

    def go(criterion):
        return train(make_network(), make_sampler(), config, criterion, tmp_path / 'r')

    go(JointCriterion(LossConfig()))
    other = JointCriterion(LossConfig())
    other.extra = torch.nn.Linear(2, 2)
    with pytest.raises(InputError, match=r'criterion differs in extra\.bias, extra\.weight'):
        go(other)


def test_what_the_criterion_learns_is_kept_and_a_frozen_teacher_is_not(
    make_sampler, make_network, tmp_path
):
    class Learning(JointCriterion):
        def __init__(self):
            super().__init__(LossConfig())
            self.log_variance = torch.nn.Parameter(torch.tensor(-1.85))
            self.teacher = torch.nn.Sequential(torch.nn.Conv2d(3, 1, 1), torch.nn.BatchNorm2d(1))
            self.teacher.requires_grad_(False)

        def forward(self, maps, batch):
            assert not self.teacher.training
            self.teacher(batch.images.permute(0, 3, 1, 2).float())
            parts = super().forward(maps, batch)
            s = self.log_variance
            return {**parts, 'total': torch.exp(-s) * parts['total'] + s}

    def go(steps, run):
        torch.manual_seed(3)
        criterion = Learning()
        config = TrainConfig(steps=steps, batch_size=4, precision='fp32', schedule='constant')
        train(make_network(), make_sampler(), config, criterion, tmp_path / run)
        return criterion

    whole = go(4, 'whole')
    assert whole.log_variance.item() != -1.85
    assert torch.equal(whole.teacher[1].running_mean, torch.zeros(1))
    saved = torch.load(tmp_path / 'whole' / CHECKPOINT_FILE, weights_only=True)['criterion']
    assert list(saved) == ['log_variance']
    go(2, 'parts')
    assert go(4, 'parts').log_variance.item() == whole.log_variance.item()
