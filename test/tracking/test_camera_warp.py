"""What tracks remember, moved with the camera: against derivatives taken by small steps."""

from __future__ import annotations

import numpy as np
import pytest

from mot_compress_ros.errors import InvalidDataError
from mot_compress_ros.homography import checked_homography, warp_at, warp_boxes
from mot_compress_ros.tracking import PRESETS, Tracker, TrackerConfig
from mot_compress_ros.tracking.camera_warp import warp_state
from mot_compress_ros.tracking.kalman import KalmanState
from mot_compress_ros.tracking.motion import MODELS, NoiseWeights

PERIOD_NS = 33_333_333
FOCAL_PX, CENTRE_PX = 1000.0, (960.0, 540.0)


def camera_matrix() -> np.ndarray:
    return np.array([[FOCAL_PX, 0, CENTRE_PX[0]], [0, FOCAL_PX, CENTRE_PX[1]], [0, 0, 1]])


def turned(yaw: float, pitch: float = 0.0, roll: float = 0.0) -> np.ndarray:
    """Homography of a camera that turns by these angles, in radians."""
    (cy, sy), (cp, sp), (cr, sr) = ((np.cos(a), np.sin(a)) for a in (yaw, pitch, roll))
    R = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    R = R @ np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    R = R @ np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    K = camera_matrix()
    return K @ R @ np.linalg.inv(K)


def applied(homography: np.ndarray, points: np.ndarray) -> np.ndarray:
    mapped = np.concatenate([points, np.ones((len(points), 1))], axis=1) @ homography.T
    return mapped[:, :2] / mapped[:, 2:]


