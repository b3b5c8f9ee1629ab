import os
from pathlib import Path

from published_sets import image, pennfudan, text
import pytest

from mot_compress_ros.errors import InputError
from offline_training.datasets.classes import PEDESTRIAN
from offline_training.datasets.pennfudan import read, recognises
from offline_training.datasets.records import SourceConfig

CONFIG = SourceConfig(layout='pennfudan')


def test_pixels_count_from_1_and_the_far_corner_is_of_the_box(tmp_path):
    (only,) = read(pennfudan(tmp_path), CONFIG).images
    assert only.boxes_xyxy_px.tolist() == [[9, 10, 20, 40]]
    assert (only.class_ids.tolist(), only.labelled_class_ids) == ([PEDESTRIAN], (PEDESTRIAN,))


def test_a_copy_with_other_names(tmp_path):
    folder = pennfudan(tmp_path)
    (folder / 'Annotation').rename(folder / 'annotations')
    image(folder / 'images' / 'FudanPed00001.jpg')
    assert recognises(folder)
    (only,) = read(folder, CONFIG).images
    assert only.path.name == 'FudanPed00001.jpg'


def test_half_of_the_set(tmp_path):
    folder = pennfudan(tmp_path)
    image(folder / 'PNGImages' / 'PennPed00096.png')
    with pytest.raises(InputError, match=r'1 of 2 in .*have no label, the first: PennPed00096'):
        read(folder, CONFIG)
    (folder / 'PNGImages' / 'FudanPed00001.png').unlink()
    with pytest.raises(InputError, match=r'1 of 1 images .* missing.*FudanPed00001\.png'):
        read(folder, CONFIG)


def test_an_annotation_that_is_cut_off(tmp_path):
    folder = pennfudan(tmp_path)
    file = folder / 'Annotation' / 'FudanPed00001.txt'
    text(file, file.read_text().replace('ground truth : 1', 'ground truth : 2'))
    with pytest.raises(InputError, match=r'FudanPed00001\.txt: 1 bounding boxes, expected 2'):
        read(folder, CONFIG)


@pytest.mark.data
@pytest.mark.skipif('MOT_DATA' not in os.environ, reason='MOT_DATA names no data folder')
def test_the_real_set():
    images = read(Path(os.environ['MOT_DATA']) / 'pennfudan', CONFIG).images
    assert (len(images), sum(map(len, images))) == (170, 423)
