"""Each step of the batched filter against one `filterpy` filter per track."""

from filterpy.common import kinematic_kf
from filterpy.kalman import KalmanFilter
import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis
from scipy.stats import chi2

from mot_compress_ros.tracking import kalman

STEPS = [1.0, 0.37, 2.5, 30.0]
CLOSE = {'rtol': 1e-9, 'atol': 1e-9}


def random_boxes_xyah(rng: np.random.Generator, n: int) -> np.ndarray:
    low, high = [-50, -50, 0.2, 8], [1900, 1100, 3.0, 700]
    return rng.uniform(low, high, (n, 4))


def oracle(xyah: np.ndarray) -> KalmanFilter:
    """One track in filterpy, its initial noise written out from the published constants."""
    kf = kinematic_kf(dim=4, order=1, dim_z=4, order_by_dim=False)
    kf.H = np.eye(4, 8)  # filterpy's helper fills it for one shared measurement
    h = xyah[3]
    kf.x = np.r_[xyah, np.zeros(4)][:, None]
    std = [h / 10, h / 10, 1e-2, h / 10, h / 16, h / 16, 1e-5, h / 16]
    kf.P = np.diag(np.square(std))
    return kf


def oracle_predict(kf: KalmanFilter, dt: float) -> None:
    h = kf.x[3, 0]
    std = [h / 20, h / 20, 1e-2, h / 20, h / 160, h / 160, 1e-5, h / 160]
    moved = kinematic_kf(dim=4, order=1, dt=dt, dim_z=4, order_by_dim=False)
    kf.predict(F=moved.F, Q=dt * np.diag(np.square(std)))


def oracle_measurement_noise(kf: KalmanFilter) -> np.ndarray:
    h = kf.x[3, 0]
    return np.diag(np.square([h / 20, h / 20, 1e-1, h / 20]))


def assert_same(state: kalman.KalmanState, filters: list[KalmanFilter]) -> None:
    np.testing.assert_allclose(state.mean, [kf.x[:, 0] for kf in filters], **CLOSE)
    np.testing.assert_allclose(state.covariance, [kf.P for kf in filters], **CLOSE)


def test_initiate_agrees_with_the_oracle() -> None:
    boxes = random_boxes_xyah(np.random.default_rng(0), 40)
    assert_same(kalman.initiate(boxes), [oracle(box) for box in boxes])


@pytest.mark.parametrize('dt', STEPS)
def test_predict_agrees_with_the_oracle(dt: float) -> None:
    rng = np.random.default_rng(1)
    boxes = random_boxes_xyah(rng, 40)
    state, filters = kalman.initiate(boxes), [oracle(box) for box in boxes]
    state.mean[:, 4:] = rng.normal(0, [3, 3, 1e-3, 0.2], (40, 4))
    for kf, row in zip(filters, state.mean, strict=True):
        kf.x = row[:, None].copy()
        oracle_predict(kf, dt)
    assert_same(kalman.predict(state, dt_periods=dt), filters)


@pytest.mark.parametrize('dt', STEPS)
def test_project_agrees_with_the_oracle(dt: float) -> None:
    boxes = random_boxes_xyah(np.random.default_rng(2), 40)
    state = kalman.predict(kalman.initiate(boxes), dt_periods=dt)
    filters = [oracle(box) for box in boxes]
    for kf in filters:
        oracle_predict(kf, dt)
    projected = kalman.project(state)
    wanted = [kf.H @ kf.P @ kf.H.T + oracle_measurement_noise(kf) for kf in filters]
    np.testing.assert_allclose(projected.mean, [(kf.H @ kf.x)[:, 0] for kf in filters], **CLOSE)
    np.testing.assert_allclose(projected.covariance, wanted, **CLOSE)


@pytest.mark.parametrize('dt', STEPS)
def test_gating_distance_agrees_with_scipy_and_filterpy(dt: float) -> None:
    rng = np.random.default_rng(3)
    boxes = random_boxes_xyah(rng, 12)
    state = kalman.predict(kalman.initiate(boxes), dt_periods=dt)
    measured = boxes[:9] + rng.normal(0, [20, 20, 0.1, 10], (9, 4))
    distance = kalman.gating_distance(state, measured)
    assert distance.shape == (12, 9)
    for i, box in enumerate(boxes):
        kf = oracle(box)
        oracle_predict(kf, dt)
        R = oracle_measurement_noise(kf)
        S = kf.H @ kf.P @ kf.H.T + R
        for j, z in enumerate(measured):
            by_scipy = mahalanobis(z, kf.x[:4, 0], np.linalg.inv(S)) ** 2
            np.testing.assert_allclose(distance[i, j], by_scipy, rtol=1e-9, atol=1e-9)
        kf.update(measured[0], R=R)
        np.testing.assert_allclose(distance[i, 0], kf.mahalanobis**2, rtol=1e-9, atol=1e-9)


def test_a_limit_only_replaces_what_is_beyond_it() -> None:
    rng = np.random.default_rng(9)
    boxes = random_boxes_xyah(rng, 30)
    state = kalman.predict(kalman.initiate(boxes), dt_periods=1.0)
    state.covariance[:, 0, 1] = state.covariance[:, 1, 0] = 0.7 * state.covariance[:, 0, 0]
    measured = np.concatenate(
        [boxes + boxes[:, 3:] * rng.normal(0, [0.2, 0.2, 0, 0.1], (30, 4)), boxes[::-1]]
    )
    everything = kalman.gating_distance(state, measured)
    assert np.isfinite(everything).all()
    for limit in (0.5, kalman.CHI2_95_4DOF, 40.0):
        assert 0 < (everything <= limit).sum() < everything.size
        limited = kalman.gating_distance(state, measured, limit=limit)
        np.testing.assert_array_equal(limited, np.where(everything <= limit, everything, np.inf))


