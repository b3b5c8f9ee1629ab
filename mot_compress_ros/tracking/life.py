"""The life of tracks: moved to a frame, given detections, begun and ended.

Pure functions of a `TrackStore` and the options; who matches whom is decided elsewhere.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.homography import warp_at, warp_boxes
from mot_compress_ros.tracking import kalman
from mot_compress_ros.tracking.assignment import Matches
from mot_compress_ros.tracking.camera_warp import warp_state
from mot_compress_ros.tracking.config import TrackerConfig
from mot_compress_ros.tracking.costs import earlier_boxes
from mot_compress_ros.tracking.gallery import Gallery
from mot_compress_ros.tracking.kalman import Float64Array, KalmanState
from mot_compress_ros.tracking.motion import MotionModel
from mot_compress_ros.tracking.pairs import BoolArray, near_pairs, paired_iou, sides_and_centres
from mot_compress_ros.tracking.re_update import re_updated
from mot_compress_ros.tracking.rows import put_rows, row_numbers
from mot_compress_ros.tracking.seen import Seen
from mot_compress_ros.tracking.store import CONFIRMED, LOST, TENTATIVE, TrackStore

Int64Array = NDArray[np.int64]


def remembered(tracks: TrackStore, config: TrackerConfig, *, stamp_ns: int) -> TrackStore:
    """The tracks without those whose time is up.

    This is decided before the frame is associated, so that frames that never came cannot keep a
    track alive. A track that the last frame showed, or that missed no more than `lost_frames`,
    always has its chance in this one.
    """
    expired = stamp_ns - tracks.updated_ns > round(config.lost_buffer_s * 1e9)
    expired &= tracks.frames_since_update > config.lost_frames
    return tracks[~expired] if expired.any() else tracks


def moved(
    tracks: TrackStore, *, dt_periods: float, camera_motion: Float64Array | None
) -> TrackStore:
    """The tracks one frame later: with the camera, then by themselves.

    Tentative tracks move too, so that all states belong to one stamp.
    """
    if camera_motion is not None:
        tracks = _with_camera(tracks, camera_motion)
    motion = moved_motion(
        tracks.model,
        tracks.motion,
        tracks.is_in(LOST),
        dt_periods=dt_periods,
        camera_motion=camera_motion,
    )
    return tracks.having(
        motion=motion,
        ages=tracks.ages + 1,
        frames_since_update=tracks.frames_since_update + 1,
        recent_xyxy_px=_one_frame_older(tracks),
    )


def moved_motion(
    model: MotionModel,
    motion: KalmanState,
    lost: BoolArray,
    *,
    dt_periods: float,
    camera_motion: Float64Array | None,
) -> KalmanState:
    """The states one frame later: with the camera, then by themselves."""
    if camera_motion is not None:
        motion = warp_state(camera_motion, motion, scale_powers=model.scale_powers)
    motion = model.steadied(motion, lost, dt_periods=dt_periods)
    position, velocity = model.process_variance(motion.position)
    return kalman.predict(
        motion, dt_periods=dt_periods, position_variance=position, velocity_variance=velocity
    )


def with_hits(
    tracks: TrackStore,
    seen: Seen,
    matches: Matches,
    config: TrackerConfig,
    *,
    stamp_ns: int,
    warm_up: bool,
    others_missed: bool = True,
) -> TrackStore:
    """The tracks after the matched ones were given their detections; the others are missed.

    With `others_missed` off, the others stay as they are.
    """
    hit, given = matches.tracks, seen[matches.detections]
    measured = tracks.model.measure(given.boxes_xyxy_px)
    noise = measured_noise(seen, matches.detections, config)
    corrected = _corrected(tracks, hit, measured, config, noise=noise, stamp_ns=stamp_ns)
    streaks = np.zeros_like(tracks.streaks) if others_missed else tracks.streaks.copy()
    streaks[hit] = tracks.streaks[hit] + 1
    states = _states_after(tracks, streaks, hit, config, warm_up=warm_up)
    hits = tracks.hits.copy()
    hits[hit] += 1
    return tracks.having(
        states=states if others_missed else put_rows(tracks.states, hit, states[hit]),
        hits=hits,
        streaks=streaks,
        scores=put_rows(tracks.scores, hit, given.scores),
        updated_ns=put_rows(tracks.updated_ns, hit, stamp_ns),
        frames_since_update=put_rows(tracks.frames_since_update, hit, 0),
        motion=tracks.motion.put(hit, corrected),
        anchors=tracks.anchors.put(hit, corrected) if config.re_update else tracks.anchors,
        headings=_headings(tracks, hit, given.boxes_xyxy_px),
        observed_xyxy_px=put_rows(tracks.observed_xyxy_px, hit, given.boxes_xyxy_px),
        gallery=_learnt(tracks.gallery, hit, given, config),
    )


def survivors(tracks: TrackStore, config: TrackerConfig) -> TrackStore:
    """The tracks without those that ended with this frame's miss."""
    if not config.sticky:
        return tracks
    ended = tracks.is_in(TENTATIVE) & (tracks.frames_since_update > 0)
    return tracks[~ended] if ended.any() else tracks


