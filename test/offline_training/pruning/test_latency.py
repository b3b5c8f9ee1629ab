"""Time as a share of the whole network's: what the machine does meanwhile is nothing to it."""

import json

import pytest

from mot_compress_ros.inference import load_bundle
from mot_compress_ros.inference.backends.torch_eager import load_network
from offline_training.__main__ import build_parser
from offline_training.commands import prune
from offline_training.pruning.latency import LATENCIES, LatencyOptions, share_of
from offline_training.quantization import timing

OPTIONS = LatencyOptions(input_size_wh=(96, 64))


class Machine:
    """A clock that a call moves on by its work, ten times as far once the machine is busy."""

    def __init__(self):
        self.now_s, self.calls, self.busy_from = 0.0, 0, 10**9

    def perf_counter(self):
        return self.now_s

    def work(self, amount):
        self.calls += 1
        self.now_s += amount * (10 if self.calls >= self.busy_from else 1)


@pytest.fixture
def machine(monkeypatch):
    """Networks take a microsecond for each of their values."""
    found = Machine()
    monkeypatch.setattr(timing, 'time', found)

    def call(network, options):
        amount = 1e-6 * sum(p.numel() for p in network.parameters())
        return lambda: found.work(amount)

    monkeypatch.setitem(LATENCIES, 'torch_eager', call)
    return found


def test_a_machine_that_becomes_busy_changes_no_share(machine, make_detector):
    small, whole = make_detector(width=0.125), make_detector(width=0.25)
    share = share_of('torch_eager', OPTIONS, whole=whole)
    calm = share(small)
    assert 0 < calm < 0.5
    assert share(whole) == pytest.approx(1.0)
    machine.busy_from = machine.calls + 2 * timing.WARM_UP + timing.ROUNDS  # in the middle
    assert share(small) == pytest.approx(calm)


def test_a_target_of_time_is_met_however_busy_the_machine_is(machine, bundle, tmp_path):
    machine.busy_from = 200
    words = ['prune', '--model', bundle.path, '--output', tmp_path / 'small', '--threads', 1]
    words += ['--run', tmp_path / 'run', '--json', tmp_path / 'report.json', '--frame-count', 2]
    words += ['--target', 'time=0.6', '--steps', 2]
    assert prune.run(build_parser().parse_args(list(map(str, words)))) == 0
    report = json.loads((tmp_path / 'report.json').read_text())
    assert [step['goal'] for step in report['steps']] == pytest.approx([0.8, 0.6])
    values = [
        sum(p.numel() for p in load_network(b).parameters())
        for b in (load_bundle(tmp_path / 'small'), bundle)
    ]
    assert values[0] <= 0.6 * values[1]
