"""Recorded bags with a track file beside them."""

import cv2
import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_typestore, Stores

from mot_compress_ros.errors import InputError
from mot_compress_ros.image_decoding import read_image
from offline_training.datasets.bag_layout import read, read_track_file, recognises
from offline_training.datasets.classes import ALL_CLASSES, CYCLIST, PEDESTRIAN, VEHICLE
from offline_training.datasets.records import SourceConfig

TRACKS = (
    '1,1,10.25,5.50,20.00,10.00,0.9000,3,-1,-1\n'
    '1,2,40.00,10.00,8.00,20.00,0.5000,1,-1,-1\n'
    '3,1,12.00,5.00,20.00,10.00,0.8000,3,-1,-1\n'
)
CONFIG = SourceConfig(layout='bag')


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('MOT_COMPRESS_CACHE', str(tmp_path / 'cache'))
    return tmp_path / 'cache'


def pixels(seed):
    return np.random.default_rng(seed).integers(0, 256, (24, 32, 3), np.uint8)


def write_bag(path, topics=('/front/image_raw/compressed',), *, frames=3, damaged=()):
    """A bag with JPEG or, where the topic is not compressed, rgb8 images."""
    store = get_typestore(Stores.ROS2_JAZZY)
    types = store.types
    path.parent.mkdir(parents=True, exist_ok=True)
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        for topic in topics:
            compressed = topic.endswith('compressed')
            kind = 'sensor_msgs/msg/CompressedImage' if compressed else 'sensor_msgs/msg/Image'
            connection = writer.add_connection(topic, kind, typestore=store)
            for k in range(frames):
                stamp_ns = 1_000_000_000 + k * 50_000_000
                time = types['builtin_interfaces/msg/Time'](
                    sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9
                )
                header = types['std_msgs/msg/Header'](stamp=time, frame_id='front')
                if compressed:
                    data = cv2.imencode('.jpg', pixels(k))[1].ravel()
                    data = data[:40] if k in damaged else data
                    message = types[kind](header=header, format='jpeg', data=data)
                else:
                    message = types[kind](
                        header=header,
                        height=24,
                        width=32,
                        encoding='rgb8',
                        is_bigendian=0,
                        step=96,
                        data=pixels(k).ravel(),
                    )
                writer.write(connection, stamp_ns, store.serialize_cdr(message, kind))
    return path


def test_frames_and_tracks_become_a_sequence(tmp_path, cache):
    bag = write_bag(tmp_path / 'rec' / 'drive')
    (tmp_path / 'rec' / 'tracks.txt').write_text(TRACKS)
    assert recognises(bag)
    labelled = read(bag, CONFIG)
    (sequence,) = labelled.sequences
    assert (labelled.layout, sequence.name, sequence.fps) == ('bag', 'drive', 20.0)
    assert (len(sequence), sequence.size_wh) == (3, (32, 24))
    assert [len(truth) for truth in sequence.truth] == [2, 0, 1]
    first = sequence.truth[0]
    assert first.boxes_xyxy_px.tolist() == [[10.25, 5.5, 30.25, 15.5], [40, 10, 48, 30]]
    assert (first.ids.tolist(), first.class_ids.tolist()) == ([1, 2], [VEHICLE, PEDESTRIAN])
    assert sequence.labelled_class_ids == (PEDESTRIAN, VEHICLE)
    # The JPEG files are those of the messages, byte for byte.
    jpegs = [cv2.imencode('.jpg', pixels(k))[1].tobytes() for k in range(3)]
    assert [path.read_bytes() for path in sequence.image_paths] == jpegs
    assert all(path.is_relative_to(cache) for path in sequence.image_paths)
    before = sequence.image_paths[0].stat().st_mtime_ns
    assert read(bag, CONFIG).sequences[0].image_paths[0].stat().st_mtime_ns == before


def test_raw_images_lose_nothing(tmp_path):
    bag = write_bag(tmp_path / 'drive', ('/front/image_raw',))
    (bag / 'tracks.txt').write_text(TRACKS)
    (sequence,) = read(bag, CONFIG).sequences
    for k, path in enumerate(sequence.image_paths):
        assert path.suffix == '.png'
        assert np.array_equal(read_image(path)[..., ::-1], pixels(k))  # rgb8 in the bag


def test_the_file_alone_and_the_folder_of_a_replay_are_bags_too(tmp_path):
    bag = write_bag(tmp_path / 'drive')
    out = tmp_path / 'out'
    out.mkdir()
    (file,) = bag.glob('*.mcap')
    file.rename(out / 'tracks.mcap')
    (out / 'tracks.txt').write_text(TRACKS)
    for path in (out, out / 'tracks.mcap'):
        assert recognises(path)
        assert [s.name for s in read(path, CONFIG).sequences] == ['tracks']


def test_what_a_run_drew_is_no_camera(tmp_path):
    drawn, camera = '/front/debug_image/compressed', '/front/image_raw'
    bag = write_bag(tmp_path / 'drive', (drawn, camera))
    (tmp_path / 'tracks.txt').write_text(TRACKS)
    (sequence,) = read(bag, CONFIG).sequences
    assert {path.suffix for path in sequence.image_paths} == {'.png'}  # the raw images
    assert len(read(bag, SourceConfig(layout='bag', topic=drawn))) == 3