def numeric(homography: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(N, 2, 2) derivative by central differences of 1e-3 px."""
    columns = []
    for step in np.eye(2) * 1e-3:
        ahead, behind = applied(homography, points + step), applied(homography, points - step)
        columns.append((ahead - behind) / 2e-3)
    return np.stack(columns, axis=2)


def some_points(n: int = 40) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, [1920, 1080], (n, 2))


HOMOGRAPHIES = {
    'turn': turned(0.03, 0.01, 0.02),
    'far turn': turned(-0.3, 0.1, 0.4),
    'shift': np.array([[1.0, 0, 12], [0, 1, -7], [0, 0, 1]]),
    'zoom': np.array([[1.2, 0, -30], [0, 1.2, 5], [0, 0, 1]]),
    'shear': np.array([[1.1, 0.2, 3], [-0.1, 0.9, 5], [1e-5, -2e-5, 1]]),
}
every_homography = pytest.mark.parametrize('name', HOMOGRAPHIES)


@every_homography
def test_points_and_derivatives_agree_with_small_steps(name) -> None:
    homography, points = HOMOGRAPHIES[name], some_points()
    local = warp_at(homography, points)
    np.testing.assert_allclose(local.points, applied(homography, points), rtol=1e-12)
    wanted = numeric(homography, points)
    np.testing.assert_allclose(local.derivative, wanted, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(local.scale**2, np.abs(np.linalg.det(wanted)), rtol=1e-6)


def test_the_scale_of_a_homography_does_not_matter() -> None:
    one, other = (warp_at(f * HOMOGRAPHIES['turn'], some_points()) for f in (1.0, 7.0))
    np.testing.assert_allclose(one.points, other.points, rtol=1e-12)
    np.testing.assert_allclose(one.derivative, other.derivative, rtol=1e-9, atol=1e-12)


def random_boxes(n: int = 30) -> np.ndarray:
    low = some_points(n)
    return np.concatenate([low, low + np.random.default_rng(1).uniform(5, 90, (n, 2))], axis=1)


def test_boxes_under_a_shift_and_a_zoom_are_exact() -> None:
    boxes = random_boxes()
    for name in ('shift', 'zoom'):
        H = HOMOGRAPHIES[name]
        corners = [applied(H, boxes[:, :2]), applied(H, boxes[:, 2:])]
        np.testing.assert_allclose(warp_boxes(H, boxes), np.concatenate(corners, axis=1))


def test_a_box_stays_upright_and_keeps_its_area_as_the_image_rotates() -> None:
    quarter = np.array([[0.0, -1, 1000], [1, 0, 0], [0, 0, 1]])
    box = np.array([[100.0, 200, 140, 280]])  # centre (120, 240), which comes to (760, 120)
    np.testing.assert_allclose(warp_boxes(quarter, box), [[740, 80, 780, 160]])


def test_a_small_turn_moves_boxes_as_it_moves_their_corners() -> None:
    boxes, H = random_boxes(), turned(0.02, 0.01, 0.0)
    corners = [applied(H, boxes[:, :2]), applied(H, boxes[:, 2:])]
    np.testing.assert_allclose(warp_boxes(H, boxes), np.concatenate(corners, axis=1), atol=2.5)


def test_the_identity_changes_nothing() -> None:
    boxes = random_boxes()
    np.testing.assert_allclose(warp_boxes(np.eye(3), boxes), boxes, rtol=1e-12)
    state = random_state('xywh')
    same = warp_state(np.eye(3), state, scale_powers=np.ones(4))
    np.testing.assert_array_equal(same.mean, state.mean)
    np.testing.assert_array_equal(same.covariance, state.covariance)


def test_unknown_boxes_stay_unknown_and_none_are_legal() -> None:
    boxes = random_boxes(3)
    boxes[1] = np.nan
    warped = warp_boxes(HOMOGRAPHIES['turn'], boxes)
    assert np.isnan(warped[1]).all()
    assert np.isfinite(warped[[0, 2]]).all()
    assert warp_boxes(HOMOGRAPHIES['turn'], boxes[:0]).shape == (0, 4)
    none = warp_state(np.eye(3), KalmanState.empty(), scale_powers=np.ones(4))
    assert len(none) == 0


def test_what_comes_to_lie_behind_the_camera_stays_finite() -> None:
    away = turned(1.5)
    assert np.isfinite(warp_boxes(away, random_boxes())).all()
    state = warp_state(away, random_state('xyah'), scale_powers=np.array([1.0, 1, 0, 1]))
    assert np.isfinite(state.mean).all()
    assert np.isfinite(state.covariance).all()


def random_state(name: str) -> KalmanState:
    model, rng = MODELS[name](NoiseWeights()), np.random.default_rng(2)
    position = model.measure(random_boxes())
    spread = rng.uniform(1, 50, (2, *position.shape))
    cross = rng.uniform(-0.9, 0.9, position.shape) * np.sqrt(spread[0] * spread[1])
    return KalmanState.of(position, rng.normal(0, 3, position.shape), spread[0], cross, spread[1])


@every_homography
@pytest.mark.parametrize('model', MODELS)
def test_states_agree_with_the_full_matrices(name, model) -> None:
    H, state = HOMOGRAPHIES[name], random_state(model)
    powers = MODELS[model](NoiseWeights()).scale_powers
    warped = warp_state(H, state, scale_powers=powers)
    centres = state.position[:, :2]
    J = numeric(H, centres)
    scale = np.sqrt(np.abs(np.linalg.det(J)))
    np.testing.assert_allclose(warped.position[:, :2], applied(H, centres), rtol=1e-9)
    for i in range(len(state)):
        # One matrix for the four quantities, the same one for their velocities.
        whole = np.zeros((4, 4))
        whole[:2, :2] = J[i]
        whole[2:, 2:] = np.diag(scale[i] ** powers[2:])
        both = np.kron(np.eye(2), whole)
        np.testing.assert_allclose(warped.velocity[i], whole @ state.velocity[i], rtol=1e-5)
        np.testing.assert_allclose(warped.position[i, 2:], (whole @ state.position[i])[2:], 1e-5)
        P = both @ state.covariance[i] @ both.T
        np.testing.assert_allclose(np.diag(warped.covariance[i]), np.diag(P), rtol=1e-5)
        np.testing.assert_allclose(
            np.diag(warped.covariance[i][:4, 4:]), np.diag(P[:4, 4:]), rtol=1e-5, atol=1e-6
        )


@every_homography
def test_the_moved_velocity_is_that_of_the_moved_point(name) -> None:
    H, state = HOMOGRAPHIES[name], random_state('xywh')
    warped = warp_state(H, state, scale_powers=np.ones(4))
    step = 1e-3 * state.velocity[:, :2]
    ahead = applied(H, state.position[:, :2] + step)
    behind = applied(H, state.position[:, :2] - step)
    np.testing.assert_allclose(
        warped.velocity[:, :2], (ahead - behind) / 2e-3, rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize('model', MODELS)
def test_quantities_move_as_the_boxes_do(model) -> None:
    of = MODELS[model](NoiseWeights())
    state, H = random_state(model), HOMOGRAPHIES['far turn']
    warped = warp_state(H, state, scale_powers=of.scale_powers)
    wanted = warp_boxes(H, of.boxes(state.position))
    np.testing.assert_allclose(of.boxes(warped.position), wanted, rtol=1e-9)


@pytest.mark.parametrize('model', MODELS)
def test_a_warped_covariance_stays_legal(model) -> None:
    powers = MODELS[model](NoiseWeights()).scale_powers
    for H in HOMOGRAPHIES.values():
        warped = warp_state(H, random_state(model), scale_powers=powers)
        np.linalg.cholesky(warped.covariance)


# In the tracker


def still_world(angle: float) -> np.ndarray:
    """Boxes of three still objects, seen by a camera that has turned by `angle`."""
    centres = np.array([[700.0, 500], [960, 560], [1250, 600]])
    centres = applied(turned(angle), centres)
    half = np.array([20.0, 40])
    return np.concatenate([centres - half, centres + half], axis=1)


@pytest.mark.parametrize('name', PRESETS)
def test_a_still_world_is_followed_under_a_turning_camera(name, detect) -> None:
    """By more than a box is wide from frame to frame, to and fro so that no velocity helps."""
    angles = np.cumsum([0.0] + [0.045, 0.045, -0.045, 0.045, -0.045, -0.045] * 4)
    known = Tracker(TrackerConfig.of(name))
    unknown, highest = Tracker(TrackerConfig.of(name)), 0
    for k, angle in enumerate(angles):
        seen = detect(still_world(angle))
        motion = None if k == 0 else turned(angle) @ np.linalg.inv(turned(angles[k - 1]))
        tracks = known.update(seen, stamp_ns=(k + 1) * PERIOD_NS, camera_motion=motion)
        unknown.update(seen, stamp_ns=(k + 1) * PERIOD_NS)
        highest = max(highest, *unknown.store.track_ids.tolist())
        assert known.store.track_ids.tolist() == [1, 2, 3]
    assert tracks.track_ids.tolist() == [1, 2, 3]
    # No velocity but the noise of the filter: the turning is not the objects'.
    assert np.abs(known.store.motion.velocity[:, :2]).max() < 3
    assert highest > 3  # it is not so easy without


@pytest.mark.parametrize('name', ['byte', 'ocsort', 'botsort'])
def test_lost_tracks_turn_with_the_camera_too(name, detect) -> None:
    tracker = Tracker(TrackerConfig.of(name))
    step = turned(0.05)
    for k in range(12):
        seen = detect(still_world(0.05 * k) if k < 6 or k == 11 else [])
        tracker.update(seen, stamp_ns=(k + 1) * PERIOD_NS, camera_motion=step if k else None)
    assert tracker.store.track_ids.tolist() == [1, 2, 3]
    assert (tracker.store.frames_since_update == 0).all()


BAD = {
    'shape': np.eye(2),
    'row': np.ones(9),
    'nan': np.diag([1.0, np.nan, 1.0]),
    'infinite': np.diag([1.0, np.inf, 1.0]),
    'singular': np.ones((3, 3)),
    'zero': np.zeros((3, 3)),
}


@pytest.mark.parametrize('name', BAD)
def test_bad_homographies_are_refused_and_leave_the_tracker_as_it_was(name, detect) -> None:
    with pytest.raises(InvalidDataError, match=r'camera_motion: expected .* \(3, 3\)'):
        checked_homography(BAD[name])
    tracker, plain = Tracker(TrackerConfig.of('byte')), Tracker(TrackerConfig.of('byte'))
    for t in (tracker, plain):
        t.update(detect(still_world(0.0)), stamp_ns=PERIOD_NS)
    store, dropped = tracker.store, tracker.dropped
    with pytest.raises(InvalidDataError, match='camera_motion'):
        tracker.update(
            detect([*still_world(0.0), [5, 5, 5, 5]]),
            stamp_ns=2 * PERIOD_NS,
            camera_motion=BAD[name],
        )
    assert tracker.store is store
    assert tracker.dropped == dropped
    again, wanted = (
        t.update(detect(still_world(0.0)), stamp_ns=2 * PERIOD_NS) for t in (tracker, plain)
    )
    np.testing.assert_array_equal(again.track_ids, wanted.track_ids)
    np.testing.assert_array_equal(again.boxes_xyxy_px, wanted.boxes_xyxy_px)


def test_whole_numbers_and_single_precision_are_taken() -> None:
    for given in (np.eye(3, dtype=int), np.eye(3, dtype=np.float32)):
        checked = checked_homography(given)
        assert checked.dtype == np.float64
        np.testing.assert_array_equal(checked, np.eye(3))


@pytest.mark.parametrize('factor', [1.0, -1.0, 40.0, 1e-150, 1e150, 'corner'])
def test_a_wide_camera_turns_by_what_lies_ahead_of_it(factor) -> None:
    """Of 140 degrees; after a turn of 22 the pixel (0, 0) lies behind it, the middle does not."""
    focal = 960 / np.tan(np.radians(70))
    camera = np.array([[focal, 0, 960], [0, focal, 540], [0, 0, 1]])
    angle = np.radians(-22)
    turn = np.array(
        [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
    )
    homography = camera @ turn @ np.linalg.inv(camera)
    assert homography[2, 2] < 0
    homography *= 1 / homography[2, 2] if factor == 'corner' else factor
    moved = warp_at(checked_homography(homography), np.array([[960.0, 540.0]])).points
    np.testing.assert_allclose(moved, [[960 + focal * np.tan(angle), 540]])


def test_a_homography_may_be_written_anew_by_its_owner(detect) -> None:
    """Also where a late result is played over the frames that had it."""
    stores = []
    for owns in (True, False):
        tracker, buffer = Tracker(TrackerConfig.of('vehicle')), np.eye(3)
        for k in range(10):
            buffer[0, 2] = 5.0 * k
            motion = buffer if owns else buffer.copy()
            shift = 5.0 * k * (k + 1) / 2
            seen = detect([[100 + shift, 100, 140 + shift, 180]])
            tracker.update(seen, stamp_ns=(k + 1) * 33_333_333, camera_motion=motion)
        late = detect([[175, 100, 215, 180]])
        assert tracker.update_late(late, stamp_ns=6 * 33_333_333).applied
        stores.append(tracker.store.boxes_xyxy_px)
    np.testing.assert_array_equal(*stores)
