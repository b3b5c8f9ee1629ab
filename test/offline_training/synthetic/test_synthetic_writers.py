import argparse
from collections.abc import Iterable
import configparser
import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from rosbags.rosbag2 import Reader
from rosbags.typesys import get_typestore, Stores

from mot_compress_ros.errors import InputError, InvalidOptionError
from mot_compress_ros.sources import open_source
from offline_training.commands import synthesize
from offline_training.datasets.mot_layout import read_sequence
from offline_training.synthetic import generate, SceneConfig, SyntheticFrame
from offline_training.synthetic.writers import truth_folder, write_boxes, WriteOptions, WRITERS
from offline_training.synthetic.writers.bag import START_NS

CONFIG = SceneConfig(size_wh=(160, 96), fps=10.0, duration_s=0.4, seed=46, light='day')


@pytest.fixture(scope='module')
def frames() -> list[SyntheticFrame]:
    return list(generate(CONFIG))


def _write(kind: str, frames: Iterable[SyntheticFrame], path: Path, **options: object) -> Path:
    write, _ = WRITERS[kind]
    return write(frames, path, WriteOptions(fps=10.0, **options))  # type: ignore[arg-type]


def test_mot_folder_is_read_back(frames: list[SyntheticFrame], tmp_path: Path):
    folder = _write('mot', frames, tmp_path / 'street', quality=95)
    info = configparser.ConfigParser()
    info.read(folder / 'seqinfo.ini')
    assert dict(info['Sequence']) == {
        'name': 'street',
        'imdir': 'img1',
        'framerate': '10',
        'seqlength': '4',
        'imwidth': '160',
        'imheight': '96',
        'imext': '.jpg',
        'labelledclasses': 'pedestrian,cyclist,vehicle',
        'origin': 'synthetic',
    }
    sequence = read_sequence(folder)
    assert (sequence.fps, sequence.size_wh, len(sequence)) == (10.0, (160, 96), 4)
    assert sequence.origin == 'synthetic'
    for frame, read in zip(frames, sequence.truth, strict=True):
        shown = {
            i.track_id: i for i in frame.truth.objects if i.track_id in set(read.ids.tolist())
        }
        assert len(shown) == len(read) > 0
        items = [shown[k] for k in read.ids.tolist()]
        assert [i.class_id for i in items] == read.class_ids.tolist()
        assert [i.ignore for i in items] == read.ignore.tolist()
        expected = np.array([i.clipped_xyxy_px for i in items])
        np.testing.assert_allclose(read.boxes_xyxy_px, expected, atol=0.02)
    image = cv2.imread(str(folder / 'img1' / '000002.jpg'))
    assert np.abs(image.astype(int) - frames[1].image_bgr).mean() < 4


def test_metric_truth_is_read_back(frames: list[SyntheticFrame], tmp_path: Path):
    folder = _write('mot', frames, tmp_path / 'street')
    with (folder / 'gt' / 'metric.csv').open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == sum(len(f.truth.objects) for f in frames)
    first, item = rows[0], frames[0].truth.objects[0]
    assert (int(first['frame']), int(first['id'])) == (1, item.track_id)
    assert int(first['class']) == item.class_id + 1
    position = [float(first[name]) for name in ('x_m', 'y_m', 'z_m')]
    assert position == pytest.approx(item.position_m, abs=1e-3)
    assert float(first['length_m']) == pytest.approx(item.size_m[0], abs=1e-3)
    with (folder / 'gt' / 'ego.csv').open() as file:
        ego = list(csv.DictReader(file))
    assert len(ego) == 4
    assert float(ego[2]['north_m']) == pytest.approx(
        frames[2].truth.camera.position_m[1], abs=1e-4
    )
    assert int(ego[2]['stamp_ns']) == 200_000_000


def test_the_truth_of_the_motion_is_read_back(frames: list[SyntheticFrame], tmp_path: Path):
    folder = _write('mot', frames, tmp_path / 'street')
    record = json.loads((folder / 'camera.json').read_text())
    camera = frames[0].truth.camera
    np.testing.assert_array_equal(record['K'], camera.intrinsics)
    assert record['size_wh'] == [160, 96]
    assert record['mounting']['position_m'] == [0.0, 0.0, frames[0].truth.rig.height_m]
    turned = np.array(record['mounting']['rotation_optical_from_vehicle'])
    np.testing.assert_allclose(turned @ turned.T, np.eye(3), atol=1e-12)
    with (folder / 'imu.csv').open() as file:
        assert next(file) == 'stamp_ns,wx,wy,wz\n'
        imu = np.loadtxt(file, delimiter=',')
    samples = [f.truth.inertial for f in frames]
    assert imu[:, 0].astype(int).tolist() == [k * 10_000_000 for k in range(31)]
    rates = np.concatenate([s.angular_velocity_radps for s in samples])
    np.testing.assert_allclose(imu[:, 1:], rates, atol=1e-8)
    odometry = np.loadtxt(folder / 'odometry.csv', delimiter=',', skiprows=1)
    np.testing.assert_allclose(
        odometry[:, 1], np.concatenate([s.speed_mps for s in samples]), atol=1e-5
    )


