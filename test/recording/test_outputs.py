"""Every output file, read back."""

from dataclasses import replace
from html.parser import HTMLParser
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from rosbags.rosbag2 import Reader
from rosbags.typesys import get_types_from_msg, get_typestore, Stores

from mot_compress_ros.datatypes import Frame, Tracks
from mot_compress_ros.errors import InputError
from mot_compress_ros.health import Percentiles
from mot_compress_ros.recording import (
    Ending,
    ModelInfo,
    OUTPUTS,
    RecordedMessage,
    Recorder,
    RunInfo,
    SINKS,
    Step,
)
from mot_compress_ros.recording.annotated_video import fitted
from mot_compress_ros.recording.ros_messages import DEFINITIONS, message_types
from mot_compress_ros.sources import open_source

ROOT = Path(__file__).resolve().parents[2]
INFO = RunInfo(
    mode='replay',
    input_path='clips/<evil>&.bag',
    input_kind='bag',
    camera='front',
    fps_hz=10.0,
    expected_frames=5,
    class_names=('pedestrian', 'cyclist', 'vehicle'),
    models=(
        ModelInfo(
            role='student',
            name='tiny',
            sha256='ab' * 32,
            architecture='scripted',
            input_size_wh=(320, 192),
        ),
    ),
    options={'tracker.min_score': 0.1, 'decode.min_score': 0.25},
)
ENDING = Ending(
    complete=True,
    wall_s=2.0,
    unreadable=1,
    latencies_ms={'total': Percentiles(p50=10.0, p95=20.0, p99=30.0, n=4)},
    counters={'keyframes': 2},
)


def make_tracks(stamp_ns, rows):
    """Tracks from (id, class id, x1, y1, x2, y2)."""
    n = len(rows)
    ones = np.ones(n, np.int64)
    return Tracks(
        stamp_ns=stamp_ns,
        boxes_xyxy_px=np.array([row[2:] for row in rows], np.float32).reshape(n, 4),
        scores=np.full(n, 0.875),
        class_ids=[row[1] for row in rows],
        track_ids=[row[0] for row in rows],
        velocities_px_s=np.zeros((n, 2)),
        states=ones,
        ages=ones,
        hits=ones,
        frames_since_update=0 * ones,
    )


def make_step(index, rows, *, size_wh=(64, 48), color_order='bgr', messages=None):
    """A step of frame `index`; `rows` of None is a dropped frame."""
    image = np.full((size_wh[1], size_wh[0], 3), 10 * index, np.uint8)
    stamp_ns = 1_000_000_000 + 100_000_000 * index
    return Step(
        frame=Frame(
            image=image,
            stamp_ns=stamp_ns,
            camera='front',
            frame_id='front_optical',
            frame_index=index,
            color_order=color_order,
        ),
        tracks=None if rows is None else make_tracks(stamp_ns, rows),
        latency_ms=None if rows is None else 10.0 + index,
        messages=messages,
    )


STEPS = (
    make_step(0, [(1, 2, 1.25, 2.5, 11.25, 22.75)]),
    make_step(1, [(1, 2, 2, 2, 12, 22), (2, 0, -5.5, 30, 4, 60)]),
    make_step(2, None),
    make_step(4, [(2, 0, 0, 30, 5, 60)]),
    make_step(5, []),
)


@pytest.fixture(scope='module')
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp('run') / 'deep' / 'out'
    with Recorder(folder, INFO) as recorder:
        for step in STEPS:
            recorder.add(step)
        recorder.finish(ENDING)
    return folder


def test_all_outputs_and_nothing_else_are_there(out):
    assert sorted(p.name for p in out.iterdir()) == sorted(OUTPUTS)


def test_text_has_one_line_per_track_and_frame(out):
    assert (out / 'tracks.txt').read_bytes() == (
        b'1,1,1.25,2.50,10.00,20.25,0.8750,3,-1,-1\n'
        b'2,1,2.00,2.00,10.00,20.00,0.8750,3,-1,-1\n'
        b'2,2,-5.50,30.00,9.50,30.00,0.8750,1,-1,-1\n'
        b'5,2,0.00,30.00,5.00,30.00,0.8750,1,-1,-1\n'
    )


def test_video_has_every_frame_enlarged_until_labels_are_readable(out):
    capture = cv2.VideoCapture(str(out / 'annotated.mp4'))
    pictures = []
    while True:
        readable, picture = capture.read()
        if not readable:
            break
        pictures.append(picture)
    assert capture.get(cv2.CAP_PROP_FPS) == 10.0
    assert len(pictures) == len(STEPS)
    assert pictures[0].shape == (480, 640, 3)
    red_corner = pictures[2][8:28, 560:630].astype(int).mean(axis=(0, 1))
    assert red_corner[2] > 100 > red_corner[0], 'the dropped frame wears a red mark'


