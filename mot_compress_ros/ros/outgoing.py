"""What is sent to a node: the messages of a bag as they were recorded, other frames as images."""

from __future__ import annotations

import array
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from mot_compress_ros.datatypes import Frame
from mot_compress_ros.ros import conversions
from mot_compress_ros.sources import Source
from mot_compress_ros.sources.bag import BagSource, ImageMessage


@dataclass(frozen=True, kw_only=True)
class Outgoing:
    """A message to send, and the stamp in its header."""

    stamp_ns: int
    message: Image | CompressedImage


def image_transport(source: Source) -> str:
    """What the node has to listen to, 'raw' or 'compressed'."""
    compressed = isinstance(source, BagSource) and source.compressed
    return 'compressed' if compressed else 'raw'


def outgoing(source: Source) -> Iterator[Outgoing]:
    """The message of every readable frame of a source, in its order."""
    if isinstance(source, BagSource):
        for _, recorded in source.with_messages():
            yield Outgoing(stamp_ns=recorded.stamp_ns, message=_of_recorded(recorded))
    else:
        for frame in source:
            yield Outgoing(stamp_ns=frame.stamp_ns, message=_of_frame(frame))


def _of_frame(frame: Frame) -> Image:
    image = frame.image
    if frame.color_order == 'rgb':
        image = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), np.uint8)
    return conversions.to_image(image, header=_header(frame.stamp_ns, frame.frame_id))


def _of_recorded(recorded: ImageMessage) -> Image | CompressedImage:
    header = _header(recorded.stamp_ns, recorded.frame_id)
    # array.array is what the generated setter takes as it is; bytes are checked one by one.
    data = array.array('B', recorded.data.tobytes())
    if recorded.compressed:
        return CompressedImage(header=header, format=recorded.encoding, data=data)
    return Image(
        header=header,
        height=recorded.height,
        width=recorded.width,
        encoding=recorded.encoding,
        is_bigendian=int(recorded.is_bigendian),
        step=recorded.step,
        data=data,
    )


def _header(stamp_ns: int, frame_id: str) -> Header:
    return Header(stamp=conversions.ns_to_stamp(stamp_ns), frame_id=frame_id)