def test_fifty_cycles_at_uneven_steps_agree_with_the_oracle() -> None:
    rng = np.random.default_rng(4)
    boxes = random_boxes_xyah(rng, 20)
    state, filters = kalman.initiate(boxes), [oracle(box) for box in boxes]
    drift = rng.normal(0, [4, 3, 1e-3, 0.3], (20, 4))
    for _ in range(50):
        dt = float(rng.choice([1.0, 1.0, 0.9, 2.0, 3.3]))
        boxes = boxes + drift * dt
        boxes[:, 3] = np.maximum(boxes[:, 3], 8)
        measured = boxes + rng.normal(0, [2, 2, 0.02, 1], (20, 4))
        measured[:, 3] = np.maximum(measured[:, 3], 5)
        state = kalman.update(kalman.predict(state, dt_periods=dt), measured)
        for kf, z in zip(filters, measured, strict=True):
            oracle_predict(kf, dt)
            kf.update(z, R=oracle_measurement_noise(kf))
    assert_same(state, filters)


def test_the_gate_is_the_published_quantile() -> None:
    assert pytest.approx(chi2.ppf(0.95, 4), abs=1e-4) == kalman.CHI2_95_4DOF


def test_noise_variance_grows_linearly_with_time() -> None:
    boxes = random_boxes_xyah(np.random.default_rng(5), 5)
    state = kalman.KalmanState(kalman.initiate(boxes).mean, np.zeros((5, 8, 8)))
    one = kalman.predict(state, dt_periods=1.0).covariance
    for dt in (0.5, 2.0, 7.25):
        np.testing.assert_allclose(
            kalman.predict(state, dt_periods=dt).covariance, dt * one, rtol=1e-12
        )


def test_a_steady_velocity_is_learnt_whatever_the_frame_rate() -> None:
    box, per_period = np.array([[100.0, 50.0, 0.5, 80.0]]), np.array([3.0, -2.0, 0.0, 0.5])
    for dt in (0.5, 1.0, 4.0):
        state = kalman.initiate(box)
        for k in range(1, 60):
            state = kalman.predict(state, dt_periods=dt)
            state = kalman.update(state, box + k * dt * per_period)
        np.testing.assert_allclose(state.mean[0, 4:], per_period, atol=0.02)


def test_covariance_stays_symmetric_positive_definite_over_long_runs() -> None:
    rng = np.random.default_rng(6)
    boxes = random_boxes_xyah(rng, 8)
    state = kalman.initiate(boxes)
    for step in range(5000):
        state = kalman.predict(state, dt_periods=float(rng.uniform(0.01, 40)))
        if step % 7:
            state = kalman.update(state, boxes + rng.normal(0, [3, 3, 0.05, 2], (8, 4)))
        assert np.isfinite(state.covariance).all()
        np.testing.assert_array_equal(state.covariance, state.covariance.transpose(0, 2, 1))
        np.linalg.cholesky(state.covariance)  # raises where it is not positive definite


def test_a_box_predicted_to_nothing_still_has_noise_and_can_be_updated() -> None:
    state = kalman.initiate(np.array([[100.0, 100.0, 1.0, 20.0]]))
    state.mean[0, 7] = -5
    state = kalman.predict(state, dt_periods=60.0)
    assert state.mean[0, 3] < 0
    state = kalman.predict(state, dt_periods=1.0)
    np.linalg.cholesky(kalman.project(state).covariance)
    back = kalman.update(state, np.array([[110.0, 100.0, 1.0, 25.0]]))
    assert back.mean[0, 3] == pytest.approx(25, abs=0.5)


def test_hold_height_stops_only_the_height_of_the_chosen_rows() -> None:
    state = kalman.initiate(random_boxes_xyah(np.random.default_rng(7), 3))
    state.mean[:, 4:] = 1.0
    held = kalman.hold_height(state, np.array([True, False, True]))
    np.testing.assert_array_equal(held.mean[:, 7], [0, 1, 0])
    np.testing.assert_array_equal(held.mean[:, :7], state.mean[:, :7])
    np.testing.assert_array_equal(state.mean[:, 7], [1, 1, 1])  # the input is left alone


def test_no_tracks_and_no_measurements_are_legal() -> None:
    none = kalman.KalmanState.empty()
    some = kalman.initiate(np.array([[5.0, 5.0, 1.0, 10.0]]))
    assert len(kalman.initiate(np.zeros((0, 4)))) == 0
    assert len(kalman.predict(none, dt_periods=1.0)) == 0
    assert len(kalman.update(none, np.zeros((0, 4)))) == 0
    assert kalman.gating_distance(none, np.zeros((3, 4))).shape == (0, 3)
    assert kalman.gating_distance(some, np.zeros((0, 4))).shape == (1, 0)


def test_tracks_do_not_influence_each_other() -> None:
    rng = np.random.default_rng(8)
    boxes, measured = random_boxes_xyah(rng, 6), random_boxes_xyah(rng, 6)
    together = kalman.update(kalman.predict(kalman.initiate(boxes), dt_periods=1.7), measured)
    for i in range(6):
        one = kalman.predict(kalman.initiate(boxes[i : i + 1]), dt_periods=1.7)
        alone = kalman.update(one, measured[i : i + 1])
        np.testing.assert_allclose(together.mean[i], alone.mean[0], rtol=1e-12)
        np.testing.assert_allclose(together.covariance[i], alone.covariance[0], rtol=1e-12)
