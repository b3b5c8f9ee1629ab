"""Frames of a rosbag2 recording (SQLite or MCAP), read without ROS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import cast, TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rosbags.rosbag2 import Reader
from rosbags.typesys import get_typestore, Stores

from mot_compress_ros.datatypes import ColorOrder, Frame
from mot_compress_ros.errors import InputError, InvalidDataError, UnsupportedImageError
from mot_compress_ros.image_decoding import decode_compressed, decode_image
from mot_compress_ros.sources.source import SourceOptions

if TYPE_CHECKING:
    from rosbags.typesys.stores.ros2_jazzy import (
        builtin_interfaces__msg__Time as RosTime,
    )
    from rosbags.typesys.stores.ros2_jazzy import (
        sensor_msgs__msg__CompressedImage as RosCompressedImage,
    )
    from rosbags.typesys.stores.ros2_jazzy import (
        sensor_msgs__msg__Image as RosImage,
    )

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED_IMAGE = 'sensor_msgs/msg/CompressedImage'
FILE_SUFFIXES = ('.mcap', '.db3')
# The node and the replay draw on such a topic; only a recording of theirs has it.
_DRAWN = '/debug_image'
# Enough stamps for a robust frame rate, few enough to be read at once.
_STAMPS_FOR_RATE = 50


def is_bag(path: Path) -> bool:
    """Whether `path` is a rosbag2 folder or one of its storage files."""
    return (path / 'metadata.yaml').is_file() or (path.is_file() and path.suffix in FILE_SUFFIXES)


def storage_files(path: Path) -> list[Path]:
    """The storage file that `path` is, or those in it."""
    files = [path] if path.is_file() else sorted(path.glob('*'))
    return [file for file in files if file.suffix in FILE_SUFFIXES]


@dataclass(frozen=True, eq=False, kw_only=True)
class ImageMessage:
    """An image message as recorded: its payload not yet decoded.

    Attributes:
        stamp_ns: header stamp, or the time of recording where the header has none.
        frame_id: coordinate frame of the header.
        encoding: `encoding` of an Image, `format` of a CompressedImage.
        data: (bytes,) uint8 payload.
        compressed: whether it is a CompressedImage; `height` to `is_bigendian` are then 0.
    """

    stamp_ns: int
    frame_id: str
    encoding: str
    data: NDArray[np.uint8]
    compressed: bool
    height: int = 0
    width: int = 0
    step: int = 0
    is_bigendian: bool = False

    def decode(self) -> tuple[NDArray[np.uint8], ColorOrder]:
        """The picture, (H, W, 3) uint8, and the order of its channels.

        Raises:
            UnsupportedImageError: the payload cannot be decoded.
        """
        if self.compressed:
            return decode_compressed(self.data), 'bgr'
        return decode_image(
            encoding=self.encoding,
            height=self.height,
            width=self.width,
            step=self.step,
            is_bigendian=self.is_bigendian,
            data=self.data,
        )


class BagSource:
    """Image messages of one topic of a bag, in the order they were recorded."""

    kind = 'bag'

    def __init__(self, path: Path, options: SourceOptions) -> None:
        self.path = path
        self.skipped = self.missing = 0
        self.early_end = ''
        self._typestore = get_typestore(Stores.ROS2_JAZZY)
        with opened_bag(path) as reader:
            topics = {
                name: info.msgcount
                for name, info in reader.topics.items()
                if info.msgtype in (IMAGE, COMPRESSED_IMAGE)
            }
            self.topic = _chosen_topic(path, topics, options.topic)
            self._count = topics[self.topic]
            stamps = [t for _, t, _ in islice(self._raw(reader), _STAMPS_FOR_RATE)]
            self.compressed = reader.topics[self.topic].msgtype == COMPRESSED_IMAGE
        if not stamps:
            raise InputError(self.early_end or f'{path}: topic {self.topic} holds no messages')
        self.camera = options.camera or camera_of_topic(self.topic)
        self.fps = options.fps_hz or _rate_hz(stamps)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Frame]:
        return (frame for frame, _ in self.with_messages())

    def with_messages(self) -> Iterator[tuple[Frame, ImageMessage]]:
        """Every readable frame, and the message it was decoded from."""
        self.skipped = 0
        for index, message in enumerate(self._messages()):
            try:
                if message is None:
                    raise UnsupportedImageError('the message cannot be parsed')
                frame = self._frame(message, index)
            except (UnsupportedImageError, InvalidDataError):
                self.skipped += 1
            else:
                yield frame, message

    def _frame(self, message: ImageMessage, index: int) -> Frame:
        image, color_order = message.decode()
        return Frame(
            image=image,
            stamp_ns=message.stamp_ns,
            camera=self.camera,
            frame_id=message.frame_id,
            frame_index=index,
            color_order=color_order,
        )

    def _messages(self) -> Iterator[ImageMessage | None]:
        """Every message of the topic, undecoded; None stands for one that cannot be parsed."""
        with opened_bag(self.path) as reader:
            for msgtype, recorded_ns, data in self._raw(reader):
                try:
                    yield self._parsed(msgtype, recorded_ns, data)
                except Exception:  # on a damaged message rosbags raises whatever it meets
                    yield None

    def _raw(self, reader: Reader) -> Iterator[tuple[str, int, bytes]]:
        """Messages as they lie in the file, up to its end or to where it is damaged."""
        self.missing, self.early_end = 0, ''
        connections = [c for c in reader.connections if c.topic == self.topic]
        read, reason = 0, 'messages are gone'
        try:
            for connection, recorded_ns, data in reader.messages(connections):
                read += 1
                yield connection.msgtype, recorded_ns, data
        except Exception as error:  # SQLite, zstd, lz4 and rosbags each raise their own
            reason = str(error) or type(error).__name__
        if read < self._count:
            self.missing = self._count - read
            self.early_end = (
                f'{self.path}: damaged: {read} of {self._count} messages of {self.topic} can be '
                f'read ({reason}); {mending(self.path)}'
            )

    def _parsed(self, msgtype: str, recorded_ns: int, data: bytes) -> ImageMessage:
        message = self._typestore.deserialize_cdr(data, msgtype)
        if msgtype == COMPRESSED_IMAGE:
            return _of_compressed(cast('RosCompressedImage', message), recorded_ns)
        return _of_image(cast('RosImage', message), recorded_ns)


def _of_image(message: RosImage, recorded_ns: int) -> ImageMessage:
    return ImageMessage(
        stamp_ns=_stamp_ns(message.header.stamp, recorded_ns),
        frame_id=message.header.frame_id,
        encoding=message.encoding,
        data=message.data,
        compressed=False,
        height=message.height,
        width=message.width,
        step=message.step,
        is_bigendian=bool(message.is_bigendian),
    )


def _of_compressed(message: RosCompressedImage, recorded_ns: int) -> ImageMessage:
    return ImageMessage(
        stamp_ns=_stamp_ns(message.header.stamp, recorded_ns),
        frame_id=message.header.frame_id,
        encoding=message.format,
        data=message.data,
        compressed=True,
    )


def stamp_to_ns(stamp: RosTime) -> int:
    """Nanoseconds since the epoch of the clock that made `stamp`."""
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def _stamp_ns(stamp: RosTime, recorded_ns: int) -> int:
    return stamp_to_ns(stamp) or recorded_ns


def camera_of_topic(topic: str) -> str:
    """The camera a topic belongs to: '/front/image_raw/compressed' -> 'front'."""
    parts = [part for part in topic.split('/') if part]
    while parts and (parts[-1] == 'compressed' or parts[-1].startswith('image')):
        parts.pop()
    return '/'.join(parts) or 'camera'


@contextmanager
def opened_bag(path: Path) -> Iterator[Reader]:
    """A reader of the bag, open."""
    with ExitStack() as stack:
        try:
            reader = stack.enter_context(Reader(path))
        except Exception as error:  # rosbags, SQLite, YAML and zstd each raise their own
            raise InputError(
                f'{path}: not a readable rosbag2 recording ({error}); {mending(path)}'
            ) from error
        yield reader


def mending(path: Path) -> str:
    """What may mend a recording that was cut short or damaged."""
    files = storage_files(path)
    steps = [f'`mcap recover {f} -o {f.stem}_mended.mcap`' for f in files if f.suffix == '.mcap']
    if path.is_dir():
        steps.append(f'`ros2 bag reindex {path}`')
    elif not steps:
        steps.append('put it into a folder of its own and `ros2 bag reindex` that')
    return f'try {", then ".join(steps)}'


def _chosen_topic(path: Path, topics: dict[str, int], wanted: str) -> str:
    listing = ', '.join(f'{name} ({count})' for name, count in sorted(topics.items()))
    if not topics:
        raise InputError(f'{path}: holds no topic of type {IMAGE} or {COMPRESSED_IMAGE}')
    if wanted:
        if wanted not in topics:
            raise InputError(f'{path}: no image topic {wanted}; there are: {listing}')
        return wanted
    seen = [name for name in topics if _DRAWN not in name] or list(topics)
    if len(seen) > 1:
        raise InputError(f'{path}: several image topics, choose one with --topic: {listing}')
    return seen[0]


def _rate_hz(stamps_ns: list[int]) -> float:
    """Frame rate from the median step of the time of recording; 10 Hz where there is one frame."""
    steps = np.diff(stamps_ns)
    steps = steps[steps > 0]
    return float(round(1e9 / np.median(steps), 3)) if len(steps) else 10.0
