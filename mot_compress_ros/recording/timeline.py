"""What summary and report are made of, gathered frame by frame in little memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from mot_compress_ros.frame_source import FrameSource
from mot_compress_ros.recording.step import Image, Step

_SAMPLES_KEPT = 24
_SAMPLE_WIDTH_PX = 800
_SAMPLE_QUALITY = 80


@dataclass(frozen=True, kw_only=True)
class Moment:
    """One frame: its number from 1, its stamp, tracks by class id, and how it was served.

    `source` is None where there is no teacher, and where nobody told which network saw the frame.
    """

    frame_number: int
    stamp_ns: int
    counts: tuple[int, ...]
    latency_ms: float | None
    source: FrameSource | None
    dropped: bool


@dataclass(kw_only=True)
class Life:
    """One track: its class and the spans of frame numbers (first, last) in which it was seen."""

    track_id: int
    class_id: int
    frames: int = 0
    spans: list[tuple[int, int]] = field(default_factory=list)


@dataclass(frozen=True)
class Sample:
    """An annotated picture as JPEG bytes."""

    frame_number: int
    jpeg: bytes
    size_wh: tuple[int, int]


class Timeline:
    """Moments, lives and sample pictures of a run."""

    def __init__(self, class_names: Sequence[str]) -> None:
        self.moments: list[Moment] = []
        self.lives: dict[int, Life] = {}
        self._n_classes = len(class_names)
        self._samples: list[Sample] = []
        self._sample_stride = 1
        self._sample_wait = 0
        self._seen_before: set[int] = set()

    def add(self, step: Step, annotated: Image) -> None:
        """Take note of one frame."""
        self._keep_sample(step, annotated)
        present: set[int] = set()
        counts = [0] * self._n_classes
        if step.tracks is not None:
            present = {int(i) for i in step.tracks.track_ids}
            for track_id, class_id in zip(
                step.tracks.track_ids, step.tracks.class_ids, strict=True
            ):
                if class_id < self._n_classes:
                    counts[int(class_id)] += 1
                self._extend_life(int(track_id), int(class_id), step.frame_number)
            self._seen_before = present  # a dropped frame does not interrupt a track
        self.moments.append(
            Moment(
                frame_number=step.frame_number,
                stamp_ns=step.frame.stamp_ns,
                counts=tuple(counts),
                latency_ms=step.latency_ms,
                source=step.source,
                dropped=step.tracks is None,
            )
        )

    def samples(self, count: int) -> list[Sample]:
        """At most `count` pictures, spread evenly over the run."""
        if len(self._samples) <= count:
            return list(self._samples)
        rows = np.linspace(0, len(self._samples) - 1, count).round().astype(int)
        return [self._samples[row] for row in rows]

    def _extend_life(self, track_id: int, class_id: int, number: int) -> None:
        life = self.lives.setdefault(track_id, Life(track_id=track_id, class_id=class_id))
        life.frames += 1
        if life.spans and track_id in self._seen_before:
            life.spans[-1] = (life.spans[-1][0], number)
        else:
            life.spans.append((number, number))

    def _keep_sample(self, step: Step, annotated: Image) -> None:
        """Keep every stride-th picture; where there are too many, double the stride.

        So the pictures spread evenly over a run of any length, without knowing it beforehand.
        """
        self._sample_wait -= 1
        if self._sample_wait > 0 or step.tracks is None:
            return
        self._sample_wait = self._sample_stride
        self._samples.append(_sample(step.frame_number, annotated))
        if len(self._samples) > _SAMPLES_KEPT:
            self._samples = self._samples[::2]
            self._sample_stride *= 2


def _sample(frame_number: int, image: Image) -> Sample:
    height, width = image.shape[:2]
    if width > _SAMPLE_WIDTH_PX:
        size = (_SAMPLE_WIDTH_PX, max(round(height * _SAMPLE_WIDTH_PX / width), 1))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return Sample(frame_number, jpeg_bytes(image, _SAMPLE_QUALITY), image.shape[1::-1])


def jpeg_bytes(image_bgr: Image, quality: int) -> bytes:
    """The picture (H, W, 3) as JPEG; `quality` 0 to 100."""
    _, data = cv2.imencode('.jpg', image_bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return bytes(data)
