"""What holds for every stream of frames, whatever it shows."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np

from mot_compress_ros.datatypes import Detections, Tracks, TrackState
from mot_compress_ros.tracking import Tracker, TrackerConfig

Frames = list[tuple[int, Detections]]
COLUMNS = (
    'boxes_xyxy_px',
    'scores',
    'class_ids',
    'track_ids',
    'velocities_px_s',
    'states',
    'ages',
    'hits',
    'frames_since_update',
)

# x, y, width, height, score in percent, class, look. Few values, so that things meet often.
rows = st.tuples(
    st.integers(0, 40),
    st.integers(0, 20),
    st.sampled_from([0, 4, 10]),
    st.sampled_from([8, 20]),
    st.integers(20, 100),
    st.integers(0, 2),
    st.integers(0, 5),
)
scenes = st.lists(
    st.tuples(
        st.sampled_from([1, 33, 34, 100, 400, 1500]),  # ms since the last frame
        st.lists(rows, max_size=6, unique_by=lambda row: row[:6]),
        st.sampled_from(['student', 'student', 'teacher', '']),
    ),
    min_size=1,
    max_size=25,
)


def frames_of(scene: Sequence[tuple]) -> Frames:
    stamp_ns, frames = 0, []
    for gap_ms, seen, space in scene:
        stamp_ns += gap_ms * 1_000_000
        table = np.array(seen, np.float64).reshape(-1, 7)
        low, size = table[:, :2] * 5, table[:, 2:4] * 5
        looks = np.eye(6, dtype=np.float32)[table[:, 6].astype(int)]
        detections = Detections(
            boxes_xyxy_px=np.concatenate([low, low + size], axis=1),
            scores=table[:, 4] / 100,
            class_ids=table[:, 5].astype(np.int64),
            embeddings=looks if space else looks[:, :0],
            embedding_space=space,
        )
        frames.append((stamp_ns, detections))
    return frames


def track(frames: Frames, tracker: Tracker | None = None) -> list[Tracks]:
    tracker = tracker or Tracker(TrackerConfig.of('fairmot'))
    return [tracker.update(detections, stamp_ns=stamp) for stamp, detections in frames]


def assert_equal(a: list[Tracks], b: list[Tracks]) -> None:
    assert len(a) == len(b)
    for one, other in zip(a, b, strict=True):
        for column in COLUMNS:
            np.testing.assert_array_equal(getattr(one, column), getattr(other, column))


@given(scene=scenes)
def test_outputs_are_ordered_confirmed_updated_and_no_more_than_the_detections(scene) -> None:
    frames = frames_of(scene)
    for (stamp_ns, detections), tracks in zip(frames, track(frames), strict=True):
        assert tracks.stamp_ns == stamp_ns
        assert len(tracks) <= len(detections)
        assert (np.diff(tracks.track_ids) > 0).all()
        assert (tracks.track_ids >= 1).all()
        assert (tracks.states == TrackState.CONFIRMED).all()
        assert (tracks.frames_since_update == 0).all()
        assert (tracks.hits <= tracks.ages).all()
        assert (tracks.boxes_xyxy_px[:, 2:] > tracks.boxes_xyxy_px[:, :2]).all()
        assert set(tracks.class_ids) <= set(detections.class_ids)
        assert set(tracks.scores) <= set(detections.scores)


@given(scene=scenes, resets=st.sets(st.integers(0, 24), max_size=3))
def test_ids_are_never_reused_not_even_over_resets(scene, resets) -> None:
    tracker, gone, alive, highest = Tracker(TrackerConfig.of('fairmot')), set(), set(), 0
    class_of: dict[int, int] = {}
    for k, (stamp_ns, detections) in enumerate(frames_of(scene)):
        if k in resets:
            tracker.reset()
            gone |= alive
            alive = set()
        tracker.update(detections, stamp_ns=stamp_ns)
        now = set(tracker.store.track_ids.tolist())
        assert not now & gone
        assert all(i > highest for i in now - alive)
        gone |= alive - now
        alive, highest = now, max([highest, *now])
        for i, kind in zip(tracker.store.track_ids, tracker.store.class_ids, strict=True):
            assert class_of.setdefault(int(i), int(kind)) == kind


@given(scene=scenes, other=scenes)
def test_two_trackers_do_not_know_of_each_other(scene, other) -> None:
    frames, noise = frames_of(scene), frames_of(other)
    tracker, neighbour, together = (
        Tracker(TrackerConfig.of('fairmot')),
        Tracker(TrackerConfig()),
        [],
    )
    for k, (stamp_ns, detections) in enumerate(frames):
        together.append(tracker.update(detections, stamp_ns=stamp_ns))
        if k < len(noise):
            neighbour.update(noise[k][1], stamp_ns=noise[k][0])
    assert_equal(together, track(frames))


@given(scene=scenes, seed=st.integers(0, 2**16))
def test_the_order_of_detections_does_not_matter(scene, seed) -> None:
    rng, frames = np.random.default_rng(seed), frames_of(scene)
    shuffled = [(stamp, d[rng.permutation(len(d))]) for stamp, d in frames]
    assert_equal(track(shuffled), track(frames))


@given(scene=scenes, shift_ns=st.integers(-(10**9), 2 * 10**18))
def test_a_shift_of_all_stamps_changes_nothing(scene, shift_ns) -> None:
    frames = frames_of(scene)
    moved = track([(stamp + shift_ns, detections) for stamp, detections in frames])
    assert_equal(moved, track(frames))


@given(scene=scenes)
def test_the_same_frames_give_the_same_tracks_again(scene) -> None:
    assert_equal(track(frames_of(scene)), track(frames_of(scene)))


@given(scene=scenes)
@settings(max_examples=50)
def test_the_filter_stays_sound(scene) -> None:
    tracker = Tracker(TrackerConfig.of('fairmot'))
    for stamp_ns, detections in frames_of(scene):
        tracker.update(detections, stamp_ns=stamp_ns)
        store = tracker.store
        assert np.isfinite(store.motion.mean).all()
        np.linalg.cholesky(store.motion.covariance)
        assert (store.updated_ns <= stamp_ns).all()
        assert (store.started_ns <= store.updated_ns).all()
        lost = store.is_in(TrackState.LOST)
        assert ((store.frames_since_update > 0) == lost).all()
