"""A real node process, real DDS: tracks, lifecycle, parameters, garbage.

One node serves all tests of this file. Each test brings it to the state it needs and moves the
stamps on by minutes, so that it meets no tracks of the test before.
"""

import array
import contextlib
import functools
import itertools

import numpy as np
import pytest

from mot_compress_ros.assembly import build_pipeline
from mot_compress_ros.datatypes import Frame

pytest.importorskip('rclpy', reason='rclpy is not installed')
pytest.importorskip('vision_msgs.msg', reason='the ROS interfaces are not built')

from std_msgs.msg import Header

from mot_compress_ros.ros import conversions
from mot_compress_ros.ros.client import TrackerClient
from mot_compress_ros.ros.process import NodeProcess

pytestmark = pytest.mark.ros

RED, GREEN, BLUE = (0, 0, 255), (0, 255, 0), (255, 0, 0)  # pedestrian, cyclist, vehicle
PERIOD_NS = 100_000_000
PATIENCE_S = 60.0
TEST_GAP_NS = 600_000_000_000


class Camera:
    """Paints frames with rectangles for one camera and keeps its clock."""

    clock_ns = itertools.count(1_000_000_000_000, TEST_GAP_NS)

    def __init__(self, name='front'):
        self.name = name
        self.stamp_ns = next(self.clock_ns)

    def frame(self, *rectangles, size_wh=(320, 192), stamp_ns=None):
        """A frame 100 ms after the one before; a rectangle is (colour, x1, y1, x2, y2)."""
        image = np.full((size_wh[1], size_wh[0], 3), 128, np.uint8)
        for colour, x1, y1, x2, y2 in rectangles:
            image[y1:y2, x1:x2] = colour
        if stamp_ns is None:
            self.stamp_ns += PERIOD_NS
            stamp_ns = self.stamp_ns
        return Frame(image=image, stamp_ns=stamp_ns, camera=self.name, frame_id='front_optical')


@pytest.fixture(scope='module')
def node(bundle):
    parameters = {
        'cameras': ['front', 'rear'],
        'model': bundle,
        'diagnostics_period_s': 0.1,
        'stale_after_s': 1.0,
        # Best effort, the default of the other camera, would lose the larger images.
        'qos_overrides./front/image_raw.subscription.reliability': 'reliable',
    }
    with NodeProcess(parameters) as process:
        yield process
        code = process.stop()
    assert code == 0


@pytest.fixture(scope='module')
def module_client(node):
    with TrackerClient(cameras=['front']) as client:
        client.wait_for_node()
        yield client


@pytest.fixture
def unconfigured(module_client, bundle):
    """A client of the node in state unconfigured with a good model."""
    client = module_client
    if client.state() == 'active':
        assert client.change_state('deactivate')
    if client.state() == 'inactive':
        assert client.change_state('cleanup')
    assert client.set_parameter('model', bundle) == ''
    client.label_info.clear()
    refresh(client)
    return client


@pytest.fixture
def active(module_client, bundle):
    """A client of the active node."""
    client = module_client
    if client.state() == 'unconfigured':
        assert client.set_parameter('model', bundle) == ''
        assert client.change_state('configure')
    if client.state() == 'inactive':
        assert client.change_state('activate')
    client.wait_for_topics()
    refresh(client)
    return client


def ids(message):
    return [detection.id for detection in message.detections]


def box(detection):
    centre, size_x, size_y = detection.bbox.center.position, *sizes(detection)
    return [
        centre.x - size_x / 2,
        centre.y - size_y / 2,
        centre.x + size_x / 2,
        centre.y + size_y / 2,
    ]


def sizes(detection):
    return detection.bbox.size_x, detection.bbox.size_y


def count(client, key, task='front'):
    return int(client.values(task).get(key, 0))


def says(client, task, text):
    return text in client.diagnostics[f'mot_tracker: {task}'].message


def is_ok(client, task):
    status = client.diagnostics.get(f'mot_tracker: {task}')
    return status is not None and status.level == b'\x00'


def refresh(client):
    """Wait for diagnostics made after everything that happened up to now."""
    for _ in range(2):  # the first may have been under way
        client.diagnostics.clear()
        eventually(client, lambda: 'mot_tracker: node' in client.diagnostics)


