"""Counts against numbers worked out by hand, and pictures that show what they should."""

from dataclasses import replace
import importlib

import cv2
import numpy as np
from own_sets import images_set, picture, sequence, sequences_set, single_image
from published_sets import SETS
import pytest

from offline_training.datasets import LAYOUTS
from offline_training.datasets.classes import CYCLIST, PEDESTRIAN, VEHICLE
from offline_training.datasets.contact_sheet import (
    color_of_class,
    contact_sheet,
    SheetConfig,
    write_size_histogram,
)
from offline_training.datasets.inspection import check_image, image_count, inspect
from offline_training.datasets.inspection_table import inspection_json, inspection_text
from offline_training.datasets.records import LabelledSet, SourceConfig


def test_sequences_are_counted(tmp_path):
    found = inspect(sequences_set(tmp_path))
    assert (found.images, found.sequences, found.frames) == (0, 2, 10)
    assert (found.boxes, found.ignored, found.without_boxes) == (14, 2, 2)
    assert found.identities == 8  # 3, 4, 5 and 7 in each of two sequences
    assert (found.reaching_out, found.outside) == (2, 0)  # the car from -3 on
    pedestrian, cyclist, vehicle = found.classes
    assert (pedestrian.boxes, pedestrian.identities, pedestrian.ignored) == (4, 2, 0)
    assert (cyclist.boxes, cyclist.identities, cyclist.ignored) == (2, 2, 2)
    assert (vehicle.boxes, vehicle.identities, vehicle.labelled_images) == (8, 4, 10)
    # Four cars: widths 20.25, 20, 15, 20 and heights 15.25, 15, 15, 15, each twice.
    assert vehicle.width_px[1] == 20.0
    assert vehicle.height_px == pytest.approx(np.percentile([15.25, 15, 15, 15] * 2, (5, 50, 95)))
    assert found.image_sizes == {'64x48': 10}
    assert not found.faults


def test_single_images_have_identities_only_where_the_set_names_them(tmp_path):
    assert inspect(images_set(tmp_path)).identities == 0
    named = (
        single_image(tmp_path / 'a.jpg', seed=1, ids=[5, -1, 8]),
        single_image(tmp_path / 'b.jpg', seed=2, ids=[5, 6, -1]),
    )
    found = inspect(LabelledSet(path=tmp_path, layout='jde', images=named))
    assert (found.images, found.boxes, found.ignored, found.identities) == (2, 4, 2, 2)


def test_boxes_beyond_the_image(tmp_path):
    image = single_image(tmp_path / 'a.png', seed=1)
    boxes = [[-0.9, 0, 64.9, 48.9], [-1.1, 0, 5, 5], [64, 0, 70, 5]]
    image = replace(image, boxes_xyxy_px=np.array(boxes, np.float64))
    found = inspect(LabelledSet(path=tmp_path, layout='jde', images=(image,)))
    assert (found.reaching_out, found.outside) == (2, 1)


def test_damaged_images_are_listed_and_the_others_counted(tmp_path):
    drive = sequence(tmp_path)
    paths = drive.image_paths
    paths[0].write_bytes(b'')
    paths[1].write_bytes(paths[1].read_bytes()[:-200])  # cut off: OpenCV shows the upper part
    paths[2].unlink()
    paths[3].write_text('not an image')
    picture(paths[4], seed=1, size_wh=(32, 24))
    labelled = LabelledSet(path=tmp_path, layout='mot', sequences=(drive,))
    found = inspect(labelled, threads=2)
    assert list(found.broken) == [str(path) for path in paths[:4]]
    assert 'truncated' in found.broken[str(paths[1])]
    assert 'No such file' in found.broken[str(paths[2])]
    assert found.wrong_size == {str(paths[4]): '32 x 24, but its sequence is 64 x 48'}
    assert len(found.faults) == 5
    text = inspection_text(labelled, found)
    for name in ('drive/0.png: no image: 0 bytes', 'drive/4.png: 32 x 24'):
        assert name in text


def test_a_truncated_jpeg_is_broken(tmp_path):
    path = picture(tmp_path / 'a.jpg', seed=1)
    assert check_image(path).size_wh == (64, 48)
    path.write_bytes(path.read_bytes()[:-20])
    assert cv2.imread(str(path)) is not None  # which is why the decoder alone is not asked
    assert 'truncated' in check_image(path).fault


def test_files_with_the_same_bytes_are_grouped(tmp_path):
    drive = sequence(tmp_path)
    drive.image_paths[3].write_bytes(drive.image_paths[0].read_bytes())
    found = inspect(LabelledSet(path=tmp_path, layout='mot', sequences=(drive,)))
    assert found.duplicates == ((str(drive.image_paths[0]), str(drive.image_paths[3])),)
    assert not found.faults


