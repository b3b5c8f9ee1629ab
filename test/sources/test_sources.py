"""Every kind of input, and what is said about those that are none."""

from itertools import islice

import cv2
import numpy as np
import pytest

from mot_compress_ros.errors import InputError
from mot_compress_ros.sources import FIRST_STAMP_NS, open_source
from mot_compress_ros.sources.bag import camera_of_topic

START_NS, STEP_NS = 1_700_000_000_000_000_000, 100_000_000


def test_bag_gives_every_image_with_its_header(bag_writer, storage, tmp_path, painted_images):
    for image in painted_images:
        bag_writer.image(image)
    source = open_source(bag_writer.write(tmp_path / 'bag', storage))
    frames = list(source)
    assert (source.kind, source.camera, source.fps, len(source)) == ('bag', 'front', 10.0, 12)
    assert [f.stamp_ns for f in frames] == [START_NS + i * STEP_NS for i in range(12)]
    assert [f.frame_index for f in frames] == list(range(12))
    assert {f.frame_id for f in frames} == {'front_optical'}
    for frame, image in zip(frames, painted_images, strict=True):
        np.testing.assert_array_equal(frame.image, image)
    assert [f.stamp_ns for f in source] == [f.stamp_ns for f in frames], 'a second pass'


def test_storage_file_opens_like_its_folder(bag_writer, storage, tmp_path, painted_images):
    bag_writer.image(painted_images[0])
    bag = bag_writer.write(tmp_path / 'bag', storage)
    (file,) = [p for p in bag.iterdir() if p.suffix in ('.mcap', '.db3')]
    assert len(list(open_source(file))) == 1


def test_compressed_images_are_decoded(bag_writer, storage, tmp_path, painted_images):
    for image in painted_images:
        bag_writer.compressed(cv2.imencode('.png', image)[1].tobytes())
    source = open_source(bag_writer.write(tmp_path / 'bag', storage), camera='mine')
    frames = list(source)
    assert source.camera == 'mine'
    for frame, image in zip(frames, painted_images, strict=True):
        np.testing.assert_array_equal(frame.image, image)


def test_bad_messages_are_counted_and_keep_their_number(
    bag_writer, storage, tmp_path, painted_images
):
    bag_writer.image(painted_images[0])
    bag_writer.image(painted_images[1], encoding='32FC1')
    bag_writer.image(painted_images[2], data=np.zeros(7, np.uint8))
    bag_writer.image(painted_images[3], height=0)
    topic, msgtype, data = bag_writer.messages[0]
    bag_writer.raw(topic, msgtype, data[:30])  # cut in the middle of the header
    bag_writer.raw(topic, msgtype, b'')
    bag_writer.image(painted_images[6])
    source = open_source(bag_writer.write(tmp_path / 'bag', storage))
    for _ in range(2):
        assert [f.frame_index for f in source] == [0, 6]
        assert source.skipped == 5


def test_images_without_stamps_get_the_time_of_recording(
    bag_writer, storage, tmp_path, painted_images
):
    for image in painted_images[:2]:
        bag_writer.image(image, stamp_ns=0)
    source = open_source(bag_writer.write(tmp_path / 'bag', storage))
    assert [f.stamp_ns for f in source] == [START_NS + 5_000_000, START_NS + 105_000_000]


def test_one_of_several_topics_has_to_be_chosen(bag_writer, storage, tmp_path, painted_images):
    bag_writer.image(painted_images[0], topic='/front/image_raw')
    bag_writer.image(painted_images[1], topic='/rear/image_raw')
    bag_writer.image(painted_images[2], topic='/rear/image_raw')
    bag = bag_writer.write(tmp_path / 'bag', storage)
    with pytest.raises(
        InputError, match=r'--topic: /front/image_raw \(1\), /rear/image_raw \(2\)'
    ):
        open_source(bag)
    with pytest.raises(InputError, match=r'no image topic /left'):
        open_source(bag, topic='/left')
    source = open_source(bag, topic='/rear/image_raw')
    assert (source.camera, len(list(source))) == ('rear', 2)


def test_bag_without_images_and_broken_bags_are_refused(bag_writer, storage, tmp_path):
    store = bag_writer.store
    text = store.serialize_cdr(store.types['std_msgs/msg/String'](data='x'), 'std_msgs/msg/String')
    bag_writer.raw('/chatter', 'std_msgs/msg/String', bytes(text))
    bag = bag_writer.write(tmp_path / 'bag', storage)
    with pytest.raises(InputError, match='holds no topic of type sensor_msgs/msg/Image'):
        open_source(bag)
    (bag / 'metadata.yaml').write_text('nonsense: [')
    with pytest.raises(InputError, match='not a readable rosbag2 recording'):
        open_source(bag)
    for suffix in ('.mcap', '.db3'):
        broken = tmp_path / f'broken{suffix}'
        broken.write_bytes(b'not a recording')
        with pytest.raises(InputError, match='not a readable rosbag2 recording'):
            open_source(broken)


