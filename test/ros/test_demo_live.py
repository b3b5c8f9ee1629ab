"""The demo: a real node process, real DDS, and the same tracks as the replay without ROS."""

import contextlib
import json
import os
from pathlib import Path
import re
import signal
import subprocess
import sys
import threading
import time

import cv2
import pytest
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import get_typestore, Stores

from mot_compress_ros import replay
from mot_compress_ros.inference.backends.scripted import write_scripted_bundle
from mot_compress_ros.recording import OUTPUTS

pytest.importorskip('rclpy')
pytest.importorskip('vision_msgs.msg')

from mot_compress_ros.ros import demo
from mot_compress_ros.ros.bring_up import bring_up, check_running, NodeError, wind_down
from mot_compress_ros.ros.client import TrackerClient
from mot_compress_ros.ros.player import Pace, read_ahead
from mot_compress_ros.ros.process import NodeProcess

pytestmark = pytest.mark.ros
ROOT = Path(__file__).resolve().parents[2]


def run_demo(*arguments):
    return demo.main([str(argument) for argument in arguments])


def summary_of(folder):
    return json.loads((folder / 'summary.json').read_text())


def test_live_path_and_replay_give_the_same_tracks(
    painted_sequence, scripted_bundle, tmp_path, capsys
):
    teacher = write_scripted_bundle(tmp_path / 'teacher')
    models = ['--model', scripted_bundle, '--teacher', teacher, '--keyframe-interval', 4]
    options = [*models, '--set', 'tracker.confirm_hits=3']
    live, offline = tmp_path / 'live', tmp_path / 'offline'
    code = run_demo('--sequence', painted_sequence, *options, '--output', live, '--lockstep')
    said = capsys.readouterr()
    assert code == 0, said.err
    assert (
        replay.main([str(a) for a in ('--input', painted_sequence, *options, '--output', offline)])
        == 0
    )
    text = (live / 'tracks.txt').read_bytes()
    assert text == (offline / 'tracks.txt').read_bytes()
    assert text

    assert {p.name for p in live.iterdir()} == {*OUTPUTS, 'node.log'}
    found = summary_of(live)
    assert found['mode'] == 'live' and found['complete']
    assert found['frames'] == {'received': 12, 'processed': 12, 'dropped': 0, 'unreadable': 0}
    assert found['counters']['keyframes'] == 3
    assert found['tracks'] == summary_of(offline)['tracks']
    assert {'total', 'node: infer', 'node: track'} <= set(found['latency_ms'])
    assert found['latency_ms']['total']['p50'] > 0
    assert '12 frames in, 12 processed, 0 dropped, 3 keyframes, 3 tracks' in said.out
    assert '100%  in 12  processed 12  dropped 0  tracks 3' in said.err


def bag_of(images, path, *, msgtype, broken=(), tenths=None):
    """A bag of compressed or of rgb8 images; those in `broken` are cut short.

    Stamps are `tenths` of a second, by default one after the other.
    """
    store = get_typestore(Stores.ROS2_JAZZY)
    types = store.types
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        topic = '/front/image_raw' + ('/compressed' if 'Compressed' in msgtype else '')
        connection = writer.add_connection(topic, msgtype, typestore=store)
        for index, image in enumerate(images):
            stamp = types['builtin_interfaces/msg/Time'](
                sec=50, nanosec=(tenths or range(len(images)))[index] * 10**8
            )
            header = types['std_msgs/msg/Header'](stamp=stamp, frame_id='front_optical')
            if 'Compressed' in msgtype:
                data = cv2.imencode('.jpg', image)[1].reshape(-1)
                fields = {'format': 'jpeg', 'data': data[:99] if index in broken else data}
            else:
                fields = {
                    'height': image.shape[0],
                    'width': image.shape[1],
                    'encoding': 'rgb8',
                    'is_bigendian': 0,
                    'step': 3 * image.shape[1],
                    'data': image[..., ::-1].reshape(-1)[: 99 if index in broken else None],
                }
            message = types[msgtype](header=header, **fields)
            writer.write(connection, 10**9 * index, store.serialize_cdr(message, msgtype))
    return path


@pytest.mark.parametrize('kind', ['Image', 'CompressedImage'])
def test_bag_is_played_as_it_was_recorded(kind, painted_images, scripted_bundle, tmp_path, capsys):
    msgtype = f'sensor_msgs/msg/{kind}'
    bag = bag_of(painted_images, tmp_path / 'bag', msgtype=msgtype, broken=(3, 7))
    live, offline = tmp_path / 'live', tmp_path / 'offline'
    model = ['--model', scripted_bundle]
    assert run_demo('--bag', bag, *model, '--output', live, '--lockstep') == 0
    assert replay.main([str(a) for a in ('--input', bag, *model, '--output', offline)]) == 0
    text = (live / 'tracks.txt').read_bytes()
    assert text == (offline / 'tracks.txt').read_bytes()
    assert text.splitlines()[-1].startswith(b'12,')
    found = summary_of(live)
    assert found['input']['camera'] == 'front'
    assert found['frames'] == {'received': 10, 'processed': 10, 'dropped': 0, 'unreadable': 2}


