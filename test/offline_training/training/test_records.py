"""What a run writes of itself: lines of JSON, event files, and the progress line."""

import json

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
import torch

from offline_training.training.records import cut_log, LOG_FILE, RunRecords
from offline_training.training.trainer import StepReport


def report(total):
    return StepReport(
        parts={'total': torch.tensor(total), 'heatmap': torch.tensor(total / 2)},
        grad_norm=torch.tensor(3.0),
        learning_rate=1e-3,
        stop=False,
    )


def write(run, steps, *, every=1, stop=20, **options):
    records = RunRecords(run, start=steps[0], stop=stop, images_per_step=8, every=every, **options)
    for step in steps:
        records.step(step, report(float(step)))
    records.close()


def test_a_record_has_the_loss_parts_and_the_speed(tmp_path):
    write(tmp_path, range(20), every=8)
    lines = [json.loads(line) for line in (tmp_path / LOG_FILE).read_text().splitlines()]
    assert [line['step'] for line in lines] == [0, 8, 16, 19], 'and the last one'
    assert lines[1]['total'] == 8.0 and lines[1]['heatmap'] == 4.0
    assert lines[1]['grad_norm'] == 3.0 and lines[1]['learning_rate'] == 1e-3
    assert lines[1]['images_per_s'] > 0
    assert lines[0]['time_s'] <= lines[3]['time_s']


def test_a_resumed_log_has_no_step_twice_and_no_half_line(tmp_path):
    log = tmp_path / LOG_FILE
    log.write_text('{"step": 0}\n{"step": 10}\n{"step": 20}\n{"step": 30, "tot')
    cut_log(log, 20)
    assert log.read_text() == '{"step": 0}\n{"step": 10}\n'
    cut_log(tmp_path / 'none', 3)


def test_tensorboard_reads_a_resumed_run_without_a_step_twice(tmp_path):
    write(tmp_path, range(12), tensorboard=True)
    write(tmp_path, range(7, 20), tensorboard=True)  # the checkpoint was of step 7
    events = EventAccumulator(str(tmp_path / 'tensorboard')).Reload()
    assert set(events.Tags()['scalars']) == {
        *('loss/total', 'loss/heatmap'),
        *('train/learning_rate', 'train/grad_norm', 'train/images_per_s'),
    }
    total = events.Scalars('loss/total')
    assert [event.step for event in total] == list(range(20))
    assert [event.value for event in total] == list(map(float, range(20)))
    assert events.Scalars('train/learning_rate')[3].value == pytest.approx(1e-3)


def test_without_a_terminal_there_is_a_line_now_and_then(tmp_path, capsys):
    write(tmp_path, range(5, 20))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith(' 30%  step 6/20  total 5.000 heatmap 2.500  lr 1.0e-03')
    assert lines[-1].startswith('100%  step 20/20')
    assert 'images/s' in lines[-1]
    assert len(lines) == 2, 'the first and the last; the others come every 30 s'
