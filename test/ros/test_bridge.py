"""Encodings beyond our own go through cv_bridge where there is one."""

import sys
import types

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='needs rclpy')
pytest.importorskip('vision_msgs.msg', reason='needs the built interfaces')

from sensor_msgs.msg import Image

from mot_compress_ros.errors import UnsupportedImageError
from mot_compress_ros.ros import bridge, conversions


class GreyBridge:
    """What cv_bridge offers, for one made-up encoding."""

    def imgmsg_to_cv2(self, message, desired_encoding):
        assert desired_encoding == 'bgr8'
        if message.encoding != 'grey_float':
            raise ValueError(f'encoding {message.encoding}')
        return np.full((message.height, message.width, 3), 7, np.uint8)


def message(encoding):
    return Image(height=4, width=6, step=24, encoding=encoding, data=bytes(96))


@pytest.fixture
def installed(monkeypatch):
    module = types.ModuleType('cv_bridge')
    module.CvBridge = GreyBridge
    module.__spec__ = types.SimpleNamespace(name='cv_bridge')
    monkeypatch.setitem(sys.modules, 'cv_bridge', module)


def test_an_encoding_of_cv_bridges_becomes_a_frame(installed):
    frame = conversions.to_frame(message('grey_float'), camera='camera', frame_index=0)
    assert frame.image.shape == (4, 6, 3)
    assert (frame.image == 7).all() and frame.color_order == 'bgr'


def test_plain_encodings_never_ask_cv_bridge(installed):
    frame = conversions.to_frame(message('bgr8'), camera='camera', frame_index=0)
    assert not frame.image.any()


def test_what_cv_bridge_cannot_read_is_refused(installed):
    with pytest.raises(UnsupportedImageError, match='cv_bridge neither'):
        conversions.to_frame(message('nonsense'), camera='camera', frame_index=0)


@pytest.mark.skipif(bridge.is_available(), reason='cv_bridge is installed')
def test_without_cv_bridge_our_own_reason_is_given():
    with pytest.raises(UnsupportedImageError, match='unknown encoding'):
        conversions.to_frame(message('grey_float'), camera='camera', frame_index=0)
