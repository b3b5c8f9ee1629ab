from published_sets import citypersons, text
import pytest

from mot_compress_ros.errors import InputError
from offline_training.datasets.citypersons import read
from offline_training.datasets.classes import PEDESTRIAN
from offline_training.datasets.records import SourceConfig

CONFIG = SourceConfig(layout='citypersons')


def label_of(folder):
    name = 'aachen/aachen_000000_000019_gtBboxCityPersons.json'
    return folder / 'gtBboxCityPersons' / 'train' / name


def test_only_walkers_are_learned(tmp_path):
    first, second = read(citypersons(tmp_path), CONFIG).images
    image = 'leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png'
    assert first.path == tmp_path / image
    assert first.boxes_xyxy_px[0].tolist() == [10, 5, 20, 29]
    assert first.ignore.tolist() == [False, True, True, True, True, True]
    assert set(first.class_ids.tolist()) == {PEDESTRIAN}
    assert first.labelled_class_ids == (PEDESTRIAN,)
    assert len(second) == 0


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('{"objects": [', 'half-downloaded JSON'),
        ('{"imgWidth": 64}', 'objects: expected list'),
        ('{"objects": [{"label": "dog"}]}', "class 'dog'; legal: pedestrian, rider"),
        ('{"objects": [{"label": "rider"}]}', 'bbox: expected 4 finite numbers'),
    ],
)
def test_damaged_labels(tmp_path, content, message):
    text(label_of(citypersons(tmp_path)), content)
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, CONFIG)
    assert 'aachen_000000_000019' in str(caught.value)


def test_half_of_the_set(tmp_path):
    folder = citypersons(tmp_path)
    next((folder / 'leftImg8bit' / 'train' / 'bochum').iterdir()).unlink()
    with pytest.raises(InputError, match=r'1 of 2 images .*bochum_000000_000313.*leftImg8bit'):
        read(folder, CONFIG)
    with pytest.raises(InputError, match='no gtBboxCityPersons/val/'):
        read(folder, SourceConfig(layout='citypersons', split='val'))


def test_half_of_the_labels(tmp_path):
    folder = citypersons(tmp_path)
    label_of(folder).unlink()
    message = '1 of 2 in .*leftImg8bit/train have no label, the first: aachen_000000_000019'
    with pytest.raises(InputError, match=message):
        read(folder, CONFIG)
