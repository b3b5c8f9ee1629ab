"""What the publications say their trackers do, in cases whose numbers can be checked by hand.

Boxes are squares unless said otherwise, so that two of side s whose centres are d apart along one
axis have IoU (s - d) / (s + d).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pytest

from mot_compress_ros.datatypes import Detections, Tracks
from mot_compress_ros.tracking import PRESETS, Tracker, TrackerConfig


def square(x: float, y: float = 200.0, *, side: float) -> tuple[float, ...]:
    return x - side / 2, y - side / 2, x + side / 2, y + side / 2


def run(
    tracker: Tracker,
    frames: Iterable[Detections],
    *,
    start: int = 0,
    fps: float = 30.0,
) -> list[Tracks]:
    return [
        tracker.update(frame, stamp_ns=round((start + k) * 1e9 / fps))
        for k, frame in enumerate(frames)
    ]


def ids(outputs: Iterable[Tracks]) -> list[list[int]]:
    return [tracks.track_ids.tolist() for tracks in outputs]


def id_at(tracks: Tracks, x: float) -> int:
    """Id of the published track whose centre is next to `x`, which is within 10 px."""
    distance = np.abs(tracks.boxes_xyxy_px[:, [0, 2]].mean(axis=1) - x)
    assert distance.min() < 10
    return int(tracks.track_ids[distance.argmin()])


# --- SORT -------------------------------------------------------------------------------------


def test_sort_shows_an_object_after_three_hits_in_a_row(detect) -> None:
    """`hit_streak >= min_hits`: a birth counts 0, and in the first three frames all are shown."""
    two = [square(100, side=50), square(400, side=50)]
    frames = [detect(two[:1])] * 5 + [detect(two, scores=[0.9, 0.8])] * 5
    shown = ids(run(Tracker(TrackerConfig.of('sort')), frames))
    assert shown == [[1]] * 8 + [[1, 2]] * 2


@pytest.mark.parametrize('fps', [30, 5])
@pytest.mark.parametrize(('missed', 'same'), [(1, True), (2, False)])
def test_sort_bridges_one_missed_frame(detect, missed: int, same: bool, fps: int) -> None:
    """`max_age = 1`; and a miss ends the streak, so three hits are needed to be shown again."""
    frames = [detect([square(100, side=50)])] * 10
    tracker = Tracker(TrackerConfig.of('sort'))
    run(tracker, frames, fps=fps)
    run(tracker, [detect([])] * missed, start=10, fps=fps)
    shown = ids(run(tracker, frames, start=10 + missed, fps=fps))
    assert shown[0] == shown[1] == []
    assert shown[-1] == ([1] if same else [2])


def test_sort_needs_an_overlap_of_three_tenths(detect) -> None:
    for shift, same in ((53, True), (55, False)):  # IoU 47/153 = 0.307 and 45/155 = 0.290
        tracker = Tracker(TrackerConfig.of('sort'))
        frames = [detect([square(100, side=100)])] * 10
        frames += [detect([square(100 + shift, side=100)])] * 5
        assert (ids(run(tracker, frames))[-1] == [1]) == same


def test_sort_takes_the_greatest_sum_of_overlaps(detect) -> None:
    """Two tracks at 200 and 237, boxes at 208 and 171, sides of 100.

    The sum of overlaps is greatest when 200 goes to 171 and 237 to 208, though 200 lies nearer to
    208 and both overlap by more than three tenths: 0.55 + 0.55 > 0.85 + 0.20.
    """
    tracker = Tracker(TrackerConfig.of('sort'))
    before = detect([square(200, side=100), square(237, side=100)], scores=[0.9, 0.8])
    run(tracker, [before] * 7)
    after = detect([square(171, side=100), square(208, side=100)], scores=[0.9, 0.8])
    assert ids(run(tracker, [after], start=7)) == [[1, 2]]


def test_sort_drops_small_overlaps_after_they_had_their_part(detect) -> None:
    """0.85 beside nothing or 0.54 beside 0.21 * 2: the published code loses one of two."""
    tracker = Tracker(TrackerConfig.of('sort'))
    run(tracker, [detect([square(200, side=100), square(265, side=100)], scores=[0.9, 0.8])] * 7)
    # 200 -> 235 (IoU 0.48) and 265 -> 325 (0.25) sum to 0.73; 265 -> 235 alone is 0.54.
    after = detect([square(235, side=100), square(325, side=100)], scores=[0.9, 0.8])
    assert ids(run(tracker, [after], start=7)) == [[1]]


# --- ByteTrack --------------------------------------------------------------------------------


def test_byte_keeps_a_track_through_low_scores_where_sort_loses_it(detect) -> None:
    scores = [0.9] * 10 + [0.3] * 10 + [0.9] * 10
    frames = [detect([square(100 + 3 * k, side=50)], scores=s) for k, s in enumerate(scores)]
    assert ids(run(Tracker(TrackerConfig.of('byte')), frames)) == [[1]] * 30
    # SORT has one threshold; ByteTrack's paper compares itself to SORT with its own, 0.6.
    sort = TrackerConfig.of('sort', min_score=0.6)
    shown = ids(run(Tracker(sort), frames))
    assert shown[:10] + shown[12:20] == [[1]] * 10 + [[]] * 8
    assert shown[-1] not in ([], [1])


def test_byte_begins_tracks_at_seven_tenths_only(detect) -> None:
    boxes = [square(100 + 200 * k, side=50) for k in range(4)]
    frames = [detect(boxes, scores=[0.71, 0.69, 0.61, 0.5])] * 5
    assert ids(run(Tracker(TrackerConfig.of('byte')), frames)) == [[1]] * 5


def test_byte_confirms_at_once_in_the_first_frame_and_at_the_second_hit_later(detect) -> None:
    one, two = square(100, side=50), square(400, side=50)
    gap = [[one], [one, two], [one], [one, two], [one, two]]
    shown = ids(run(Tracker(TrackerConfig.of('byte')), [detect(b, scores=0.8) for b in gap]))
    # Number 2 was missed while it was tentative: it is gone, and the object is number 3.
    assert shown == [[1], [1], [1], [1], [1, 3]]


def test_byte_finds_a_lost_track_by_a_high_score_only(detect) -> None:
    """The second round takes the tracks that the last frame showed, not the lost ones."""
    box = [square(100, side=50)]
    frames = [detect(box)] * 5 + [detect([])] * 3 + [detect(box, scores=0.5)] * 3 + [detect(box)]
    assert ids(run(Tracker(TrackerConfig.of('byte')), frames)) == [[1]] * 5 + [[]] * 6 + [[1]]


def test_byte_does_not_see_what_scores_below_a_tenth(detect) -> None:
    box = [square(100, side=50)]
    frames = [detect(box)] * 5 + [detect(box, scores=0.11), detect(box, scores=0.09)]
    assert ids(run(Tracker(TrackerConfig.of('byte')), frames)) == [[1]] * 6 + [[]]


@pytest.mark.parametrize(('score', 'same'), [(0.9, True), (0.7, False)])
def test_bytes_first_round_weighs_the_overlap_by_the_score(
    detect, score: float, same: bool
) -> None:
    """IoU 40/160 = 0.25; 1 - 0.25 * 0.9 = 0.775 is within 0.8, 1 - 0.25 * 0.7 = 0.825 is not."""
    frames = [detect([square(100, side=100)])] * 10
    frames += [detect([square(160, side=100)], scores=score)]
    assert (ids(run(Tracker(TrackerConfig.of('byte')), frames))[-1] == [1]) == same


@pytest.mark.parametrize(('shift', 'same'), [(30, True), (36, False)])
def test_bytes_second_round_wants_half_an_overlap(detect, shift: int, same: bool) -> None:
    """IoU 70/130 = 0.54 and 64/136 = 0.47, whatever the score."""
    frames = [detect([square(100, side=100)])] * 10
    frames += [detect([square(100 + shift, side=100)], scores=0.2)]
    assert (ids(run(Tracker(TrackerConfig.of('byte')), frames))[-1] == [1]) == same


# --- OC-SORT ----------------------------------------------------------------------------------


def passing_by(detect: Callable[..., Detections]) -> list[Detections]:
    """Two meet, hide each other for two frames and have passed each other faster than before.

    The filter expects them at 103 and 107; they are at 120 and 90. Overlap alone prefers the
    wrong pairs: 13 px apart (IoU 47/73 = 0.64) to 17 px (43/77 = 0.56), 0.17 in sum. The headings
    speak for the right ones by almost 4 * 0.1 * 0.95 = 0.38.
    """

    def pair(a: float, b: float) -> Detections:
        return detect([square(a, side=60), square(b, side=60)], scores=[0.95, 0.94])

    before = [pair(90 + k, 120 - k) for k in range(11)]
    after = [pair(120 + k, 90 - k) for k in range(5)]
    return [*before, detect([]), detect([]), *after]


def test_ocsorts_direction_decides_a_crossing_that_overlap_gets_wrong(detect) -> None:
    def at_the_end(tracker: Tracker) -> tuple[int, int]:
        last = run(tracker, passing_by(detect))[-1]
        return id_at(last, 124), id_at(last, 86)

    assert at_the_end(Tracker(TrackerConfig.of('ocsort'))) == (1, 2)
    assert at_the_end(Tracker(TrackerConfig.of('byte'))) == (2, 1)


def test_ocsort_publishes_what_was_seen(detect) -> None:
    rng = np.random.default_rng(0)
    boxes = [square(100 + 4 * k + rng.normal(0, 2), side=50) for k in range(10)]
    frames = [detect([box]) for box in boxes]
    for tracks, box in zip(run(Tracker(TrackerConfig.of('ocsort')), frames), boxes, strict=True):
        np.testing.assert_allclose(tracks.boxes_xyxy_px, [box], rtol=1e-6)


def test_after_ocsorts_replay_a_straight_path_is_as_if_never_hidden(detect) -> None:
    """ORU's virtual path is then the true one: the filter is as sure as if it had seen it.

    A turn after that tells it from a filter that only knows that it is right, as SORT's is.
    """
    path = [(100 + 4 * k, 200 + k) for k in range(28)] + [(208, 228 + 5 * k) for k in range(12)]
    seen = [detect([square(x, y, side=100)]) for x, y in path]
    hidden = [detect([]) if 15 <= k < 25 else frame for k, frame in enumerate(seen)]
    differences = {}
    for name in ('ocsort', 'sort'):
        config = TrackerConfig.of(name, lost_buffer_s=1.0)
        whole, broken = run(Tracker(config), seen), run(Tracker(config), hidden)
        assert ids(broken) == [[1]] * 15 + [[]] * 12 + [[1]] * 13  # hidden, then three hits
        differences[name] = max(
            np.abs(one.velocities_px_s - other.velocities_px_s).max()
            for one, other in zip(whole[27:], broken[27:], strict=True)
        )
    assert differences['ocsort'] < 1e-3 < 0.5 < differences['sort']


def test_ocsorts_replay_corrects_the_velocity_after_a_turn_behind_something(detect) -> None:
    """It went right at 5 px a frame, hid for 20 frames, and came out 60 px below where it was."""
    frames = [detect([square(100 + 5 * k, side=200)]) for k in range(21)]
    frames += [detect([])] * 20
    frames += [detect([square(200, 260 + 3 * k, side=200)]) for k in range(3)]
    outputs = run(Tracker(TrackerConfig.of('ocsort')), frames)
    np.testing.assert_allclose(outputs[20].velocities_px_s, [[150, 0]], atol=2)
    assert outputs[-1].track_ids.tolist() == [1]
    np.testing.assert_allclose(outputs[-1].velocities_px_s, [[0, 60 / 21 * 30]], atol=20)


def stopped_behind_something(detect: Callable[..., Detections]) -> list[Detections]:
    """It goes 20 px a frame up to 300 and is still there 5 frames later; the filter says 400."""
    frames = [detect([square(100 + 20 * k, side=40)]) for k in range(11)]
    return frames + [detect([])] * 4 + [detect([square(300, side=40)])] * 4


def test_ocsort_finds_an_object_that_stopped_where_it_was_last_seen(detect) -> None:
    frames = stopped_behind_something(detect)
    assert ids(run(Tracker(TrackerConfig.of('ocsort')), frames))[-1] == [1]
    assert ids(run(Tracker(TrackerConfig.of('byte')), frames))[-1] == [2]


def test_ocsort_uses_no_low_scores_and_drops_no_young_track_at_its_first_miss(detect) -> None:
    old, young = square(100, side=50), square(400, side=50)
    frames = [detect([old], scores=0.9)] * 5
    frames += [detect([old, young], scores=[0.9, 0.65]), detect([old], scores=0.9)]
    frames += [detect([old, young], scores=[0.9, 0.65])] * 3
    frames += [detect([old, young], scores=[0.9, 0.55])]
    shown = ids(run(Tracker(TrackerConfig.of('ocsort')), frames))
    assert shown == [[1]] * 9 + [[1, 2], [1]]


# --- BoT-SORT ---------------------------------------------------------------------------------


def jumping(detect: Callable[..., Detections], shift_px: float) -> Detections:
    boxes = [square(150 + 300 * k + shift_px, side=80) for k in range(3)]
    return detect(boxes, scores=[0.9, 0.85, 0.8])


@pytest.mark.parametrize('name', ['botsort', 'vehicle'])
def test_a_jump_of_the_image_keeps_the_ids_where_the_camera_motion_is_told(
    detect, name: str
) -> None:
    """60 px on boxes of 80: IoU 20/140 = 0.14, less than any round takes."""
    motion = np.array([[1, 0, 60], [0, 1, 0], [0, 0, 1]], np.float64)
    tracker = Tracker(TrackerConfig.of(name))
    for k in range(20):
        tracks = tracker.update(
            jumping(detect, 60 if k >= 10 else 0),
            stamp_ns=round(k * 1e9 / 30),
            camera_motion=motion if k == 10 else None,
        )
        assert tracks.track_ids.tolist() == [1, 2, 3]
        np.testing.assert_allclose(tracks.velocities_px_s, 0, atol=1)


def test_botsort_loses_the_ids_in_a_jump_nobody_told_it_of(detect) -> None:
    tracker = Tracker(TrackerConfig.of('botsort'))
    frames = [jumping(detect, 60 if k >= 10 else 0) for k in range(20)]
    assert ids(run(tracker, frames))[-1] == [4, 5, 6]


def test_botsort_tells_two_apart_by_their_looks_where_the_boxes_say_the_opposite(detect) -> None:
    """Two that swapped places within 20 px; the boxes of 100 overlap by 80/120 = 0.67."""
    before = [detect([square(100, side=100), square(120, side=100)], looks=[0, 1])] * 10
    after = [detect([square(120, side=100), square(100, side=100)], looks=[0, 1])] * 2
    for name, expected in (('botsort', 1), ('byte', 2)):
        last = run(Tracker(TrackerConfig.of(name)), before + after)[-1]
        assert id_at(last, 120) == expected


def test_botsort_does_not_follow_a_look_to_a_box_too_far_away(detect) -> None:
    """Beyond an IoU distance of 0.5 the look does not count: 60 px on 80 is a new object."""
    frames = [detect([square(100, side=80)], looks=[0])] * 10
    frames += [detect([square(160, side=80)], looks=[0])] * 3
    assert ids(run(Tracker(TrackerConfig.of('botsort')), frames))[-1] == [2]


# --- Buffered IoU (C-BIoU), part of `vehicle` ---------------------------------------------------


def test_buffers_hold_a_small_fast_object_at_five_frames_per_second(detect) -> None:
    """32 px a frame on a box of 30: no overlap, and at first no velocity is known."""
    frames = [detect([square(100 + 32 * k, side=30)]) for k in range(10)]
    shown = ids(run(Tracker(TrackerConfig.of('vehicle')), frames, fps=5))
    assert shown == [[1]] * 10
    assert 1 not in ids(run(Tracker(TrackerConfig.of('byte')), frames, fps=5))[-1]


# --- Further parts of `vehicle` ------------------------------------------------------------------


@pytest.mark.parametrize(('weight', 'owner'), [(0.0, 1), (0.1, 2)])
def test_a_track_that_is_seen_goes_before_one_that_was_lost(detect, weight: float, owner) -> None:
    """One box comes between both, a little nearer to where the lost one would be."""
    both = detect([square(100, side=80), square(180, side=80)], scores=[0.9, 0.8])
    frames = [both] * 10 + [detect([square(180, side=80)])] * 12 + [detect([square(139, side=80)])]
    config = TrackerConfig.of('vehicle', absence_weight=weight, buffer_growth=0.0)
    assert ids(run(Tracker(config), frames))[-1] == [owner]


@pytest.mark.parametrize(
    ('distance', 'look', 'found'), [(0.0, 0, False), (0.3, 0, True), (0.3, 1, False)]
)
def test_recovery_finds_a_hidden_track_by_its_look_where_no_overlap_does(
    detect, distance: float, look: int, *, found: bool
) -> None:
    frames = [detect([square(300, side=40)], looks=[0])] * 20 + [detect([])] * 25
    frames += [detect([square(352, side=40)], looks=[look])] * 2
    config = TrackerConfig.of('vehicle', recovery_distance=distance)
    assert (ids(run(Tracker(config), frames))[-1] == [1]) is found


# --- Class gating, for all ----------------------------------------------------------------------


@pytest.mark.parametrize('name', PRESETS)
def test_no_track_takes_a_detection_of_another_class(detect, name: str) -> None:
    """Not by overlap, look, low score or buffer: the second class is a new object."""
    box = [square(100, side=80)]
    scores: Sequence[float] = [0.9] * 10 + [0.3] * 3 + [0.9] * 10
    frames = [
        detect(box, scores=score, classes=int(k >= 10), looks=[0])
        for k, score in enumerate(scores)
    ]
    outputs = run(Tracker(TrackerConfig.of(name)), frames)
    assert ids(outputs)[9] == [1]
    assert all(1 not in shown for shown in ids(outputs)[10:])
    assert outputs[-1].class_ids.tolist() == [1]


@pytest.mark.parametrize('name', PRESETS)
def test_one_of_each_class_on_the_same_spot_are_three(detect, name: str) -> None:
    tracker = Tracker(TrackerConfig.of(name))
    for k in range(10):
        boxes = [square(100 + k + 2 * j, side=80) for j in range(3)]
        frame = detect(boxes, classes=[0, 1, 2], scores=[0.9, 0.85, 0.8], looks=[0, 0, 0])
        tracks = tracker.update(frame, stamp_ns=round(k * 1e9 / 30))
        assert tracks.track_ids.tolist() == [1, 2, 3]
        assert tracks.class_ids.tolist() == [0, 1, 2]
