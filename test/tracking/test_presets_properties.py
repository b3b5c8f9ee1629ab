"""What holds for every preset and every stream of frames, whatever it shows."""

from __future__ import annotations

from dataclasses import fields, replace

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from plain_street import street
import pytest

from mot_compress_ros.datatypes import Detections, Tracks, TrackState
from mot_compress_ros.errors import InvalidDataError
from mot_compress_ros.tracking import PRESETS, Tracker, TrackerConfig

COLUMNS = [f.name for f in fields(Tracks) if f.name not in ('stamp_ns', 'source')]
MS = 1_000_000

Frame = tuple[int, Detections]

# x, y, width, height in tens of px; score in percent, class, look. Few values: things meet often.
rows = st.tuples(
    st.integers(0, 20),
    st.integers(0, 6),
    st.sampled_from([4, 6, 12]),
    st.sampled_from([5, 10]),
    st.sampled_from([5, 20, 45, 65, 75, 90, 95, 100]),
    st.integers(0, 1),
    st.integers(0, 3),
)
scenes = st.lists(
    st.tuples(
        st.sampled_from([33, 33, 34, 100, 200, 1500]),  # ms since the last frame
        st.lists(rows, max_size=5, unique_by=lambda row: row[:6]),
        st.booleans(),  # whether the detections have embeddings
    ),
    min_size=2,
    max_size=10,
)
every_preset = pytest.mark.parametrize('name', PRESETS)
few = settings(max_examples=6)  # of each of the presets


def frames_of(scene: list[tuple]) -> list[Frame]:
    stamp_ns, frames = 0, []
    for k, (gap_ms, seen, with_looks) in enumerate(scene):
        stamp_ns += gap_ms * MS
        table = np.array(seen, np.float64).reshape(-1, 7)
        low = table[:, :2] * 10 + 3 * k  # all drift, so that velocities matter
        looks = np.eye(4, dtype=np.float32)[table[:, 6].astype(int)]
        detections = Detections(
            boxes_xyxy_px=np.concatenate([low, low + table[:, 2:4] * 10], axis=1),
            scores=table[:, 4] / 100,
            class_ids=table[:, 5].astype(np.int64),
            embeddings=looks if with_looks else looks[:, :0],
            embedding_space='student' if with_looks else '',
        )
        frames.append((stamp_ns, detections))
    return frames


def made(name: str) -> Tracker:
    return Tracker(TrackerConfig.of(name))


def track(frames: list[Frame], tracker: Tracker) -> list[Tracks]:
    return [tracker.update(detections, stamp_ns=stamp) for stamp, detections in frames]


def assert_equal(a: list[Tracks], b: list[Tracks]) -> None:
    assert len(a) == len(b)
    for one, other in zip(a, b, strict=True):
        for column in COLUMNS:
            np.testing.assert_array_equal(getattr(one, column), getattr(other, column))


def joined(a: Detections, b: Detections) -> Detections:
    columns = ('boxes_xyxy_px', 'scores', 'class_ids', 'embeddings')
    return Detections(
        **{name: np.concatenate([getattr(a, name), getattr(b, name)]) for name in columns},
        embedding_space=a.embedding_space,
    )


@every_preset
@few
@given(scene=scenes)
def test_what_is_published_is_finite_ordered_and_seen_in_this_frame(name, scene) -> None:
    frames = frames_of(scene)
    for (stamp_ns, detections), tracks in zip(frames, track(frames, made(name)), strict=True):
        assert tracks.stamp_ns == stamp_ns
        assert len(tracks) <= len(detections)
        assert np.isfinite(tracks.boxes_xyxy_px).all()
        assert np.isfinite(tracks.velocities_px_s).all()
        assert (tracks.boxes_xyxy_px[:, 2:] > tracks.boxes_xyxy_px[:, :2]).all()
        assert (np.diff(tracks.track_ids) > 0).all()
        assert (tracks.frames_since_update == 0).all()
        assert (tracks.states == TrackState.CONFIRMED).all()
        assert (tracks.hits <= tracks.ages).all()
        assert set(tracks.scores) <= set(detections.scores)


@every_preset
@few
@given(scene=scenes, resets=st.sets(st.integers(1, 9), max_size=2))
def test_ids_are_never_reused_not_even_over_resets(name, scene, resets) -> None:
    tracker, ever, before = made(name), set(), set()
    class_of: dict[int, int] = {}
    for k, (stamp_ns, detections) in enumerate(frames_of(scene)):
        if k in resets:
            tracker.reset()
            before = set()
        tracker.update(detections, stamp_ns=stamp_ns)
        now = set(tracker.store.track_ids.tolist())
        new = now - before
        assert not new & ever
        assert not new or min(new) > max(ever, default=0)
        ever, before = ever | now, now
        for number, kind in zip(tracker.store.track_ids, tracker.store.class_ids, strict=True):
            assert class_of.setdefault(int(number), int(kind)) == kind


