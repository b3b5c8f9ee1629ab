"""The values a recording is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.datatypes import Frame, Tracks
from mot_compress_ros.frame_source import FrameSource, TEACHER
from mot_compress_ros.health import Percentiles
from mot_compress_ros.inference import Bundle, Detector
from mot_compress_ros.keyframe import Teacher
from mot_compress_ros.options import Value

Image = NDArray[np.uint8]
Mode = Literal['replay', 'live']


@dataclass(frozen=True, eq=False, kw_only=True)
class RecordedMessage:
    """A serialised ROS message.

    Attributes:
        topic: full name.
        msgtype: 'vision_msgs/msg/Detection2DArray'.
        stamp_ns: time it is filed under, nanoseconds.
        data: its CDR bytes.
    """

    topic: str
    msgtype: str
    stamp_ns: int
    data: bytes


@dataclass(frozen=True, eq=False, kw_only=True)
class Step:
    """What happened to one frame.

    Attributes:
        frame: the frame itself.
        tracks: its tracks; None where the frame was dropped.
        latency_ms: wall-clock time from the frame to its tracks, for reports only.
        messages: what a node published by then; None where there is no node and the recording is
            to make the messages from `tracks`.
        teacher_age_s: age, at this frame, of what the teacher last said; None where that is not
            known or there is no teacher.
        source: what there is to say of the network that saw the frame; the recorder fills it in,
            where there is a teacher.
    """

    frame: Frame
    tracks: Tracks | None
    latency_ms: float | None = None
    messages: Sequence[RecordedMessage] | None = None
    teacher_age_s: float | None = None
    source: FrameSource | None = None

    @property
    def image_bgr(self) -> Image:
        """(H, W, 3) uint8, BGR."""
        if self.frame.color_order == 'bgr':
            return self.frame.image
        return np.asarray(cv2.cvtColor(self.frame.image, cv2.COLOR_RGB2BGR), np.uint8)

    @property
    def frame_number(self) -> int:
        """Number of the frame as MOTChallenge counts, from 1."""
        return self.frame.frame_index + 1


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """A model as reports name it."""

    role: str
    name: str
    sha256: str
    architecture: str
    input_size_wh: tuple[int, int]

    @classmethod
    def of(cls, model: Bundle | Detector | Teacher, *, role: str) -> ModelInfo:
        """What the manifest of a model says; `role` is 'student' or 'teacher'."""
        manifest = model.manifest
        return cls(
            role=role,
            name=manifest.name,
            sha256=manifest.weights_sha256,
            architecture=str(manifest.architecture.get('name', '')),
            input_size_wh=manifest.input_size_wh,
        )


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """What is known before the first frame.

    Attributes:
        mode: 'replay' without ROS, 'live' through a node.
        input_path: as the user gave it.
        input_kind: 'bag', 'video' or 'sequence'.
        camera: name of the camera.
        fps_hz: nominal frame rate, also that of the annotated video.
        expected_frames: length of the input.
        class_names: by class id.
        models: the student first.
        options: every option of the pipeline by its dotted name.
    """

    mode: Mode
    input_path: str
    input_kind: str
    camera: str
    fps_hz: float
    expected_frames: int
    class_names: tuple[str, ...]
    models: tuple[ModelInfo, ...]
    options: Mapping[str, Value] = field(default_factory=dict)

    @property
    def teacher(self) -> ModelInfo | None:
        """The teacher, where there is one."""
        return next((model for model in self.models if model.role == TEACHER), None)


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What is known after the last frame.

    Attributes:
        complete: False where the run or its input ended early.
        reason: what ended it, where it was not the user.
        wall_s: time the run took.
        unreadable: frames of the input that could not be read.
        missing: frames that the input ought to hold after its last one.
        latencies_ms: percentiles by stage.
        counters: as `Health.counters`.
    """

    complete: bool
    wall_s: float
    unreadable: int
    latencies_ms: Mapping[str, Percentiles]
    counters: Mapping[str, int]
    missing: int = 0
    reason: str = ''
