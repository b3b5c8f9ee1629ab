import os
from pathlib import Path

import numpy as np
import pytest

from mot_compress_ros.errors import InputError
from offline_training.datasets.bdd100k import read_bdd100k
from offline_training.datasets.classes import CYCLIST, PEDESTRIAN, VEHICLE

HEADER = 'image,class,x1,y1,x2,y2\n'


def write_set(folder: Path, labels: str, images: tuple[str, ...] = ('a.jpg',)) -> Path:
    (folder / 'images').mkdir(parents=True)
    for image in images:
        (folder / 'images' / image).write_bytes(b'')
    (folder / 'labels.csv').write_text(HEADER + labels)
    splits = ''.join(f'{image},dev\n' for image in images)
    (folder / 'splits.csv').write_text('image,split\n' + splits)
    return folder


def test_classes(tmp_path):
    rows = ''.join(
        f'a.jpg,{name},{10 * k},0,{10 * k + 8},9\n'
        for k, name in enumerate(('pedestrian', 'car', 'truck', 'bus'))
    )
    (image,) = read_bdd100k(write_set(tmp_path, rows), 'dev')
    assert image.class_ids.tolist() == [PEDESTRIAN, VEHICLE, VEHICLE, VEHICLE]
    assert not image.ignore.any()
    assert image.boxes_xyxy_px[1].tolist() == [10, 0, 18, 9]


def test_rider_and_bicycle_become_one_cyclist(tmp_path):
    rows = 'a.jpg,rider,20,10,40,60\na.jpg,bicycle,15,40,45,70\na.jpg,car,0,0,10,10\n'
    (image,) = read_bdd100k(write_set(tmp_path, rows), 'dev')
    assert sorted(image.class_ids.tolist()) == [CYCLIST, VEHICLE]
    cyclist = image.boxes_xyxy_px[image.class_ids == CYCLIST]
    assert cyclist.tolist() == [[15, 10, 45, 70]]
    assert not image.ignore.any()


def test_rider_sitting_right_on_top_of_a_motorcycle(tmp_path):
    """BDD100K often ends the rider's box where the motorcycle's begins."""
    rows = 'a.jpg,rider,20,10,40,38\na.jpg,motorcycle,22,40,38,70\n'
    (image,) = read_bdd100k(write_set(tmp_path, rows), 'dev')
    assert image.boxes_xyxy_px.tolist() == [[20, 10, 40, 70]]


def test_what_nobody_rides_and_riders_without_wheels_are_ignored(tmp_path):
    rows = 'a.jpg,rider,20,10,40,60\na.jpg,bicycle,200,40,245,70\n'
    (image,) = read_bdd100k(write_set(tmp_path, rows), 'dev')
    rows = zip(image.class_ids.tolist(), image.boxes_xyxy_px[:, 0].tolist(), strict=True)
    # A lone rider looks like a person, a bicycle does not.
    assert sorted(rows) == [(PEDESTRIAN, 20), (CYCLIST, 20), (CYCLIST, 200)]
    assert image.ignore.all()


def test_images_without_labels_are_images(tmp_path):
    first, second = read_bdd100k(
        write_set(tmp_path, 'b.jpg,car,0,0,5,5\n', ('b.jpg', 'a.jpg')), 'dev'
    )
    assert (first.path.name, len(first), second.path.name, len(second)) == ('a.jpg', 0, 'b.jpg', 1)
    assert first.boxes_xyxy_px.shape == (0, 4)
    assert first.class_ids.dtype == np.int64


@pytest.mark.parametrize(
    ('labels', 'message'),
    [
        ('a.jpg,train,0,0,5,5\n', "class 'train'; legal"),
        ('a.jpg,car,0,0,5\n', 'expected 6 cells'),
        ('a.jpg,car,0,0,five,5\n', '4 finite numbers'),
        ('a.jpg,car,5,0,5,5\n', 'x1 < x2'),
        ('a.jpg,car,0,0,inf,5\n', '4 finite numbers'),
        ('z.jpg,car,0,0,5,5\n', r'labels\.csv:2: z\.jpg is in no split'),
    ],
)
def test_damaged_labels(tmp_path, labels, message):
    with pytest.raises(InputError, match=message):
        read_bdd100k(write_set(tmp_path, labels), 'dev')


def test_an_image_is_in_one_split_only(tmp_path):
    folder = write_set(tmp_path, '')
    (folder / 'splits.csv').write_text('image,split\na.jpg,dev\na.jpg,train\n')
    with pytest.raises(InputError, match=r'splits\.csv:3: a\.jpg stands there twice'):
        read_bdd100k(folder, 'dev')


def test_missing_parts(tmp_path):
    folder = write_set(tmp_path, '')
    with pytest.raises(InputError, match="no split 'test'; legal: dev"):
        read_bdd100k(folder, 'test')
    (folder / 'images' / 'a.jpg').unlink()
    with pytest.raises(InputError, match='missing'):
        read_bdd100k(folder, 'dev')
    (folder / 'labels.csv').write_text('image,box\n')
    with pytest.raises(InputError, match='expected the header'):
        read_bdd100k(folder, 'dev')
    with pytest.raises(InputError, match='no such file'):
        read_bdd100k(folder / 'images', 'dev')


@pytest.mark.data
@pytest.mark.skipif('MOT_DATA' not in os.environ, reason='MOT_DATA names no data folder')
def test_the_real_set():
    folder = Path(os.environ['MOT_DATA']) / 'bdd100k'
    dev, train = read_bdd100k(folder, 'dev'), read_bdd100k(folder, 'train')
    assert (len(dev), len(train)) == (250, 2700)
    assert not {i.path for i in dev} & {i.path for i in train}
    classes = np.concatenate([i.class_ids[~i.ignore] for i in dev + train])
    counts = np.bincount(classes, minlength=3)
    assert counts[VEHICLE] > 30_000
    assert counts[CYCLIST] > 400  # of 470 riders
