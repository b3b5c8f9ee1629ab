"""FairMOT's published rules, one by one, on cases small enough to work out by hand.

Boxes are 20 px wide and 100 px high unless the case needs another shape: one frame after its first
such a track predicts its centre with a deviation of 0.1375 heights, so a shift of 30 px has a
squared Mahalanobis distance of 4.76 (inside the gate of 9.49) and no overlap.
"""

import numpy as np
import pytest

from mot_compress_ros.datatypes import TrackState
from mot_compress_ros.errors import InvalidDataError, InvalidOptionError
from mot_compress_ros.tracking import life, Tracker, TrackerConfig
from mot_compress_ros.tracking.gallery import Gallery
from mot_compress_ros.tracking.motion import MODELS, NoiseWeights
from mot_compress_ros.tracking.store import TrackStore

PERIOD_NS = 33_333_333
BOX = (100.0, 100.0, 120.0, 200.0)


def moved(dx: float, dy: float = 0.0, box: tuple = BOX) -> tuple:
    return box[0] + dx, box[1] + dy, box[2] + dx, box[3] + dy


class Run:
    """A tracker fed frame by frame; frames are numbered from 0 and `PERIOD_NS` apart."""

    def __init__(self, **options: object) -> None:
        self.tracker = Tracker(TrackerConfig.of('fairmot', **options))
        self.frame = 0

    def __call__(self, detections, *, period_ns: int = PERIOD_NS) -> list[int]:
        tracks = self.tracker.update(detections, stamp_ns=self.frame * period_ns)
        self.frame += 1
        return tracks.track_ids.tolist()


def look_at_angle(cosine: float) -> np.ndarray:
    """(1, 2) unit vector at this cosine to (1, 0)."""
    return np.array([[cosine, (1 - cosine**2) ** 0.5]], np.float32)


def test_the_first_frame_activates_at_once(detect) -> None:
    assert Run()(detect([BOX, moved(300)])) == [1, 2]


def test_later_ones_need_a_second_hit(detect) -> None:
    run = Run()
    assert run(detect([BOX])) == [1]
    assert run(detect([BOX, moved(300)])) == [1]
    assert run(detect([BOX, moved(300)])) == [1, 2]


def test_an_empty_first_frame_is_the_first_frame(detect) -> None:
    run = Run()
    assert run(detect([])) == []
    assert run(detect([BOX])) == []
    assert run(detect([BOX])) == [1]


def test_a_tentative_track_dies_of_its_first_miss(detect) -> None:
    run = Run()
    run(detect([]))
    run(detect([BOX]))
    run(detect([]))
    assert len(run.tracker.store) == 0
    assert run(detect([BOX])) == []
    assert run(detect([BOX])) == [2]


@pytest.mark.parametrize(('hits', 'published_in'), [(1, 1), (2, 2), (4, 4)])
def test_confirm_hits_is_the_number_of_detections_needed(detect, hits, published_in) -> None:
    run = Run(confirm_hits=hits)
    run(detect([]))
    seen = [bool(run(detect([BOX]))) for _ in range(5)]
    assert seen.index(True) + 1 == published_in


@pytest.mark.parametrize(('score', 'begins'), [(0.39, False), (0.4, True), (0.7, True)])
def test_a_track_begins_at_the_new_track_score(detect, score, begins) -> None:
    assert bool(Run()(detect([BOX], scores=score))) is begins


def test_a_low_score_continues_a_track_but_min_score_ignores_it(detect) -> None:
    for options, ids in (({}, [1]), ({'min_score': 0.2}, [])):
        run = Run(**options)
        run(detect([BOX]))
        assert run(detect([BOX], scores=0.1)) == ids


# Cost of the shifted box: 0.98 d + 0.02 * 4.76 = 0.98 d + 0.095, so d = 0.31 is the limit.
@pytest.mark.parametrize(('cosine', 'same'), [(1.0, True), (0.70, True), (0.68, False)])
def test_round_one_matches_by_embedding_up_to_its_threshold(detect, cosine, same) -> None:
    run = Run()
    run(detect([BOX], looks=look_at_angle(1.0)))
    ids = run(detect([moved(30)], looks=look_at_angle(cosine)))
    assert ids == ([1] if same else [])


def test_round_one_has_a_motion_gate(detect) -> None:
    for shift, ids in ((42, [1]), (43, [])):  # 0.1375 * 100 * sqrt(9.4877) = 42.35 px
        run = Run(embedding_threshold=0.5)
        run(detect([BOX], looks=[0]))
        assert run(detect([moved(shift)], looks=[0])) == ids


