"""Messages to the core's data types and back; the only file that knows both."""

from __future__ import annotations

import array

from builtin_interfaces.msg import Time
from nav_msgs.msg import Odometry
import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, Imu
from std_msgs.msg import Header
from vision_msgs.msg import (
    Detection2D,
    Detection2DArray,
    LabelInfo,
    ObjectHypothesisWithPose,
    VisionClass,
)

from mot_compress_ros.camera_motion import imu_measures, Intrinsics, raw_intrinsics
from mot_compress_ros.datatypes import ColorOrder, Frame, Tracks
from mot_compress_ros.image_decoding import (
    decode_compressed,
    decode_image,
    SUPPORTED_ENCODINGS,
)
from mot_compress_ros.message_fields import detection_fields
from mot_compress_ros.ros import bridge

NS_PER_S = 1_000_000_000


def stamp_to_ns(stamp: Time) -> int:
    """Nanoseconds since the epoch of the clock that made `stamp`."""
    return int(stamp.sec) * NS_PER_S + int(stamp.nanosec)


def ns_to_stamp(stamp_ns: int) -> Time:
    """The inverse of `stamp_to_ns`."""
    sec, nanosec = divmod(stamp_ns, NS_PER_S)
    return Time(sec=sec, nanosec=nanosec)


def to_frame(message: Image | CompressedImage, *, camera: str, frame_index: int) -> Frame:
    """The frame an image message holds, without a copy where the encoding allows it.

    Raises:
        UnsupportedImageError: the message cannot be decoded, with the reason.
    """
    if isinstance(message, CompressedImage):
        image = decode_compressed(message.data)
        color_order: ColorOrder = 'bgr'
    elif message.encoding not in SUPPORTED_ENCODINGS and bridge.is_available():
        image, color_order = bridge.convert(message), 'bgr'
    else:
        image, color_order = decode_image(
            encoding=message.encoding,
            height=message.height,
            width=message.width,
            step=message.step,
            is_bigendian=bool(message.is_bigendian),
            data=message.data,
        )
    return Frame(
        image=image,
        stamp_ns=stamp_to_ns(message.header.stamp),
        camera=camera,
        frame_id=message.header.frame_id,
        frame_index=frame_index,
        color_order=color_order,
    )


def to_detection_array(
    tracks: Tracks, *, header: Header, class_names: tuple[str, ...], camera: str, session: str
) -> Detection2DArray:
    """Tracks as a standard message: boxes in source pixels, the source's header on everything."""
    message = Detection2DArray(header=header)
    for fields in detection_fields(
        tracks, class_names=class_names, camera=camera, session=session
    ):
        detection = Detection2D(header=header, id=fields.track_id)
        detection.bbox.center.position.x = fields.center_x_px
        detection.bbox.center.position.y = fields.center_y_px
        detection.bbox.size_x = fields.size_x_px
        detection.bbox.size_y = fields.size_y_px
        hypothesis = ObjectHypothesisWithPose()
        hypothesis.hypothesis.class_id = fields.class_name
        hypothesis.hypothesis.score = fields.score
        detection.results = [hypothesis]
        message.detections.append(detection)
    return message


def to_angular_velocity(message: Imu | Odometry) -> tuple[float, float, float] | None:
    """Radians per second about the axes of the measuring frame; None where it was not measured."""
    if isinstance(message, Odometry):
        vector = message.twist.twist.angular
    elif imu_measures(message.angular_velocity_covariance):
        vector = message.angular_velocity
    else:
        return None
    return float(vector.x), float(vector.y), float(vector.z)


def measuring_frame(message: Imu | Odometry) -> str:
    """The frame whose axes the angular velocity is about."""
    return str(
        message.child_frame_id if isinstance(message, Odometry) else message.header.frame_id
    )


def to_intrinsics(message: CameraInfo) -> Intrinsics:
    """The camera matrix of the images as they are published, region of interest considered.

    Raises:
        InvalidDataError: the camera is not calibrated.
    """
    region = message.roi
    return raw_intrinsics(
        message.k,
        size_wh=(message.width, message.height),
        region_xywh=(region.x_offset, region.y_offset, region.width, region.height),
    )


def to_label_info(class_names: tuple[str, ...], *, threshold: float, stamp: Time) -> LabelInfo:
    """Names of the classes by number, and the score below which nothing is detected."""
    message = LabelInfo(header=Header(stamp=stamp), threshold=threshold)
    message.class_map = [
        VisionClass(class_id=index, class_name=name) for index, name in enumerate(class_names)
    ]
    return message


def to_image(image_bgr: NDArray[np.uint8], *, header: Header) -> Image:
    """A (H, W, 3) BGR image as a message."""
    height, width = image_bgr.shape[:2]
    return Image(
        header=header,
        height=height,
        width=width,
        encoding='bgr8',
        step=3 * width,
        # array.array is what the generated setter takes as it is; bytes are checked one by one.
        data=array.array('B', np.ascontiguousarray(image_bgr).tobytes()),
    )