def read_mcap(path):
    store = get_typestore(Stores.ROS2_JAZZY)
    messages = {}
    with Reader(path) as reader:
        for connection in reader.connections:
            if connection.msgtype not in store.fielddefs:
                store.register(get_types_from_msg(connection.msgdef.data, connection.msgtype))
        for connection, stamp_ns, data in reader.messages():
            message = store.deserialize_cdr(data, connection.msgtype)
            messages.setdefault(connection.topic, []).append((stamp_ns, message))
    return messages


def test_mcap_holds_the_topics_of_the_node(out):
    messages = read_mcap(out / 'tracks.mcap')
    assert {topic: len(found) for topic, found in messages.items()} == {
        '/front/tracks': 4,
        '/front/label_info': 1,
        '/diagnostics': 1,
        '/front/image_raw/compressed': 5,
        '/front/debug_image/compressed': 5,
    }
    stamp_ns, array = messages['/front/tracks'][1]
    assert stamp_ns == STEPS[1].frame.stamp_ns
    header = array.header
    assert header.stamp.sec * 10**9 + header.stamp.nanosec == stamp_ns
    assert header.frame_id == 'front_optical'
    first, second = array.detections
    assert (first.id, second.id) == ('front-replay-1', 'front-replay-2')
    assert first.results[0].hypothesis.class_id == 'vehicle'
    assert first.results[0].hypothesis.score == 0.875
    assert (second.bbox.center.position.x, second.bbox.center.position.y) == (-0.75, 45)
    assert (second.bbox.size_x, second.bbox.size_y) == (9.5, 30)
    assert messages['/front/tracks'][3][1].detections == []
    ((_, labels),) = messages['/front/label_info']
    assert [(c.class_id, c.class_name) for c in labels.class_map] == [
        (0, 'pedestrian'),
        (1, 'cyclist'),
        (2, 'vehicle'),
    ]
    assert labels.threshold == 0.25
    ((_, diagnostics),) = messages['/diagnostics']
    (status,) = diagnostics.status
    assert (status.name, status.message, status.hardware_id) == (
        'mot_tracker: front',
        '1 tracks',
        'front',
    )
    assert {item.key: item.value for item in status.values} == {
        'received': '1',
        'processed': '1',
        'dropped': '0',
        'active_tracks': '1',
    }


def test_recording_can_be_replayed_from_its_images(out):
    source = open_source(out / 'tracks.mcap', topic='/front/image_raw/compressed')
    frames = list(source)
    assert source.camera == 'front'
    assert [f.stamp_ns for f in frames] == [s.frame.stamp_ns for s in STEPS]
    assert abs(int(frames[3].image[5, 5, 1]) - 40) < 4


def test_messages_of_a_node_are_filed_as_they_came(tmp_path):
    store = message_types()
    text = store.serialize_cdr(store.types['std_msgs/msg/String'](data='x'), 'std_msgs/msg/String')
    message = RecordedMessage(
        topic='/from_node', msgtype='std_msgs/msg/String', stamp_ns=77, data=bytes(text)
    )
    with Recorder(tmp_path, replace(INFO, mode='live')) as recorder:
        recorder.add(make_step(0, [(1, 2, 1, 2, 11, 22)], messages=[message]))
        recorder.finish(ENDING)
    messages = read_mcap(tmp_path / 'tracks.mcap')
    assert sorted(messages) == [
        '/from_node',
        '/front/debug_image/compressed',
        '/front/image_raw/compressed',
    ]
    assert messages['/from_node'][0][0] == 77
    assert messages['/from_node'][0][1].data == 'x'


@pytest.mark.parametrize('name', DEFINITIONS)
def test_definitions_agree_with_the_interface_packages(name):
    package, _, short = name.split('/')
    store = get_typestore(Stores.ROS2_JAZZY)
    for file in sorted((ROOT / 'interfaces' / package / 'msg').glob('*.msg')):
        store.register(get_types_from_msg(file.read_text(), f'{package}/msg/{file.stem}'))
    assert message_types().hash_rihs01(name) == store.hash_rihs01(name), short


class Page(HTMLParser):
    """Collects tags, addresses and text, and checks that tags nest."""

    VOID = frozenset({'meta', 'img', 'line', 'rect', 'br', 'polyline', 'path'})

    def __init__(self):
        super().__init__()
        self.tags, self.addresses, self.text, self.open = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [v for k, v in attrs if k in ('src', 'href', 'action', 'data')]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def parsed(path):
    page = Page()
    page.feed(path.read_text(encoding='utf-8'))
    page.close()
    assert page.open == []
    return page


