"""`python -m mot_compress_ros.replay`, from the command line to the files."""

import json
from pathlib import Path
import resource
import signal
import subprocess
import sys
import time

import cv2
import pytest
from rosbags.rosbag2 import StoragePlugin

from mot_compress_ros import replay
from mot_compress_ros.inference.backends.scripted import write_scripted_bundle
from mot_compress_ros.inference.checkpoint import ModelManifest, save_bundle
from mot_compress_ros.recording import OUTPUTS

ROOT = Path(__file__).resolve().parents[1]


def run(*arguments):
    return replay.main([str(argument) for argument in arguments])


def test_clip_gives_all_files_and_its_three_objects(
    painted_sequence, scripted_bundle, tmp_path, capsys
):
    out = tmp_path / 'out'
    assert run('--input', painted_sequence, '--model', scripted_bundle, '--output', out) == 0
    assert sorted(p.name for p in out.iterdir()) == sorted(OUTPUTS)
    summary = json.loads((out / 'summary.json').read_text())
    assert summary['frames'] == {'received': 12, 'processed': 12, 'dropped': 0, 'unreadable': 0}
    assert summary['tracks']['per_class'] == {'pedestrian': 1, 'cyclist': 1, 'vehicle': 1}
    assert summary['complete'] and summary['mode'] == 'replay'
    stages = {'preprocess', 'infer', 'decode', 'student', 'track', 'total'}
    assert set(summary['latency_ms']) == stages
    said = capsys.readouterr()
    assert '12 frames, 3 tracks' in said.out
    assert all(str(out / name) in said.out for name in OUTPUTS)
    assert '100%  12 frames  3 tracks' in said.err


def test_boxes_are_those_that_were_painted(painted_sequence, scripted_bundle, tmp_path):
    run('--input', painted_sequence, '--model', scripted_bundle, '--output', tmp_path, '--quiet')
    rows = [line.split(',') for line in (tmp_path / 'tracks.txt').read_text().splitlines()]
    vehicle = [[float(value) for value in row] for row in rows if row[7] == '3']
    assert [row[0] for row in vehicle] == list(range(1, 13))
    assert len({row[1] for row in vehicle}) == 1
    for row in vehicle:
        assert row[2:6] == pytest.approx([10 + 8 * (row[0] - 1), 120, 48, 32], abs=2.5)


def test_every_run_gives_the_same_bytes(painted_sequence, scripted_bundle, tmp_path):
    teacher = write_scripted_bundle(tmp_path / 'teacher')
    texts = []
    for attempt in ('one', 'two'):
        common = ['--model', scripted_bundle, '--teacher', teacher, '--keyframe-interval', 3]
        out = tmp_path / attempt
        assert run('--input', painted_sequence, *common, '--output', out, '--quiet') == 0
        texts.append((out / 'tracks.txt').read_bytes())
        summary = json.loads((out / 'summary.json').read_text())
        assert summary['counters']['keyframes'] == 4
        assert summary['keyframes']['frame_numbers'] == [1, 4, 7, 10]
        assert summary['keyframes']['interval_frames'] == {'min': 3, 'median': 3, 'max': 3}
        assert summary['keyframes']['latency_ms']['student']['n'] == 8
    assert texts[0] == texts[1]
    assert texts[0]


def test_late_results_are_told_with_their_frames_and_the_same_on_every_run(
    painted_sequence, scripted_bundle, tmp_path
):
    teacher = write_scripted_bundle(tmp_path / 'teacher')
    common = ['--input', painted_sequence, '--model', scripted_bundle, '--teacher', teacher]
    # Frames are 100 ms apart, and the teacher takes 150.
    beside = ['--set', 'keyframe.mode=async', '--set', 'keyframe.teacher_ms=150']
    told = []
    for attempt in ('one', 'two'):
        assert run(*common, *beside, '--output', tmp_path / attempt, '--quiet') == 0
        keyframes = json.loads((tmp_path / attempt / 'summary.json').read_text())['keyframes']
        told.append((keyframes['frame_numbers'], keyframes['known_from']))
        assert keyframes['late']['results'] == keyframes['count'] == len(told[-1][0])
        assert keyframes['late']['delay_ms']['p50'] == 200
        assert list(keyframes['latency_ms']) == ['student']
    assert told[0] == told[1] == ([1, 3, 5, 7, 9], [3, 5, 7, 9, 11])
    files = [(tmp_path / attempt / 'tracks.mcap').read_bytes() for attempt in ('one', 'two')]
    assert files[0] == files[1]