def eventually(client, condition):
    assert client.spin_until(condition, timeout_s=PATIENCE_S), client.hints()


# --- tracks


def test_header_boxes_class_and_score_of_a_track(active):
    camera = Camera()
    for _ in range(3):
        frame = camera.frame((RED, 40, 60, 60, 120), (BLUE, 200, 50, 280, 110))
        message = active.exchange(frame)

    assert conversions.stamp_to_ns(message.header.stamp) == frame.stamp_ns
    assert message.header.frame_id == 'front_optical'
    pedestrian, vehicle = sorted(message.detections, key=lambda d: d.bbox.center.position.x)
    assert pedestrian.header == vehicle.header == message.header
    assert [d.results[0].hypothesis.class_id for d in (pedestrian, vehicle)] == [
        'pedestrian',
        'vehicle',
    ]
    assert pedestrian.results[0].hypothesis.score == pytest.approx(0.9, abs=1e-6)
    assert box(pedestrian) == pytest.approx([40, 60, 60, 120], abs=0.6)
    assert box(vehicle) == pytest.approx([200, 50, 280, 110], abs=0.6)


def test_boxes_are_in_source_pixels_whatever_the_size_of_the_image(active):
    camera = Camera()
    for _ in range(2):
        frame = camera.frame((GREEN, 400, 300, 560, 620), size_wh=(1280, 720))
        message = active.exchange(frame)
    assert box(message.detections[0]) == pytest.approx([400, 300, 560, 620], abs=6)


def test_objects_keep_their_ids_while_they_move_and_cross(active):
    camera = Camera()
    seen = []
    for n in range(30):
        message = active.exchange(
            camera.frame(
                (RED, 20 + 8 * n, 40, 50 + 8 * n, 100), (GREEN, 270 - 8 * n, 110, 300 - 8 * n, 170)
            )
        )
        seen.append({d.results[0].hypothesis.class_id: d.id for d in message.detections})
    assert seen[-1].keys() == {'pedestrian', 'cyclist'}
    assert all(found == seen[-1] for found in seen[1:])
    prefixes = {identifier.rpartition('-')[0] for identifier in seen[-1].values()}
    assert prefixes == {f'front-{active.values("node")["session"]}'}


def test_an_empty_frame_gives_an_empty_array(active):
    camera = Camera()
    frame = camera.frame()
    message = active.exchange(frame)
    assert list(message.detections) == []
    assert conversions.stamp_to_ns(message.header.stamp) == frame.stamp_ns
    assert message.header.frame_id == 'front_optical'


def test_the_live_path_gives_the_tracks_of_the_offline_path(active, bundle):
    camera = Camera()
    rng = np.random.default_rng(3)
    offline = build_pipeline(cameras=['front'], model=bundle)
    numbers = {}
    for n in range(40):
        visible = rng.random(4) > 0.25
        painted = [
            (colour, 10 + 70 * k + n, 30 + 30 * k, 50 + 70 * k + n, 70 + 30 * k)
            for k, colour in enumerate((RED, GREEN, BLUE, RED))
            if visible[k]
        ]
        frame = camera.frame(*painted)
        live = active.exchange(frame)
        (expected,) = offline.step([frame])
        assert len(live.detections) == len(expected)
        for detection, corners, number in zip(
            live.detections, expected.boxes_xyxy_px, expected.track_ids, strict=True
        ):
            assert box(detection) == pytest.approx(corners, abs=1e-3)
            # Numbers count from where this node was; the mapping must be one to one.
            assert numbers.setdefault(int(number), detection.id) == detection.id
    assert len(set(numbers.values())) == len(numbers) > 3


def test_two_cameras_are_tracked_side_by_side(active):
    front = Camera('front')
    rear = Camera('rear')
    with TrackerClient(cameras=['front', 'rear']) as client:
        client.wait_for_topics()
        for n in range(6):
            at_front = front.frame((RED, 40 + n, 60, 60 + n, 120))
            at_rear = rear.frame((BLUE, 100 + n, 60, 180 + n, 120), (RED, 20, 20, 40, 80))
            client.send(at_rear)
            message_front = client.exchange(at_front)
        stamp = conversions.ns_to_stamp(rear.stamp_ns)
        eventually(client, lambda: client.tracks['rear'][-1].header.stamp == stamp)
        message_rear = client.tracks['rear'][-1]
        assert [d.results[0].hypothesis.class_id for d in message_front.detections] == [
            'pedestrian'
        ]
        assert len(message_rear.detections) == 2
        assert {i.split('-')[0] for i in ids(message_rear)} == {'rear'}
        assert {i.split('-')[0] for i in ids(message_front)} == {'front'}
        for _ in range(200):  # while images come
            client.exchange(rear.frame())
            if client.spin_until(functools.partial(is_ok, client, 'rear'), timeout_s=0.1):
                break
        assert is_ok(client, 'rear'), client.hints()