def begun(
    seen: Seen,
    model: MotionModel,
    config: TrackerConfig,
    *,
    first_id: int,
    stamp_ns: int,
    warm_up: bool,
) -> TrackStore:
    """New tracks from all of `seen`, with ids from `first_id` on."""
    n = len(seen)
    at_once = warm_up or config.confirm_hits == 1
    motion = model.initiate(model.measure(seen.boxes_xyxy_px))
    zeros, ones = np.zeros(n, np.int64), np.ones(n, np.int64)
    gallery = Gallery(n).blend(
        row_numbers(seen.comparable),
        seen.embeddings[seen.comparable],
        space=seen.space,
        momentum=0.0,
    )
    return TrackStore(
        model=model,
        track_ids=np.arange(first_id, first_id + n, dtype=np.int64),
        class_ids=seen.class_ids,
        states=np.full(n, CONFIRMED if at_once else TENTATIVE, np.int64),
        scores=seen.scores,
        started_ns=np.full(n, stamp_ns, np.int64),
        updated_ns=np.full(n, stamp_ns, np.int64),
        ages=ones,
        hits=ones,
        streaks=zeros,
        frames_since_update=zeros,
        motion=motion,
        anchors=motion,
        observed_xyxy_px=seen.boxes_xyxy_px,
        recent_xyxy_px=np.full((n, config.direction_frames, 4), np.nan),
        headings=np.zeros((n, 2)),
        gallery=gallery,
    )


def duplicates(tracks: TrackStore, *, iou_distance: float) -> BoolArray:
    """Mask (N,) of the tracks to drop, because a lost and a seen track cover the same object.

    Of such a pair that one stays which was followed for longer; at a tie it is the lost one.
    """
    drop = np.zeros(len(tracks), bool)
    if not iou_distance:
        return drop
    is_lost = tracks.is_in(LOST)
    lost, seen = row_numbers(is_lost), row_numbers(~is_lost)
    if not len(lost) or not len(seen):
        return drop
    corners = tracks.boxes_xyxy_px
    sides, centres = sides_and_centres(corners)
    pairs = near_pairs(centres[seen], sides[seen] / 2, centres[lost], sides[lost] / 2)
    a, b = seen[pairs.tracks], lost[pairs.detections]
    same = tracks.class_ids[a] == tracks.class_ids[b]
    same &= 1 - paired_iou(corners[a], corners[b]) < iou_distance
    a, b = a[same], b[same]
    followed_ns = tracks.updated_ns - tracks.started_ns
    drop[np.where(followed_ns[a] > followed_ns[b], b, a)] = True
    return drop


def _with_camera(tracks: TrackStore, camera_motion: Float64Array) -> TrackStore:
    powers = tracks.model.scale_powers
    n, frames, _ = tracks.recent_xyxy_px.shape
    recent = tracks.recent_xyxy_px.reshape(n * frames, 4)
    return tracks.having(
        anchors=warp_state(camera_motion, tracks.anchors, scale_powers=powers),
        observed_xyxy_px=warp_boxes(camera_motion, tracks.observed_xyxy_px),
        recent_xyxy_px=warp_boxes(camera_motion, recent).reshape(n, frames, 4),
        headings=_turned(tracks, camera_motion),
    )


