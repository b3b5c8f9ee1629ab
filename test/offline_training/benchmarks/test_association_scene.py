import itertools

import numpy as np
import pytest

from mot_compress_ros.boxes import iou_matrix
from offline_training.benchmarks.association_scene import (
    covered_share,
    crowd_frames,
    CrowdConfig,
    CrowdFrame,
    project,
)


@pytest.fixture(scope='module')
def frames() -> list[CrowdFrame]:
    return list(crowd_frames(CrowdConfig(objects=60, frames=90, seed=3)))


def test_a_rectangle_on_the_ground_is_where_a_pinhole_camera_sees_it():
    """1000 px / 20 m are 50 px a metre; the camera is 8 m high and its horizon at row 100."""
    box = project(np.array([[2.0, 20.0]]), np.array([[1.0, 2.0]]))
    assert box.tolist() == [[960 + 100 - 25, 100 + 400 - 100, 960 + 100 + 25, 500]]


def test_only_what_is_nearer_covers():
    boxes = np.array([[0.0, 0, 10, 10], [5, 0, 15, 10], [100, 0, 110, 10]])
    assert covered_share(boxes, np.array([20.0, 10.0, 5.0])).tolist() == [0.5, 0.0, 0.0]


def test_the_same_seed_gives_the_same_scene():
    one, two, other = (
        list(crowd_frames(CrowdConfig(objects=20, frames=5, seed=seed))) for seed in (1, 1, 2)
    )
    for a, b, c in zip(one, two, other, strict=True):
        for name in ('boxes_xyxy_px', 'scores', 'embeddings'):
            assert np.array_equal(getattr(a.detections, name), getattr(b.detections, name))
        assert np.array_equal(a.truth.boxes_xyxy_px, b.truth.boxes_xyxy_px)
        assert not np.array_equal(a.truth.boxes_xyxy_px, c.truth.boxes_xyxy_px)


def test_their_number_stays_and_an_identity_never_comes_back(frames):
    gone: set[int] = set()
    before: set[int] = set()
    for frame in frames:
        here = set(frame.truth.ids.tolist())
        assert len(here) == len(frame.truth) == 60
        assert not here & gone
        gone |= before - here
        before = here
    assert gone, 'nobody left: the scene is too short to show it'


def test_objects_move_smoothly(frames):
    """A box overlaps the one of the frame before: at 30 FPS nobody jumps."""
    overlaps = []
    for a, b in itertools.pairwise(frames):
        common, rows_a, rows_b = np.intersect1d(a.truth.ids, b.truth.ids, return_indices=True)
        assert len(common) > 50
        overlap = iou_matrix(a.truth.boxes_xyxy_px[rows_a], b.truth.boxes_xyxy_px[rows_b])
        overlaps.append(np.diag(overlap))
    joined = np.concatenate(overlaps)
    assert joined.min() > 0.3
    assert 0.7 < np.median(joined) < 0.99  # they do move


def test_detections_are_of_the_truth_but_for_some(frames):
    matched = [
        (iou_matrix(f.detections.boxes_xyxy_px, f.truth.boxes_xyxy_px).max(axis=1) > 0.6).mean()
        for f in frames
    ]
    assert 0.9 < np.mean(matched) < 0.99  # 4 % are false
    counts = [len(f.detections) for f in frames]
    assert 0.85 * 60 < np.mean(counts) < 1.05 * 60


@pytest.mark.parametrize('objects', [10, 300, 1000])
def test_there_are_about_as_many_detections_as_objects(objects):
    config = CrowdConfig(objects=objects, frames=1000 // objects + 10)
    counts = [len(frame.detections) for frame in crowd_frames(config)]
    assert np.mean(counts) == pytest.approx(objects, rel=0.12)


def test_embeddings_tell_who_is_who(frames):
    """Of isolated objects, the one most alike in the next frame is mostly the same."""
    right = []
    for a, b in zip(frames[::10], frames[1::10], strict=False):
        ids_a, rows_a = _identified(a)
        ids_b, rows_b = _identified(b)
        alike = a.detections.embeddings[rows_a] @ b.detections.embeddings[rows_b].T
        known = np.isin(ids_a, ids_b)
        right.append((ids_b[alike.argmax(axis=1)] == ids_a)[known].mean())
    assert np.mean(right) > 0.9


def _identified(frame: CrowdFrame) -> tuple[np.ndarray, np.ndarray]:
    """Identities and rows of the detections that lie on one object in full view."""
    overlap = iou_matrix(frame.detections.boxes_xyxy_px, frame.truth.boxes_xyxy_px)
    best = overlap.argmax(axis=1)
    clear = (overlap.max(axis=1) > 0.7) & (frame.truth.visibility[best] > 0.95)
    return frame.truth.ids[best[clear]], np.flatnonzero(clear)
