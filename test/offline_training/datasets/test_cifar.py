import os
from pathlib import Path
import pickle
import tarfile

import cv2
from published_sets import cifar, CIFAR10, cifar_folders, cifar_record, image, text
import pytest

from mot_compress_ros.errors import InputError
from offline_training.datasets.cifar import read, recognises
from offline_training.datasets.records import SourceConfig

CONFIG = SourceConfig(layout='cifar')
TEST = SourceConfig(layout='cifar', split='test')
CIFAR3 = Path(os.environ.get('MOT_DATA', '')) / 'cifar3.tar.gz'


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('MOT_COMPRESS_CACHE', str(tmp_path / 'cache'))
    return tmp_path / 'cache'


def test_folders(tmp_path):
    labelled = read(cifar_folders(tmp_path), CONFIG)
    assert labelled.class_names == ('cat', 'truck')
    assert [i.class_ids.tolist() for i in labelled.images] == [[0], [0], [1], [1]]
    assert labelled.images[0].boxes_xyxy_px.tolist() == [[0, 0, 32, 32]]
    assert labelled.images[0].path == tmp_path / 'train' / 'cat' / '0000.jpg'
    assert len(read(tmp_path, TEST)) == 2


def test_the_binary_version_keeps_every_pixel(tmp_path):
    root = cifar(tmp_path)
    labelled = read(root, CONFIG)
    assert labelled.class_names == tuple(CIFAR10)
    assert (labelled.path, len(labelled)) == (root, 10)
    for number, found in enumerate(labelled.images):  # one of each class, so in their order
        assert found.class_ids.tolist() == [number]
        _, rgb = cifar_record(number, number)
        assert (cv2.imread(str(found.path))[..., ::-1] == rgb).all()


def test_the_binary_version_is_unpacked_once(tmp_path, cache):
    root = cifar(tmp_path)
    paths = [found.path for found in read(root, CONFIG).images]
    times = [path.stat().st_mtime_ns for path in paths]
    again = [found.path for found in read(root, CONFIG).images]
    assert again == paths
    assert [path.stat().st_mtime_ns for path in again] == times
    assert len(read(root, TEST)) == 10
    assert len(list(cache.iterdir())) == 2  # a folder for each split


def test_cifar100(tmp_path):
    root = tmp_path / 'cifar-100-binary'
    text(root / 'fine_label_names.txt', 'apple\nbaby\n')
    text(root / 'coarse_label_names.txt', 'food\npeople\n')
    records = [bytes([1 - k]) + cifar_record(k, k)[0] for k in range(2)]  # coarse, then fine
    (root / 'train.bin').write_bytes(b''.join(records))
    labelled = read(root, CONFIG)
    assert labelled.class_names == ('apple', 'baby')
    assert [i.class_ids.tolist() for i in labelled.images] == [[0], [1]]


def test_pickles_are_refused_unread(tmp_path):
    root = tmp_path / 'cifar-10-batches-py'
    root.mkdir()
    for name in ('batches.meta', 'data_batch_1', 'test_batch'):
        (root / name).write_bytes(pickle.dumps({}))
    assert not recognises(root)
    with pytest.raises(InputError, match=r'a pickle.*binary version \(data_batch_\*\.bin\)'):
        read(root, CONFIG)


@pytest.mark.parametrize(
    ('damage', 'message'),
    [
        (lambda root: (root / 'data_batch_3.bin').unlink(), '1 of 5 files of train are missing'),
        (lambda root: cut(root / 'data_batch_3.bin', 100), 'data_batch_3.bin: 6046 bytes; expec'),
        (lambda root: cut(root / 'data_batch_3.bin', 3073), 'expected 2 records of 3073 bytes'),
        (lambda root: stamp(root / 'data_batch_3.bin', 10), 'class 10; legal: 0 to 9'),
    ],
)
def test_damaged_batches(tmp_path, cache, damage, message):
    root = cifar(tmp_path)
    damage(root)
    with pytest.raises(InputError, match=message):
        read(root, CONFIG)
    assert not cache.exists() or not list(cache.iterdir())


def cut(path, n_bytes):
    path.write_bytes(path.read_bytes()[:-n_bytes])


def stamp(path, label):
    path.write_bytes(bytes([label]) + path.read_bytes()[1:])


def test_half_of_the_folders(tmp_path):
    cifar_folders(tmp_path)
    (tmp_path / 'test' / 'truck' / '0000.jpg').unlink()
    with pytest.raises(InputError, match='test/truck holds no image'):
        read(tmp_path, TEST)
    (tmp_path / 'test' / 'truck').rmdir()
    with pytest.raises(InputError, match='train and test differ in the classes truck'):
        read(tmp_path, CONFIG)
    with pytest.raises(InputError, match="no split 'val'"):
        read(tmp_path, SourceConfig(layout='cifar', split='val'))


def test_a_file_that_is_no_image(tmp_path):
    cifar_folders(tmp_path)
    (tmp_path / 'train' / 'cat' / '0001.jpg').write_bytes(b'<html>404</html>')
    with pytest.raises(InputError, match=r'0001\.jpg: not an image that can be read'):
        read(tmp_path, CONFIG)


def test_images_of_any_size(tmp_path):
    image(tmp_path / 'train' / 'cat' / 'a.png', (40, 20))
    (only,) = read(tmp_path, CONFIG).images
    assert only.boxes_xyxy_px.tolist() == [[0, 0, 40, 20]]


@pytest.mark.data
@pytest.mark.skipif(not CIFAR3.is_file(), reason='MOT_DATA holds no cifar3.tar.gz')
def test_the_real_images(tmp_path):
    with tarfile.open(CIFAR3) as archive:
        archive.extractall(tmp_path, filter='data')
    for config, count in ((CONFIG, 5000), (TEST, 1000)):
        labelled = read(tmp_path, config)
        assert labelled.class_names == ('automobile', 'cat', 'truck')
        per_class = [0, 0, 0]
        for found in labelled.images:
            per_class[int(found.class_ids[0])] += 1
            assert found.boxes_xyxy_px.tolist() == [[0, 0, 32, 32]]
        assert per_class == [count] * 3