def test_a_sequence_is_not_overwritten(frames: list[SyntheticFrame], tmp_path: Path):
    _write('mot', frames[:1], tmp_path / 'street')
    with pytest.raises(InputError, match='already holds a sequence'):
        _write('mot', frames[:1], tmp_path / 'street')


def test_an_image_that_cannot_be_written_is_an_error(frames: list[SyntheticFrame], tmp_path: Path):
    (tmp_path / 'street' / 'img1').mkdir(parents=True)
    (tmp_path / 'street' / 'gt').mkdir()

    def blocked() -> Iterable[SyntheticFrame]:
        (tmp_path / 'street' / 'img1' / '000001.jpg').mkdir()
        yield frames[0]

    with pytest.raises(InputError, match='cannot be written'):
        _write('mot', blocked(), tmp_path / 'street')


def test_video_is_read_back(frames: list[SyntheticFrame], tmp_path: Path):
    path = _write('video', frames, tmp_path / 'street.mp4')
    video = cv2.VideoCapture(str(path))
    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(10.0)
    images = []
    while (read := video.read())[0]:
        images.append(read[1])
    assert len(images) == 4
    assert np.abs(images[0].astype(int) - frames[0].image_bgr).mean() < 12
    assert (truth_folder(path) / 'gt.txt').stat().st_size > 0


def test_a_video_needs_its_suffix_and_even_sides(frames: list[SyntheticFrame], tmp_path: Path):
    with pytest.raises(InputError, match='name it'):
        _write('video', frames, tmp_path / 'street.avi')
    odd = generate(SceneConfig(size_wh=(161, 96), seed=1, duration_s=0.1))
    with pytest.raises(InputError, match='even sides'):
        _write('video', odd, tmp_path / 'odd.mp4')


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_bag_is_read_back(frames: list[SyntheticFrame], tmp_path: Path, storage: str):
    path = _write('bag', frames, tmp_path / 'street', storage=storage, raw_images=True, quality=95)
    store = get_typestore(Stores.ROS2_JAZZY)
    seen: dict[str, list[object]] = {}
    with Reader(path) as reader:
        for connection, stamp_ns, data in reader.messages():
            message = store.deserialize_cdr(data, connection.msgtype)
            header = message.header
            assert header.stamp.sec * 1_000_000_000 + header.stamp.nanosec == stamp_ns
            in_camera = connection.topic.startswith('/camera/')
            assert header.frame_id == ('camera_optical_frame' if in_camera else 'base_link')
            seen.setdefault(connection.topic, []).append((stamp_ns, message))
    assert {topic: len(m) for topic, m in seen.items()} == {
        '/camera/image_raw/compressed': 4,
        '/camera/image_raw': 4,
        '/camera/camera_info': 4,
        '/imu': 31,  # 100 Hz from the first frame to the last, 0.3 s later
    }
    stamps = [stamp_ns - START_NS for stamp_ns, _ in seen['/imu']]  # type: ignore[misc]
    assert stamps == [k * 10_000_000 for k in range(31)]
    for frame in frames:
        for k, rate in zip(
            frame.truth.inertial.stamps_ns // 10_000_000,
            frame.truth.inertial.angular_velocity_radps,
            strict=True,
        ):
            _, imu = seen['/imu'][k]  # type: ignore[misc]
            read = imu.angular_velocity
            assert (read.x, read.y, read.z) == tuple(rate)
            assert imu.orientation_covariance[0] == imu.linear_acceleration_covariance[0] == -1
    stamp_ns, jpeg = seen['/camera/image_raw/compressed'][1]  # type: ignore[misc]
    assert stamp_ns == START_NS + 100_000_000
    image = cv2.imdecode(jpeg.data, cv2.IMREAD_COLOR)
    assert np.abs(image.astype(int) - frames[1].image_bgr).mean() < 4
    _, raw = seen['/camera/image_raw'][1]  # type: ignore[misc]
    assert (raw.encoding, raw.step) == ('bgr8', 480)
    assert raw.data.tobytes() == frames[1].image_bgr.tobytes()
    _, info = seen['/camera/camera_info'][1]  # type: ignore[misc]
    assert (info.width, info.height) == (160, 96)
    np.testing.assert_allclose(info.k.reshape(3, 3), frames[1].truth.camera.intrinsics)
    assert (truth_folder(path) / 'metric.csv').stat().st_size > 0