@pytest.mark.parametrize(
    ('topic', 'camera'),
    [
        ('/front/image_raw', 'front'),
        ('/front/image_raw/compressed', 'front'),
        ('/vehicle/front/image_rect_color', 'vehicle/front'),
        ('/camera', 'camera'),
        ('/image_raw', 'camera'),
    ],
)
def test_camera_is_read_off_the_topic(topic, camera):
    assert camera_of_topic(topic) == camera


@pytest.fixture(scope='module')
def video(tmp_path_factory, painted_images):
    path = tmp_path_factory.mktemp('video') / 'clip.mp4'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), 20.0, (320, 192))
    for image in painted_images:
        writer.write(image)
    writer.release()
    return path


def test_video_gives_every_frame_at_its_rate(video, painted_images):
    source = open_source(video)
    frames = list(source)
    assert (source.kind, source.camera, source.fps, len(source)) == ('video', 'camera', 20.0, 12)
    assert [f.stamp_ns for f in frames] == [FIRST_STAMP_NS + i * 50_000_000 for i in range(12)]
    difference = np.abs(frames[3].image.astype(int) - painted_images[3]).mean()
    assert difference < 8, 'the codec loses a little'
    assert len(list(source)) == 12, 'a second pass'


def test_rate_of_a_video_can_be_overridden(video):
    source = open_source(video, fps_hz=5.0)
    assert [f.stamp_ns - FIRST_STAMP_NS for f in source][:3] == [0, 200_000_000, 400_000_000]


def truncated_video(path, images, *, keep=0.5):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'MJPG'), 20.0, (320, 192))
    for image in images:
        writer.write(image)
    writer.release()
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    return path


def test_video_that_was_cut_off_says_what_is_missing(tmp_path, painted_images, capfd):
    images = [painted_images[index % 12] for index in range(60)]
    source = open_source(truncated_video(tmp_path / 'cut.avi', images))
    for _ in range(2):
        read = len(list(source))
        assert 5 < read < 50
        assert source.missing == 60 - read
        assert f'ended after {read} of 60 frames' in source.early_end


def test_whole_video_misses_nothing(video, tmp_path, painted_images):
    whole = truncated_video(tmp_path / 'whole.avi', painted_images, keep=1)
    for path in (video, whole):
        source = open_source(path)
        assert len(list(source)) == 12
        assert (source.missing, source.early_end) == (0, '')
        source = open_source(path, fps_hz=5.0)
        assert len(list(source)) == 12
        assert source.early_end == ''


def test_iteration_that_is_left_misses_nothing(bag_writer, storage, tmp_path, painted_images):
    for image in painted_images:
        bag_writer.image(image)
    source = open_source(bag_writer.write(tmp_path / 'bag', storage))
    assert len(list(islice(source, 3))) == 3
    assert (source.missing, source.early_end) == (0, '')


@pytest.mark.parametrize('part', [0.3, 0.5, 0.7, 0.9])
@pytest.mark.parametrize('damage', ['zeros', 'noise', 'cut'])
def test_damaged_bag_is_refused_or_ends_early_with_the_way_out(
    bag_writer, storage, tmp_path, painted_images, part, damage
):
    for index in range(60):
        bag_writer.image(painted_images[index % 12])
    bag = bag_writer.write(tmp_path / 'bag', storage)
    (file,) = (p for p in bag.iterdir() if p.suffix in ('.mcap', '.db3'))
    data = bytearray(file.read_bytes())
    start = int(part * len(data)) // 4096 * 4096
    if damage == 'cut':
        del data[start:]
    else:
        noise = np.random.default_rng(0).bytes(8192)
        data[start : start + 8192] = noise if damage == 'noise' else bytes(8192)
    file.write_bytes(data)
    for path in (bag, file):
        try:
            source = open_source(path)
            read = len(list(source))
        except InputError as error:
            assert 'ros2 bag reindex' in str(error) or 'mcap recover' in str(error)
        else:
            assert read + source.skipped + source.missing == 60
            # Damage within a picture's bytes cannot be seen: nothing in SQLite sums them up.
            assert bool(source.missing) == bool(source.early_end)
            assert source.missing == 0 or 'damaged' in source.early_end


def test_zeroed_messages_end_a_bag_early(bag_writer, storage, tmp_path, painted_images):
    for index in range(60):
        bag_writer.image(painted_images[index % 12])
    bag = bag_writer.write(tmp_path / 'bag', storage)
    (file,) = (p for p in bag.iterdir() if p.suffix in ('.mcap', '.db3'))
    data = bytearray(file.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 400_000] = bytes(400_000)  # several messages with their pages
    file.write_bytes(data)
    source = open_source(bag)
    frames = list(source)
    assert 0 < len(frames) < 60
    assert source.missing > 0 and 'of 60 messages' in source.early_end
    hint = 'mcap recover' if file.suffix == '.mcap' else 'ros2 bag reindex'
    assert hint in source.early_end


