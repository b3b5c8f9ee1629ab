import numpy as np
import pytest

from offline_training.pseudo_labels.linking import link, LinkConfig, scaled, smooth
from offline_training.pseudo_labels.road_classes import (
    CYCLIST,
    PEDESTRIAN,
    RoadBoxes,
    UNATTENDED,
    VEHICLE,
)


def boxes(*rows: tuple) -> RoadBoxes:
    """Rows (score, class id, x1, y1, x2, y2)."""
    return RoadBoxes(
        xyxy_px=np.array([r[2:] for r in rows], np.float64).reshape(-1, 4),
        scores=np.array([r[0] for r in rows], np.float64),
        class_ids=np.array([r[1] for r in rows], np.int64),
    )


def car(t: int, *, x: float = 0.0, speed: float = 5.0, score: float = 0.8, class_id=VEHICLE):
    left = x + speed * t
    return score, class_id, left, 50.0, left + 60.0, 90.0


def kept(clip, **options):
    return [t for t in link(clip, LinkConfig(**options)) if t.kept]


def test_two_cars_keep_apart():
    clip = [boxes(car(t), car(t, x=300, speed=-5)) for t in range(20)]
    tracks = kept(clip)
    assert len(tracks) == 2
    assert all(len(t.frames) == 20 for t in tracks)
    np.testing.assert_allclose(tracks[0].xyxy_px[:, 0], 5.0 * np.arange(20))


def test_cars_that_pass_each_other_go_on():
    """Opposite lanes: the forecast, not the nearest box, decides while they overlap."""
    clip = [boxes(car(t, speed=12), car(t, x=250, speed=-12)) for t in range(24)]
    tracks = kept(clip)
    assert len(tracks) == 2
    ends = sorted(float(t.xyxy_px[-1, 0] - t.xyxy_px[0, 0]) for t in tracks)
    assert ends == pytest.approx([-276, 276])


def test_a_gap_is_interpolated():
    clip = [boxes(*([car(t)] if t not in (8, 9, 10) else [])) for t in range(20)]
    (track,) = kept(clip)
    assert track.frames.tolist() == list(range(20))
    np.testing.assert_allclose(track.xyxy_px[:, 0], 5.0 * np.arange(20), atol=1e-9)
    assert np.flatnonzero(track.scores == 0).tolist() == [8, 9, 10]


def test_a_gap_too_long_is_not_bridged():
    clip = [boxes(*([car(t, speed=0)] if not 10 <= t < 22 else [])) for t in range(32)]
    assert len(kept(clip, max_gap_frames=8)) == 2
    assert len(kept(clip, max_gap_frames=12)) == 1


def test_weak_boxes_extend_tracks_but_begin_none():
    clip = [boxes(car(t, score=0.8 if t < 12 else 0.3)) for t in range(16)]
    (track,) = kept(clip)
    assert len(track.frames) == 16
    weak = [boxes(car(t, score=0.3)) for t in range(16)]
    assert kept(weak) == []
    assert sum(len(t.frames) for t in link(weak, LinkConfig())) >= 16  # regions to ignore


def test_short_and_unsure_tracks_are_given_up_not_lost():
    clip = [boxes(*([car(t)] if t < 4 else [])) for t in range(20)]
    (track,) = link(clip, LinkConfig())
    assert (track.kept, len(track.frames)) == (False, 4)
    unsure = [boxes(car(t, score=0.46)) for t in range(20)]
    assert [t.kept for t in link(unsure, LinkConfig(min_mean_score=0.5))] == [False]


def test_the_class_of_a_track_is_that_of_most_boxes():
    clip = [boxes(car(t, class_id=PEDESTRIAN if t == 5 else CYCLIST, speed=1)) for t in range(12)]
    (track,) = kept(clip)
    assert (track.class_id, len(track.frames)) == (CYCLIST, 12)


def test_unattended_two_wheelers_are_not_tracked():
    assert link([boxes(car(t, class_id=UNATTENDED)) for t in range(9)], LinkConfig()) == []
    assert link([boxes() for _ in range(9)], LinkConfig()) == []
    assert link([], LinkConfig()) == []


def test_the_same_clip_gives_the_same_tracks():
    rng = np.random.default_rng(3)
    clip = [boxes(*(car(t, x=float(x + rng.normal())) for x in (0, 100, 200))) for t in range(15)]
    first, second = link(clip, LinkConfig()), link(clip, LinkConfig())
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.xyxy_px, b.xyxy_px)


def test_smoothing_keeps_straight_lines_and_ends():
    line = np.arange(5)[:, None] * np.ones((1, 4))
    np.testing.assert_allclose(smooth(line), line)
    spike = np.zeros((5, 4))
    spike[2] = 4
    np.testing.assert_allclose(smooth(spike)[:, 0], [0, 1, 2, 1, 0])
    np.testing.assert_array_equal(smooth(spike[:2]), spike[:2])


def test_scaling():
    (track,) = kept([boxes(car(t)) for t in range(8)])
    np.testing.assert_allclose(scaled(track, 0.5).xyxy_px, track.xyxy_px / 2)
