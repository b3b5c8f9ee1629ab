"""Sets of boxes: VOC's layout, a set without splits, rendered shapes."""

import os
from pathlib import Path
import shutil

import cv2
import numpy as np
import pytest

from mot_compress_ros.errors import InputError
from offline_training.ssd.images import read_boxed, rendered_boxes

_XML = """<annotation><filename>{0}.jpg</filename><object><name>{1}</name>
<difficult>{2}</difficult><bndbox><xmin>11</xmin><ymin>21</ymin><xmax>50</xmax><ymax>60</ymax>
</bndbox></object></annotation>"""


def write_voc(root, splits):
    for folder in ('Annotations', 'JPEGImages', 'ImageSets/Main'):
        (root / folder).mkdir(parents=True)
    for split, rows in splits.items():
        (root / 'ImageSets/Main' / f'{split}.txt').write_text('\n'.join(n for n, *_ in rows))
        for name, class_name, difficult in rows:
            cv2.imwrite(str(root / 'JPEGImages' / f'{name}.jpg'), np.zeros((80, 100, 3), np.uint8))
            text = _XML.format(name, class_name, int(difficult))
            (root / 'Annotations' / f'{name}.xml').write_text(text)
    return root


def test_voc_trains_on_trainval_and_is_scored_on_test(tmp_path):
    rows = {
        'trainval': [('000001', 'dog', False), ('000002', 'car', False)],
        'test': [('000003', 'dog', True)],
    }
    found = read_boxed(str(write_voc(tmp_path / 'VOC2007', rows)), side_px=96)
    assert found.origin == 'VOC (VOC2007)'
    assert found.class_names == ('car', 'dog')  # those that occur, in VOC's order
    assert [one.classes.tolist() for one in found.train] == [[1], [0]]
    (box,) = found.train[0].boxes
    assert box.tolist() == pytest.approx([0.1, 0.25, 0.5, 0.75])
    assert found.train[0].image.shape == (3, 96, 96)
    assert found.test[0].ignored.tolist() == [True]


def test_voc_without_annotations_of_test_is_scored_on_val(tmp_path):
    rows = {'train': [('000001', 'dog', False)], 'val': [('000002', 'dog', False)]}
    found = read_boxed(str(write_voc(tmp_path / 'VOC2007', rows)), side_px=96)
    assert (len(found.train), len(found.test)) == (1, 1)


def test_rendered_shapes_are_not_called_voc_and_keep_their_boxes_inside():
    found = read_boxed('rendered', side_px=96, most=10)
    assert found.origin == 'rendered shapes' and (len(found.train), len(found.test)) == (10, 2)
    assert found.digest == read_boxed('rendered', side_px=96, most=10).digest
    assert found.digest != read_boxed('rendered', side_px=96, most=10, seed=1).digest
    for one in rendered_boxes(20, side_px=96, seed=2):
        assert (one.boxes >= 0).all() and (one.boxes <= 1).all() and len(one.boxes) <= 3


def test_sequences_are_no_single_images(painted_sequence, tmp_path):
    folder = tmp_path / 'clip'
    shutil.copytree(painted_sequence, folder)
    (folder / 'gt').mkdir(exist_ok=True)
    (folder / 'gt' / 'gt.txt').write_text('1,1,10,10,20,20,1,1,1\n')
    with pytest.raises(InputError, match='no single images'):
        read_boxed(str(folder), side_px=96)


@pytest.mark.data
@pytest.mark.parametrize(('name', 'most'), [('pennfudan', 10), ('bdd100k', 5)])
@pytest.mark.skipif('MOT_DATA' not in os.environ, reason='MOT_DATA names no folder')
def test_real_boxes_are_read_and_held_back(name, most):
    path = Path(os.environ['MOT_DATA']) / name
    found = read_boxed(str(path), side_px=96, most=most)
    assert (len(found.train), len(found.test)) == (most, most // 5)
    assert 'VOC' not in found.origin