@every_preset
@few
@given(scene=scenes, seed=st.integers(0, 2**16))
def test_the_order_of_detections_does_not_matter(name, scene, seed) -> None:
    rng, frames = np.random.default_rng(seed), frames_of(scene)
    shuffled = [(stamp, d[rng.permutation(len(d))]) for stamp, d in frames]
    assert_equal(track(shuffled, made(name)), track(frames, made(name)))


@every_preset
@few
@given(scene=scenes, shift_ns=st.integers(-(10**9), 2 * 10**18))
def test_a_shift_of_all_stamps_changes_nothing(name, scene, shift_ns) -> None:
    frames = frames_of(scene)
    shifted = [(stamp + shift_ns, detections) for stamp, detections in frames]
    assert_equal(track(shifted, made(name)), track(frames, made(name)))


@every_preset
@few
@given(scene=scenes)
def test_an_empty_frame_ages_all_tracks_and_shows_none(name, scene) -> None:
    tracker = made(name)
    track(frames_of(scene), tracker)
    before, last_ns = tracker.store, sum(gap_ms for gap_ms, *_ in scene) * MS
    assert len(tracker.update(Detections.empty(), stamp_ns=last_ns + 33 * MS)) == 0
    after = tracker.store
    assert set(after.track_ids) <= set(before.track_ids)
    stayed = np.isin(before.track_ids, after.track_ids)
    np.testing.assert_array_equal(after.ages, before.ages[stayed] + 1)
    np.testing.assert_array_equal(
        after.frames_since_update, before.frames_since_update[stayed] + 1
    )
    np.testing.assert_array_equal(after.hits, before.hits[stayed])
    for k in (1, 2):  # and in the end they die
        tracker.update(Detections.empty(), stamp_ns=last_ns + k * 100_000 * MS)
    assert len(tracker.store) == 0


@every_preset
@few
@given(scene=scenes, other=scenes)
def test_two_trackers_do_not_know_of_each_other(name, scene, other) -> None:
    tracker, neighbour, together = made(name), made(name), []
    noise = frames_of(other)
    for k, (stamp_ns, detections) in enumerate(frames_of(scene)):
        together.append(tracker.update(detections, stamp_ns=stamp_ns))
        if k < len(noise):
            neighbour.update(noise[k][1], stamp_ns=noise[k][0])
    assert_equal(together, track(frames_of(scene), made(name)))


@every_preset
@few
@given(scene=scenes)
def test_boxes_that_are_none_are_left_out_and_counted(name, scene) -> None:
    far = 1.1e6
    none = Detections(
        boxes_xyxy_px=[[50, 50, 50, 90], [50, 50, 90, 50], [0, 0, 50, far], [-far, 0, 9, 9]],
        scores=[1.0, 0.95, 0.9, 0.85],
        class_ids=[0, 0, 1, 1],
        embeddings=np.eye(4),
        embedding_space='student',
    )
    frames = frames_of(scene)
    dirty = []
    for stamp, detections in frames:
        width = detections.embeddings.shape[1]
        with_none = (
            none
            if width
            else Detections(
                boxes_xyxy_px=none.boxes_xyxy_px,
                scores=none.scores,
                class_ids=none.class_ids,
                embeddings=none.embeddings[:, :0],
            )
        )
        dirty.append((stamp, joined(detections, with_none)))
    clean, soiled = made(name), made(name)
    assert_equal(track(dirty, soiled), track(frames, clean))
    assert (clean.dropped, soiled.dropped) == (0, 4 * len(frames))


@every_preset
@few
@given(scene=scenes, back_ns=st.integers(0, 3 * 10**9), data=st.data())
def test_a_stamp_that_is_not_later_is_refused_and_changes_nothing(
    name, scene, back_ns, data
) -> None:
    frames = frames_of(scene)
    at = data.draw(st.integers(0, len(frames) - 2))
    tracker, outputs = made(name), []
    for k, (stamp, detections) in enumerate(frames):
        outputs.append(tracker.update(detections, stamp_ns=stamp))
        if k == at:
            store, dropped = tracker.store, tracker.dropped
            with pytest.raises(InvalidDataError, match='stamp_ns'):
                tracker.update(frames[k + 1][1], stamp_ns=stamp - back_ns)
            assert tracker.store is store
            assert tracker.dropped == dropped
    assert_equal(outputs, track(frames, made(name)))


@every_preset
@few
@given(scene=scenes)
def test_a_camera_that_stands_still_is_no_motion(name, scene) -> None:
    frames, tracker = frames_of(scene), made(name)
    told = [
        tracker.update(detections, stamp_ns=stamp, camera_motion=np.eye(3))
        for stamp, detections in frames
    ]
    silent = track(frames, made(name))
    for one, other in zip(told, silent, strict=True):
        np.testing.assert_array_equal(one.track_ids, other.track_ids)
        np.testing.assert_allclose(one.boxes_xyxy_px, other.boxes_xyxy_px, rtol=1e-6, atol=1e-4)