def test_label_info_is_there_for_a_late_joiner(active):
    with TrackerClient(cameras=['front']) as late:
        eventually(late, lambda: 'front' in late.label_info)
        names = [(c.class_id, c.class_name) for c in late.label_info['front'].class_map]
    assert names == [(0, 'pedestrian'), (1, 'cyclist'), (2, 'vehicle')]


def test_the_debug_image_is_drawn_only_while_somebody_looks(active):
    camera = Camera()
    before = count(active, 'debug_images_drawn')
    processed = count(active, 'processed')
    for _ in range(3):
        active.exchange(camera.frame((RED, 40, 60, 60, 120)))
    eventually(active, lambda: count(active, 'processed') == processed + 3)
    assert count(active, 'debug_images_drawn') == before

    with contextlib.ExitStack() as stack:
        stack.callback(active.watch_debug_image('front'))
        for _ in range(100):  # until discovery has told the node
            frame = camera.frame((RED, 40, 60, 60, 120))
            active.exchange(frame)
            if active.spin_until(lambda: 'front' in active.debug_images, timeout_s=0.2):
                break
    drawn = active.debug_images['front']
    assert (drawn.width, drawn.height, drawn.encoding) == (320, 192, 'bgr8')
    assert drawn.header.frame_id == 'front_optical'
    pixels = np.asarray(drawn.data).reshape(192, 320, 3)
    assert (pixels != frame.image).any()


# --- lifecycle


def test_a_bad_model_fails_to_configure_with_the_reason_and_can_be_mended(
    unconfigured, node, bundle, tmp_path
):
    client = unconfigured
    (tmp_path / 'foreign').mkdir()
    (tmp_path / 'foreign' / 'yolo.pt').write_bytes(b'PK\x03\x04')
    damaged = tmp_path / 'damaged'
    damaged.mkdir()
    (damaged / 'model.json').write_text('{"format": 1, "name": "x"')
    for model, reason in (
        (str(tmp_path / 'missing'), 'no such model'),
        (str(tmp_path / 'foreign'), 'holds no model.json'),
        (str(damaged), 'not readable as JSON'),
        ('', 'no model given'),
    ):
        assert client.set_parameter('model', model) == ''
        assert not client.change_state('configure')
        assert client.state() == 'unconfigured'
        eventually(client, functools.partial(says, client, 'node', reason))
        assert client.diagnostics['mot_tracker: node'].level == b'\x02'
        said = [line for line in node.output().splitlines() if reason in line]
        assert len(said) == 1
        assert 'cannot be configured' in said[0]

    assert client.set_parameter('model', bundle) == ''
    assert client.change_state('configure')
    assert client.state() == 'inactive'
    eventually(client, lambda: client.diagnostics['mot_tracker: node'].level == b'\x01')
    refresh(client)
    assert client.values('node')['last_error'] == ''


def test_the_gate_is_closed_until_active_and_the_model_survives_a_pause(unconfigured):
    client = unconfigured
    camera = Camera()
    assert client.change_state('configure')
    client.wait_for_topics()
    eventually(client, lambda: 'front' in client.label_info)
    received = len(client.tracks['front'])
    client.send(camera.frame((RED, 40, 60, 60, 120)))
    eventually(client, lambda: count(client, 'ignored_while_inactive') == 1)
    status = client.diagnostics['mot_tracker: front']
    assert (status.level, status.message) == (b'\x03', 'the node is not active')
    assert len(client.tracks['front']) == received

    assert client.change_state('activate')
    client.exchange(camera.frame((RED, 40, 60, 60, 120)))
    (first,) = ids(client.exchange(camera.frame((RED, 40, 60, 60, 120))))
    refresh(client)
    session = client.values('node')['session']

    assert client.change_state('deactivate')
    assert client.state() == 'inactive'
    assert client.change_state('activate')
    client.exchange(camera.frame((RED, 40, 60, 60, 120)))
    (second,) = ids(client.exchange(camera.frame((RED, 40, 60, 60, 120))))
    refresh(client)
    assert client.values('node')['session'] == session
    assert second != first  # tracks of before the pause are forgotten, ids go on

    assert client.change_state('deactivate')
    assert client.change_state('cleanup')
    eventually(client, lambda: client.node.count_publishers('/front/tracks') == 0)
    assert client.change_state('configure')
    assert client.change_state('activate')
    client.wait_for_topics()
    client.exchange(camera.frame((RED, 40, 60, 60, 120)))
    (third,) = ids(client.exchange(camera.frame((RED, 40, 60, 60, 120))))
    assert third not in (first, second)
    refresh(client)
    assert client.values('node')['session'] != session


