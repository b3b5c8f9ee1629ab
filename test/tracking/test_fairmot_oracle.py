"""The tracker against a plain one: an object and a filterpy filter per track, scipy's assignment.

Written from the published rules without looking at the speed, so the two share no code.
"""

from dataclasses import dataclass, field

from filterpy.kalman import KalmanFilter
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from mot_compress_ros.datatypes import Detections
from mot_compress_ros.tracking import Tracker, TrackerConfig

PERIOD_S = 1 / 30


@dataclass
class PlainTrack:
    """One object: xyah filter, smoothed look, life."""

    number: int
    kind: int
    kf: KalmanFilter
    look: np.ndarray
    start: float
    seen: float
    confirmed: bool
    lost: bool = False

    @property
    def box(self) -> np.ndarray:
        x, y, a, h = self.kf.x[:4, 0]
        return np.array([x - a * h / 2, y - h / 2, x + a * h / 2, y + h / 2])

    def predict(self, dt: float) -> None:
        if self.lost:
            self.kf.x[7] = 0
        h = self.kf.x[3, 0]
        std = [h / 20, h / 20, 1e-2, h / 20, h / 160, h / 160, 1e-5, h / 160]
        F = np.eye(8)
        F[:4, 4:] = dt * np.eye(4)
        self.kf.predict(F=F, Q=dt * np.diag(np.square(std)))

    def noise(self) -> np.ndarray:
        h = self.kf.x[3, 0]
        return np.diag(np.square([h / 20, h / 20, 1e-1, h / 20]))

    def hit(self, z: np.ndarray, look: np.ndarray, now: float) -> None:
        self.kf.update(z, R=self.noise())
        self.look = 0.9 * self.look + 0.1 * look
        self.look /= np.linalg.norm(self.look)
        self.seen, self.confirmed, self.lost = now, True, False


def begin(number: int, kind: int, z: np.ndarray, look: np.ndarray, now: float) -> PlainTrack:
    kf = KalmanFilter(dim_x=8, dim_z=4)
    kf.H = np.eye(4, 8)
    kf.x = np.r_[z, np.zeros(4)][:, None]
    h = z[3]
    std = [h / 10, h / 10, 1e-2, h / 10, h / 16, h / 16, 1e-5, h / 16]
    kf.P = np.diag(np.square(std))
    return PlainTrack(number, kind, kf, look, now, now, confirmed=False)


def iou(a: np.ndarray, b: np.ndarray) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    overlap = max(width, 0) * max(height, 0)
    both = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - overlap
    return overlap / both


def to_xyah(box: np.ndarray) -> np.ndarray:
    w, h = box[2] - box[0], box[3] - box[1]
    return np.array([box[0] + w / 2, box[1] + h / 2, w / h, h])


@dataclass
class PlainTracker:
    """FairMOT's rounds, spelt out."""

    tracks: list[PlainTrack] = field(default_factory=list)
    now: float | None = None
    count: int = 0

    def update(self, frame: Detections, now: float) -> dict[int, np.ndarray]:
        first, dt = self.now is None, 0 if self.now is None else (now - self.now) / PERIOD_S
        self.now = now
        # Best first, as FairMOT's decoding lists them.
        free = sorted(range(len(frame)), key=lambda j: -frame.scores[j])
        self.tracks = [t for t in self.tracks if not (t.lost and now - t.seen > 1.0)]
        for track in self.tracks:
            track.predict(dt)
        tentative = [t for t in self.tracks if not t.confirmed]
        pool = [t for t in self.tracks if t.confirmed]
        pool, free = self.round(pool, free, frame, self.appearance, 0.4)
        tracked = [t for t in pool if not t.lost]
        missed, free = self.round(tracked, free, frame, self.overlap, 0.5)
        for track in missed:
            track.lost = True
        dead, free = self.round(tentative, free, frame, self.overlap, 0.7)
        self.tracks = [t for t in self.tracks if t not in dead]
        for j in free:
            if frame.scores[j] >= np.float32(0.4):
                self.count += 1
                z, look = to_xyah(frame.boxes_xyxy_px[j].astype(float)), frame.embeddings[j]
                track = begin(self.count, frame.class_ids[j], z, look.astype(float), now)
                track.confirmed = first
                self.tracks.append(track)
        self.remove_duplicates()
        shown = [t for t in self.tracks if t.confirmed and not t.lost]
        return {t.number: t.box for t in shown}

    def round(self, tracks, free, frame, cost_of, limit):
        """Match, update the matched; give back the tracks and detections that are left."""
        n, m = len(tracks), len(free)
        square = np.full((n + m, n + m), limit / 2)
        square[n:, m:] = 0
        for i, track in enumerate(tracks):
            for k, j in enumerate(free):
                cost = cost_of(track, frame, j) if frame.class_ids[j] == track.kind else np.inf
                square[i, k] = min(cost, 1e3)
        rows, columns = linear_sum_assignment(square)
        chosen = [(i, k) for i, k in zip(rows, columns, strict=True) if i < n and k < m]
        for i, k in chosen:
            j = free[k]
            z = to_xyah(frame.boxes_xyxy_px[j].astype(float))
            tracks[i].hit(z, frame.embeddings[j], self.now)
        taken_rows, taken = {i for i, _ in chosen}, {k for _, k in chosen}
        return (
            [t for i, t in enumerate(tracks) if i not in taken_rows],
            [j for k, j in enumerate(free) if k not in taken],
        )

    @staticmethod
    def appearance(track: PlainTrack, frame: Detections, j: int) -> float:
        difference = to_xyah(frame.boxes_xyxy_px[j].astype(float)) - track.kf.x[:4, 0]
        S = track.kf.P[:4, :4] + track.noise()
        distance = difference @ np.linalg.inv(S) @ difference
        if distance > 9.4877:
            return np.inf
        return 0.98 * (1 - track.look @ frame.embeddings[j]) + 0.02 * distance

    @staticmethod
    def overlap(track: PlainTrack, frame: Detections, j: int) -> float:
        return 1 - iou(track.box, frame.boxes_xyxy_px[j].astype(float))

    def remove_duplicates(self) -> None:
        drop = set()
        for seen in [t for t in self.tracks if not t.lost]:
            for lost in [t for t in self.tracks if t.lost]:
                if seen.kind == lost.kind and 1 - iou(seen.box, lost.box) < 0.15:
                    older = seen.seen - seen.start > lost.seen - lost.start
                    drop.add((lost if older else seen).number)
        self.tracks = [t for t in self.tracks if t.number not in drop]