def test_several_topics_have_to_be_chosen_from(tmp_path):
    topics = ('/front/image_raw/compressed', '/rear/image_raw/compressed')
    bag = write_bag(tmp_path / 'drive', topics)
    (tmp_path / 'tracks.txt').write_text(TRACKS)
    with pytest.raises(InputError, match=r'several image topics, choose one .*/front.*/rear'):
        read(bag, CONFIG)
    chosen = SourceConfig(layout='bag', topic=topics[1])
    assert len(read(bag, chosen)) == 3
    with pytest.raises(InputError, match='no image topic /left'):
        read(bag, SourceConfig(layout='bag', topic='/left'))


def test_the_track_file_may_lie_elsewhere_and_may_be_ground_truth(tmp_path):
    bag = write_bag(tmp_path / 'drive')
    with pytest.raises(InputError, match=r'no track file; looked for .*tracks\.txt'):
        read(bag, CONFIG)
    truth = tmp_path / 'drive_truth' / 'gt.txt'
    truth.parent.mkdir()
    truth.write_text('2,4,1,1,5,5,1,2,0.5\n2,5,9,1,5,5,0,3,0.5\n')
    (sequence,) = read(bag, CONFIG).sequences
    assert sequence.truth[1].class_ids.tolist() == [CYCLIST, VEHICLE]
    assert sequence.truth[1].ignore.tolist() == [False, True]
    assert sequence.labelled_class_ids == (CYCLIST,)
    (tmp_path / 'mine.txt').write_text(TRACKS)
    for given in ('../mine.txt', str(tmp_path / 'mine.txt')):
        chosen = read(bag, SourceConfig(layout='bag', tracks=given))
        assert len(chosen.sequences[0].truth[0]) == 2
    with pytest.raises(InputError, match=r'none\.txt: no such track file'):
        read(bag, SourceConfig(layout='bag', tracks='none.txt'))


def test_a_synthetic_bag_says_so(tmp_path):
    bag = write_bag(tmp_path / 'drive')
    truth = tmp_path / 'drive_truth'
    truth.mkdir()
    (truth / 'gt.txt').write_text('2,4,1,1,5,5,1,2,0.5\n')
    assert read(bag, CONFIG).sequences[0].origin == 'real'
    for name in ('metric.csv', 'ego.csv'):
        (truth / name).write_text('')
    (sequence,) = read(bag, CONFIG).sequences
    assert (sequence.origin, sequence.labelled_class_ids) == ('synthetic', ALL_CLASSES)


def test_a_message_that_does_not_decode_takes_its_labels_along(tmp_path, capsys):
    bag = write_bag(tmp_path / 'drive', damaged=(1,))
    (tmp_path / 'tracks.txt').write_text(TRACKS)
    (sequence,) = read(bag, CONFIG).sequences
    assert [path.stem for path in sequence.image_paths] == ['000001', '000003']
    assert [len(truth) for truth in sequence.truth] == [2, 1]
    assert 'frame 2 cannot be decoded' in capsys.readouterr().err


def test_a_damaged_recording_is_refused(tmp_path):
    bag = write_bag(tmp_path / 'drive')
    (tmp_path / 'tracks.txt').write_text(TRACKS)
    (file,) = bag.glob('*.mcap')
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(InputError, match='mcap recover'):
        read(bag, CONFIG)
    with pytest.raises(InputError, match='not a bag'):
        read(tmp_path, CONFIG)


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('4,1,10,5,20,10,0.9,3,-1,-1\n', 'frame 4, but the recording has 3 frames'),
        ('0,1,10,5,20,10,0.9,3,-1,-1\n', 'a frame from 1'),
        ('1,1.5,10,5,20,10,0.9,3,-1,-1\n', 'a whole id'),
        ('1,1,10,5,0,10,0.9,3,-1,-1\n', 'width and height above 0'),
        ('1,1,10,5,20,10,0.9,4,-1,-1\n', 'class 4; legal: 1 pedestrian'),
        ('1,1,10,5,20,10,1,-1,-1,-1\n', 'class -1'),  # MOT15's ground truth has no class
        ('1,1,10,5,20,10,0.9,3\n', 'expected frame,id,left'),
        ('1,1,10,5,20,ten,0.9,3,-1,-1\n', 'expected frame,id,left'),
        ('1,1,10,5,20,10,0.9,3,-1,-1\n' * 2, 'an id stands twice'),
    ],
)
def test_what_is_wrong_with_a_track_file_is_said(tmp_path, line, message):
    (tmp_path / 'tracks.txt').write_text(line)
    with pytest.raises(InputError, match=message):
        read_track_file(tmp_path / 'tracks.txt', n_frames=3)


def test_a_run_that_tracked_nothing(tmp_path):
    (tmp_path / 'tracks.txt').write_text('')
    assert [len(t) for t in read_track_file(tmp_path / 'tracks.txt', n_frames=2)] == [0, 0]
