"""Streaming evaluation: an output counts from the time at which it is ready, not from its frame.

The protocol is that of streaming accuracy (Li, Wang, Ramanan, "Towards Streaming Perception", ECCV
2020, section 3.1): ground truth of frame i is met at the time (i - eta) / fps by the latest output
that is ready by then; where none is, by nothing. `simulate` plays the live node: the worker takes
the newest frame when it is free, and frames that came and went in the meantime are dropped.

All times are nanoseconds since the first frame of the sequence.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
import math

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.datatypes import Tracks
from mot_compress_ros.errors import InvalidDataError

# Frame times are rounded to whole nanoseconds: what differs by less than this is the same moment.
TIE_NS = 1_000

# Index of a frame and when it is begun (ns) -> its tracks, and how long it took to make them (ns).
Process = Callable[[int, int], tuple[Tracks, int]]


@dataclass(frozen=True, eq=False, kw_only=True)
class Output:
    """What the node published for frame `frame_index`; it was begun and ready at these times."""

    frame_index: int
    begun_ns: int
    ready_ns: int
    tracks: Tracks


@dataclass(frozen=True, kw_only=True)
class TeacherRun:
    """What the teacher did with frame `frame_index`.

    Attributes:
        frame_index: of the frame.
        begun_ns: when it got the frame.
        due_ns: when its result was ready.
        taken_ns: when the result was applied; None where the sequence had ended before.
        beside: whether the student went on in the meantime.
    """

    frame_index: int
    begun_ns: int
    due_ns: int
    taken_ns: int | None
    beside: bool


def frame_time_ns(index: float, fps: float) -> int:
    """When frame `index` comes."""
    return round(index * 1e9 / fps)


def simulate(
    n_frames: int, fps: float, process: Process, *, shrinking_tail: bool = False
) -> list[Output]:
    """Play a node with one worker and a mailbox that keeps the newest frame.

    Args:
        n_frames: frames of the sequence; frame i comes at i / fps.
        fps: frames per second of the camera.
        process: called for the frames that are not dropped, in order. A network that works beside
            the worker may be played in it: it is told when each step begins.
        shrinking_tail: let a frame that has grown old pass and wait for the next one where that
            gives fresher outputs (section 3.3 of the paper). The runtime that the rule asks for is
            the mean so far, so nothing of the future is used.

    Returns:
        The outputs in the order they are ready.
    """
    outputs: list[Output] = []
    free_ns, following, spent_ns = 0, 0, 0  # following: the first frame not yet taken or dropped
    while following < n_frames:
        newest = math.floor((free_ns + TIE_NS) * fps / 1e9)
        index = max(min(newest, n_frames - 1), following)
        if shrinking_tail and outputs and newest >= following:
            age_ns = free_ns - frame_time_ns(newest, fps)
            index += _should_wait(age_ns * fps / 1e9, spent_ns / len(outputs) * fps / 1e9)
        if index >= n_frames:
            break
        begun_ns = max(free_ns, frame_time_ns(index, fps))
        tracks, duration_ns = process(index, begun_ns)
        if duration_ns < 0:
            raise InvalidDataError(f'frame {index}: took {duration_ns} ns; expected 0 or more')
        free_ns, following, spent_ns = begun_ns + duration_ns, index + 1, spent_ns + duration_ns
        outputs.append(
            Output(frame_index=index, begun_ns=begun_ns, ready_ns=free_ns, tracks=tracks)
        )
    return outputs


def in_time(n_frames: int, fps: float, process: Process) -> list[Output]:
    """What a node would publish that is never late: each frame is begun and ready when it comes.

    What `process` says that it took counts for nothing; what works beside it is as late as it is.
    """
    times_ns = [frame_time_ns(index, fps) for index in range(n_frames)]
    return [
        Output(frame_index=i, begun_ns=at_ns, ready_ns=at_ns, tracks=process(i, at_ns)[0])
        for i, at_ns in enumerate(times_ns)
    ]


def _should_wait(tail: float, runtime: float) -> bool:
    """The shrinking-tail rule; `tail` is the age of the newest frame, both in frame periods.

    Who is faster than the camera takes every frame, as in the authors' code.
    """
    return runtime > 1.0 and (tail + runtime) % 1.0 < tail


def used_outputs(
    outputs: Sequence[Output], n_frames: int, fps: float, *, eta: float = 0.0
) -> list[Output | None]:
    """For each frame the output that its ground truth is scored against; None before the first.

    Args:
        outputs: in any order.
        n_frames: frames of the sequence.
        fps: frames per second.
        eta: 0 counts every delay; -1 forgives one frame period, but no output meets the ground
            truth of a frame before its own.
    """
    by_time = sorted(outputs, key=lambda output: output.ready_ns)
    ready_ns = [output.ready_ns for output in by_time]
    used: list[Output | None] = []
    for index in range(n_frames):
        n_ready = bisect_right(ready_ns, frame_time_ns(index - eta, fps) + TIE_NS)
        ready = (by_time[k] for k in range(n_ready - 1, -1, -1))
        used.append(next((output for output in ready if output.frame_index <= index), None))
    return used


def tracks_in_use(
    used: Sequence[Output | None], fps: float, *, forecast: bool = False
) -> list[Tracks]:
    """The tracks to score, one entry per frame; none where there is no output yet.

    Args:
        used: by frame.
        fps: frames per second.
        forecast: move the tracks to the time of the frame that they are scored against.
    """
    tracks = []
    for index, output in enumerate(used):
        if output is None:
            tracks.append(Tracks.empty(stamp_ns=frame_time_ns(index, fps)))
        elif forecast:
            tracks.append(moved(output.tracks, (index - output.frame_index) / fps))
        else:
            tracks.append(output.tracks)
    return tracks


def moved(tracks: Tracks, seconds: float) -> Tracks:
    """The tracks after so many seconds at the velocity that the tracker gave them; sizes stay."""
    shift_px = np.tile(tracks.velocities_px_s * np.float32(seconds), (1, 2))  # (N, 4)
    return replace(
        tracks,
        boxes_xyxy_px=tracks.boxes_xyxy_px + shift_px,
        stamp_ns=tracks.stamp_ns + round(seconds * 1e9),
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class Timing:
    """What a run did with time; sequences are pooled by `pool`.

    Attributes:
        frames: frames that came.
        processed: frames that were not dropped.
        empty: frames at which there was no output yet.
        missed: frames whose own output was not ready when the next frame came; dropped ones too.
        age_frames: (U,) frames between the ground truth and the frame of the output in use.
        age_ms: (U,) the same in time.
        latency_ms: (P,) from a frame's coming to its output.
        runtime_ms: (P,) from the beginning of the work to its output.
        seconds: that the sequence lasts.
        teacher_runs: frames that the teacher saw.
        late_ms: (L,) of a teacher beside, from a frame's coming to the use of its result.
    """

    frames: int
    processed: int
    empty: int
    missed: int
    age_frames: NDArray[np.int64]
    age_ms: NDArray[np.float64]
    latency_ms: NDArray[np.float64]
    runtime_ms: NDArray[np.float64]
    seconds: float
    teacher_runs: int
    late_ms: NDArray[np.float64]

    def summary(self) -> dict[str, object]:
        """For JSON; a statistic of nothing is None."""
        return {
            'frames': self.frames,
            'processed': self.processed,
            'dropped': self.frames - self.processed,
            'empty': self.empty,
            'missed_deadlines': self.missed,
            'missed_share': self.missed / self.frames if self.frames else None,
            'age_frames': _statistics(self.age_frames),
            'age_ms': _statistics(self.age_ms),
            'latency_ms': _statistics(self.latency_ms),
            'runtime_ms': _statistics(self.runtime_ms, tail=True),
            'teacher_runs': self.teacher_runs,
            'teacher_runs_per_s': self.teacher_runs / self.seconds if self.seconds else None,
            'late_ms': _statistics(self.late_ms, tail=True),
        }


def timing(
    outputs: Sequence[Output],
    used: Sequence[Output | None],
    fps: float,
    *,
    teacher_runs: Sequence[TeacherRun] = (),
) -> Timing:
    """What `simulate` and `used_outputs` did with time; `used` has one entry per frame."""
    ages = [i - output.frame_index for i, output in enumerate(used) if output is not None]
    n_in_time = sum(o.ready_ns <= frame_time_ns(o.frame_index + 1, fps) + TIE_NS for o in outputs)
    latency_ns = [o.ready_ns - frame_time_ns(o.frame_index, fps) for o in outputs]
    late_ns = [
        run.taken_ns - frame_time_ns(run.frame_index, fps)
        for run in teacher_runs
        if run.beside and run.taken_ns is not None
    ]
    return Timing(
        frames=len(used),
        processed=len(outputs),
        empty=len(used) - len(ages),
        missed=len(used) - n_in_time,
        age_frames=np.array(ages, np.int64),
        age_ms=np.array(ages, np.float64) * 1e3 / fps,
        latency_ms=np.array(latency_ns, np.float64) / 1e6,
        runtime_ms=np.array([o.ready_ns - o.begun_ns for o in outputs], np.float64) / 1e6,
        seconds=len(used) / fps,
        teacher_runs=len(teacher_runs),
        late_ms=np.array(late_ns, np.float64) / 1e6,
    )


def pool(timings: Sequence[Timing]) -> Timing:
    """Several sequences as one."""
    return Timing(
        frames=sum(t.frames for t in timings),
        processed=sum(t.processed for t in timings),
        empty=sum(t.empty for t in timings),
        missed=sum(t.missed for t in timings),
        age_frames=np.concatenate([t.age_frames for t in timings]),
        age_ms=np.concatenate([t.age_ms for t in timings]),
        latency_ms=np.concatenate([t.latency_ms for t in timings]),
        runtime_ms=np.concatenate([t.runtime_ms for t in timings]),
        seconds=sum(t.seconds for t in timings),
        teacher_runs=sum(t.teacher_runs for t in timings),
        late_ms=np.concatenate([t.late_ms for t in timings]),
    )


def _statistics(
    samples: NDArray[np.int64] | NDArray[np.float64], *, tail: bool = False
) -> dict[str, float] | None:
    if not len(samples):
        return None
    found = {'mean': float(samples.mean()), 'p95': float(np.percentile(samples, 95))}
    if tail:
        found |= {'p99': float(np.percentile(samples, 99)), 'max': float(samples.max())}
    return found
