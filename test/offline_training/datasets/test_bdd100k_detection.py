import json

from published_sets import bdd100k_detection, bdd_label, image, text
import pytest

from mot_compress_ros.errors import InputError
from offline_training.datasets.bdd100k_detection import read, recognises
from offline_training.datasets.classes import ALL_CLASSES, CYCLIST, PEDESTRIAN, VEHICLE
from offline_training.datasets.records import SourceConfig

CONFIG = SourceConfig(layout='bdd100k_detection')


def rows_of(image):
    return list(
        zip(
            image.class_ids.tolist(),
            image.ignore.tolist(),
            image.boxes_xyxy_px.tolist(),
            strict=True,
        )
    )


def test_images_and_rows(tmp_path):
    first, second, third = read(bdd100k_detection(tmp_path), CONFIG).images
    assert first.path == tmp_path / 'images' / '100k' / 'train' / 'b1c66a42-6f7d68ca.jpg'
    assert rows_of(first) == [
        (VEHICLE, False, [1.5, 2, 20, 12.25]),
        (CYCLIST, False, [18, 10, 44, 40]),
        (VEHICLE, True, [50, 1, 60, 9]),  # a train
    ]
    assert rows_of(second) == [(PEDESTRIAN, False, [3, 3, 9, 20])]
    assert len(third) == 0
    assert third.labelled_class_ids == ALL_CLASSES


def test_the_edition_of_2018(tmp_path):
    lane = {'category': 'lane', 'poly2d': [{'vertices': [[0, 0], [1, 1]], 'closed': False}]}
    labels = [
        lane,
        bdd_label('person', (1, 1, 5, 9)),
        bdd_label('bike', (10, 1, 15, 9)),
        bdd_label('motor', (20, 1, 25, 9)),
    ]
    records = [{'name': 'a.jpg', 'labels': labels}]
    text(tmp_path / 'labels' / 'bdd100k_labels_images_val.json', json.dumps(records))
    image(tmp_path / 'images' / '100k' / 'val' / 'a.jpg')
    assert recognises(tmp_path)
    (only,) = read(tmp_path, SourceConfig(layout='bdd100k_detection', split='val')).images
    assert [(c, i) for c, i, _ in rows_of(only)] == [
        (PEDESTRIAN, False),
        (CYCLIST, True),
        (CYCLIST, True),
    ]


def test_a_crowd_is_ignored(tmp_path):
    labels = [
        bdd_label('rider', (20, 10, 40, 30), attributes={'crowd': True}),
        bdd_label('bicycle', (18, 20, 44, 40), attributes={'crowd': True}),
        bdd_label('pedestrian', (1, 1, 5, 9), attributes={'crowd': True}),
    ]
    records = [{'name': 'a.jpg', 'labels': labels}]
    text(tmp_path / 'labels' / 'det_20' / 'det_train.json', json.dumps(records))
    image(tmp_path / 'images' / '100k' / 'train' / 'a.jpg')
    (only,) = read(tmp_path, CONFIG).images
    assert only.ignore.all()
    assert only.class_ids.tolist() == [PEDESTRIAN, CYCLIST, CYCLIST, PEDESTRIAN]


def test_published_boxes_without_area_are_left_out(tmp_path):
    labels = [bdd_label('car', (0, 122.8, 0, 140)), bdd_label('car', (1, 1, 5, 9))]
    text(
        tmp_path / 'labels' / 'det_20' / 'det_train.json',
        json.dumps([{'name': 'a.jpg', 'labels': labels}]),
    )
    image(tmp_path / 'images' / '100k' / 'train' / 'a.jpg')
    (only,) = read(tmp_path, CONFIG).images
    assert only.boxes_xyxy_px.tolist() == [[1, 1, 5, 9]]


def test_half_of_the_images(tmp_path):
    folder = bdd100k_detection(tmp_path)
    (folder / 'images' / '100k' / 'train' / 'a91b7555-00000590.jpg').unlink()
    message = (
        r'1 of 3 images named in det_train\.json are missing, the first: .*a91b7555.*100k/train'
    )
    with pytest.raises(InputError, match=message):
        read(folder, CONFIG)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('[{"name": "a.jpg", "lab', 'half-downloaded JSON'),
        ('{}', 'expected a list of labelled images'),
        ('[]', 'got none'),
        ('[{"labels": []}]', 'image 0: name: expected str'),
        ('[{"name": "a.jpg", "labels": [3]}]', 'labels: expected a list of objects'),
        (json.dumps([{'name': 'a', 'labels': [bdd_label('cow', (1, 1, 2, 2))]}]), "class 'cow'"),
        (json.dumps([{'name': 'a', 'labels': [bdd_label('car', (3, 1, 2, 2))]}]), 'x1 < x2'),
        (
            json.dumps([{'name': 'a', 'labels': [{'category': 'car', 'box2d': {'x1': 3}}]}]),
            '4 finite numbers',
        ),
    ],
)
def test_damaged_labels(tmp_path, content, message):
    text(tmp_path / 'labels' / 'det_20' / 'det_train.json', content)
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, CONFIG)
    assert 'det_train.json' in str(caught.value)


def test_no_such_split(tmp_path):
    with pytest.raises(InputError, match=r'no labels/det_20/det_val\.json'):
        read(bdd100k_detection(tmp_path), SourceConfig(layout='bdd100k_detection', split='val'))
