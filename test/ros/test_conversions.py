"""Messages to frames and tracks to messages."""

import array

import cv2
import numpy as np
import pytest

from mot_compress_ros.datatypes import Frame, Tracks
from mot_compress_ros.errors import UnsupportedImageError
from mot_compress_ros.message_fields import track_number
from mot_compress_ros.recording.ros_messages import MessageFactory

pytest.importorskip('rclpy', reason='rclpy is not installed')
pytest.importorskip('vision_msgs.msg', reason='the ROS interfaces are not built')

from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, LabelInfo

from mot_compress_ros.ros import conversions

STAMP_NS = 1_700_000_000_123_456_789


def header():
    return Header(stamp=conversions.ns_to_stamp(STAMP_NS), frame_id='front_optical')


def tracks(n):
    zeros = np.zeros(n, np.int64)
    return Tracks(
        stamp_ns=STAMP_NS,
        boxes_xyxy_px=np.array([[10, 20, 40, 80], [-5.5, 0, 5, 4]][:n]).reshape(n, 4),
        scores=np.array([0.75, 0.5][:n]),
        class_ids=np.array([2, 0][:n]),
        track_ids=np.array([7, 12][:n]),
        velocities_px_s=np.zeros((n, 2)),
        states=zeros + 1,
        ages=zeros + 3,
        hits=zeros + 3,
        frames_since_update=zeros,
    )


def to_message(found):
    return conversions.to_detection_array(
        found,
        header=header(),
        class_names=('pedestrian', 'cyclist', 'vehicle'),
        camera='left/wide',
        session='0badcafe',
    )


@pytest.mark.parametrize('stamp_ns', [0, 1, 999_999_999, 10**9, STAMP_NS, -1])
def test_stamps_are_exact_in_both_directions(stamp_ns):
    assert conversions.stamp_to_ns(conversions.ns_to_stamp(stamp_ns)) == stamp_ns


def test_an_image_message_becomes_a_frame_without_a_copy():
    pixels = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    message = conversions.to_image(pixels, header=header())
    message.encoding = 'rgb8'
    frame = conversions.to_frame(message, camera='front', frame_index=5)
    assert isinstance(frame, Frame)
    np.testing.assert_array_equal(frame.image, pixels)
    assert (frame.stamp_ns, frame.frame_id) == (STAMP_NS, 'front_optical')
    assert (frame.camera, frame.frame_index, frame.color_order) == ('front', 5, 'rgb')
    message.data[0] = 200
    assert frame.image[0, 0, 0] == 200


def test_a_compressed_message_becomes_a_frame():
    pixels = np.full((16, 24, 3), (10, 200, 30), np.uint8)
    data = array.array('B', cv2.imencode('.png', pixels)[1].tobytes())
    message = CompressedImage(header=header(), format='png', data=data)
    frame = conversions.to_frame(message, camera='front', frame_index=0)
    np.testing.assert_array_equal(frame.image, pixels)
    assert frame.color_order == 'bgr'


@pytest.mark.parametrize(
    'message', [Image(), CompressedImage(), Image(encoding='bgr8', height=5, width=5, step=15)]
)
def test_messages_without_pixels_are_refused(message):
    with pytest.raises(UnsupportedImageError):
        conversions.to_frame(message, camera='front', frame_index=0)


def test_tracks_become_detections_in_source_pixels_with_the_source_header():
    message = to_message(tracks(2))
    assert message.header == header()
    first, second = message.detections
    assert first.header == second.header == header()
    assert (first.bbox.center.position.x, first.bbox.center.position.y) == (25, 50)
    assert (first.bbox.size_x, first.bbox.size_y, first.bbox.center.theta) == (30, 60, 0)
    assert first.results[0].hypothesis.class_id == 'vehicle'
    assert first.results[0].hypothesis.score == 0.75
    assert second.bbox.center.position.x == pytest.approx(-0.25)
    assert (first.id, second.id) == ('left/wide-0badcafe-7', 'left/wide-0badcafe-12')


def test_the_number_comes_back_out_of_an_id():
    assert [track_number(d.id) for d in to_message(tracks(2)).detections] == [7, 12]


@pytest.mark.parametrize('n', [0, 2])
def test_a_recording_holds_what_a_node_publishes(n):
    names = ('pedestrian', 'cyclist', 'vehicle')
    factory = MessageFactory(camera='left/wide', class_names=names, threshold=0.25)
    frame = Frame(image=np.zeros((1, 1, 3), np.uint8), stamp_ns=STAMP_NS, frame_id='front_optical')
    recorded = factory.tracks(frame, tracks(n))
    published = conversions.to_detection_array(
        tracks(n), header=header(), class_names=names, camera='left/wide', session='replay'
    )
    assert recorded.topic == '/left/wide/tracks'
    assert deserialize_message(recorded.data, Detection2DArray) == published

    recorded = factory.label_info(STAMP_NS)
    published = conversions.to_label_info(names, threshold=0.25, stamp=header().stamp)
    assert deserialize_message(recorded.data, LabelInfo) == published


def test_no_tracks_become_an_empty_array():
    message = to_message(tracks(0))
    assert message.header == header()
    assert list(message.detections) == []


def test_label_info_names_the_classes():
    message = conversions.to_label_info(
        ('pedestrian', 'vehicle'), threshold=0.25, stamp=conversions.ns_to_stamp(5)
    )
    assert [(c.class_id, c.class_name) for c in message.class_map] == [
        (0, 'pedestrian'),
        (1, 'vehicle'),
    ]
    assert message.threshold == 0.25