def test_an_illegal_transition_is_refused_and_the_node_lives(active):
    assert not active.change_state('configure')
    assert active.state() == 'active'
    active.exchange(Camera().frame())


# --- parameters


def test_illegal_parameters_are_refused_with_the_reason(active):
    assert 'read when the node is configured' in active.set_parameter('model', 'other')
    assert 'stale_after_s' in active.set_parameter('stale_after_s', -1.0)
    assert 'Wrong parameter type' in active.set_parameter('stale_after_s', 'soon')
    assert 'decode.min_score' in active.set_parameter('decode.min_score', 1.5)
    assert active.state() == 'active'


def test_illegal_parameters_are_refused_before_configure_too(unconfigured):
    assert 'one or more' in unconfigured.set_parameter('cameras', ['a', 'a'])
    assert 'legal: raw, compressed' in unconfigured.set_parameter('image_transport', 'theora')


def test_the_score_threshold_changes_while_running(active):
    camera = Camera()
    for _ in range(2):
        message = active.exchange(camera.frame((RED, 40, 60, 60, 120)))
    assert len(message.detections) == 1
    assert active.set_parameter('decode.min_score', 0.95) == ''
    try:
        assert ids(active.exchange(camera.frame((RED, 40, 60, 60, 120)))) == []
        eventually(
            active, lambda: active.label_info['front'].threshold == pytest.approx(0.95, abs=1e-6)
        )
    finally:
        assert active.set_parameter('decode.min_score', 0.3) == ''
    assert len(active.exchange(camera.frame((RED, 40, 60, 60, 120))).detections) == 1


# --- diagnostics


def test_silence_and_a_missing_publisher_are_not_ok(active):
    active.exchange(Camera().frame())
    eventually(active, lambda: says(active, 'front', 'no image on /front/image_raw for'))
    assert active.diagnostics['mot_tracker: front'].level == b'\x03'
    eventually(active, lambda: active.diagnostics['mot_tracker: rear'].level == b'\x02')
    rear = active.diagnostics['mot_tracker: rear']
    assert 'no publisher on /rear/image_raw' in rear.message
    assert active.diagnostics['mot_tracker: node'].level == b'\x02'


def test_diagnostics_tell_latencies_model_and_rates(active):
    camera = Camera()
    for _ in range(10):
        active.exchange(camera.frame((RED, 40, 60, 60, 120)))
    refresh(active)
    node, front = active.values('node'), active.values('front')
    assert node['model'] == 'scripted'
    assert node['model_sha256'] == ''  # the fake has no weights
    assert node['backend'] == 'scripted'
    for stage in ('preprocess', 'infer', 'decode', 'track', 'total', 'publish', 'end_to_end'):
        p50, p95, p99 = (float(node[f'latency_{stage}_{p}_ms']) for p in ('p50', 'p95', 'p99'))
        assert 0 <= p50 <= p95 <= p99
    assert float(front['frame_rate_node']) > 0
    assert front['active_tracks'] == '1'
    assert int(front['total_dropped_frames']) == int(front['dropped']) + int(
        front['lost_in_transport']
    )


# --- garbage in


def image_message(camera, **changes):
    frame = camera.frame((RED, 40, 60, 60, 120))
    header = Header(stamp=conversions.ns_to_stamp(frame.stamp_ns), frame_id='front_optical')
    message = conversions.to_image(frame.image, header=header)
    for name, value in changes.items():
        setattr(message, name, value)
    return message