def test_late_frame_is_not_waited_for_in_lock_step(painted_images, scripted_bundle, tmp_path):
    bag = bag_of(
        painted_images[:7],
        tmp_path / 'bag',
        msgtype='sensor_msgs/msg/Image',
        tenths=(0, 1, 2, 4, 3, 5, 6),
    )
    live, offline = tmp_path / 'live', tmp_path / 'offline'
    model = ['--model', scripted_bundle]
    assert run_demo('--bag', bag, *model, '--output', live, '--lockstep') == 0
    assert replay.main([str(a) for a in ('--input', bag, *model, '--output', offline)]) == 0
    assert (live / 'tracks.txt').read_bytes() == (offline / 'tracks.txt').read_bytes()
    found = summary_of(live)
    assert found['frames'] == {'received': 7, 'processed': 6, 'dropped': 1, 'unreadable': 0}
    assert found['counters']['late_frames'] == 1
    assert found['wall_s'] < 5


def test_recorded_messages_are_those_of_the_node(painted_sequence, scripted_bundle, tmp_path):
    common = ['--model', scripted_bundle, '--output', tmp_path, '--lockstep', '--limit', 4]
    assert run_demo('--sequence', painted_sequence, *common) == 0
    with Reader(tmp_path / 'tracks.mcap') as reader:
        counts = {c.topic: c.msgcount for c in reader.connections}
        stamps = [t for c, t, _ in reader.messages() if c.topic == '/camera/tracks']
    assert counts.pop('/diagnostics') >= 1
    assert counts == {
        '/camera/tracks': 4,
        '/camera/label_info': 1,
        '/camera/image_raw/compressed': 4,
        '/camera/debug_image/compressed': 4,
    }
    assert stamps == [10**9 + i * 10**8 for i in range(4)]


def test_in_real_time_every_frame_is_accounted_for(painted_sequence, scripted_bundle, tmp_path):
    common = ['--model', scripted_bundle, '--output', tmp_path]
    started_s = time.monotonic()
    assert run_demo('--sequence', painted_sequence, *common, '--rate', 4) == 0
    found = summary_of(tmp_path)
    frames = found['frames']
    assert frames['received'] == 12
    assert frames['processed'] + frames['dropped'] == 12
    assert frames['processed'] >= 1
    assert found['wall_s'] >= 11 * 0.1 / 4, 'paced by the stamps'
    assert time.monotonic() - started_s < 60


def test_bundle_that_cannot_be_used_is_told_before_a_node_starts(
    painted_sequence, tmp_path, capsys
):
    common = ['--model', tmp_path / 'missing', '--output', tmp_path / 'out']
    assert run_demo('--sequence', painted_sequence, *common) == 2
    said = capsys.readouterr().err
    assert said.startswith('error: ') and 'no such model' in said and said.count('\n') == 1
    assert not (tmp_path / 'out').exists()


def test_node_that_refuses_its_models_is_quoted(painted_sequence, tmp_path, capsys):
    student = write_scripted_bundle(tmp_path / 'student')
    manifest = json.loads((student / 'model.json').read_text())
    manifest['class_names'] = ['cat', 'dog', 'cow']
    other = tmp_path / 'teacher'
    other.mkdir()
    (other / 'model.json').write_text(json.dumps(manifest))
    common = ['--model', student, '--teacher', other, '--output', tmp_path / 'out']
    assert run_demo('--sequence', painted_sequence, *common) == 1
    said = capsys.readouterr().err
    assert 'refuses to configure' in said and 'use two models of the same classes' in said


@pytest.fixture
def long_demo(tmp_path, painted_images, scripted_bundle):
    """A demo in its own process that plays half a minute; it is playing when the test gets it."""
    frames, log = tmp_path / 'long', tmp_path / 'said'
    frames.mkdir()
    for number in range(300):
        cv2.imwrite(str(frames / f'{number}.png'), painted_images[number % 12])
    command = ['--sequence', frames, '--fps', 10, '--model', scripted_bundle]
    command += ['--output', tmp_path / 'out']
    with log.open('w') as stream:
        process = subprocess.Popen(
            [sys.executable, '-m', 'mot_compress_ros.ros.demo', *map(str, command)],
            cwd=ROOT,
            stdout=stream,
            stderr=stream,
        )
        try:
            wait_for(lambda: '%  in ' in log.read_text())
            yield process, tmp_path / 'out', log
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(60)


def wait_for(condition, *, timeout_s=60.0):
    end_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end_s, 'it never happened'
        time.sleep(0.05)


