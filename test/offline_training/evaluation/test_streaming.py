"""Schedules and pairings that can be followed with a pencil."""

import numpy as np
import pytest

from mot_compress_ros.datatypes import Tracks
from mot_compress_ros.errors import InvalidDataError
from offline_training.evaluation.detection_scores import score_pooled
from offline_training.evaluation.streaming import (
    moved,
    Output,
    pool,
    simulate,
    timing,
    tracks_in_use,
    used_outputs,
)
from offline_training.evaluation.streaming_run import Played
from offline_training.evaluation.streaming_scores import score_played, StreamingConfig

NS = 1_000_000_000
FPS = 10.0
PERIOD_NS = NS // 10


def play(n, periods, *, fps=FPS, shrinking_tail=False):
    """Outputs of a node whose k-th run takes `periods[k]` frame periods, or all `periods`."""
    runs = []

    def process(index, begun_ns):
        needed = periods if np.isscalar(periods) else periods[len(runs)]
        runs.append(index)
        return Tracks.empty(stamp_ns=index), round(needed * NS / fps)

    return simulate(n, fps, process, shrinking_tail=shrinking_tail)


def frames(used):
    return [None if output is None else output.frame_index for output in used]


def test_without_latency_each_frame_has_its_own_output():
    outputs = play(5, 0)
    assert frames(outputs) == [0, 1, 2, 3, 4]
    used = used_outputs(outputs, 5, FPS)
    assert frames(used) == [0, 1, 2, 3, 4]
    summary = timing(outputs, used, FPS).summary()
    assert summary['age_ms'] == {'mean': 0.0, 'p95': 0.0}
    assert (summary['dropped'], summary['empty'], summary['missed_deadlines']) == (0, 0, 0)
    # Forgiving a period does not let a frame see the next one's output.
    assert frames(used_outputs(outputs, 5, FPS, eta=-1.0)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize('fps', [7.0, 10.0, 15.0, 29.97, 30.0])
def test_a_latency_of_one_period_shifts_by_one_frame(fps):
    """Also where the period is no whole number of nanoseconds."""
    outputs = play(200, 1, fps=fps)
    assert frames(outputs) == list(range(200))
    used = used_outputs(outputs, 200, fps)
    assert frames(used) == [None, *range(199)]
    summary = timing(outputs, used, fps).summary()
    assert summary['age_frames'] == {'mean': 1.0, 'p95': 1.0}
    assert summary['age_ms']['mean'] == pytest.approx(1000 / fps)
    assert (summary['empty'], summary['missed_deadlines']) == (1, 0)
    assert frames(used_outputs(outputs, 200, fps, eta=-1.0)) == list(range(200))


def test_what_a_slow_node_drops():
    """1.5 periods: begins at 0, 1.5, 3, 4.5, 6 with the frame that is newest then."""
    outputs = play(7, 1.5)
    assert frames(outputs) == [0, 1, 3, 4, 6]
    assert [o.begun_ns / PERIOD_NS for o in outputs] == [0, 1.5, 3, 4.5, 6]
    assert [o.ready_ns / PERIOD_NS for o in outputs] == [1.5, 3, 4.5, 6, 7.5]
    used = used_outputs(outputs, 7, FPS)
    assert frames(used) == [None, None, 0, 1, 1, 3, 4]
    summary = timing(outputs, used, FPS).summary()
    assert (summary['frames'], summary['processed'], summary['dropped']) == (7, 5, 2)
    assert summary['empty'] == 2
    assert summary['age_frames'] == {'mean': pytest.approx(11 / 5), 'p95': pytest.approx(2.8)}
    assert summary['age_ms']['mean'] == pytest.approx(220)
    assert summary['latency_ms']['mean'] == pytest.approx((150 + 200 + 150 + 200 + 150) / 5)
    assert set(summary['runtime_ms']) == {'mean', 'p95', 'p99', 'max'}
    assert all(v == pytest.approx(150) for v in summary['runtime_ms'].values())
    assert summary['missed_deadlines'] == 7  # none is ready within one period


def test_exactly_two_periods_take_every_other_frame():
    for fps in (10.0, 15.0, 30.0):
        outputs = play(60, 2, fps=fps)
        assert frames(outputs) == [*range(0, 60, 2), 59]  # 59 waits when the camera has ended
        used = frames(used_outputs(outputs, 60, fps))
        assert used == [None, None, *(i - 2 - i % 2 for i in range(2, 60))]


def test_one_slow_frame_among_fast_ones():
    """Frame 1 takes 2.5 periods: 2 is dropped for 3, which is late, and 4 comes in time again."""
    outputs = play(6, [0.5, 2.5, 0.5, 0.5, 0.5])
    assert frames(outputs) == [0, 1, 3, 4, 5]
    assert [o.ready_ns / PERIOD_NS for o in outputs] == [0.5, 3.5, 4, 4.5, 5.5]
    used = used_outputs(outputs, 6, FPS)
    assert frames(used) == [None, 0, 0, 0, 3, 4]
    assert timing(outputs, used, FPS).missed == 2  # 1 was too slow, 2 dropped; 3 just in time
    forgiving = used_outputs(outputs, 6, FPS, eta=-1.0)
    assert frames(forgiving) == [0, 0, 0, 3, 4, 5]


def test_waiting_for_the_next_frame():
    """At 1.5 the frame 1 is half a period old; frame 2 gives an output of age 1.5, not 2."""
    outputs = play(7, 1.5, shrinking_tail=True)
    assert frames(outputs) == [0, 2, 4, 6]
    assert [o.begun_ns / PERIOD_NS for o in outputs] == [0, 2, 4, 6]
    # 1.3 periods: the tail grows from .3 to .6 and .9; at 3.9 it would shrink to .2, so the frame
    # 3 passes and 4 is begun fresh.
    assert frames(play(6, 1.3)) == [0, 1, 2, 3, 5]
    assert frames(play(6, 1.3, shrinking_tail=True)) == [0, 1, 2, 4, 5]
    # A slow frame of a fast node: at 3.4 the frame 3 is taken although the tail would shrink.
    assert frames(play(6, [0.1, 2.4, 0.7, 0.1, 0.1], shrinking_tail=True)) == [0, 1, 3, 4, 5]
    assert frames(play(9, 0.7, shrinking_tail=True)) == list(range(9))
    assert frames(play(9, 2, shrinking_tail=True)) == [0, 2, 4, 6, 8]


def test_the_last_output_to_be_ready_counts():
    """An old frame that is ready late takes over, as in the protocol; the order given is no
    matter."""

    def output(frame, ready):
        return Output(
            frame_index=frame, begun_ns=0, ready_ns=ready, tracks=Tracks.empty(stamp_ns=0)
        )

    outputs = [output(0, 250_000_000), output(2, 210_000_000)]
    assert frames(used_outputs(outputs, 5, FPS)) == [None, None, None, 0, 0]


def test_random_schedules_against_the_definitions():
    """The mailbox and the pairing, written down once more frame by frame without a shortcut."""
    random = np.random.default_rng(3)
    for _ in range(50):
        n, fps, eta = 30, float(random.choice([7.5, 10, 30])), float(random.choice([0, -1]))
        needed = random.gamma(2.0, 0.8, n) + 0.01  # continuous: nothing ends with a frame
        outputs = play(n, needed.tolist(), fps=fps)
        free, taken = 0.0, -1  # in frame periods
        for k, output in enumerate(outputs):
            waiting = [i for i in range(taken + 1, n) if i <= free]
            taken = waiting[-1] if waiting else taken + 1
            free = max(free, float(taken)) + needed[k]
            assert output.frame_index == taken
            assert output.ready_ns * fps / NS == pytest.approx(free, abs=1e-5)
        assert taken == n - 1
        used = used_outputs(outputs, n, fps, eta=eta)
        for i in range(n):
            ready = [o for o in outputs if o.ready_ns / NS <= (i - eta) / fps]
            assert used[i] is (ready[-1] if ready else None)


def test_nothing_is_ever_ready():
    outputs = play(3, 50)
    used = used_outputs(outputs, 3, FPS)
    assert frames(used) == [None] * 3
    assert [len(t) for t in tracks_in_use(used, FPS)] == [0, 0, 0]
    summary = timing(outputs, used, FPS).summary()
    assert (summary['empty'], summary['age_ms'], summary['missed_share']) == (3, None, 1.0)
    assert simulate(0, FPS, lambda index, begun_ns: pytest.fail('no frames')) == []
    assert timing([], [], FPS).summary()['missed_share'] is None
    with pytest.raises(InvalidDataError, match='took -1 ns'):
        simulate(1, FPS, lambda index, begun_ns: (Tracks.empty(stamp_ns=0), -1))


def test_sequences_are_pooled_frame_by_frame():
    one, two = play(4, 0), play(2, 1, fps=5.0)
    together = pool(
        [
            timing(one, used_outputs(one, 4, FPS), FPS),
            timing(two, used_outputs(two, 2, 5.0), 5.0),
        ]
    ).summary()
    assert (together['frames'], together['empty']) == (6, 1)
    assert together['age_frames']['mean'] == pytest.approx(1 / 5)
    assert together['age_ms']['mean'] == pytest.approx(200 / 5)


def car_at(make_tracks, x):
    return make_tracks([(1, 2, x, 50, x + 40, 90)])


@pytest.fixture
def drive(make_truth, make_sequence):
    """A vehicle of 40 px that moves by 10 px a frame."""
    rows = [[(1, 2, 10 * i, 50, 10 * i + 40, 90)] for i in range(6)]
    return make_sequence([make_truth(r) for r in rows], fps=FPS, class_ids=(2,))


@pytest.fixture
def make_sequence():
    from offline_training.datasets.records import LabelledSequence

    def make(truth, *, fps, class_ids):
        return LabelledSequence(
            name='drive',
            fps=fps,
            size_wh=(320, 192),
            image_paths=(),
            truth=tuple(truth),
            labelled_class_ids=class_ids,
        )

    return make


def outputs_of_a_perfect_node(drive, make_tracks, *, periods, velocity_px_s=100.0):
    from dataclasses import replace

    def process(index, begun_ns):
        tracks = car_at(make_tracks, 10.0 * index)
        moving = replace(tracks, velocities_px_s=np.array([[velocity_px_s, 0]], np.float32))
        return moving, round(periods * PERIOD_NS)

    outputs = simulate(len(drive), FPS, process)
    return Played(outputs=outputs, teacher_runs=(), counters={})


def test_scores_of_a_perfect_node_that_is_late(drive, make_tracks):
    """One frame late: 30 of 50 px overlap, IoU 0.6; the first frame is missed."""
    late = outputs_of_a_perfect_node(drive, make_tracks, periods=1)
    scored = score_played(drive, late, StreamingConfig()).raw[2].summary()
    assert (scored.misses, scored.false_positives) == (1, 0)
    assert scored.mota == pytest.approx(5 / 6)
    assert scored.idf1 == pytest.approx(2 * 5 / (6 + 5))
    # 11 of the 19 thresholds are at most 0.55, 0.6 is met as well (TrackEval: >= alpha - eps)
    share = 12 / 19
    assert scored.det_a == pytest.approx(share * 5 / 6, abs=1e-6)
    forgiven = score_played(drive, late, StreamingConfig(eta=-1.0)).raw[2].summary()
    assert forgiven.hota == pytest.approx(1.0)


def test_average_precision_of_what_is_in_use(drive, make_tracks):
    """One frame late: at IoU 0.6 and below 5 of 6 are found without a false alarm, precision 1 up
    to recall 5/6, which is 84 of 101 levels; of the ten thresholds 0.5, 0.55 and 0.6 are met."""
    late = outputs_of_a_perfect_node(drive, make_tracks, periods=1)
    scores = score_pooled([score_played(drive, late, StreamingConfig()).detection])
    assert scores[2].ap50 == pytest.approx(84 / 101)
    assert scores[2].ap == pytest.approx(3 / 10 * 84 / 101)
    forecast = StreamingConfig(forecast=True)
    moved_on = score_pooled([score_played(drive, late, forecast).detection])
    assert moved_on[2].ap == pytest.approx(84 / 101)


def test_classes_that_the_model_does_not_know_are_not_scored(drive, make_tracks):
    node = outputs_of_a_perfect_node(drive, make_tracks, periods=0)
    scored = score_played(drive, node, StreamingConfig(), known_classes=(0,))
    assert scored.raw == {} and scored.detection.class_ids == ()


def test_three_frames_late_is_another_place(drive, make_tracks):
    """10 of 70 px overlap: IoU 1/7, below 0.5, so that every output is a false alarm."""
    late = outputs_of_a_perfect_node(drive, make_tracks, periods=3)
    scored = score_played(drive, late, StreamingConfig()).raw[2].summary()
    assert (scored.misses, scored.false_positives) == (6, 3)
    assert scored.mota == pytest.approx(-0.5)


def test_the_forecast_undoes_a_constant_motion(drive, make_tracks):
    for periods in (1, 1.5, 3):
        late = outputs_of_a_perfect_node(drive, make_tracks, periods=periods)
        scored = score_played(drive, late, StreamingConfig(forecast=True)).raw[2].summary()
        assert scored.false_positives == 0
        assert scored.loc_a == pytest.approx(1.0, abs=1e-5)
        assert scored.misses == int(np.ceil(periods))  # the empty frames at the start
    wrong = outputs_of_a_perfect_node(drive, make_tracks, periods=3, velocity_px_s=-100.0)
    scored = score_played(drive, wrong, StreamingConfig(forecast=True)).raw[2].summary()
    assert scored.mota == pytest.approx(-0.5)


def test_moved_tracks_keep_size_and_identity(make_tracks):
    from dataclasses import replace

    tracks = replace(
        make_tracks([(4, 0, 10, 20, 30, 60), (7, 2, 0, 0, 8, 8)]),
        velocities_px_s=np.array([[20, -10], [0, 0]], np.float32),
    )
    later = moved(tracks, 0.5)
    assert later.boxes_xyxy_px.tolist() == [[20, 15, 40, 55], [0, 0, 8, 8]]
    assert later.track_ids.tolist() == [4, 7]
    assert later.stamp_ns == NS // 2
    assert len(moved(Tracks.empty(stamp_ns=0), 1.0)) == 0
