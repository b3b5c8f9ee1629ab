from published_sets import image, jde, text
import pytest

from mot_compress_ros.errors import InputError
from offline_training.datasets.classes import PEDESTRIAN
from offline_training.datasets.collect import collect_sources
from offline_training.datasets.jde import read
from offline_training.datasets.records import SourceConfig

CONFIG = SourceConfig(layout='jde')


def test_boxes_in_pixels_of_each_image(tmp_path):
    labelled = read(jde(tmp_path), CONFIG)
    assert [i.path.name for i in labelled.images] == ['s1.jpg', 's2.jpg', 's3.png', 's4.jpg']
    first, second, empty, _ = labelled.images
    assert first.boxes_xyxy_px.tolist() == [[24, 12, 40, 36]]
    assert second.boxes_xyxy_px.round(9).tolist() == [[40, 0, 60, 50], [0, 15, 20, 35]]
    assert second.ids.tolist() == [3, -1]
    assert len(empty) == 0
    assert first.labelled_class_ids == (PEDESTRIAN,)


def test_identities_hold_over_images(tmp_path):
    (source,) = collect_sources([{'layout': 'jde', 'path': '.'}], jde(tmp_path))
    first, second, _, last = (image.identities.tolist() for image in source.images)
    assert first[0] == second[0]
    assert len({first[0], second[1], last[0]}) == 3


def test_identities_can_be_left_out(tmp_path):
    entry = {'layout': 'jde', 'path': '.', 'identities': False}
    (source,) = collect_sources([entry], jde(tmp_path))
    numbers = [n for image in source.images for n in image.identities.tolist()]
    assert len(set(numbers)) == len(numbers) == 4


def test_two_sets_share_no_identity(tmp_path):
    entry = {'layout': 'jde', 'path': '.'}
    sources = collect_sources([entry, entry], jde(tmp_path))
    one, two = (
        {n for image in source.images for n in image.identities.tolist()} for source in sources
    )
    assert not one & two


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('0 3 0.5 0.5 0.2', 'expected 6 finite numbers'),
        ('1 3 0.5 0.5 0.2 0.2', 'class 1; expected 0'),
        ('0 3 0.5 0.5 0 0.2', 'above 0, got 0 x 0.2'),
        ('0 3 320 240 60 120', 'shares of the image'),
    ],
)
def test_damaged_lines_are_named(tmp_path, line, message):
    text(jde(tmp_path) / 'labels_with_ids' / 'c1' / 's1.txt', line)
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, CONFIG)
    assert 's1.txt:1' in str(caught.value)


def test_half_of_the_images(tmp_path):
    (jde(tmp_path) / 'images' / 'c1' / 's2.jpg').unlink()
    with pytest.raises(InputError, match=r'1 of 3 images named by .* are missing.*c1/s2\.\*'):
        read(tmp_path, CONFIG)


def test_half_of_the_labels(tmp_path):
    image(jde(tmp_path) / 'images' / 'c3' / 's9.jpg')
    with pytest.raises(InputError, match='labels_with_ids/c3: no labels of the images in'):
        read(tmp_path, CONFIG)