def node_pids(parent):
    """Child processes that run the node, from /proc: slim images have no ps."""
    found = []
    for folder in Path('/proc').glob('[0-9]*'):
        with contextlib.suppress(OSError):  # processes come and go
            parent_id = int((folder / 'stat').read_text().rpartition(')')[2].split()[1])
            command = (folder / 'cmdline').read_bytes()
            if parent_id == parent and b'mot_compress_ros.ros.node' in command:
                found.append(int(folder.name))
    return found


def test_node_that_dies_ends_the_demo_with_its_last_words(long_demo):
    process, out, log = long_demo
    (pid,) = node_pids(process.pid)
    wait_for(
        lambda: re.search(r'processed [1-9]', log.read_text())
    )  # frames went in; one came out
    os.kill(pid, signal.SIGKILL)
    assert process.wait(60) == 1
    assert 'error: the node died' in log.read_text()
    found = summary_of(out)
    assert found['complete'] is False
    assert found['reason'].startswith('the node died')
    assert 0 < found['frames']['processed'] < 300
    assert {p.name for p in out.iterdir()} == {*OUTPUTS, 'node.log'}


def test_ctrl_c_leaves_complete_files_and_no_node(long_demo):
    process, out, log = long_demo
    (pid,) = node_pids(process.pid)
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130, log.read_text()
    assert not Path(f'/proc/{pid}').exists()
    found = summary_of(out)
    assert found['complete'] is False
    assert 0 < found['frames']['received'] < 300
    assert {p.name for p in out.iterdir()} == {*OUTPUTS, 'node.log'}


@pytest.fixture
def frozen_node(scripted_bundle):
    """A node that is up but does nothing, as while it loads a large model."""
    with (
        NodeProcess({'cameras': ['camera'], 'model': str(scripted_bundle)}) as process,
        TrackerClient(cameras=['camera']) as client,
    ):
        client.wait_for_node()
        (pid,) = node_pids(os.getpid())
        os.kill(pid, signal.SIGSTOP)
        try:
            yield client, process, pid
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def test_node_that_dies_while_it_loads_is_noticed_at_once(frozen_node):
    client, process, pid = frozen_node
    threading.Timer(0.5, os.kill, (pid, signal.SIGKILL)).start()
    started_s = time.monotonic()
    with (
        pytest.raises(NodeError, match='the node died'),
        client.watching(lambda: check_running(process)),
    ):
        bring_up(client, process)
    assert time.monotonic() - started_s < 10


def test_first_ctrl_c_ends_the_wait_for_a_node_that_loads(frozen_node):
    client, process, _ = frozen_node
    asked = threading.Event()
    threading.Timer(0.5, asked.set).start()
    started_s = time.monotonic()
    with (
        pytest.raises(KeyboardInterrupt),
        client.watching(lambda: check_running(process, asked.is_set)),
    ):
        bring_up(client, process)
    assert time.monotonic() - started_s < 10


def test_node_that_does_not_answer_at_the_end_is_said_and_no_reason_to_fail(
    frozen_node, monkeypatch, capsys
):
    client, process, _ = frozen_node
    monkeypatch.setattr('mot_compress_ros.ros.bring_up._WIND_DOWN_S', 0.5)
    wind_down(client, process)
    assert 'warning: /mot_tracker/get_state did not answer' in capsys.readouterr().err


def test_without_video_the_other_files_are_written(painted_sequence, scripted_bundle, tmp_path):
    common = ['--model', scripted_bundle, '--output', tmp_path, '--lockstep', '--limit', 3]
    assert run_demo('--sequence', painted_sequence, *common, '--no-video') == 0
    assert {p.name for p in tmp_path.iterdir()} == {
        *set(OUTPUTS) - {'annotated.mp4', 'tracks.mcap'},
        'node.log',
    }


@pytest.mark.parametrize('rate', ['0', 'nan', 'fast'])
def test_rate_that_is_not_legal_is_refused_with_the_range(rate, capsys):
    with pytest.raises(SystemExit):
        run_demo('--rate', rate)
    assert 'legal range 0.01 to 100' in capsys.readouterr().err


def test_pace_follows_stamps_and_mends_jumps():
    pace = Pace(rate=2.0, fps_hz=10.0, lockstep=False)
    assert pace.pause_s(from_ns=0, to_ns=300_000_000) == pytest.approx(0.15)
    for odd_ns in (0, -5_000_000_000, 60_000_000_000):
        assert pace.pause_s(from_ns=0, to_ns=odd_ns) == pytest.approx(0.05)


def test_reading_ahead_keeps_order_and_hands_errors_over():
    with read_ahead(range(50)) as frames:
        assert list(frames) == list(range(50))

    def broken():
        yield 1
        raise ValueError('torn')

    with read_ahead(broken()) as frames, pytest.raises(ValueError, match='torn'):
        list(frames)
    with read_ahead(iter(int, 1)) as frames:  # endless: leaving early stops the thread
        assert next(frames) == 0


def test_sample_that_is_missing_is_said(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(demo, 'SAMPLE', Path('no') / 'sample')
    assert run_demo('--output', tmp_path) == 2
    assert 'name an input with --bag' in capsys.readouterr().err
