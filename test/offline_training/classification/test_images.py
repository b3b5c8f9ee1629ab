"""Readers of classified images: archive, folder, the published pickle, rendered shapes."""

import io
import os
from pathlib import Path
import pickle
import tarfile

import cv2
import numpy as np
import pytest

from mot_compress_ros.errors import InputError
from offline_training.classification.images import (
    CLASSES,
    read_classified,
    read_splits,
    rendered_images,
)

ALL = ('airplane', 'automobile', 'bird', 'cat', 'truck')


def painted(class_id, number):
    image = np.full((32, 32, 3), 40 * class_id, np.uint8)
    image[:, :, 2] = number  # red, in OpenCV's order
    return image


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp('cifar')
    for split, count in (('train', 5), ('test', 2)):
        for class_id, name in enumerate(ALL):
            place = root / split / name
            place.mkdir(parents=True)
            for number in range(count):
                cv2.imwrite(str(place / f'{number:04d}.png'), painted(class_id, number))
    return root


def test_a_folder_and_its_archive_are_the_same(folder, tmp_path):
    path = tmp_path / 'set.tar.gz'
    with tarfile.open(path, 'w:gz') as archive:
        for part in ('train', 'test'):
            archive.add(folder / part, arcname=part)
    first, second = read_classified(str(folder), 'train'), read_classified(str(path), 'train')
    assert first.digest == second.digest
    assert first.class_names == CLASSES and len(first) == 15
    assert first.labels.tolist() == [0] * 5 + [1] * 5 + [2] * 5
    # Automobile is class 1 of the set: green and blue are 40; red is the image's number.
    assert first.images[3, :, 0, 0].tolist() == [3, 40, 40]
    assert first.images[7, :, 0, 0].tolist() == [2, 120, 120]  # cat


def batch(labels):
    planes = np.zeros((len(labels), 3, 1024), np.uint8)
    planes[:, 0] = np.array(labels, np.uint8)[:, None]
    return {b'data': planes.reshape(len(labels), -1), b'labels': labels}


def test_the_published_python_version_gives_three_classes_in_our_order(tmp_path):
    for number in range(1, 6):
        content = pickle.dumps(batch([0, 9, 3, 1, number]), protocol=2)
        (tmp_path / f'data_batch_{number}').write_bytes(content)
    (tmp_path / 'test_batch').write_bytes(pickle.dumps(batch([9, 9, 3]), protocol=2))
    found = read_classified(str(tmp_path), 'train')
    assert found.class_names == ('automobile', 'cat', 'truck')
    red = {0: 1, 1: 3, 2: 9}  # the class of CIFAR-10 is painted into the image
    assert [red[k] for k in found.labels.tolist()] == found.images[:, 0, 0, 0].tolist()
    assert len(found) == 5 * 3 + 2  # batches 1 and 3 have one more
    assert read_classified(str(tmp_path), 'test').labels.tolist() == [2, 2, 1]


class Evil:
    def __reduce__(self):
        return (print, ('executed',))


def test_a_pickle_that_calls_something_is_refused_and_not_called(tmp_path, capsys):
    for name in (*(f'data_batch_{k}' for k in range(1, 6)), 'test_batch'):
        (tmp_path / name).write_bytes(pickle.dumps({b'data': Evil(), b'labels': []}, protocol=2))
    with pytest.raises(InputError, match=r'asks for .*print, which no image needs'):
        read_classified(str(tmp_path), 'train')
    assert 'executed' not in capsys.readouterr().out


def test_validation_is_held_back_of_every_class_and_never_trained_on():
    whole = read_splits('rendered', most=20, seed=3)
    assert (len(whole.train), len(whole.val), len(whole.test)) == (48, 12, 60)
    assert np.bincount(whole.val.labels).tolist() == [4, 4, 4]
    seen = {image.tobytes() for image in whole.train.images}
    assert not seen & {image.tobytes() for image in whole.val.images}
    assert read_splits('rendered', most=20, seed=3).digest == whole.digest
    assert read_splits('rendered', most=20, seed=4).digest != whole.digest


def test_rendered_images_are_of_three_kinds():
    found = rendered_images(9, seed=0)
    assert np.bincount(found.labels).tolist() == [3, 3, 3]
    assert (rendered_images(9, seed=0).images == found.images).all()


@pytest.mark.parametrize('kind', ['missing', 'text', 'empty archive', 'large images'])
def test_what_is_no_such_set_is_refused(tmp_path, kind):
    path = tmp_path / 'set'
    if kind == 'text':
        path.write_text('no archive')
    elif kind == 'empty archive':
        with tarfile.open(path, 'w'):
            pass
    elif kind == 'large images':
        data = cv2.imencode('.png', np.zeros((40, 40, 3), np.uint8))[1].tobytes()
        with tarfile.open(path, 'w') as archive:
            info = tarfile.TarInfo('train/cat/0.png')
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    with pytest.raises(InputError):
        read_classified(str(path), 'train')


@pytest.mark.data
@pytest.mark.skipif('MOT_DATA' not in os.environ, reason='MOT_DATA names no folder')
def test_the_data_set_has_three_classes():
    path = Path(os.environ['MOT_DATA']) / 'cifar3.tar.gz'
    if not path.exists():
        pytest.skip('no cifar3.tar.gz')
    found = read_classified(str(path), 'test')
    assert np.bincount(found.labels).tolist() == [1000] * 3
    assert found.class_names == CLASSES