def test_sets_without_images_are_counted_too(tmp_path):
    bare = sequence(tmp_path, image_paths=())
    labelled = LabelledSet(path=tmp_path, layout='kitti_tracking', sequences=(bare,))
    found = inspect(labelled)
    assert (found.frames, found.boxes, found.reaching_out, found.image_sizes) == (5, 7, 1, {})
    assert image_count(labelled) == 0
    assert 'none' in inspection_text(labelled, found)
    assert contact_sheet(labelled).shape[2] == 3


@pytest.mark.parametrize('name', SETS)
def test_every_published_layout_can_be_inspected(name, tmp_path, monkeypatch):
    monkeypatch.setenv('MOT_COMPRESS_CACHE', str(tmp_path / 'cache'))
    path = SETS[name](tmp_path / 'set')
    labelled = importlib.import_module(LAYOUTS[name]).read(path, SourceConfig(layout=name))
    found = inspect(labelled)
    assert found.images + found.frames == len(labelled)
    assert inspection_json(labelled, found)['layout'] == name
    assert f'layout {name}' in inspection_text(labelled, found)
    assert contact_sheet(labelled, SheetConfig(images=2, columns=2)).ndim == 3


def test_the_sheet_shows_boxes_in_the_colour_of_their_class(tmp_path):
    image = single_image(tmp_path / 'a.png', seed=1)
    cv2.imwrite(str(image.path), np.full((48, 64, 3), 90, np.uint8))
    labelled = LabelledSet(path=tmp_path, layout='jde', images=(image,))
    sheet = contact_sheet(labelled, SheetConfig(cell_width_px=128))
    # Twice as large: the middle of the upper edge of each box.
    for row, class_id in enumerate((PEDESTRIAN, VEHICLE)):
        x1, y1, x2, _ = image.boxes_xyxy_px[row] * 2
        assert tuple(sheet[int(y1), int(x1 + x2) // 2]) == color_of_class(class_id)
    x1, y1, x2, _ = (int(v) for v in image.boxes_xyxy_px[2] * 2)
    assert len(set(sheet[y1, (x1 + x2) // 2].tolist())) == 1  # to ignore: grey
    assert tuple(sheet[6, 60]) == (90, 90, 90)
    colours = {color_of_class(k) for k in (PEDESTRIAN, CYCLIST, VEHICLE)}
    assert len(colours) == 3
    seen = set(map(tuple, sheet[96:].reshape(-1, 3).tolist()))
    assert colours <= seen  # the key


def test_the_sheet_is_a_grid_of_evenly_chosen_images(tmp_path):
    frames = sequence(tmp_path).truth[2:3] * 10  # without boxes
    paths = tuple(tmp_path / f'{k}.png' for k in range(10))
    for k, path in enumerate(paths):
        cv2.imwrite(str(path), np.full((48, 64, 3), 20 * k, np.uint8))
    plain = sequence(tmp_path, truth=frames, image_paths=paths)
    labelled = LabelledSet(path=tmp_path, layout='mot', sequences=(plain,))
    sheet = contact_sheet(labelled, SheetConfig(images=5, columns=2, cell_width_px=128))
    cell_wh = 128 + 6, 96 + 28  # with the gap, and the title
    assert sheet.shape[1] == 2 * cell_wh[0]
    centres = [
        int(sheet[48 + row * cell_wh[1], 64 + column * cell_wh[0], 0])
        for row in range(3)
        for column in range(2)
    ]
    assert centres[:5] == [20 * k for k in (0, 2, 4, 7, 9)]
    assert centres[5] < 40  # an empty place


def test_a_broken_image_keeps_its_place_on_the_sheet(tmp_path):
    drive = sequence(tmp_path)
    drive.image_paths[0].write_bytes(b'')
    labelled = LabelledSet(path=tmp_path, layout='mot', sequences=(drive,))
    whole = SheetConfig(images=2, columns=2, cell_width_px=128)
    assert contact_sheet(labelled, whole).shape[1] == 2 * (128 + 6)


def test_the_size_histogram_is_a_picture(tmp_path):
    write_size_histogram(tmp_path / 'sizes.png', sequences_set(tmp_path))
    drawn = cv2.imread(str(tmp_path / 'sizes.png'))
    assert drawn.shape[0] > 200 and drawn.std() > 10


def test_the_size_histogram_of_nothing_is_one_too(tmp_path):
    empty = sequence(tmp_path, truth=sequence(tmp_path).truth[2:3] * 5)
    nothing = LabelledSet(path=tmp_path, layout='mot', sequences=(empty,))
    write_size_histogram(tmp_path / 'nothing.png', nothing)
    assert cv2.imread(str(tmp_path / 'nothing.png')) is not None
