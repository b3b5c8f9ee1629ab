"""Boxes that a nearer one covers, and what their measurement is then worth."""

import numpy as np
import pytest

from mot_compress_ros.tracking import Tracker, TrackerConfig
from mot_compress_ros.tracking.seen import look_at


def seen(detections):
    return look_at(detections, min_score=0.0)[0]


def test_the_covered_share_of_known_boxes(detect) -> None:
    """Best first: a near car, a person half behind it, one behind both, and one alone."""
    boxes = [[0, 0, 100, 100], [50, 20, 150, 80], [90, 30, 110, 60], [300, 0, 340, 90]]
    shares = seen(detect(boxes, scores=[0.9, 0.8, 0.7, 0.6])).covered
    # The car hides 50 of 100 px of the second; the second hides all of the third, the car half.
    np.testing.assert_allclose(shares, [0, 0.5, 1.0, 0])


def test_of_two_that_end_at_one_height_none_is_nearer(detect) -> None:
    assert not seen(detect([[0, 0, 50, 50], [10, 10, 60, 50]])).covered.any()


def test_covered_boxes_agree_with_a_loop(detect) -> None:
    rng = np.random.default_rng(3)
    low = rng.uniform(0, 400, (60, 2))
    many = seen(detect(np.concatenate([low, low + rng.uniform(10, 90, (60, 2))], axis=1)))
    corners = many.boxes_xyxy_px
    for share, (left, top, right, bottom) in zip(many.covered, corners, strict=True):
        w = np.minimum(corners[:, 2], right) - np.maximum(corners[:, 0], left)
        h = np.minimum(corners[:, 3], bottom) - np.maximum(corners[:, 1], top)
        part = w.clip(0) * h.clip(0) / ((right - left) * (bottom - top))
        assert share == pytest.approx(part[corners[:, 3] > bottom].max(initial=0))


def test_no_detections_are_not_covered(detect) -> None:
    assert seen(detect([])).covered.shape == (0,)


def test_a_covered_box_moves_its_track_less(detect) -> None:
    """A car drives in front of someone, whose visible half seems to jump aside."""
    person, half, car = [270, 120, 330, 280], [260, 120, 310, 280], [285, 100, 500, 300]
    moved = {}
    for noise in (0.0, 10.0):
        tracker = Tracker(TrackerConfig.of('vehicle', cover_noise=noise))
        for k in range(20):
            tracker.update(detect([person]), stamp_ns=k * 33_333_333)
        tracker.update(detect([half, car], scores=[0.9, 0.8]), stamp_ns=20 * 33_333_333)
        moved[noise] = person[0] - tracker.store.boxes_xyxy_px[0, 0]
    assert 2 < moved[0.0] < 10
    # Half of the box is covered: six times the variance.
    assert 0 < moved[10.0] < 0.5 * moved[0.0]