def test_video_and_recorded_images_can_be_replayed(painted_images, scripted_bundle, tmp_path):
    video = tmp_path / 'clip.avi'
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*'MJPG'), 10.0, (320, 192))
    for image in painted_images:
        writer.write(image)
    writer.release()
    assert run('--input', video, '--model', scripted_bundle, '--output', tmp_path / 'a') == 0
    again = ['--input', tmp_path / 'a' / 'tracks.mcap', '--topic', '/camera/image_raw/compressed']
    assert run(*again, '--model', scripted_bundle, '--output', tmp_path / 'b') == 0
    for name in ('a', 'b'):
        summary = json.loads((tmp_path / name / 'summary.json').read_text())
        assert summary['frames']['processed'] == 12
        assert summary['tracks']['total'] == 3


def test_limit_no_video_and_options_are_obeyed(painted_sequence, scripted_bundle, tmp_path):
    common = ['--input', painted_sequence, '--model', scripted_bundle, '--output', tmp_path]
    options = ['--set', 'tracker.confirm_hits=3', '--set', 'tracker.lost_buffer_s=2']
    assert run(*common, '--limit', 5, '--no-video', *options, '--quiet') == 0
    summary = json.loads((tmp_path / 'summary.json').read_text())
    assert summary['frames']['received'] == 5
    assert summary['options']['tracker.confirm_hits'] == 3
    assert summary['options']['tracker.lost_buffer_s'] == 2.0
    names = {p.name for p in tmp_path.iterdir()}
    assert names == {'tracks.txt', 'report.html', 'summary.json'}


@pytest.mark.parametrize(
    ('change', 'reason'),
    [
        (['--input', 'missing'], 'missing: no such file or folder'),
        (['--model', 'missing'], 'missing: no such model'),
        (['--set', 'tracker.speed=3'], 'unknown option tracker.speed'),
        (['--set', 'tracker.iou_threshold=7'], 'legal range'),
        (['--set', 'tracker.iou_threshold'], 'write it as name=value'),
        (['--set', 'tracker.iou_threshold=['], 'unreadable value'),
    ],
)
def test_user_errors_give_one_line_and_exit_code_2(
    change, reason, painted_sequence, scripted_bundle, tmp_path, capsys
):
    common = ['--input', painted_sequence, '--model', scripted_bundle, '--output', tmp_path / 'o']
    assert run(*common, *change) == 2
    said = capsys.readouterr()
    assert said.err.startswith('error: ') and reason in said.err
    assert said.err.count('\n') == 1 and said.out == ''


@pytest.mark.parametrize(
    ('change', 'reason'),
    [
        (['--fps', '-5'], 'argument --fps: got -5, expected a number from 0.01 to 1000'),
        (['--fps', 'nan'], 'argument --fps: got nan, expected'),
        (['--fps', 'inf'], 'argument --fps: got inf, expected'),
        (['--fps', 'fast'], 'argument --fps: got fast, expected'),
        (['--limit', '0'], 'argument --limit: got 0, expected a number from 1 to'),
        (['--limit', '2.5'], 'argument --limit: got 2.5, expected'),
        (['--keyframe-interval', '0'], 'argument --keyframe-interval: got 0, expected'),
    ],
)
def test_numbers_out_of_range_are_refused_with_the_legal_range(change, reason, capsys):
    with pytest.raises(SystemExit) as ending:
        run('--input', 'x', '--model', 'x', *change)
    assert ending.value.code == 2
    assert reason in capsys.readouterr().err


