"""`auto`: the fastest is taken, what cannot run is told, and the measurement ends."""

from dataclasses import replace

import numpy as np
import pytest

from mot_compress_ros.errors import BundleError, InvalidOptionError
from mot_compress_ros.inference import BackendOptions, build_detector, load_bundle
from mot_compress_ros.inference.backend_choice import (
    candidates,
    choose_backend,
    time_in_turns,
    TURNS,
    WARM_UP_RUNS,
)
from mot_compress_ros.inference.backends import Accelerated, Explained
from mot_compress_ros.inference.backends.scripted import ScriptedBackend, write_scripted_bundle
from offline_training.export.exporting import export_graph

MS = 1_000_000


class Clock:
    """Nanoseconds that only backends move."""

    def __init__(self):
        self.now_ns = 0

    def __call__(self):
        return self.now_ns


class Slow(ScriptedBackend):
    """The fake, with a name and a time of its own."""

    def __init__(self, bundle, options, *, name, ms, clock):
        super().__init__(bundle, options)
        self.name, self._ms, self._clock, self.runs = name, ms, clock, 0

    def run(self, images_rgb, prior=None):
        self.runs += 1
        self._clock.now_ns += round(self._ms * MS)
        return super().run(images_rgb, prior)


@pytest.fixture
def bundle(tmp_path):
    return load_bundle(write_scripted_bundle(tmp_path / 'scripted'))


def factories(clock, times_ms, made):
    """Runtimes of given times; None is one that cannot run here."""

    def factory(name, ms):
        def make(bundle, options):
            if ms is None:
                raise InvalidOptionError(f'{name} is not there')
            made[name] = Slow(bundle, options, name=name, ms=ms, clock=clock)
            return made[name]

        return lambda: make

    return {name: factory(name, ms) for name, ms in times_ms.items()}


def test_the_fastest_is_taken_and_the_others_are_told(bundle):
    clock, made = Clock(), {}
    runtimes = factories(clock, {'a': 20.0, 'b': 8.25, 'c': None, 'd': 12.0}, made)
    chosen = choose_backend(bundle, BackendOptions(), factories=runtimes, clock=clock)
    assert chosen.name == 'b (auto)'
    assert chosen.reason == 'b 8.2 ms; d 12.0 ms; a 20.0 ms; not c auto: c is not there'
    assert isinstance(chosen, Explained)
    assert {backend.runs for backend in made.values()} == {WARM_UP_RUNS + TURNS}


def test_one_that_runs_is_taken_without_a_race(bundle):
    clock, made = Clock(), {}
    runtimes = factories(clock, {'a': None, 'b': 8.0}, made)
    chosen = choose_backend(bundle, BackendOptions(), factories=runtimes, clock=clock)
    assert chosen.reason == 'b is all that runs; not a auto: a is not there'
    assert made['b'].runs == 0


def test_a_slow_turn_of_a_fast_one_does_not_count(bundle):
    """Medians: what the machine does in one turn decides nothing."""
    clock, made = Clock(), {}
    runtimes = factories(clock, {'a': 10.0, 'b': 9.0}, made)

    class Disturbed(Slow):
        def run(self, images_rgb, prior=None):
            self._clock.now_ns += 500 * MS if self.runs == WARM_UP_RUNS + 3 else 0
            return super().run(images_rgb, prior)

    runtimes['b'] = lambda: lambda b, o: Disturbed(b, o, name='b', ms=9.0, clock=clock)
    chosen = choose_backend(bundle, BackendOptions(), factories=runtimes, clock=clock)
    assert chosen.name == 'b (auto)'


def test_slow_networks_are_timed_in_fewer_turns(bundle):
    clock, made = Clock(), {}
    backends = [
        f()(bundle, BackendOptions())
        for f in factories(clock, {'a': 1000.0, 'b': 900.0}, made).values()
    ]
    timings = time_in_turns(backends, bundle, clock=clock, budget_s=5.0)
    assert [t.median_ms for t in timings] == [1000, 900]
    # One warm-up each, 1.9 s; a second would be past a quarter of the budget. Two turns more.
    assert [b.runs for b in backends] == [3, 3]
    assert clock.now_ns == round(5.7e9)


def test_nothing_that_runs_is_the_first_error(bundle):
    runtimes = factories(Clock(), {'a': None, 'b': None}, {})
    with pytest.raises(InvalidOptionError, match='a is not there'):
        choose_backend(bundle, BackendOptions(), factories=runtimes)


def test_a_device_of_its_own_is_handed_on(bundle):
    told = []

    class WithDevice(ScriptedBackend):
        def work_apart(self, *, urgent):
            told.append(urgent)

        def free_memory(self):
            told.append('free')

    runtimes = {'a': lambda: WithDevice}
    chosen = choose_backend(bundle, BackendOptions(), factories=runtimes)
    assert isinstance(chosen, Accelerated)
    chosen.work_apart(urgent=True)
    chosen.free_memory()
    assert told == [True, 'free']


def test_real_runtimes_with_and_without_a_graph(tmp_path, write_tiny_bundle):
    folder = write_tiny_bundle(tmp_path / 'tiny')
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 96, 3), np.uint8)
    options = BackendOptions(backend='auto', device='cpu', precision='fp32', threads=1)
    alone = build_detector(load_bundle(folder), options=options).backend
    assert alone.name == 'torch_eager cpu fp32 (auto)'
    assert 'not openvino fp32: ' in alone.reason
    assert 'offline_training export' in alone.reason
    export_graph(
        load_bundle(folder),
        engine='openvino',
        precision='fp32',
        input_size_wh=(96, 64),
        images_rgb=images,
    )
    bundle = load_bundle(folder)
    tried = {(c.backend, c.precision) for c in candidates(bundle, options)}
    assert ('openvino', 'fp32') in tried
    chosen = build_detector(bundle, options=options).backend
    assert 'openvino cpu fp32' in chosen.reason
    assert 'torch_eager cpu fp32' in chosen.reason
    assert chosen.reason.startswith(chosen.name.removesuffix(' (auto)'))


def test_every_precision_of_a_graph_is_a_candidate(tmp_path, write_tiny_bundle):
    folder = write_tiny_bundle(tmp_path / 'tiny')
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 96, 3), np.uint8)
    for engine in ('openvino', 'onnx'):
        export_graph(
            load_bundle(folder),
            engine=engine,
            precision='fp32',
            input_size_wh=(96, 64),
            images_rgb=images,
        )
    bundle = load_bundle(folder)
    options = BackendOptions(backend='auto', device='cpu')
    tried = [(c.backend, c.precision) for c in candidates(bundle, options)]
    assert tried == [
        ('torch_eager', 'auto'),
        ('torch_cuda_graph', 'auto'),
        ('openvino', 'fp32'),
        ('onnx_runtime', 'fp32'),
    ]


def test_a_bundle_that_is_damaged_for_all_says_so(tmp_path, write_tiny_bundle):
    bundle = load_bundle(write_tiny_bundle(tmp_path / 'tiny'))
    fewer = {k: v for k, v in bundle.tensors.items() if k != 'wh.0.bias'}
    options = BackendOptions(backend='auto', device='cpu')
    with pytest.raises(BundleError, match=r'wh\.0\.bias missing'):
        build_detector(replace(bundle, tensors=fewer), options=options)
