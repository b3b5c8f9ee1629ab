"""What the plain trackers of the oracle tests share: filters, tracks, assignment, ByteTrack.

Written from the publications, one object and one filterpy filter per track, without looking at
the speed and without a line of the package's own maths. All plain trackers forget by the clock,
forbid pairs of two classes and give out ids to the best scores first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from filterpy.kalman import KalmanFilter
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from mot_compress_ros.datatypes import Detections

Array = NDArray[np.float64]
FPS = 30  # the publications count frames of this rate


def iou(a: Array, b: Array) -> float:
    """Overlap of two boxes (x1, y1, x2, y2)."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    overlap = max(width, 0) * max(height, 0)
    both = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - overlap
    return float(overlap / both)


def centre_and_size(box: Array) -> tuple[float, float, float, float]:
    w, h = box[2] - box[0], box[3] - box[1]
    return box[0] + w / 2, box[1] + h / 2, w, h


def corners(x: float, y: float, w: float, h: float) -> Array:
    return np.array([x - w / 2, y - h / 2, x + w / 2, y + h / 2])


class Xysr:
    """SORT's filter (Bewley et al. 2016, `KalmanBoxTracker`): area and aspect, fixed noise."""

    order = 7

    @staticmethod
    def measured(box: Array) -> Array:
        x, y, w, h = centre_and_size(box)
        return np.array([x, y, w * h, w / h])

    @staticmethod
    def box(state: Array) -> Array:
        w = np.sqrt(state[2] * state[3])
        return corners(state[0], state[1], w, state[2] / w)

    @staticmethod
    def first_variance(_z: Array) -> Array:
        return np.array([10, 10, 10, 10, 10_000, 10_000, 10_000.0])

    @staticmethod
    def process_variance(_state: Array) -> Array:
        return np.array([1, 1, 1, 1, 0.01, 0.01, 0.0001])

    @staticmethod
    def measurement_variance(_state: Array) -> Array:
        return np.array([1, 1, 10, 10.0])

    @staticmethod
    def before_predict(state: Array, *, lost: bool) -> None:
        if state[2] + state[6] <= 0:
            state[6] = 0


class Xyah:
    """DeepSORT's filter (Wojke et al. 2017): noise in proportion to the height."""

    order = 8

    @staticmethod
    def measured(box: Array) -> Array:
        x, y, w, h = centre_and_size(box)
        return np.array([x, y, w / h, h])

    @staticmethod
    def box(state: Array) -> Array:
        x, y, a, h = state[:4]
        return corners(x, y, a * h, h)

    @staticmethod
    def first_variance(z: Array) -> Array:
        h = z[3]
        return np.square([h / 10, h / 10, 1e-2, h / 10, h / 16, h / 16, 1e-5, h / 16])

    @staticmethod
    def process_variance(state: Array) -> Array:
        h = state[3]
        return np.square([h / 20, h / 20, 1e-2, h / 20, h / 160, h / 160, 1e-5, h / 160])

    @staticmethod
    def measurement_variance(state: Array) -> Array:
        h = state[3]
        return np.square([h / 20, h / 20, 1e-1, h / 20])

    @staticmethod
    def before_predict(state: Array, *, lost: bool) -> None:
        if lost:
            state[7] = 0


class Xywh:
    """BoT-SORT's filter (Aharon et al. 2022, section 3.1): noise in proportion to both sides."""

    order = 8

    @staticmethod
    def measured(box: Array) -> Array:
        return np.array(centre_and_size(box))

    @staticmethod
    def box(state: Array) -> Array:
        return corners(*state[:4])

    @staticmethod
    def first_variance(z: Array) -> Array:
        w, h = z[2:4]
        return np.square([w / 10, h / 10, w / 10, h / 10, w / 16, h / 16, w / 16, h / 16])

    @staticmethod
    def process_variance(state: Array) -> Array:
        w, h = state[2:4]
        size = np.array([w, h, w, h])
        return np.square(np.r_[size / 20, size / 160])

    @staticmethod
    def measurement_variance(state: Array) -> Array:
        w, h = state[2:4]
        return np.square(np.array([w, h, w, h]) / 20)

    @staticmethod
    def before_predict(state: Array, *, lost: bool) -> None:
        if lost:
            state[6:8] = 0


Form = type[Xysr] | type[Xyah] | type[Xywh]