def test_truncated_input_is_not_called_complete(painted_images, scripted_bundle, tmp_path, capsys):
    video = tmp_path / 'clip.avi'
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*'MJPG'), 10.0, (320, 192))
    for index in range(60):
        writer.write(painted_images[index % 12])
    writer.release()
    video.write_bytes(video.read_bytes()[: video.stat().st_size // 2])
    out = tmp_path / 'out'
    common = ['--input', video, '--model', scripted_bundle, '--output', out, '--quiet']
    assert run(*common) == 1
    summary = json.loads((out / 'summary.json').read_text())
    read = summary['frames']['processed']
    assert (summary['complete'], summary['input']['missing_frames']) == (False, 60 - read)
    assert f'ended after {read} of 60 frames' in capsys.readouterr().err
    assert f'ended after {read} of 60 frames' in (out / 'report.html').read_text()
    assert run(*common, '--limit', 5) == 0, 'what was asked for was there'


def test_full_disk_is_one_line_and_the_report_is_written(
    painted_images, scripted_bundle, tmp_path
):
    frames = tmp_path / 'many'
    frames.mkdir()
    for number in range(150):
        cv2.imwrite(str(frames / f'{number}.png'), painted_images[number % 12])
    out = tmp_path / 'out'
    common = ['--input', frames, '--fps', 10, '--model', scripted_bundle, '--output', out]
    done = subprocess.run(
        [sys.executable, '-m', 'mot_compress_ros.replay', *map(str, common), '--quiet'],
        cwd=ROOT,
        # Files that would grow beyond this fail like a full disk; Python ignores the signal.
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert f'error: {out / "tracks.mcap"}: cannot be written (File too large)\n' in done.stderr
    assert 'Traceback' not in done.stderr
    summary = json.loads((out / 'summary.json').read_text())
    assert summary['complete'] is False and 'tracks.mcap' in summary['reason']
    assert 0 < summary['frames']['processed'] < 150
    assert 'cannot be written' in (out / 'report.html').read_text()


def test_late_frames_are_recorded_as_dropped(
    bag_writer, painted_images, scripted_bundle, tmp_path
):
    stamps = [0, 1, 2, 4, 3, 5, 6]
    for image, tick in zip(painted_images, stamps, strict=False):
        bag_writer.image(image, stamp_ns=10**9 + tick * 10**8)
    bag_writer.write(tmp_path / 'bag', StoragePlugin.MCAP)
    out = tmp_path / 'out'
    common = ['--model', scripted_bundle, '--output', out, '--quiet']
    assert run('--input', tmp_path / 'bag', *common) == 0
    summary = json.loads((out / 'summary.json').read_text())
    assert summary['frames'] == {'received': 7, 'processed': 6, 'dropped': 1, 'unreadable': 0}
    assert summary['counters']['late_frames'] == 1
    assert summary['tracks']['total'] == 3
    frames = [int(line.split(',')[0]) for line in (out / 'tracks.txt').read_text().splitlines()]
    assert sorted(set(frames)) == [1, 2, 3, 4, 6, 7]


def test_teacher_of_other_classes_is_refused(painted_sequence, scripted_bundle, tmp_path, capsys):
    foreign = ModelManifest(
        name='foreign',
        architecture={'name': 'scripted'},
        class_names=('cat', 'dog', 'cow'),
        input_size_wh=(320, 192),
        embedding_dim=4,
    )
    save_bundle(tmp_path / 'foreign', foreign, {})
    common = ['--input', painted_sequence, '--model', scripted_bundle, '--output', tmp_path / 'o']
    assert run(*common, '--teacher', tmp_path / 'foreign') == 2
    assert 'use two models of the same classes' in capsys.readouterr().err


@pytest.mark.parametrize('signal_number', [signal.SIGINT, signal.SIGTERM])
def test_interrupted_run_leaves_complete_files(
    signal_number, painted_images, scripted_bundle, tmp_path
):
    frames = tmp_path / 'many'
    frames.mkdir()
    for number in range(600):
        cv2.imwrite(str(frames / f'{number}.png'), painted_images[number % 12])
    out = tmp_path / 'out'
    command = ['--input', frames, '--fps', '10', '--model', scripted_bundle, '--output', out]
    process = subprocess.Popen(
        [sys.executable, '-m', 'mot_compress_ros.replay', *map(str, command)],
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    text = out / 'tracks.txt'
    give_up_s = time.monotonic() + 60
    while not (text.exists() and text.stat().st_size > 2000) and time.monotonic() < give_up_s:
        time.sleep(0.01)
    process.send_signal(signal_number)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert 'written' in said
    summary = json.loads((out / 'summary.json').read_text())
    assert summary['complete'] is False
    assert 0 < summary['frames']['processed'] < 600
    assert cv2.VideoCapture(str(out / 'annotated.mp4')).read()[0]
    assert sorted(p.name for p in out.iterdir()) == sorted(OUTPUTS)


def test_the_image_can_tell_the_camera_motion(painted_sequence, scripted_bundle, tmp_path):
    common = ['--input', painted_sequence, '--model', scripted_bundle, '--quiet', '--no-video']
    choice = ['--set', 'camera_motion.source=image']
    assert run(*common, *choice, '--output', tmp_path / 'out') == 0
    summary = json.loads((tmp_path / 'out' / 'summary.json').read_text())
    assert summary['tracks']['total'] == 3
    assert 'camera_motion' in summary['latency_ms']


@pytest.mark.parametrize('source', ['imu', 'odometry'])
def test_a_folder_cannot_tell_how_the_vehicle_turned(
    painted_sequence, scripted_bundle, tmp_path, capsys, source
):
    common = ['--input', painted_sequence, '--model', scripted_bundle, '--output', tmp_path]
    assert run(*common, '--set', f'camera_motion.source={source}') == 2
    assert 'use image or none for a sequence' in capsys.readouterr().err