@pytest.mark.parametrize(
    ('changes', 'reason'),
    [
        ({'data': array.array('B', bytes(1000))}, 'truncated'),
        ({'data': array.array('B')}, 'truncated'),
        ({'height': 0}, 'no pixels'),
        ({'width': 0, 'height': 0, 'step': 0, 'data': array.array('B')}, 'no pixels'),
        ({'step': 1}, 'cannot hold a row'),
        ({'encoding': '32FC1'}, 'unknown encoding'),
        ({'encoding': ''}, 'unknown encoding'),
        ({'height': 2**32 - 1, 'width': 2**32 - 1, 'step': 2**32 - 1}, 'claims'),
    ],
)
def test_a_bad_image_is_counted_said_and_survived(active, changes, reason):
    camera = Camera()
    for _ in range(2):
        (before,) = ids(active.exchange(camera.frame((RED, 40, 60, 60, 120)))) or ('none',)
    eventually(active, lambda: active.values('front').get('active_tracks') == '1')
    bad = count(active, 'bad')

    def is_counted():
        return count(active, 'bad') == bad + 1

    for _ in range(20):  # best effort may lose a message
        active.publish('front', image_message(camera, **changes))
        if active.spin_until(is_counted, timeout_s=3.0):
            break
    assert not is_ok(active, 'front')
    assert reason in active.values('front')['last_error']
    assert ids(active.exchange(camera.frame((RED, 40, 60, 60, 120)))) == [before]


def test_a_stream_of_garbage_does_not_flood_the_log(active, node):
    camera = Camera()
    bad = count(active, 'bad')
    for _ in range(60):
        active.publish('front', image_message(camera, encoding='nonsense'))
        active.spin(0.01)
    eventually(active, lambda: count(active, 'bad') >= bad + 10)
    said = [line for line in node.output().splitlines() if "'nonsense'" in line]
    assert 1 <= len(said) <= 3


def test_a_change_of_resolution_begins_new_tracks_in_the_new_pixels(active):
    camera = Camera()
    changes = count(active, 'resolution_changes', 'node')
    for _ in range(2):
        old = active.exchange(camera.frame((RED, 40, 60, 60, 120)))
    for _ in range(2):
        new = active.exchange(camera.frame((RED, 80, 120, 120, 240), size_wh=(640, 384)))
    assert box(new.detections[0]) == pytest.approx([80, 120, 120, 240], abs=3)
    assert not set(ids(old)) & set(ids(new))
    eventually(active, lambda: count(active, 'resolution_changes', 'node') == changes + 1)


def test_stamps_that_jump_back_begin_new_tracks_and_never_reuse_an_id(active):
    camera = Camera()
    resets = count(active, 'tracker_resets', 'node')
    seen = []
    for _ in range(3):  # a bag of more than max_gap_s that loops
        loop = set()
        for n in range(4):
            frame = camera.frame((RED, 40, 60, 60, 120), stamp_ns=camera.stamp_ns + n * 10**9)
            loop.update(ids(active.exchange(frame)))
        seen.append(loop)
    assert all(len(loop) == 1 for loop in seen)
    assert len(set.union(*seen)) == 3
    # The first loop resets too: it begins minutes after the test before.
    eventually(active, lambda: count(active, 'tracker_resets', 'node') >= resets + 2)
    eventually(active, lambda: active.diagnostics['mot_tracker: front'].level != b'\x00')
    assert count(active, 'num_non_increasing_msg') >= 2


def test_a_repeated_stamp_is_answered_with_the_same_tracks(active):
    camera = Camera()
    for _ in range(2):
        frame = camera.frame((RED, 40, 60, 60, 120))
        message = active.exchange(frame)
    assert ids(active.exchange(frame)) == ids(message)


@pytest.mark.parametrize('sec', [-(2**31), 0, 2**31 - 1])
def test_any_stamp_is_survived(active, sec):
    message = image_message(Camera())
    message.header.stamp.sec = sec
    message.header.stamp.nanosec = 2**32 - 1
    for _ in range(20):
        known = len(active.tracks['front'])
        active.publish('front', message)
        if active.spin_until(lambda k=known: len(active.tracks['front']) > k, timeout_s=3.0):
            break
    assert active.tracks['front'][-1].header == message.header
    active.exchange(Camera().frame())