class PlainTrack:
    """One object: its filter, its look and what is known of its life."""

    def __init__(self, number: int, kind: int, form: Form, box: Array, now: int) -> None:
        self.number, self.kind, self.form = number, kind, form
        z = form.measured(box)
        self.kf = KalmanFilter(dim_x=form.order, dim_z=4)
        self.kf.H = np.eye(4, form.order)
        self.kf.x = np.r_[z, np.zeros(form.order - 4)][:, None]
        self.kf.P = np.diag(form.first_variance(z))
        self.start = self.seen = now
        self.confirmed = self.lost = False
        self.look: Array | None = None

    @property
    def state(self) -> Array:
        """The filter's mean, as a view that can be written to."""
        view: Array = self.kf.x[:, 0]
        return view

    @property
    def box(self) -> Array:
        return self.form.box(self.state)

    @property
    def shown(self) -> Array:
        """What is published: the box in px, then the velocity of its centre in px/s."""
        return np.r_[self.box, self.state[4:6] * FPS]

    def predict(self, dt: float) -> None:
        self.form.before_predict(self.state, lost=self.lost)
        F, speeds = np.eye(self.form.order), self.form.order - 4
        F[:speeds, 4:] = dt * np.eye(speeds)
        self.kf.predict(F=F, Q=dt * np.diag(self.form.process_variance(self.state)))

    def correct(self, box: Array) -> None:
        noise = np.diag(self.form.measurement_variance(self.state))
        self.kf.update(self.form.measured(box), R=noise)

    def hit(self, box: Array, now: int) -> None:
        self.correct(box)
        self.seen, self.confirmed, self.lost = now, True, False

    def blend(self, look: Array) -> None:
        """Follow the look with momentum 0.9 (JDE, and BoT-SORT's `update_features`)."""
        mixed = look if self.look is None else 0.9 * self.look + 0.1 * look
        self.look = mixed / np.linalg.norm(mixed)


def assign(cost: Array, limit: float) -> list[tuple[int, int]]:
    """Pairs of the cheapest assignment in which every row and column left out costs limit / 2.

    That is what `lap.lapjv(..., extend_cost=True, cost_limit=limit)` solves. Infinite costs and
    those above the limit are forbidden.
    """
    n, m = cost.shape
    square = np.full((n + m, n + m), limit / 2)
    square[n:, m:] = 0
    square[:n, :m] = np.where(cost > limit, 1e6, cost)
    rows, columns = linear_sum_assignment(square)
    return [(i, k) for i, k in zip(rows, columns, strict=True) if i < n and k < m]


CostOf = Callable[[Any, Detections, int], float]


@dataclass
class PlainTracker:
    """What all have: a clock, ids, the list of tracks, one round of assignment."""

    tracks: list[Any] = field(default_factory=list)
    now: int | None = None  # ns
    count: int = 0
    events: Counter[str] = field(default_factory=Counter)  # which rules the scene made use of

    buffer_ns = 10**9
    motion: Array | None = None  # of the camera, from the last frame to this one

    def begin_frame(self, now: int) -> tuple[float, bool]:
        """Frames of 1/30 s since the last one, and whether this is the first one."""
        first = self.now is None
        dt = 0.0 if self.now is None else (now - self.now) * FPS / 1e9
        self.now = now
        return dt, first

    def round(
        self,
        tracks: list[Any],
        free: list[int],
        frame: Detections,
        cost_of: CostOf,
        limit: float,
        *,
        drop_above: float = np.inf,
    ) -> tuple[list[tuple[Any, int]], list[Any], list[int]]:
        """Pairs of one assignment, and the tracks and the detections that it leaves.

        Matches that cost more than `drop_above` are dropped afterwards.
        """
        cost = np.full((len(tracks), len(free)), np.inf)
        for i, track in enumerate(tracks):
            for k, j in enumerate(free):
                if frame.class_ids[j] == track.kind:
                    cost[i, k] = cost_of(track, frame, j)
        pairs = [(tracks[i], free[k]) for i, k in assign(cost, limit) if cost[i, k] <= drop_above]
        hit, taken = {t.number for t, _ in pairs}, {j for _, j in pairs}
        return (
            pairs,
            [t for t in tracks if t.number not in hit],
            [j for j in free if j not in taken],
        )


def box_of(frame: Detections, j: int) -> Array:
    return frame.boxes_xyxy_px[j].astype(np.float64)


def look_of(frame: Detections, j: int) -> Array:
    return frame.embeddings[j].astype(np.float64)


def best_first(frame: Detections, chosen: NDArray[np.bool_]) -> list[int]:
    return sorted(np.flatnonzero(chosen).tolist(), key=lambda j: -frame.scores[j])


