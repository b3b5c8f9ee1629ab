"""Each motion model through the decoupled filter, against one full `filterpy` filter per track.

The oracles have the matrices of the published trackers, written out from their constants.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from filterpy.kalman import KalmanFilter
import numpy as np
import pytest
from scipy.stats import chi2

from mot_compress_ros.tracking import kalman
from mot_compress_ros.tracking.kalman import KalmanState
from mot_compress_ros.tracking.motion import MODELS, MotionModel, NoiseWeights

STEPS = [1.0, 0.37, 2.5, 30.0]
CLOSE = {'rtol': 1e-8, 'atol': 1e-8}
every_model = pytest.mark.parametrize('name', MODELS)


@dataclass(frozen=True)
class Published:
    """A published filter: deviations as functions of its state x, a vector.

    Attributes:
        size: of the state; the measured quantities come first.
        initial: of the first state, from the first measurement.
        process: that one frame adds.
        measured: of a measurement.
    """

    size: int
    initial: Callable[[np.ndarray], list[float]]
    process: Callable[[np.ndarray], list[float]]
    measured: Callable[[np.ndarray], list[float]]


def _tall(h: float, *, place: float, speed: float, aspect: float, turn: float) -> list[float]:
    return [place * h, place * h, aspect, place * h, speed * h, speed * h, turn, speed * h]


def _wide(x: np.ndarray, *, place: float, speed: float) -> list[float]:
    w, h = x[2], x[3]
    return [place * s for s in (w, h, w, h)] + [speed * s for s in (w, h, w, h)]


PUBLISHED = {
    # kalman_filter.py of DeepSORT, FairMOT and ByteTrack.
    'xyah': Published(
        8,
        lambda x: _tall(x[3], place=2 / 20, speed=10 / 160, aspect=1e-2, turn=1e-5),
        lambda x: _tall(x[3], place=1 / 20, speed=1 / 160, aspect=1e-2, turn=1e-5),
        lambda x: [x[3] / 20, x[3] / 20, 1e-1, x[3] / 20],
    ),
    # kalman_filter.py of BoT-SORT.
    'xywh': Published(
        8,
        lambda x: _wide(x, place=2 / 20, speed=10 / 160),
        lambda x: _wide(x, place=1 / 20, speed=1 / 160),
        lambda x: [side / 20 for side in (x[2], x[3], x[2], x[3])],
    ),
    # sort.py of SORT: P, Q and R are given as variances; the aspect has no velocity.
    'xysr': Published(
        7,
        lambda x: np.sqrt([10, 10, 10, 10, 1e4, 1e4, 1e4]).tolist(),
        lambda x: np.sqrt([1, 1, 1, 1, 1e-2, 1e-2, 1e-4]).tolist(),
        lambda x: np.sqrt([1, 1, 10, 10]).tolist(),
    ),
}


class Oracle:
    """One track in filterpy."""

    def __init__(self, name: str, measured: np.ndarray) -> None:
        self.published = PUBLISHED[name]
        n = self.published.size
        self.filter = KalmanFilter(dim_x=n, dim_z=4)
        self.filter.H = np.eye(4, n)
        self.filter.x = np.r_[measured, np.zeros(n - 4)][:, None]
        self.filter.P = np.diag(np.square(self.published.initial(measured)))

    @property
    def x(self) -> np.ndarray:
        return self.filter.x[:, 0]

    def predict(self, dt: float) -> None:
        n = self.published.size
        F = np.eye(n) + dt * np.eye(n, k=4)
        Q = dt * np.diag(np.square(self.published.process(self.x)))
        self.filter.predict(F=F, Q=Q)

    def update(self, measured: np.ndarray) -> None:
        self.filter.update(measured, R=np.diag(np.square(self.published.measured(self.x))))


def random_boxes(rng: np.random.Generator, n: int) -> np.ndarray:
    low, side = rng.uniform(-50, [1900, 1000], (n, 2)), rng.uniform(8, 500, (n, 2))
    return np.concatenate([low, low + side], axis=1)


def predicted(model: MotionModel, state: KalmanState, dt: float | np.ndarray) -> KalmanState:
    position, velocity = model.process_variance(state.position)
    return kalman.predict(
        state, dt_periods=dt, position_variance=position, velocity_variance=velocity
    )


def updated(model: MotionModel, state: KalmanState, measured: np.ndarray) -> KalmanState:
    variance = model.measured_variance(state.position)
    return kalman.update(state, measured, measured_variance=variance)


def assert_same(state: KalmanState, oracles: list[Oracle]) -> None:
    n = oracles[0].published.size
    np.testing.assert_allclose(state.mean[:, :n], [o.x for o in oracles], **CLOSE)
    wanted = [o.filter.P for o in oracles]
    np.testing.assert_allclose(state.covariance[:, :n, :n], wanted, **CLOSE)
    # What the published state does not have stays zero.
    assert not state.mean[:, n:].any()
    assert not state.covariance[:, n:].any()


def with_moments(state: KalmanState, **changes: np.ndarray) -> KalmanState:
    names = 'position', 'velocity', 'position_variance', 'cross_covariance', 'velocity_variance'
    return KalmanState.of(*(changes.get(name, getattr(state, name)) for name in names))


def moving(rng: np.random.Generator, state: KalmanState, oracles: list[Oracle]) -> KalmanState:
    """The same tracks with velocities."""
    velocity = rng.normal(0, [3, 3, 1e-2, 0.2], (len(state), 4))
    velocity[:, oracles[0].published.size - 4 :] = 0
    for oracle, row in zip(oracles, velocity, strict=True):
        oracle.filter.x[4:, 0] = row[: oracle.published.size - 4]
    return with_moments(state, velocity=velocity)


def started(name: str, boxes: np.ndarray) -> tuple[MotionModel, KalmanState, list[Oracle]]:
    model = MODELS[name](NoiseWeights())
    measured = model.measure(boxes)
    return model, model.initiate(measured), [Oracle(name, z) for z in measured]


@every_model
def test_a_new_track_is_the_published_one(name) -> None:
    _, state, oracles = started(name, random_boxes(np.random.default_rng(0), 30))
    assert_same(state, oracles)


@every_model
@pytest.mark.parametrize('dt', STEPS)
def test_one_step_is_the_published_one(name, dt) -> None:
    rng = np.random.default_rng(1)
    boxes = random_boxes(rng, 30) + np.array([0, 0, 30, 30])  # none shrinks to nothing
    model, state, oracles = started(name, boxes)
    state = predicted(model, moving(rng, state, oracles), dt)
    for oracle in oracles:
        oracle.predict(dt)
    assert_same(state, oracles)
    measured = model.measure(boxes + rng.uniform(-3, 3, (30, 4)))
    state = updated(model, state, measured)
    for oracle, z in zip(oracles, measured, strict=True):
        oracle.update(z)
    assert_same(state, oracles)


@every_model
def test_every_track_may_have_a_step_of_its_own(name) -> None:
    rng = np.random.default_rng(2)
    model, state, oracles = started(name, random_boxes(rng, 4))
    state = predicted(model, moving(rng, state, oracles), np.array(STEPS)[:, None])
    for oracle, dt in zip(oracles, STEPS, strict=True):
        oracle.predict(dt)
    assert_same(state, oracles)


@every_model
def test_fifty_cycles_at_uneven_steps_with_misses_agree(name) -> None:
    rng = np.random.default_rng(3)
    boxes = random_boxes(rng, 15) + np.array([0, 0, 30, 30])
    model, state, oracles = started(name, boxes)
    drift = np.tile(rng.normal(0, 3, (15, 2)), 2)
    for _ in range(50):
        dt = float(rng.choice([1.0, 1.0, 0.9, 2.0, 3.3]))
        boxes = boxes + drift * dt
        measured = model.measure(boxes + rng.uniform(-2, 2, (15, 4)))
        seen = np.flatnonzero(rng.random(15) < 0.7)
        state = predicted(model, state, dt)
        state = state.put(seen, updated(model, state[seen], measured[seen]))
        for i, oracle in enumerate(oracles):
            oracle.predict(dt)
            if i in seen:
                oracle.update(measured[i])
    assert_same(state, oracles)


@every_model
def test_the_columns_are_the_textbook_matrices(name) -> None:
    """One step with (8, 8) matrices on `mean` and `covariance`, as any textbook has it."""
    rng = np.random.default_rng(4)
    model, state, oracles = started(name, random_boxes(rng, 6))
    state = predicted(model, moving(rng, state, oracles), 1.7)
    F, H = np.eye(8) + 0.6 * np.eye(8, k=4), np.eye(4, 8)
    position, velocity = model.process_variance(state.position)
    ahead = predicted(model, state, 0.6)
    for i in range(6):
        Q = 0.6 * np.diag(np.r_[position[i], velocity[i]])
        np.testing.assert_allclose(ahead.mean[i], F @ state.mean[i], rtol=1e-12)
        P = F @ state.covariance[i] @ F.T + Q
        np.testing.assert_allclose(ahead.covariance[i], P, rtol=1e-12)
        R = np.diag(model.measured_variance(ahead.position)[i])
        z = ahead.position[i] + rng.normal(0, 1, 4)
        K = P @ H.T @ np.linalg.inv(H @ P @ H.T + R)
        after = updated(model, ahead[np.array([i])], z[None])
        np.testing.assert_allclose(
            after.mean[0], ahead.mean[i] + K @ (z - H @ ahead.mean[i]), rtol=1e-9
        )
        np.testing.assert_allclose(
            after.covariance[0], (np.eye(8) - K @ H) @ P, rtol=1e-9, atol=1e-9
        )


@every_model
def test_long_runs_stay_positive_definite(name) -> None:
    rng = np.random.default_rng(5)
    boxes = random_boxes(rng, 8) + np.array([0, 0, 30, 30])
    model, state, oracles = started(name, boxes)
    kept = np.arange(oracles[0].published.size)
    for step in range(3000):
        dt = float(rng.uniform(0.01, 40))
        state = model.steadied(state, np.full(8, step % 7 == 0), dt_periods=dt)
        state = predicted(model, state, dt)
        if step % 7:
            state = updated(model, state, model.measure(boxes + rng.uniform(-3, 3, (8, 4))))
        covariance = state.covariance[:, kept[:, None], kept]
        assert np.isfinite(state.mean).all()
        np.linalg.cholesky(covariance)  # raises where it is not positive definite
    assert np.abs(model.boxes(state.position) - boxes).max() < 200


def test_the_gate_is_the_published_quantile() -> None:
    assert pytest.approx(chi2.ppf(0.95, 4), abs=1e-4) == kalman.CHI2_95_4DOF


@every_model
def test_noise_variance_grows_linearly_with_time(name) -> None:
    model, state, _ = started(name, random_boxes(np.random.default_rng(6), 5))
    zero = np.zeros((5, 4))
    sure = KalmanState.of(state.position, zero, zero, zero, zero)
    one = predicted(model, sure, 1.0).covariance
    for dt in (0.5, 2.0, 7.25):
        np.testing.assert_allclose(predicted(model, sure, dt).covariance, dt * one, rtol=1e-12)


@every_model
def test_a_steady_velocity_is_learnt_whatever_the_frame_rate(name) -> None:
    box, per_period = np.array([[100.0, 50, 140, 130]]), np.array([[3.0, -2, 3, -2]])
    for dt in (0.5, 1.0, 4.0):
        model, state, _ = started(name, box)
        for k in range(1, 80):
            state = predicted(model, state, dt)
            state = updated(model, state, model.measure(box + k * dt * per_period))
        np.testing.assert_allclose(state.velocity[0], [3, -2, 0, 0], atol=0.03)


@every_model
def test_boxes_and_quantities_round_trip(name) -> None:
    model = MODELS[name](NoiseWeights())
    boxes = random_boxes(np.random.default_rng(7), 200)
    np.testing.assert_allclose(model.boxes(model.measure(boxes)), boxes, rtol=1e-10, atol=1e-9)
    np.testing.assert_allclose(
        model.measure(boxes)[:, :2], (boxes[:, :2] + boxes[:, 2:]) / 2, rtol=1e-12
    )


def test_the_quantities_of_a_known_box() -> None:
    box = np.array([[10.0, 20, 40, 80]])  # 30 wide, 60 high
    measured = {n: MODELS[n](NoiseWeights()).measure(box)[0].tolist() for n in MODELS}
    assert measured == {
        'xyah': [25, 50, 0.5, 60],
        'xysr': [25, 50, 1800, 0.5],
        'xywh': [25, 50, 30, 60],
    }


@every_model
def test_quantities_scale_as_the_model_says(name) -> None:
    model = MODELS[name](NoiseWeights())
    boxes = random_boxes(np.random.default_rng(8), 20)
    for factor in (0.5, 3.0):
        np.testing.assert_allclose(
            model.measure(factor * boxes), factor**model.scale_powers * model.measure(boxes)
        )


@every_model
def test_what_is_predicted_below_zero_size_is_empty_and_can_be_updated(name) -> None:
    model, state, _ = started(name, np.array([[90.0, 90, 110, 110]]))
    below = np.array([[100.0, 100, -3, -5]])
    empty = model.boxes(below)
    assert (empty[:, 2:] - empty[:, :2] == 0).all()
    assert np.isfinite(empty).all()
    state = predicted(model, with_moments(state, position=below), 1.0)
    assert (model.measured_variance(state.position) > 0).all()
    assert (state.position_variance > 0).all()
    back = model.measure(np.array([[100.0, 90, 130, 115]]))
    for _ in range(300):  # an aspect is learnt slowly
        state = updated(model, predicted(model, state, 1.0), back)
    np.testing.assert_allclose(model.boxes(state.position), [[100, 90, 130, 115]], atol=1)


@pytest.mark.parametrize(('name', 'stopped'), [('xyah', [3]), ('xywh', [2, 3])])
def test_the_size_of_a_lost_box_stops(name, stopped) -> None:
    _, state, oracles = started(name, random_boxes(np.random.default_rng(9), 3))
    state = moving(np.random.default_rng(9), state, oracles)
    model = MODELS[name](NoiseWeights())
    held = model.steadied(state, np.array([True, False, True]), dt_periods=1.0)
    wanted = state.velocity.copy()
    wanted[np.ix_([0, 2], stopped)] = 0
    np.testing.assert_array_equal(held.velocity, wanted)
    assert state.velocity.all()  # the input is left alone
    np.testing.assert_array_equal(held.position, state.position)
    np.testing.assert_array_equal(held.covariance, state.covariance)


def test_an_area_that_would_become_negative_stops() -> None:
    model, state, _ = started('xysr', random_boxes(np.random.default_rng(10), 3))
    area = state.position[:, 2]
    velocity = np.ones((3, 4)) * [1, 1, 0, 0]
    velocity[:, 2] = [-area[0], -area[1] / 2, 5.0]
    state = with_moments(state, velocity=velocity)
    nobody = np.zeros(3, bool)
    for dt, stopped in ((1.0, [0]), (0.9, []), (2.0, [0, 1])):
        held = model.steadied(state, nobody, dt_periods=dt)
        wanted = velocity.copy()
        wanted[stopped, 2] = 0
        np.testing.assert_array_equal(held.velocity, wanted)
    each = model.steadied(state, nobody, dt_periods=np.array([0.5, 2.0, 1.0]))
    np.testing.assert_array_equal(each.velocity[:, 2] == 0, [False, True, False])


@pytest.mark.parametrize('name', ['xyah', 'xywh'])
def test_the_weights_scale_the_deviations(name) -> None:
    boxes = random_boxes(np.random.default_rng(11), 5)
    plain, changed = MODELS[name](NoiseWeights()), MODELS[name](NoiseWeights(velocity=1 / 40))
    position = plain.measure(boxes)
    sides = [2, 3] if name == 'xywh' else [3]  # an aspect has a noise of its own
    a, b = plain.process_variance(position), changed.process_variance(position)
    np.testing.assert_array_equal(a[0], b[0])
    np.testing.assert_allclose(b[1][:, [0, 1, *sides]], 16 * a[1][:, [0, 1, *sides]])


@every_model
def test_no_tracks_are_legal(name) -> None:
    model = MODELS[name](NoiseWeights())
    none = model.initiate(model.measure(np.zeros((0, 4))))
    assert len(none) == 0
    none = updated(model, predicted(model, none, 1.0), np.zeros((0, 4)))
    none = model.steadied(none, np.zeros(0, bool), dt_periods=1.0)
    assert none.mean.shape == (0, 8)
    assert none.covariance.shape == (0, 8, 8)
    assert model.boxes(none.position).shape == (0, 4)
    assert len(KalmanState.empty().join(none)) == 0


@every_model
def test_tracks_do_not_influence_each_other(name) -> None:
    rng = np.random.default_rng(12)
    boxes, seen = random_boxes(rng, 6), random_boxes(rng, 6)
    model, state, _ = started(name, boxes)
    together = updated(model, predicted(model, state, 1.7), model.measure(seen))
    for i in range(6):
        _, one, _ = started(name, boxes[i : i + 1])
        alone = updated(model, predicted(model, one, 1.7), model.measure(seen[i : i + 1]))
        np.testing.assert_array_equal(together.mean[i], alone.mean[0])
        np.testing.assert_array_equal(together.covariance[i], alone.covariance[0])


def test_rows_are_chosen_joined_and_put_as_copies() -> None:
    _, state, _ = started('xywh', random_boxes(np.random.default_rng(13), 4))
    some = state[np.array([2, 0])]
    np.testing.assert_array_equal(some.mean, state.mean[[2, 0]])
    np.testing.assert_array_equal(state[np.array([1, 0, 0, 1], bool)].mean, state.mean[[0, 3]])
    np.testing.assert_array_equal(state.join(some).mean, state.mean[[0, 1, 2, 3, 2, 0]])
    before = state.mean
    put = state.put(np.array([1, 3]), some)
    np.testing.assert_array_equal(put.mean, state.mean[[0, 2, 2, 0]])
    np.testing.assert_array_equal(put.covariance, state.covariance[[0, 2, 2, 0]])
    np.testing.assert_array_equal(state.mean, before)


def test_where_takes_whole_tracks_and_changes_neither() -> None:
    def counted(first: int) -> KalmanState:
        return KalmanState.of(*(np.full((3, 4), float(first + k)) for k in range(5)))

    mine, theirs = counted(0), counted(10)
    mixed = mine.where(np.array([True, False, True]), theirs)
    np.testing.assert_array_equal(mixed.position[:, 0], [0, 10, 0])
    np.testing.assert_array_equal(mixed.velocity_variance[:, 3], [4, 14, 4])
    np.testing.assert_array_equal(mixed.mean[1], theirs.mean[1])
    np.testing.assert_array_equal(mine.covariance, counted(0).covariance)
    np.testing.assert_array_equal(theirs.covariance, counted(10).covariance)
