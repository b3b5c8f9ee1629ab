"""A rosbag2 bag, written without ROS, with the truth in a folder beside it.

/camera/image_raw/compressed   sensor_msgs/CompressedImage, JPEG
/camera/camera_info            sensor_msgs/CameraInfo
/camera/image_raw              sensor_msgs/Image, bgr8, only where asked for
/imu                           sensor_msgs/Imu, angular velocity of the car, without noise
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rosbags.interfaces import Connection
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_typestore, Stores

from mot_compress_ros.errors import InputError
from offline_training.synthetic.ground_truth import FrameTruth
from offline_training.synthetic.inertial import InertialSamples
from offline_training.synthetic.scene import SyntheticFrame
from offline_training.synthetic.world import CAMERA_FRAME_ID, CAMERA_NAME, VEHICLE_FRAME_ID
from offline_training.synthetic.writers.options import truth_folder, WriteOptions
from offline_training.synthetic.writers.truth_files import TruthFiles

# Bags do not start at 1970, and a stamp of zero means 'no stamp' to many nodes.
START_NS = 1_750_000_000_000_000_000
_VERSION: Any = 9  # of metadata.yaml, that of Jazzy and later
_UNKNOWN = np.array([-1.0, *[0.0] * 8])  # in sensor_msgs/Imu: this is not measured
_PLUGINS = {'mcap': StoragePlugin.MCAP, 'sqlite3': StoragePlugin.SQLITE3}


def write_bag(frames: Iterable[SyntheticFrame], path: Path, options: WriteOptions) -> Path:
    """Write one bag into the folder `path` and return it.

    Raises:
        InputError: the folder exists.
    """
    if path.exists():
        raise InputError(f'{path}: exists already; remove it or name another')
    path.parent.mkdir(parents=True, exist_ok=True)
    plugin = _PLUGINS[options.storage]
    with (
        Writer(path, version=_VERSION, storage_plugin=plugin) as writer,
        TruthFiles(truth_folder(path)) as truth,
    ):
        bag = _Bag(writer, options)
        for frame in frames:
            bag.write(frame)
            truth.write(frame.truth)
    return path


class _Bag:
    """The topics of one open bag."""

    def __init__(self, writer: Writer, options: WriteOptions) -> None:
        self._writer, self._options = writer, options
        self._store = get_typestore(Stores.ROS2_JAZZY)
        self._types: dict[str, Any] = dict(self._store.types)
        self._connections: dict[str, Connection] = {}

    def write(self, frame: SyntheticFrame) -> None:
        """File the messages of one frame, in order of time."""
        inertial = frame.truth.inertial
        passed = int(np.searchsorted(inertial.stamps_ns, frame.truth.stamp_ns, side='right'))
        self._write_imu(inertial.between(0, passed))
        self._write_images(frame)
        self._write_imu(inertial.between(passed, len(inertial)))

    def _write_imu(self, samples: InertialSamples) -> None:
        for stamp, rate in zip(samples.stamps_ns, samples.angular_velocity_radps, strict=True):
            stamp_ns = START_NS + int(stamp)
            header = self._header(stamp_ns, VEHICLE_FRAME_ID)
            self._file('/imu', 'Imu', self._imu(header, rate), stamp_ns)

    def _write_images(self, frame: SyntheticFrame) -> None:
        stamp_ns = START_NS + frame.truth.stamp_ns
        header = self._header(stamp_ns, CAMERA_FRAME_ID)
        self._file(
            f'/{CAMERA_NAME}/camera_info', 'CameraInfo', self._info(header, frame.truth), stamp_ns
        )
        quality = [cv2.IMWRITE_JPEG_QUALITY, self._options.quality]
        done, jpeg = cv2.imencode('.jpg', frame.image_bgr, quality)
        if not done:
            raise InputError(f'frame {frame.truth.frame_index} cannot be coded as JPEG')
        compressed = self._types['sensor_msgs/msg/CompressedImage']
        message = compressed(header=header, format='bgr8; jpeg compressed bgr8', data=jpeg.ravel())
        self._file(f'/{CAMERA_NAME}/image_raw/compressed', 'CompressedImage', message, stamp_ns)
        if self._options.raw_images:
            self._file(f'/{CAMERA_NAME}/image_raw', 'Image', self._raw(header, frame), stamp_ns)

    def _file(self, topic: str, kind: str, message: object, stamp_ns: int) -> None:
        msgtype = f'sensor_msgs/msg/{kind}'
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(
                topic, msgtype, typestore=self._store
            )
        data = self._store.serialize_cdr(message, msgtype)
        self._writer.write(self._connections[topic], stamp_ns, data)

    def _header(self, stamp_ns: int, frame_id: str) -> object:
        seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
        time = self._types['builtin_interfaces/msg/Time'](sec=seconds, nanosec=nanoseconds)
        return self._types['std_msgs/msg/Header'](stamp=time, frame_id=frame_id)

    def _imu(self, header: object, rate_radps: NDArray[np.float64]) -> object:
        vector = self._types['geometry_msgs/msg/Vector3']
        x, y, z = rate_radps.tolist()
        return self._types['sensor_msgs/msg/Imu'](
            header=header,
            orientation=self._types['geometry_msgs/msg/Quaternion'](x=0.0, y=0.0, z=0.0, w=1.0),
            orientation_covariance=_UNKNOWN,
            angular_velocity=vector(x=x, y=y, z=z),
            angular_velocity_covariance=np.zeros(9),
            linear_acceleration=vector(x=0.0, y=0.0, z=0.0),
            linear_acceleration_covariance=_UNKNOWN,
        )

    def _info(self, header: object, truth: FrameTruth) -> object:
        width, height = truth.camera.size_wh
        k = truth.camera.intrinsics
        roi = self._types['sensor_msgs/msg/RegionOfInterest'](
            x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
        )
        return self._types['sensor_msgs/msg/CameraInfo'](
            header=header,
            height=height,
            width=width,
            distortion_model='plumb_bob',
            d=np.zeros(5),
            k=k.ravel(),
            r=np.eye(3).ravel(),
            p=np.hstack([k, np.zeros((3, 1))]).ravel(),
            binning_x=0,
            binning_y=0,
            roi=roi,
        )

    def _raw(self, header: object, frame: SyntheticFrame) -> object:
        height, width = frame.image_bgr.shape[:2]
        return self._types['sensor_msgs/msg/Image'](
            header=header,
            height=height,
            width=width,
            encoding='bgr8',
            is_bigendian=0,
            step=3 * width,
            data=np.ascontiguousarray(frame.image_bgr).ravel(),
        )