def test_unfinished_bag_folder_says_how_to_finish_it(
    bag_writer, storage, tmp_path, painted_images
):
    bag_writer.image(painted_images[0])
    bag = bag_writer.write(tmp_path / 'bag', storage)
    (bag / 'metadata.yaml').unlink()
    with pytest.raises(InputError, match='ros2 bag reindex'):
        open_source(bag)


def test_file_that_only_pretends_to_be_a_video_is_refused(tmp_path, capfd):
    path = tmp_path / 'broken.mp4'
    path.write_bytes(b'not a video')
    with pytest.raises(InputError, match='cannot be opened as a video'):
        open_source(path)


def test_sequence_folder_gives_its_images_at_its_rate(painted_sequence, painted_images):
    source = open_source(painted_sequence)
    frames = list(source)
    assert (source.kind, source.fps, len(source)) == ('sequence', 10.0, 12)
    assert [f.stamp_ns for f in frames] == [FIRST_STAMP_NS + i * STEP_NS for i in range(12)]
    for frame, image in zip(frames, painted_images, strict=True):
        np.testing.assert_array_equal(frame.image, image)


def test_plain_folder_needs_a_rate_and_sorts_by_number(tmp_path, painted_images):
    for number, image in ((10, painted_images[2]), (9, painted_images[1]), (1, painted_images[0])):
        cv2.imwrite(str(tmp_path / f'shot{number}.png'), image)
    (tmp_path / 'notes.txt').write_text('not an image')
    with pytest.raises(InputError, match='has no frame rate; state it, in hertz, with --fps'):
        open_source(tmp_path)
    frames = list(open_source(tmp_path, fps_hz=4.0))
    for frame, image in zip(frames, painted_images[:3], strict=True):
        np.testing.assert_array_equal(frame.image, image)


@pytest.mark.parametrize('fps_hz', [-5.0, 0.001, 1e9, float('nan'), float('inf')])
def test_absurd_rate_is_refused(painted_sequence, video, fps_hz):
    for path in (painted_sequence, video):
        with pytest.raises(InputError, match=r'--fps .*: expected 0.01 to 1000 Hz'):
            open_source(path, fps_hz=fps_hz)


@pytest.mark.parametrize('stated', ['0', '-3', 'nan', 'inf', '1e9'])
def test_absurd_rate_in_seqinfo_is_named(tmp_path, painted_images, stated):
    (tmp_path / 'img1').mkdir()
    cv2.imwrite(str(tmp_path / 'img1' / '1.png'), painted_images[0])
    (tmp_path / 'seqinfo.ini').write_text(f'[Sequence]\nframeRate={stated}\n')
    with pytest.raises(InputError, match=r'frameRate is .*; state it, in hertz, with --fps'):
        open_source(tmp_path)
    assert open_source(tmp_path, fps_hz=10.0).fps == 10.0


def test_images_are_read_as_they_are_stored(tmp_path, painted_images):
    """Labels count the stored pixels, and so does a camera's message: EXIF turns nothing."""
    jpeg = cv2.imencode('.jpg', painted_images[0])[1].tobytes()
    turned = b'Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0'
    marker = b'\xff\xe1' + (len(turned) + 2).to_bytes(2, 'big') + turned
    (tmp_path / '1.jpg').write_bytes(jpeg[:2] + marker + jpeg[2:])
    assert cv2.imread(str(tmp_path / '1.jpg')).shape == (320, 192, 3), 'EXIF says: turn it'
    (frame,) = open_source(tmp_path, fps_hz=1.0)
    assert frame.image.shape == (192, 320, 3)


def test_broken_image_file_is_counted_and_keeps_its_number(tmp_path, painted_images, capfd):
    for number in range(3):
        cv2.imwrite(str(tmp_path / f'{number}.png'), painted_images[number])
    (tmp_path / '1.png').write_bytes(b'\x89PNG broken')
    source = open_source(tmp_path, fps_hz=1.0)
    assert [f.frame_index for f in source] == [0, 2]
    assert source.skipped == 1


def test_unreadable_seqinfo_and_empty_sequence_are_refused(tmp_path):
    (tmp_path / 'seqinfo.ini').write_text('frameRate=10')
    with pytest.raises(InputError, match=r'section \[Sequence\]'):
        open_source(tmp_path)
    (tmp_path / 'seqinfo.ini').write_text('[Sequence]\nframeRate=10\n')
    with pytest.raises(InputError, match='img1: holds no images'):
        open_source(tmp_path)


def test_other_paths_are_refused_with_the_way_out(tmp_path):
    with pytest.raises(InputError, match='no such file or folder'):
        open_source(tmp_path / 'missing')
    with pytest.raises(InputError, match='not a folder with images'):
        open_source(tmp_path)
    (tmp_path / 'old.bag').write_bytes(b'#ROSBAG V2.0')
    with pytest.raises(InputError, match='rosbags-convert'):
        open_source(tmp_path / 'old.bag')