@every_preset
@few
@given(scene=scenes)
def test_what_was_given_and_returned_never_changes(name, scene) -> None:
    tracker, kept = made(name), []
    frames = frames_of(scene)
    for stamp, detections in frames:
        tracks = tracker.update(detections, stamp_ns=stamp)
        copies = {column: getattr(tracks, column).copy() for column in COLUMNS}
        kept.append((tracks, copies, tracker.store, tracker.store.boxes_xyxy_px.copy()))
    for tracks, copies, store, boxes in kept:
        np.testing.assert_array_equal(store.boxes_xyxy_px, boxes)
        for column in COLUMNS:
            np.testing.assert_array_equal(getattr(tracks, column), copies[column])
    assert_equal([tracks for tracks, *_ in kept], track(frames, made(name)))  # the same again


@pytest.mark.parametrize(
    'broken',
    [
        np.zeros((3, 3)),
        np.eye(4),
        np.full((3, 3), np.nan),
        np.array([[1, 0, np.inf], [0, 1, 0], [0, 0, 1]]),
    ],
    ids=['singular', 'of another shape', 'NaN', 'infinite'],
)
@every_preset
def test_a_camera_motion_that_is_none_is_refused_and_changes_nothing(name, broken, detect) -> None:
    tracker = made(name)
    frame = detect([(100, 100, 180, 200)])
    tracker.update(frame, stamp_ns=0)
    store = tracker.store
    with pytest.raises(InvalidDataError, match='camera_motion'):
        tracker.update(frame, stamp_ns=33 * MS, camera_motion=broken)
    assert tracker.store is store
    assert tracker.update(frame, stamp_ns=33 * MS).track_ids.tolist() == [1]


def with_boxes(detections: Detections, boxes_xyxy_px: np.ndarray) -> Detections:
    return replace(detections, boxes_xyxy_px=boxes_xyxy_px)


@every_preset
def test_an_image_that_shifts_as_told_gives_the_same_tracks_shifted(name) -> None:
    """Everything that a track remembers of places in the image moves along."""
    rng = np.random.default_rng(0)
    still, shaky, offset = made(name), made(name), np.zeros(2)
    for stamp_ns, seen, motion in street(1, frames=80):
        boxes = np.round(seen.boxes_xyxy_px * 4) / 4  # exact in float32, shifted too
        step = rng.integers(-90, 90, 2)
        offset += step
        motion[:2, 2] = step
        wanted = still.update(with_boxes(seen, boxes), stamp_ns=stamp_ns)
        moved = with_boxes(seen, boxes + np.tile(offset, 2))
        tracks = shaky.update(moved, stamp_ns=stamp_ns, camera_motion=motion)
        np.testing.assert_array_equal(tracks.track_ids, wanted.track_ids)
        back = tracks.boxes_xyxy_px - np.tile(offset, 2)
        np.testing.assert_allclose(back, wanted.boxes_xyxy_px, atol=1e-3)
        np.testing.assert_allclose(tracks.velocities_px_s, wanted.velocities_px_s, atol=1e-2)


@every_preset
def test_a_mirrored_world_gives_mirrored_tracks(name) -> None:
    plain, mirror = made(name), made(name)
    for stamp_ns, seen, _ in street(2, frames=80):
        boxes = np.round(seen.boxes_xyxy_px * 4) / 4
        wanted = plain.update(with_boxes(seen, boxes), stamp_ns=stamp_ns)
        mirrored = with_boxes(seen, 800 - boxes[:, [2, 3, 0, 1]])
        tracks = mirror.update(mirrored, stamp_ns=stamp_ns)
        np.testing.assert_array_equal(tracks.track_ids, wanted.track_ids)
        back = 800 - tracks.boxes_xyxy_px[:, [2, 3, 0, 1]]
        np.testing.assert_allclose(back, wanted.boxes_xyxy_px, atol=1e-3)
        np.testing.assert_allclose(tracks.velocities_px_s, -wanted.velocities_px_s, atol=1e-2)


@every_preset
def test_an_image_that_turns_upside_down_as_told_gives_the_same_tracks_turned(name) -> None:
    """Half a turn every seventh frame: it leaves boxes upright, and turns all directions round."""
    still, rolling, upside_down = made(name), made(name), False
    turn = np.array([[-1, 0, 800], [0, -1, 800], [0, 0, 1]], np.float64)
    for k, (stamp_ns, seen, _) in enumerate(street(3, frames=80)):
        boxes = np.round(seen.boxes_xyxy_px * 4) / 4
        wanted = still.update(with_boxes(seen, boxes), stamp_ns=stamp_ns)
        turns = k % 7 == 6
        upside_down ^= turns
        sign = -1 if upside_down else 1
        shown = with_boxes(seen, 800 - boxes[:, [2, 3, 0, 1]] if upside_down else boxes)
        motion = turn if turns else None
        tracks = rolling.update(shown, stamp_ns=stamp_ns, camera_motion=motion)
        np.testing.assert_array_equal(tracks.track_ids, wanted.track_ids)
        back = tracks.boxes_xyxy_px
        back = 800 - back[:, [2, 3, 0, 1]] if upside_down else back
        np.testing.assert_allclose(back, wanted.boxes_xyxy_px, atol=1e-3)
        np.testing.assert_allclose(
            sign * tracks.velocities_px_s, wanted.velocities_px_s, atol=1e-2
        )
