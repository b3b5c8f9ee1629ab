from published_sets import kitti_object, text
import pytest

from mot_compress_ros.errors import InputError
from offline_training.datasets.classes import ALL_CLASSES, PEDESTRIAN, VEHICLE
from offline_training.datasets.kitti_object import read
from offline_training.datasets.records import SourceConfig

CONFIG = SourceConfig(layout='kitti_object')


def test_images_and_rows(tmp_path):
    first, second = read(kitti_object(tmp_path), CONFIG).images
    assert first.path == tmp_path / 'training' / 'image_2' / '000000.png'
    assert first.boxes_xyxy_px.tolist() == [[7.1, 1, 8, 3]]
    assert first.class_ids.tolist() == [PEDESTRIAN]
    assert second.class_ids.tolist() == [VEHICLE, *ALL_CLASSES, *ALL_CLASSES]
    assert second.ignore.tolist() == [False] + 6 * [True]
    assert second.labelled_class_ids == ALL_CLASSES


def test_splits_as_they_are_passed_on(tmp_path):
    folder = kitti_object(tmp_path)
    with pytest.raises(InputError, match=r"no split 'val': without ImageSets/val\.txt"):
        read(folder, SourceConfig(layout='kitti_object', split='val'))
    text(folder / 'ImageSets' / 'val.txt', '000007\n')
    for path in (folder, folder / 'training'):
        (image,) = read(path, SourceConfig(layout='kitti_object', split='val')).images
        assert image.path.name == '000007.png'
    with pytest.raises(InputError, match="no split 'train'; legal: val"):
        read(folder, CONFIG)
    text(folder / 'ImageSets' / 'val.txt', '000007\n000008\n')
    with pytest.raises(InputError, match='1 of 2 images have no label, the first: 000008'):
        read(folder, SourceConfig(layout='kitti_object', split='val'))


def test_what_is_missing_is_named(tmp_path):
    folder = kitti_object(tmp_path)
    (folder / 'training' / 'image_2' / '000000.png').unlink()
    with pytest.raises(InputError, match=r'1 of 2 images .*missing.*000000\.png.*image_2\.zip'):
        read(folder, CONFIG)


def test_half_of_the_labels(tmp_path):
    folder = kitti_object(tmp_path)
    (folder / 'training' / 'label_2' / '000000.txt').unlink()
    with pytest.raises(InputError, match=r'1 of 2 in .*image_2 have no label, the first: 000000'):
        read(folder, CONFIG)


def test_a_split_names_an_image_once(tmp_path):
    text(kitti_object(tmp_path) / 'ImageSets' / 'train.txt', '000007\n000007\n')
    with pytest.raises(InputError, match='names an image twice'):
        read(tmp_path, CONFIG)


def test_damaged_lines_are_named(tmp_path):
    folder = kitti_object(tmp_path)
    text(folder / 'training' / 'label_2' / '000007.txt', 'Car 0 0\n')
    with pytest.raises(InputError, match=r'000007\.txt:1: expected 15 columns'):
        read(folder, CONFIG)