# A shift dy of a box of height 100 has IoU (100 - dy) / (100 + dy).
@pytest.mark.parametrize(('dy', 'same'), [(33, True), (34, False)])
def test_round_two_matches_tracked_ones_by_iou_up_to_half(detect, dy, same) -> None:
    run = Run()
    run(detect([BOX], looks=[0]))
    assert run(detect([moved(0, dy)], looks=[1])) == ([1] if same else [])


@pytest.mark.parametrize(('dy', 'same'), [(53, True), (54, False)])
def test_tentative_tracks_match_by_iou_up_to_seven_tenths(detect, dy, same) -> None:
    run = Run()
    run(detect([]))
    run(detect([BOX], looks=[0]))
    assert run(detect([moved(0, dy)], looks=[1])) == ([1] if same else [])


def test_tentative_tracks_do_not_match_by_embedding(detect) -> None:
    run = Run()
    run(detect([]))
    run(detect([BOX], looks=[0]))
    assert run(detect([moved(30)], looks=[0])) == []


def test_confirmed_tracks_choose_before_tentative_ones(detect) -> None:
    run = Run()
    run(detect([BOX], looks=[0]))
    run(detect([BOX, moved(0, 60)], looks=[0, 1]))  # 2 is tentative
    # One detection, nearer to the tentative track, still within reach of the confirmed one.
    assert run(detect([moved(0, 32)], looks=[2])) == [1]
    assert run.tracker.store.track_ids.tolist() == [1]


def test_a_lost_track_is_not_matched_by_overlap(detect) -> None:
    run = Run()
    run(detect([BOX], looks=[0]))
    run(detect([], looks=[]))
    assert run(detect([moved(0, 20)], looks=[1])) == []  # IoU 2/3
    assert run(detect([moved(0, 20)], looks=[1])) == [2]


def test_a_lost_track_is_found_by_its_embedding_and_published_at_once(detect) -> None:
    run = Run()
    run(detect([BOX], looks=[0]))
    assert run(detect([])) == []
    assert run.tracker.store.states.tolist() == [TrackState.LOST]
    assert run(detect([moved(30)], looks=[0])) == [1]


@pytest.mark.parametrize('fps', [5, 10, 30, 60])
def test_the_buffer_is_a_time_not_a_number_of_frames(detect, fps) -> None:
    period_ns = int(1e9 / fps)
    for misses, ids in ((fps - 1, [1]), (fps, [])):  # seen again after 1 s, or a frame later
        run = Run()
        run(detect([BOX], looks=[0]), period_ns=period_ns)
        for _ in range(misses):
            run(detect([], looks=[]), period_ns=period_ns)
        assert run(detect([BOX], looks=[0]), period_ns=period_ns) == ids


def test_frames_that_never_came_do_not_keep_a_lost_track(detect) -> None:
    tracker = Tracker(TrackerConfig.of('fairmot'))
    tracker.update(detect([BOX], looks=[0]), stamp_ns=0)
    tracker.update(detect([]), stamp_ns=PERIOD_NS)
    late = tracker.update(detect([BOX], looks=[0]), stamp_ns=5_000_000_000)
    assert len(late) == 0
    assert tracker.store.track_ids.tolist() == [2]


def test_a_slow_stream_still_tracks(detect) -> None:
    tracker = Tracker(TrackerConfig.of('fairmot'))
    for k in range(5):  # one frame every two seconds, longer than the buffer
        tracks = tracker.update(detect([BOX], looks=[0]), stamp_ns=k * 2_000_000_000)
        assert tracks.track_ids.tolist() == [1]


def test_lost_tracks_predict_with_a_constant_height(detect) -> None:
    run = Run()
    for k in range(20):  # moves right 4 px and grows 2 px a frame
        run(detect([(100 + 4 * k, 100 - k, 150 + 4 * k, 200 + k)], looks=[0]))
    run(detect([]))  # still tracked while it is predicted into its first missed frame
    before = run.tracker.store.motion.mean[0]
    for _ in range(5):
        run(detect([]))
    after = run.tracker.store.motion.mean[0]
    assert before[7] > 1.5
    assert after[3] == before[3]
    assert after[7] == 0
    assert after[0] == pytest.approx(before[0] + 5 * before[4])


def two_tracks(*, seen_since: int, lost_since: int, shift: float, classes=(0, 0)) -> TrackStore:
    """Track 1 is lost since stamp 100, track 2 was seen at stamp 200."""
    boxes = np.array([[50, 50, 150, 150], [50 + shift, 50, 150 + shift, 150]], float)
    model = MODELS['xyah'](NoiseWeights())
    motion = model.initiate(model.measure(boxes))
    return TrackStore(
        model=model,
        track_ids=np.array([1, 2]),
        class_ids=np.array(classes),
        states=np.array([TrackState.LOST, TrackState.CONFIRMED]),
        scores=np.ones(2, np.float32),
        started_ns=np.array([lost_since, seen_since]),
        updated_ns=np.array([100, 200]),
        ages=np.ones(2, np.int64),
        hits=np.ones(2, np.int64),
        frames_since_update=np.array([1, 0]),
        streaks=np.zeros(2, np.int64),
        motion=motion,
        anchors=motion,
        observed_xyxy_px=boxes,
        recent_xyxy_px=np.zeros((2, 0, 4)),
        headings=np.zeros((2, 2)),
        gallery=Gallery(2),
    )


