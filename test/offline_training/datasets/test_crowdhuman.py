import json

from published_sets import crowdhuman
import pytest

from mot_compress_ros.errors import InputError
from offline_training.datasets.classes import PEDESTRIAN
from offline_training.datasets.collect import collect_sources
from offline_training.datasets.crowdhuman import read
from offline_training.datasets.records import SourceConfig

CONFIG = SourceConfig(layout='crowdhuman')


def test_full_boxes_and_what_is_ignored(tmp_path):
    first, second = read(crowdhuman(tmp_path), CONFIG).images
    assert first.path == tmp_path / 'Images' / '273271,c9db000d5146c15.jpg'
    boxes = [[-5, 2, 15, 52], [30, 2, 40, 32], [40, 0, 60, 20]]  # beyond the image is legal
    assert first.boxes_xyxy_px.tolist() == boxes
    assert first.ignore.tolist() == [False, True, True]
    assert first.class_ids.tolist() == [PEDESTRIAN] * 3
    assert first.labelled_class_ids == (PEDESTRIAN,)
    assert len(second) == 0


def test_each_box_is_an_identity_of_its_own(tmp_path):
    crowdhuman(tmp_path)
    entry = {'layout': 'crowdhuman', 'path': '.'}
    one, two = collect_sources([entry, entry], tmp_path)
    assert one.images[0].identities.tolist() != two.images[0].identities.tolist()


def test_a_box_without_area_says_nothing(tmp_path):
    box = {'tag': 'person', 'fbox': [3, 4, 0, 9], 'extra': {}}
    line = {'ID': '273271,c9db000d5146c15', 'gtboxes': [box]}
    (crowdhuman(tmp_path) / 'annotation_train.odgt').write_text(json.dumps(line))
    (image,) = read(tmp_path, CONFIG).images
    assert len(image) == 0


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('{"ID": "284193,faa', r'odgt:3: damaged or half-downloaded JSON'),
        ('{"ID": "a"}', r'odgt:3: gtboxes: expected list'),
        ('{"ID": "a", "gtboxes": [{"tag": "dog"}]}', "odgt:3: tag 'dog'; legal: person, mask"),
        ('{"ID": "a", "gtboxes": [{"tag": "person"}]}', 'odgt:3: fbox: expected 4 finite numbers'),
        (
            '{"ID": "a", "gtboxes": []}',
            r'1 of 3 images named in annotation_train\.odgt are missing',
        ),
    ],
)
def test_damaged_or_half(tmp_path, line, message):
    with (crowdhuman(tmp_path) / 'annotation_train.odgt').open('a') as file:
        file.write(line)
    with pytest.raises(InputError, match=message):
        read(tmp_path, CONFIG)


def test_no_such_split(tmp_path):
    with pytest.raises(InputError, match=r'annotation_val\.odgt: no such file'):
        read(crowdhuman(tmp_path), SourceConfig(layout='crowdhuman', split='val'))