def iou_distance(track: PlainTrack, frame: Detections, j: int) -> float:
    return 1 - iou(track.box, box_of(frame, j))


def score_fused(track: PlainTrack, frame: Detections, j: int) -> float:
    """ByteTrack's `fuse_score`: overlap is worth more where the detector is sure."""
    return float(1 - iou(track.box, box_of(frame, j)) * frame.scores[j])


class PlainByte(PlainTracker):
    """ByteTrack (Zhang et al. 2022, algorithm 1; `BYTETracker.update` of the published code)."""

    form: Form = Xyah
    high, low, new = np.float32(0.6), np.float32(0.1), np.float32(0.7)

    def cost(self, track: PlainTrack, frame: Detections, j: int) -> float:
        return score_fused(track, frame, j)

    def update(self, frame: Detections, now: int) -> dict[int, Array]:
        dt, first = self.begin_frame(now)
        # Gone by the clock, before the frame is looked at.
        alive = [t for t in self.tracks if not (t.lost and now - t.seen > self.buffer_ns)]
        self.events['expired'] += len(self.tracks) - len(alive)
        self.tracks = alive
        for track in self.tracks:
            track.predict(dt)
            self.follow_camera(track)
        high = best_first(frame, frame.scores >= self.high)
        low = best_first(frame, (frame.scores >= self.low) & (frame.scores < self.high))
        tentative = [t for t in self.tracks if not t.confirmed]
        pool = [t for t in self.tracks if t.confirmed]
        pairs, pool, high = self.round(pool, high, frame, self.cost, 0.8)
        self.hit(pairs, frame, 'first', with_look=True)
        seen_last = [t for t in pool if not t.lost]
        pairs, missed, _ = self.round(seen_last, low, frame, iou_distance, 0.5)
        self.hit(pairs, frame, 'low', with_look=False)
        for track in missed:
            track.lost = True
        pairs, dead, high = self.round(tentative, high, frame, self.cost, 0.7)
        self.hit(pairs, frame, 'tentative', with_look=True)
        self.events['dropped'] += len(dead)
        self.tracks = [t for t in self.tracks if t not in dead]
        for j in high:
            if frame.scores[j] >= self.new:
                self.begin(frame, j, confirmed=first)
        self.remove_duplicates()
        return {t.number: t.shown for t in self.tracks if t.confirmed and not t.lost}

    def follow_camera(self, track: PlainTrack) -> None:
        """BYTE takes the camera as still."""

    def hit(
        self,
        pairs: list[tuple[PlainTrack, int]],
        frame: Detections,
        event: str,
        *,
        with_look: bool,
    ) -> None:
        assert self.now is not None
        for track, j in pairs:
            self.events[event] += 1
            self.events['found again'] += track.lost
            track.hit(box_of(frame, j), self.now)
            if with_look and frame.embeddings.shape[1]:
                track.blend(look_of(frame, j))

    def begin(self, frame: Detections, j: int, *, confirmed: bool) -> None:
        assert self.now is not None
        self.count += 1
        track = PlainTrack(
            self.count, int(frame.class_ids[j]), self.form, box_of(frame, j), self.now
        )
        track.confirmed = confirmed
        if frame.embeddings.shape[1]:
            track.blend(look_of(frame, j))
        self.tracks.append(track)

    def remove_duplicates(self) -> None:
        drop = set()
        for seen in [t for t in self.tracks if not t.lost]:
            for lost in [t for t in self.tracks if t.lost]:
                if seen.kind == lost.kind and 1 - iou(seen.box, lost.box) < 0.15:
                    older = seen.seen - seen.start > lost.seen - lost.start
                    drop.add((lost if older else seen).number)
        self.events['duplicates'] += len(drop)
        self.tracks = [t for t in self.tracks if t.number not in drop]


def assert_same_tracks(tracks: Any, wanted: dict[int, Array]) -> None:
    """The published tracks are the plain tracker's: same ids, boxes to 1e-6, same velocities."""
    assert tracks.track_ids.tolist() == sorted(wanted)
    rows = np.array([wanted[i] for i in sorted(wanted)]).reshape(-1, 6)
    np.testing.assert_allclose(tracks.boxes_xyxy_px, rows[:, :4], rtol=1e-6, atol=1e-4)
    np.testing.assert_allclose(tracks.velocities_px_s, rows[:, 4:], rtol=1e-5, atol=1e-3)
