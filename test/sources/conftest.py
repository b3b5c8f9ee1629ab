"""Bags written without ROS."""

import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_typestore, Stores

IMAGE, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
START_NS = 1_700_000_000_000_000_000
STEP_NS = 100_000_000


class BagWriter:
    """Collects image messages; `write` makes the bag of them."""

    def __init__(self):
        self.store = get_typestore(Stores.ROS2_JAZZY)
        self.messages = []

    def _header(self, stamp_ns):
        sec, nanosec = divmod(stamp_ns, 1_000_000_000)
        types = self.store.types
        return types['std_msgs/msg/Header'](
            stamp=types['builtin_interfaces/msg/Time'](sec=sec, nanosec=nanosec),
            frame_id='front_optical',
        )

    def image(self, image, *, topic='/front/image_raw', stamp_ns=None, **changes):
        index = len(self.messages)
        fields = {
            'header': self._header(START_NS + index * STEP_NS if stamp_ns is None else stamp_ns),
            'height': image.shape[0],
            'width': image.shape[1],
            'encoding': 'bgr8',
            'is_bigendian': 0,
            'step': 3 * image.shape[1],
            'data': np.ascontiguousarray(image).reshape(-1),
        }
        message = self.store.types[IMAGE](**{**fields, **changes})
        self.raw(topic, IMAGE, bytes(self.store.serialize_cdr(message, IMAGE)))

    def compressed(self, data, *, topic='/front/image_raw/compressed'):
        stamp_ns = START_NS + len(self.messages) * STEP_NS
        message = self.store.types[COMPRESSED](
            header=self._header(stamp_ns), format='png', data=np.frombuffer(data, np.uint8)
        )
        self.raw(topic, COMPRESSED, bytes(self.store.serialize_cdr(message, COMPRESSED)))

    def raw(self, topic, msgtype, data):
        self.messages.append((topic, msgtype, data))

    def write(self, path, storage):
        connections = {}
        with Writer(path, version=9, storage_plugin=storage) as writer:
            for index, (topic, msgtype, data) in enumerate(self.messages):
                if topic not in connections:
                    connections[topic] = writer.add_connection(
                        topic, msgtype, typestore=self.store
                    )
                # Recorded a little after the stamp, as a real recorder does.
                recorded_ns = START_NS + index * STEP_NS + 5_000_000
                writer.write(connections[topic], recorded_ns, data)
        return path


@pytest.fixture
def bag_writer():
    return BagWriter()


@pytest.fixture(params=[StoragePlugin.SQLITE3, StoragePlugin.MCAP], ids=['sqlite3', 'mcap'])
def storage(request):
    return request.param