def street(seed: int, *, frames: int, objects: int, fps_jitter: bool):
    """Stamps and detections of objects that wander, hide, flicker and look alike."""
    rng = np.random.default_rng(seed)
    centre = rng.uniform(100, 700, (objects, 2))
    speed = rng.normal(0, 3, (objects, 2))
    size = rng.uniform(30, 140, (objects, 2))
    look = rng.normal(0, 1, (objects, 8))
    look[1::4] = look[0 : len(look[1::4]) * 4 : 4]  # some are twins
    kind, stamp_ns = rng.integers(0, 2, objects), 10**15
    hidden_until = np.zeros(objects)
    for k in range(frames):
        stamp_ns += int(rng.choice([1, 1, 1, 2, 5]) if fps_jitter else 1) * 33_333_333
        centre += speed
        speed += rng.normal(0, 0.4, speed.shape)
        hide = rng.random(objects) < 0.05
        hidden_until[hide] = k + rng.integers(1, 40, hide.sum())
        on = np.flatnonzero(hidden_until <= k)
        half = (size[on] * rng.normal(1, 0.02, (len(on), 2))) / 2
        middle = centre[on] + rng.normal(0, 1.5, (len(on), 2))
        boxes = np.concatenate([middle - half, middle + half], axis=1)
        clutter = rng.uniform(100, 700, (rng.poisson(1.5), 2))
        boxes = np.concatenate([boxes, np.concatenate([clutter, clutter + 60], axis=1)])
        seen_look = np.concatenate(
            [look[on] + rng.normal(0, 0.25, (len(on), 8)), rng.normal(0, 1, (len(clutter), 8))]
        )
        order = rng.permutation(len(boxes))
        yield (
            stamp_ns,
            Detections(
                boxes_xyxy_px=boxes[order],
                scores=rng.uniform(0.3, 1, len(boxes)),
                class_ids=np.r_[kind[on], rng.integers(0, 2, len(clutter))][order],
                embeddings=(seen_look / np.linalg.norm(seen_look, axis=1, keepdims=True))[order],
                embedding_space='student',
            ),
        )


@pytest.mark.parametrize('fps_jitter', [False, True])
@pytest.mark.parametrize('seed', range(4))
def test_same_ids_and_boxes_as_the_plain_tracker(seed: int, fps_jitter: bool) -> None:
    fast, plain = Tracker(TrackerConfig.of('fairmot')), PlainTracker()
    for stamp_ns, detections in street(seed, frames=90, objects=12, fps_jitter=fps_jitter):
        tracks = fast.update(detections, stamp_ns=stamp_ns)
        wanted = plain.update(detections, (stamp_ns - 10**15) / 1e9)
        assert tracks.track_ids.tolist() == sorted(wanted)
        for number, box in zip(tracks.track_ids, tracks.boxes_xyxy_px, strict=True):
            np.testing.assert_allclose(box, wanted[number], atol=1e-2)
    assert plain.count > 20  # the scene was busy enough to mean something
