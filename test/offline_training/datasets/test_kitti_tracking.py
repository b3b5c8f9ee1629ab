from collections import Counter
import os
from pathlib import Path

from published_sets import image, kitti_line, kitti_tracking, text
import pytest

from mot_compress_ros.errors import InputError
from offline_training.datasets.classes import ALL_CLASSES, CYCLIST, PEDESTRIAN, VEHICLE
from offline_training.datasets.collect import collect_sources
from offline_training.datasets.kitti_tracking import read, recognises
from offline_training.datasets.records import SourceConfig

CONFIG = SourceConfig(layout='kitti_tracking')


def test_sequences_frames_and_rows(tmp_path):
    labelled = read(kitti_tracking(tmp_path), CONFIG)
    first, second = labelled.sequences
    assert (first.name, first.fps, first.size_wh) == ('0000', 10.0, (62, 19))
    assert [path.name for path in first.image_paths] == ['000000.png', '000001.png', '000002.png']
    assert [len(truth) for truth in first.truth] == [5, 0, 1]
    start = first.truth[0]
    # DontCare counts for all classes.
    assert start.class_ids.tolist() == [*ALL_CLASSES, VEHICLE, CYCLIST]
    assert start.ignore.tolist() == [True, True, True, False, False]
    assert start.ids.tolist() == [-1, -1, -1, 0, 2]
    assert start.boxes_xyxy_px[3].tolist() == [10, 10, 30, 20]
    assert start.visibility.tolist() == [1, 1, 1, 0.6, 1]
    # Largely occluded, and half of it outside.
    assert first.truth[2].visibility.tolist() == [0.2 * 0.5]
    assert [len(truth) for truth in second.truth] == [0, 1]
    assert second.truth[1].visibility.tolist() == [1.0]  # occlusion unknown
    assert second.truth[1].class_ids.tolist() == [PEDESTRIAN]


def test_labels_alone_are_a_set_to_score_against(tmp_path):
    folder = kitti_tracking(tmp_path, images=False)
    for path in (folder, folder / 'training'):
        assert recognises(path)
        first, second = read(path, CONFIG).sequences
        assert (first.image_paths, len(first), len(second)) == ((), 3, 2)
        assert first.size_wh == (1242, 375)
    with pytest.raises(InputError, match='without images: not to train on'):
        collect_sources([{'layout': 'kitti_tracking', 'path': '.'}], folder)


def test_it_trains_with_identities(tmp_path):
    entry = {'layout': 'kitti_tracking', 'path': '.'}
    (source,) = collect_sources([entry], kitti_tracking(tmp_path))
    van, cyclist = source.images[0].identities.tolist()
    assert source.images[2].identities.tolist() == [van] != [cyclist]
    assert source.images[0].ignore_class_ids.tolist() == list(ALL_CLASSES)


def test_images_after_the_last_label_are_frames(tmp_path):
    folder = kitti_tracking(tmp_path)
    image(folder / 'training' / 'image_02' / '0001' / '000002.png')
    assert [len(truth) for truth in read(folder, CONFIG).sequences[1].truth] == [0, 1, 0]


@pytest.mark.parametrize(
    ('gone', 'message'),
    [
        (
            ('0000/000001.png',),
            '1 of 3 images named in .*0000.txt are missing.*000001.png.*unpack',
        ),
        (('0001/000000.png', '0001/000001.png'), '2 of 2 images named in .*0001.txt are missing'),
    ],
)
def test_half_of_the_images(tmp_path, gone, message):
    folder = kitti_tracking(tmp_path)
    for name in gone:
        (folder / 'training' / 'image_02' / name).unlink()
    with pytest.raises(InputError, match=message):
        read(folder, CONFIG)


def test_half_of_the_labels(tmp_path):
    folder = kitti_tracking(tmp_path)
    (folder / 'training' / 'label_02' / '0001.txt').unlink()
    with pytest.raises(InputError, match=r'1 of 2 in .*image_02 have no label, the first: 0001'):
        read(folder, CONFIG)


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        (kitti_line('Lorry', (1, 1, 2, 2), lead='0 5 '), "class 'Lorry'; legal: Pedestrian"),
        (kitti_line('Car', (5, 1, 5, 2), lead='0 5 '), 'x1 < x2'),
        (kitti_line('Car', (1, 1, 5, 2), lead='0 0 '), 'identity 0 stands twice'),
        (kitti_line('Car', (1, 1, 5, 2), lead='-1 5 '), 'frame -1'),
        (kitti_line('Car', (1, 1, 5, 2), lead='0 5 ', occluded=7), 'occluded: expected 0 to 3'),
        (kitti_line('Car', (1, 1, 5, 2), lead='0 5 ', truncated='0.5'), 'truncated: expected 0'),
        (kitti_line('Car', (1, 1, 5, 2), lead='0.5 5 '), 'whole numbers for frame'),
        ('0 5 Car 0 0 -10 1 1 5\n', 'expected 17 columns.*got 9.*cut off'),
        (kitti_line('Car', (1, 1, float('nan'), 2), lead='0 5 '), '4 finite numbers'),
    ],
)
def test_damaged_lines_are_named(tmp_path, line, message):
    folder = kitti_tracking(tmp_path)
    path = folder / 'training' / 'label_02' / '0000.txt'
    text(path, path.read_text() + line)
    with pytest.raises(InputError, match=message) as caught:
        read(folder, CONFIG)
    assert '0000.txt' in str(caught.value)


@pytest.mark.data
@pytest.mark.skipif('MOT_DATA' not in os.environ, reason='MOT_DATA names no data folder')
def test_the_real_labels():
    folder = Path(os.environ['MOT_DATA']) / 'kitti_tracking'
    labelled = read(folder, CONFIG)
    # The lengths of the published image sequences 0000 to 0011.
    lengths = [154, 447, 233, 144, 314, 297, 270, 800, 390, 803, 294, 373]
    assert [len(sequence) for sequence in labelled.sequences] == lengths
    lines = [
        line.split()[2]
        for file in (folder / 'label_02').glob('*.txt')
        for line in file.read_text().splitlines()
    ]
    kinds = Counter(lines)
    rows = Counter(
        (class_id, ignore)
        for sequence in labelled.sequences
        for truth in sequence.truth
        for class_id, ignore in zip(truth.class_ids.tolist(), truth.ignore.tolist(), strict=True)
    )
    everywhere = kinds['DontCare'] + kinds['Misc']
    assert rows == {
        (PEDESTRIAN, False): kinds['Pedestrian'],
        (CYCLIST, False): kinds['Cyclist'],
        (VEHICLE, False): kinds['Car'] + kinds['Van'] + kinds['Truck'],
        (PEDESTRIAN, True): everywhere,
        (CYCLIST, True): everywhere,
        (VEHICLE, True): everywhere + kinds['Tram'],
    }
