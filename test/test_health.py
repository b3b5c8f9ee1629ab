"""Percentiles over a window, and counters, from several threads."""

import threading

import pytest

from mot_compress_ros.health import Health


def test_percentiles_of_the_latest_window():
    health = Health(window=100)
    for value in range(1000):
        health.record_ms('infer', value)
    found = health.percentiles_ms('infer')
    assert found is not None
    assert (found.n, found.p50) == (100, pytest.approx(949.5))
    assert found.p50 <= found.p95 <= found.p99 <= 999


def test_nothing_measured_yet():
    assert Health().percentiles_ms('infer') is None
    assert Health().counters() == {}


def test_stage_is_recorded_even_when_the_body_raises():
    health = Health()
    with pytest.raises(ValueError, match='boom'), health.stage('decode'):
        raise ValueError('boom')
    assert len(health.samples_ms('decode')) == 1


def test_another_clock_may_say_what_time_it_is():
    """Simulated time: 2 ms pass in the stage, however long it really takes."""
    now = [5_000_000]
    health = Health(clock=lambda: now[0])
    with health.stage('total') as lap:
        now[0] += 1_500_000
        assert lap.ms == 1.5
        now[0] += 500_000
    assert health.samples_ms('total') == [2.0]


def test_no_count_is_lost_between_threads():
    health = Health()

    def work():
        for _ in range(2000):
            health.count('frames_processed')

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert health.counters() == {'frames_processed': 8000}