def test_report_is_one_page_that_loads_nothing(out):
    text = (out / 'report.html').read_text(encoding='utf-8')
    page = parsed(out / 'report.html')
    assert page.addresses
    assert all(address.startswith('data:image/jpeg;base64,') for address in page.addresses)
    assert 'script' not in page.tags and 'link' not in page.tags
    assert 'http' not in text and 'url(' not in text and '@import' not in text
    assert page.tags.count('svg') == 3, 'tracks, counts, latency'
    assert page.tags.count('img') == 4, 'served frames only'


def test_report_says_what_happened_and_escapes_names(out):
    text = (out / 'report.html').read_text(encoding='utf-8')
    words = ' '.join(parsed(out / 'report.html').text)
    assert '<evil>' not in text and 'clips/<evil>&.bag' in words
    assert 'tiny' in words and 'pedestrian' in words and 'p95 20.0 ms' in words
    assert 'The run was interrupted.' not in words


def test_summary_adds_up(out):
    summary = json.loads((out / 'summary.json').read_text())
    assert summary['schema'] == 1
    assert summary['frames'] == {'received': 5, 'processed': 4, 'dropped': 1, 'unreadable': 1}
    assert summary['tracks'] == {
        'total': 2,
        'per_class': {'pedestrian': 1, 'cyclist': 0, 'vehicle': 1},
        'mean_per_frame': 1.0,
        'longest_frames': 2,
    }
    assert summary['throughput_fps'] == 2.0
    assert summary['latency_ms']['total'] == {'p50': 10.0, 'p95': 20.0, 'p99': 30.0, 'n': 4}
    assert summary['models'][0]['sha256'] == 'ab' * 32
    assert summary['input']['camera'] == 'front'
    assert summary['counters'] == {'keyframes': 2}
    assert summary['options'] == INFO.options
    assert {'python', 'numpy', 'rosbags'} <= set(summary['versions'])


def test_run_that_fails_leaves_readable_files(tmp_path):
    with pytest.raises(KeyboardInterrupt), Recorder(tmp_path, INFO) as recorder:
        for step in STEPS[:2]:
            recorder.add(step)
        raise KeyboardInterrupt
    assert len((tmp_path / 'tracks.txt').read_text().splitlines()) == 3
    assert cv2.VideoCapture(str(tmp_path / 'annotated.mp4')).read()[0]
    assert len(read_mcap(tmp_path / 'tracks.mcap')['/front/tracks']) == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(SINKS)


def test_run_without_frames_gives_files_that_say_so(tmp_path):
    with Recorder(tmp_path, INFO) as recorder:
        summary = recorder.finish(replace(ENDING, complete=False, latencies_ms={}))
        files = {file.name for file in recorder.written()}
    assert summary['frames']['received'] == 0 and summary['complete'] is False
    assert files == set(OUTPUTS) - {'annotated.mp4'}
    words = ' '.join(parsed(tmp_path / 'report.html').text)
    assert 'Nothing to show.' in words and 'The run was interrupted.' in words


def test_files_of_an_earlier_run_are_replaced_and_others_kept(tmp_path):
    (tmp_path / 'mine.txt').write_text('keep me')
    for _ in range(2):
        with Recorder(tmp_path, INFO) as recorder:
            recorder.add(STEPS[0])
            recorder.finish(ENDING)
    (tmp_path / 'annotated.mp4').write_text('stale')
    with Recorder(tmp_path, INFO, skip=('annotated.mp4', 'tracks.mcap')) as recorder:
        recorder.add(STEPS[0])
        recorder.finish(ENDING)
    names = {p.name for p in tmp_path.iterdir()}
    assert names == {'mine.txt', 'tracks.txt', 'report.html', 'summary.json'}


def test_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(InputError, match='cannot be written'):
        Recorder(tmp_path / 'file', INFO)


def test_change_of_resolution_and_color_order_does_not_break_the_video(tmp_path):
    with Recorder(tmp_path, INFO) as recorder:
        recorder.add(make_step(0, [], size_wh=(641, 481)))
        recorder.add(make_step(1, [], size_wh=(200, 500)))
        recorder.add(make_step(2, [], size_wh=(641, 481), color_order='rgb'))
        recorder.finish(ENDING)
    capture = cv2.VideoCapture(str(tmp_path / 'annotated.mp4'))
    assert [capture.read()[1].shape for _ in range(3)] == [(482, 642, 3)] * 3


@pytest.mark.parametrize('size_wh', [(10, 10), (300, 20), (9, 400), (64, 48)])
def test_fitted_picture_keeps_its_shape_inside_the_border(size_wh):
    image = np.full((size_wh[1], size_wh[0], 3), 200, np.uint8)
    canvas = fitted(image, (64, 48))
    assert canvas.shape == (48, 64, 3)
    rows, columns = np.nonzero(canvas[..., 0])
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert width == 64 or height == 48
    assert width / height == pytest.approx(size_wh[0] / size_wh[1], rel=0.3)
