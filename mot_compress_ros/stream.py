"""What the pipeline remembers of one camera between its frames, and knows of the one in work."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import auto, Enum

import numpy as np

from mot_compress_ros.camera_motion import CameraMotion, Homography, View
from mot_compress_ros.datatypes import Frame, Tracks, TrackState
from mot_compress_ros.inference import Observation
from mot_compress_ros.keyframe import (
    Attention,
    CarriedPrior,
    disagreement,
    FrameFacts,
    FrameReport,
    PriorObjects,
    Role,
)
from mot_compress_ros.tracking import Tracker, TrackStore

# A source that begins anew goes on behind its old stamps; a frame that was overtaken comes alone.
_LATE_AT_MOST = 2
# One that the teacher has, one that it has answered, and some that it failed at.
_GIVEN_AT_MOST = 8
_A_FEW = 4  # tracks; one of two that comes or goes is no reason for alarm


class Arrival(Enum):
    """What a frame is to the stream of its camera."""

    NEXT = auto()
    DUPLICATE = auto()
    LATE = auto()
    ANEW = auto()


@dataclass(frozen=True, eq=False, kw_only=True)
class Look:
    """A frame, what is known of it beforehand, and then what a network made of it.

    Attributes:
        frame: the frame.
        view: what to remember of it for the camera's motion.
        camera_motion: (3, 3) from the frame before; None where it is not known.
        prior: what the student may be told.
        role: the network that saw it.
        teacher_failed: whether it was planned for the teacher, who could not.
        seen: what the network made of it.
        network_ms: time that network took for it.
        teacher_ms: time the teacher took for it, also where it failed in the end.
    """

    frame: Frame
    view: View | None
    camera_motion: Homography | None
    prior: CarriedPrior | None
    role: Role = Role.STUDENT
    teacher_failed: bool = False
    seen: Observation | None = None
    network_ms: float = 0.0
    teacher_ms: float = 0.0

    def disagreement(self) -> float | None:
        """How little student and prior fit, 0..1; None where there are not both."""
        if self.role is Role.TEACHER or self.prior is None or self.seen is None:
            return None
        return disagreement(self.prior, self.seen.detections)

    def report(
        self,
        tracks: TrackStore,
        differs: float | None,
        *,
        total_ms: float,
        step_teacher_ms: float,
    ) -> FrameReport:
        """What came of the frame, after which the `tracks` are as they are, for the schedule."""
        return FrameReport(
            camera=self.frame.camera,
            stamp_ns=self.frame.stamp_ns,
            role=self.role,
            network_ms=self.network_ms,
            total_ms=total_ms,
            step_teacher_ms=step_teacher_ms,
            teacher_failed=self.teacher_failed,
            disagreement=differs,
            missed=missed_share(tracks),
            born=born_share(tracks),
            turned=turned_share(self.camera_motion, self.frame.size_wh),
        )


def facts_of(frame: Frame) -> FrameFacts:
    """What a schedule is told of a frame beforehand."""
    return FrameFacts(camera=frame.camera, stamp_ns=frame.stamp_ns)


@dataclass
class Stream:
    """One camera's tracker, its camera's motion, and what the teacher last said of it.

    Attributes:
        tracker: its tracks.
        motion: of the camera.
        attention: what the teacher last said.
        view: of the frame that the tracker saw last.
        size_wh: of that frame's image, pixels.
        latest: the tracks of that frame.
        late_in_a_row: frames behind it since then.
        given_ns: stamps of the last frames of this stream that the teacher was given.
    """

    tracker: Tracker
    motion: CameraMotion
    attention: Attention
    view: View | None = None
    size_wh: tuple[int, int] | None = None
    latest: Tracks | None = None
    late_in_a_row: int = 0
    given_ns: deque[int] = field(default_factory=lambda: deque(maxlen=_GIVEN_AT_MOST))

    def judge(self, frame: Frame, *, max_gap_s: float) -> Arrival:
        """What `frame` is to this stream; changes nothing."""
        if self.latest is not None:
            ahead_s = (frame.stamp_ns - self.latest.stamp_ns) / 1e9
            if ahead_s == 0:
                return Arrival.DUPLICATE
            if abs(ahead_s) > max_gap_s:
                return Arrival.ANEW
            if ahead_s < 0:
                return Arrival.LATE if self.late_in_a_row < _LATE_AT_MOST else Arrival.ANEW
        return Arrival.NEXT if self.size_wh in (None, frame.size_wh) else Arrival.ANEW

    def prior(self, *, stamp_ns: int, camera_motion: Homography | None) -> CarriedPrior | None:
        """What the student may be told of the next frame; changes nothing."""

        def tracks() -> PriorObjects:
            expected = self.tracker.expected(stamp_ns=stamp_ns, camera_motion=camera_motion)
            return prior_objects(expected, expected=True)

        return self.attention.prior(stamp_ns=stamp_ns, homography=camera_motion, tracks=tracks)

    def learn(self, seen: Observation, *, stamp_ns: int) -> None:
        """Remember what the teacher made of the frame at `stamp_ns`, which the tracker has had."""
        objects = self.tracker.latest_objects(stamp_ns=stamp_ns)
        if objects is not None:
            self.attention.renew(seen, prior_objects(objects), stamp_ns=stamp_ns)

    def forget(self) -> None:
        """Begin anew; ids go on."""
        self.tracker.reset()
        self.attention.reset()
        self.given_ns.clear()
        self.latest, self.view, self.size_wh, self.late_in_a_row = None, None, None, 0


def missed_share(store: TrackStore) -> float:
    """Share of the tracks, lost ones too, that the last frame did not show, in 0..1."""
    lost = int(np.count_nonzero(store.is_in(TrackState.LOST)))
    confirmed = int(np.count_nonzero(store.is_in(TrackState.CONFIRMED)))
    return lost / max(lost + confirmed, _A_FEW)


def born_share(store: TrackStore) -> float:
    """Share of the tracks that the last frame shows that began with it, in 0..1."""
    shown = int(np.count_nonzero(store.frames_since_update == 0))
    return int(np.count_nonzero(store.ages == 1)) / max(shown, _A_FEW)


def prior_objects(tracks: TrackStore, *, expected: bool = False) -> PriorObjects:
    """The tracks as objects of the prior, where their latest detections are.

    Where they are `expected`, they are where the filter puts them.
    """
    return PriorObjects(
        boxes_xyxy_px=tracks.boxes_xyxy_px if expected else tracks.observed_xyxy_px,
        scores=tracks.scores,
        class_ids=tracks.class_ids,
        velocities_px_s=tracks.velocities_px_s,
        position_std_px=tracks.position_std_px,
        velocity_std_px_s=tracks.velocity_std_px_s,
        track_ids=tracks.track_ids,
    )


def turned_share(homography: Homography | None, size_wh: tuple[int, int]) -> float:
    """How far the middle of the image moved, as a share of its width; 0 where it is not known."""
    if homography is None:
        return 0.0
    middle = np.array([size_wh[0] / 2, size_wh[1] / 2, 1.0])
    x, y, depth = homography @ middle
    if depth <= 0:
        return 1.0
    return float(min(np.hypot(x / depth - middle[0], y / depth - middle[1]) / size_wh[0], 1.0))