def test_the_vehicle_side_reads_the_bag(frames: list[SyntheticFrame], tmp_path: Path):
    path = _write('bag', frames, tmp_path / 'street')
    source = open_source(path)
    read = list(source)
    assert [f.stamp_ns - START_NS for f in read] == [f.truth.stamp_ns for f in frames]
    assert read[0].image.shape == (96, 160, 3)


def test_two_bags_of_one_seed_hold_the_same_bytes(frames: list[SyntheticFrame], tmp_path: Path):
    first, second = (_write('bag', frames, tmp_path / name / 'street') for name in 'ab')
    name = 'street.mcap'
    assert (first / name).read_bytes() == (second / name).read_bytes()


def test_a_bag_is_not_overwritten(frames: list[SyntheticFrame], tmp_path: Path):
    (tmp_path / 'street').mkdir()
    with pytest.raises(InputError, match='exists already'):
        _write('bag', frames, tmp_path / 'street')


@pytest.mark.parametrize('values', [{'quality': 0}, {'quality': 101}, {'storage': 'db3'}])
def test_write_options_out_of_range_are_refused(values: dict[str, object]):
    with pytest.raises(InvalidOptionError, match='legal'):
        WriteOptions(fps=10.0, **values)  # type: ignore[arg-type]


def _run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    synthesize.add_arguments(parser)
    return synthesize.run(parser.parse_args(words))


def test_the_command_writes_sequences_with_consecutive_seeds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    words = f'{tmp_path}/set --seed 8 --sequences 2 --frames 2 --size 160x96 --fps 5 --light all'
    assert _run(*words.split(), '--pedestrians', '3-4', '--vehicles', '5') == 0
    for seed in (8, 9):
        sequence = read_sequence(tmp_path / 'set' / f'synthetic-{seed:04d}')
        assert (len(sequence), sequence.fps, sequence.size_wh) == (2, 5.0, (160, 96))
    assert 'seed 9' in capsys.readouterr().out


def test_the_command_writes_one_bag_where_it_is_told(tmp_path: Path):
    words = f'{tmp_path}/bag --format bag --frames 1 --size 160x96 --storage sqlite3'
    assert _run(*words.split()) == 0
    assert (tmp_path / 'bag' / 'metadata.yaml').is_file()
    assert list((tmp_path / 'bag').glob('*.db3'))


@pytest.mark.parametrize('words', [['out', '--light', 'noon'], ['out', '--vehicles', 'many']])
def test_the_command_refuses_what_it_cannot_read(
    words: list[str], capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit):
        _run(*words)
    assert 'error' in capsys.readouterr().err


def test_the_command_refuses_no_frames_and_no_size(tmp_path: Path):
    with pytest.raises(InvalidOptionError, match='WIDTHxHEIGHT'):
        _run(str(tmp_path / 'x'), '--size', '12')
    with pytest.raises(InvalidOptionError, match='--frames'):
        _run(str(tmp_path / 'x'), '--frames', '0')


def test_boxes_only_writes_a_sequence_that_is_read_without_images(tmp_path: Path):
    words = f'{tmp_path}/set --boxes-only --seed 46 --frames 6 --size 320x180 --fps 30'
    assert _run(*words.split(), '--light', 'day', '--ego', 'rough', '--density', '2') == 0
    folder = tmp_path / 'set'
    assert sorted(p.name for p in folder.iterdir()) == [
        'camera.json', 'gt', 'imu.csv', 'odometry.csv', 'seqinfo.ini'
    ]  # fmt: skip
    sequence = read_sequence(folder)
    assert (len(sequence), sequence.fps, sequence.size_wh) == (6, 30.0, (320, 180))
    assert (sequence.image_paths, sequence.origin) == ((), 'synthetic')
    assert min(len(truth) for truth in sequence.truth) > 0
    with pytest.raises(InputError, match='already holds a sequence'):
        _run(*words.split())


def test_boxes_only_is_for_folders(tmp_path: Path):
    with pytest.raises(InvalidOptionError, match='--boxes-only: got --format bag'):
        _run(str(tmp_path / 'x'), '--format', 'bag', '--boxes-only')
    with pytest.raises(InputError, match='at least one frame'):
        write_boxes([], tmp_path / 'none', WriteOptions(fps=10.0))
