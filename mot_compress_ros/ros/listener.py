"""Keeps what a node publishes, filed under the frame it belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
from rclpy.serialization import serialize_message
from vision_msgs.msg import Detection2DArray, LabelInfo

from mot_compress_ros.datatypes import Tracks, TrackState
from mot_compress_ros.health import Health, Percentiles
from mot_compress_ros.message_fields import track_number
from mot_compress_ros.recording import RecordedMessage
from mot_compress_ros.ros import conversions
from mot_compress_ros.ros.inference_info import INFERENCE_INFO, of_message

_WINDOW = 100_000  # an hour of video: the percentiles are of the whole run
_RECORDED = (Detection2DArray, DiagnosticArray, LabelInfo)


@dataclass(kw_only=True)
class Exchange:
    """A frame that was sent, and what came back.

    Attributes:
        stamp_ns: stamp of the frame.
        sent_s: when it was sent, monotonic seconds.
        answer: its tracks; None where the node skipped it.
        latency_ms: from sending the frame to receiving its tracks.
        messages: everything that was received because of it or since it.
        network: 'teacher' or 'student', whose detections made the tracks; '' where nobody told.
        teacher_age_s: age, at this frame, of what the teacher last said; None where nobody told.
    """

    stamp_ns: int
    sent_s: float
    answer: Detection2DArray | None = None
    latency_ms: float | None = None
    messages: list[RecordedMessage] = field(default_factory=list)
    network: str = ''
    teacher_age_s: float | None = None


class Listener:
    """The `listener` of a `TrackerClient`: call `sending` before each frame is published."""

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []
        self.track_ids: set[str] = set()
        self.answered = 0
        self._before_first: list[tuple[str, object]] = []
        self._by_stamp: dict[int, Exchange] = {}
        self._latest_answer = -1
        self._health = Health(window=_WINDOW)

    def sending(self, stamp_ns: int) -> None:
        """Open the account of a frame."""
        exchange = Exchange(stamp_ns=stamp_ns, sent_s=time.monotonic())
        self.exchanges.append(exchange)
        self._by_stamp[stamp_ns] = exchange
        waiting, self._before_first = self._before_first, []
        for topic, message in waiting:
            exchange.messages.append(_recorded(topic, message, stamp_ns))

    def hear(self, topic: str, message: object) -> None:
        """Take note of a received message."""
        if not isinstance(message, _RECORDED):
            return
        if not self.exchanges:
            self._before_first.append((topic, message))
        elif isinstance(message, Detection2DArray):
            self._hear_tracks(topic, message)
        elif topic.endswith(INFERENCE_INFO):
            self._hear_info(topic, message)
        else:  # stamped by the node's clock; filed under that of the recording
            latest = self.exchanges[-1]
            latest.messages.append(_recorded(topic, message, latest.stamp_ns))

    @property
    def skipped(self) -> int:
        """Frames that were sent before the latest answered one and have no answer."""
        return self._latest_answer + 1 - self.answered

    def settled(self) -> bool:
        """Whether the last frame has its answer: nothing more will come."""
        return bool(self.exchanges) and self.exchanges[-1].answer is not None

    def latency(self) -> Percentiles | None:
        """Percentiles over all answered frames."""
        return self._health.percentiles_ms('total')

    def hear_source(
        self, *, stamp_ns: int, network: str, teacher_age_s: float | None = None
    ) -> None:
        """Take note of which network saw a frame; before or after its tracks."""
        exchange = self._by_stamp.get(stamp_ns)
        if exchange is not None and not exchange.network:
            exchange.network, exchange.teacher_age_s = network, teacher_age_s

    def _hear_info(self, topic: str, message: DiagnosticArray) -> None:
        stamp_ns = conversions.stamp_to_ns(message.header.stamp)
        exchange, info = self._by_stamp.get(stamp_ns), of_message(message)
        if exchange is not None:
            exchange.messages.append(_recorded(topic, message, stamp_ns))
        self.hear_source(
            stamp_ns=stamp_ns,
            network=info.source,
            teacher_age_s=None if info.prior_age_ms is None else info.prior_age_ms / 1e3,
        )

    def _hear_tracks(self, topic: str, message: Detection2DArray) -> None:
        exchange = self._by_stamp.get(conversions.stamp_to_ns(message.header.stamp))
        if exchange is None or exchange.answer is not None:
            return  # of a frame from before this recording, or an answer to one sent again
        exchange.answer = message
        exchange.latency_ms = 1e3 * (time.monotonic() - exchange.sent_s)
        self._health.record_ms('total', exchange.latency_ms)
        exchange.messages.append(_recorded(topic, message, exchange.stamp_ns))
        self.answered += 1
        self.track_ids.update(detection.id for detection in message.detections)
        position = next(
            i for i in range(len(self.exchanges) - 1, -1, -1) if self.exchanges[i] is exchange
        )
        self._latest_answer = max(self._latest_answer, position)


def to_tracks(
    message: Detection2DArray, class_names: Sequence[str], *, network: str = ''
) -> Tracks:
    """Tracks as a message tells them: what it does not tell (age, velocity) is 0.

    Published tracks are confirmed and were updated by their frame. `network` becomes their source.
    """
    detections = message.detections
    n = len(detections)
    zeros = np.zeros(n, np.int64)
    return Tracks(
        stamp_ns=conversions.stamp_to_ns(message.header.stamp),
        boxes_xyxy_px=np.array([_corners(d.bbox) for d in detections], np.float32).reshape(n, 4),
        scores=np.array([d.results[0].hypothesis.score for d in detections], np.float32),
        class_ids=np.array(
            [class_names.index(d.results[0].hypothesis.class_id) for d in detections], np.int64
        ),
        track_ids=np.array([track_number(d.id) for d in detections], np.int64),
        velocities_px_s=np.zeros((n, 2), np.float32),
        states=np.full(n, TrackState.CONFIRMED, np.int64),
        ages=zeros,
        hits=zeros,
        frames_since_update=zeros,
        source=network,
    )


def _corners(bbox: Any) -> tuple[float, float, float, float]:
    x, y = bbox.center.position.x, bbox.center.position.y
    half_width, half_height = bbox.size_x / 2, bbox.size_y / 2
    return x - half_width, y - half_height, x + half_width, y + half_height


def _recorded(topic: str, message: object, stamp_ns: int) -> RecordedMessage:
    kind = type(message)
    return RecordedMessage(
        topic=topic,
        msgtype=f'{kind.__module__.partition(".")[0]}/msg/{kind.__name__}',
        stamp_ns=stamp_ns,
        data=bytes(serialize_message(message)),
    )
