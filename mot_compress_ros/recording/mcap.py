"""tracks.mcap: tracks, diagnostics and compressed images for Foxglove and rosbag2."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
import shutil

from rosbags.interfaces import Connection
from rosbags.rosbag2 import StoragePlugin, Writer

from mot_compress_ros.recording.ros_messages import MessageFactory
from mot_compress_ros.recording.step import Image, RecordedMessage, RunInfo, Step
from mot_compress_ros.recording.timeline import jpeg_bytes

_QUALITY = 85
_DIAGNOSTICS_EVERY_NS = 1_000_000_000


class McapSink:
    """One MCAP file with the node's topics.

    `<camera>/tracks`, `<camera>/label_info` and `/diagnostics` are what the node published; in a
    replay without a node they are made from the tracks. `<camera>/image_raw/compressed` holds the
    source pictures, `<camera>/debug_image/compressed` the annotated ones.
    """

    def __init__(self, path: Path, info: RunInfo) -> None:
        self._path = path
        threshold = info.options.get('decode.min_score', 0.0)
        self._factory = MessageFactory(
            camera=info.camera,
            class_names=info.class_names,
            threshold=threshold if isinstance(threshold, float) else 0.0,
        )
        self._connections: dict[str, Connection] = {}
        self._diagnosed_ns: int | None = None
        self._counts = {'processed': 0, 'dropped': 0}
        self._has_teacher, self._keyframes = info.teacher is not None, 0
        self._labelled = False
        # rosbags writes a folder; the file is moved out of it at the end.
        self._folder = path.with_name(f'.{path.name}.part')
        shutil.rmtree(self._folder, ignore_errors=True)
        self._writer = Writer(self._folder, version=9, storage_plugin=StoragePlugin.MCAP)
        self._writer.open()

    def write(self, step: Step, annotated: Image) -> None:
        """File the messages and pictures of one frame."""
        messages = self._made(step) if step.messages is None else step.messages
        for message in messages:
            self._file(message)
        for name, image in (('image_raw', step.image_bgr), ('debug_image', annotated)):
            self._file(self._factory.image(name, step.frame, jpeg_bytes(image, _QUALITY)))

    def close(self) -> None:
        """Write the index and put the file in its place."""
        self._writer.close()
        next(self._folder.glob('*.mcap')).replace(self._path)
        shutil.rmtree(self._folder)

    def _made(self, step: Step) -> Iterator[RecordedMessage]:
        """The messages a node would have published for this frame."""
        stamp_ns = step.frame.stamp_ns
        if not self._labelled:
            self._labelled = True
            yield self._factory.label_info(stamp_ns)
        self._counts['dropped' if step.tracks is None else 'processed'] += 1
        self._keyframes += step.source is not None and step.source.heard_stamp_ns is not None
        if step.tracks is not None:
            yield self._factory.tracks(step.frame, step.tracks)
        since_ns = None if self._diagnosed_ns is None else stamp_ns - self._diagnosed_ns
        if since_ns is None or since_ns >= _DIAGNOSTICS_EVERY_NS or since_ns < 0:
            self._diagnosed_ns = stamp_ns
            yield self._diagnosis(step)

    def _diagnosis(self, step: Step) -> RecordedMessage:
        """Those of the node's keys that a replay has values for."""
        active = 0 if step.tracks is None else len(step.tracks)
        counts = {'received': sum(self._counts.values()), **self._counts, 'active_tracks': active}
        values = {name: str(count) for name, count in counts.items()}
        if self._has_teacher:
            ratio = self._keyframes / max(self._counts['processed'], 1)
            values |= {'keyframes': str(self._keyframes), 'keyframe_ratio': f'{ratio:.2f}'}
        return self._factory.diagnostics(
            step.frame.stamp_ns, message=f'{active} tracks', values=values
        )

    def _file(self, message: RecordedMessage) -> None:
        if message.topic not in self._connections:
            self._connections[message.topic] = self._writer.add_connection(
                message.topic, message.msgtype, typestore=self._factory.types
            )
        connection = self._connections[message.topic]
        self._writer.write(connection, message.stamp_ns, message.data)