@pytest.mark.parametrize(
    ('store', 'dropped'),
    [
        (two_tracks(seen_since=150, lost_since=10, shift=0), [False, True]),
        (two_tracks(seen_since=50, lost_since=10, shift=0), [True, False]),
        (two_tracks(seen_since=150, lost_since=50, shift=0), [False, True]),  # a tie
        (two_tracks(seen_since=50, lost_since=10, shift=8), [True, False]),  # distance 0.148
        (two_tracks(seen_since=50, lost_since=10, shift=9), [False, False]),  # distance 0.165
        (two_tracks(seen_since=50, lost_since=10, shift=0, classes=(0, 1)), [False, False]),
    ],
)
def test_of_a_seen_and_a_lost_duplicate_the_longer_followed_stays(store, dropped) -> None:
    assert life.duplicates(store, iou_distance=0.15).tolist() == dropped


def test_a_newcomer_on_a_lost_track_is_its_duplicate(detect) -> None:
    run = Run()
    run(detect([BOX], looks=[0]))
    run(detect([BOX], looks=[0]))
    run(detect([], looks=[]))
    run(detect([BOX], looks=[1]))
    assert run.tracker.store.track_ids.tolist() == [1]


def test_classes_never_mix(detect) -> None:
    run = Run()
    run(detect([BOX], classes=0, looks=[0]))
    assert run(detect([BOX], classes=1, looks=[0])) == []
    assert run(detect([BOX], classes=1, looks=[0])) == [2]
    assert run(detect([BOX, BOX], classes=[1, 0], looks=[0, 0])) == [1, 2]


def test_embeddings_are_averaged_with_nine_tenths(detect) -> None:
    run = Run()
    run(detect([BOX], looks=look_at_angle(1.0)))
    run(detect([BOX], looks=look_at_angle(0.8)))
    wanted = np.array([0.9 + 0.1 * 0.8, 0.1 * 0.6])
    found = run.tracker.store.gallery.space('student', dim=2).vectors[0]
    np.testing.assert_allclose(found, wanted / np.linalg.norm(wanted), rtol=1e-5)


def test_wide_boxes_are_published_and_tiny_ones_are_not(detect) -> None:
    boxes = [(0, 0, 300, 60), (400, 0, 410, 10), (500, 0, 510, 10.5)]  # 100 px^2 is too little
    assert Run()(detect(boxes, scores=[0.9, 0.8, 0.7])) == [1, 3]


@pytest.mark.parametrize('stamp_ns', [999, 1000])
def test_a_stamp_that_is_not_later_is_refused_and_changes_nothing(detect, stamp_ns) -> None:
    tracker = Tracker(TrackerConfig.of('fairmot'))
    tracker.update(detect([BOX]), stamp_ns=1000)
    with pytest.raises(InvalidDataError, match=r'after 1000.*got \d+.*reset\(\)'):
        tracker.update(detect([BOX]), stamp_ns=stamp_ns)
    tracks = tracker.update(detect([BOX]), stamp_ns=1000 + PERIOD_NS)
    assert tracks.track_ids.tolist() == [1]
    assert tracks.ages.tolist() == [2]


def test_a_changed_embedding_dimension_is_refused_and_changes_nothing(detect) -> None:
    tracker = Tracker(TrackerConfig.of('fairmot'))
    tracker.update(detect([BOX], looks=[0]), stamp_ns=0)
    with pytest.raises(InvalidDataError, match='embedding_space'):
        tracker.update(detect([BOX], looks=look_at_angle(1.0)), stamp_ns=PERIOD_NS)
    tracks = tracker.update(detect([BOX], looks=[0]), stamp_ns=PERIOD_NS)
    assert tracks.hits.tolist() == [2]


def test_an_option_out_of_range_is_refused() -> None:
    with pytest.raises(InvalidOptionError, match='lost_buffer_s'):
        Tracker(TrackerConfig.of('fairmot', lost_buffer_s=-1.0))


def test_degenerate_boxes_are_ignored(detect) -> None:
    flat, line, absurd = (5, 5, 50, 5), (5, 5, 5.5, 90), (-3e38, 0, 3e38, 10)
    run = Run()
    assert run(detect([flat, BOX, line, absurd])) == [1]
    assert run(detect([BOX, absurd])) == [1]