def _turned(tracks: TrackStore, camera_motion: Float64Array) -> Float64Array:
    """The directions (N, 2) after the camera moved; one that is not known yet stays zero."""
    corners = tracks.observed_xyxy_px
    local = warp_at(camera_motion, (corners[:, :2] + corners[:, 2:]) / 2)
    turned = (local.derivative @ tracks.headings[:, :, None])[:, :, 0]
    length = np.sqrt((turned**2).sum(axis=1, keepdims=True))
    return np.asarray(turned / np.maximum(length, 1e-6))


def _one_frame_older(tracks: TrackStore) -> Float64Array:
    """The recent boxes after another frame: that of the last frame comes first."""
    if not tracks.recent_xyxy_px.shape[1]:
        return tracks.recent_xyxy_px
    shown = (tracks.frames_since_update == 0)[:, None]
    latest = np.where(shown, tracks.observed_xyxy_px, np.nan)
    return np.concatenate([latest[:, None], tracks.recent_xyxy_px[:, :-1]], axis=1)


def measured_noise(
    seen: Seen, detections: Int64Array, config: TrackerConfig
) -> Float64Array | float:
    """How many times their usual variance the measurements of `detections` (K,) have: (K, 1)."""
    if not config.cover_noise:
        return 1.0
    return np.asarray(1 + config.cover_noise * seen.covered[detections, None])


def _corrected(
    tracks: TrackStore,
    hit: Int64Array,
    measured: Float64Array,
    config: TrackerConfig,
    *,
    noise: Float64Array | float,
    stamp_ns: int,
) -> KalmanState:
    """The states of tracks `hit` after measurement i, `noise[i]` noisier, went to `hit[i]`."""
    model, motion = tracks.model, tracks.motion[hit]
    variance = noise * model.measured_variance(motion.position)
    corrected = kalman.update(motion, measured, measured_variance=variance)
    if not config.re_update:
        return corrected
    again = row_numbers(tracks.frames_since_update[hit] > 1)
    if not len(again):
        return corrected
    missed = tracks[hit[again]]
    return corrected.put(again, re_updated(missed, measured[again], stamp_ns=stamp_ns))


def _learnt(gallery: Gallery, hit: Int64Array, given: Seen, config: TrackerConfig) -> Gallery:
    """The gallery after track `hit[i]` was given detection i."""
    if not given.embeddings.shape[1]:
        return gallery
    # A weak detection is a bad likeness: half hidden, or of something else.
    learns = given.comparable & (given.scores >= config.high_score)
    if not learns.all():
        hit, given = hit[learns], given[learns]
    return gallery.blend(
        hit, given.embeddings, space=given.space, momentum=config.embedding_momentum
    )


def _states_after(
    tracks: TrackStore,
    streaks: Int64Array,
    hit: Int64Array,
    config: TrackerConfig,
    *,
    warm_up: bool,
) -> Int64Array:
    """States (N,): enough hits confirm a track; a miss makes a confirmed one lost."""
    tentative = tracks.is_in(TENTATIVE)
    states = np.where(tentative, TENTATIVE, LOST)
    enough = streaks[hit] >= config.confirm_hits - 1
    if config.sticky:
        enough |= ~tentative[hit]
    states[hit] = np.where(enough | warm_up, CONFIRMED, TENTATIVE)
    return states


def _headings(tracks: TrackStore, hit: Int64Array, boxes_xyxy_px: Float64Array) -> Float64Array:
    """Directions (N, 2) after tracks `hit` were seen in `boxes_xyxy_px`."""
    if not tracks.recent_xyxy_px.shape[1]:
        return tracks.headings
    start = earlier_boxes(tracks.recent_xyxy_px[hit], tracks.observed_xyxy_px[hit])
    step = (boxes_xyxy_px[:, :2] + boxes_xyxy_px[:, 2:] - start[:, :2] - start[:, 2:]) / 2
    length = np.sqrt((step**2).sum(axis=1, keepdims=True)) + 1e-6
    return put_rows(tracks.headings, hit, step / length)
