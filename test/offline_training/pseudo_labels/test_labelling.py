import argparse
import itertools
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from mot_compress_ros.errors import InputError, InvalidOptionError
from offline_training.commands import pseudo_label
from offline_training.datasets.classes import CYCLIST, PEDESTRIAN, VEHICLE
from offline_training.datasets.mot_layout import read_sequence
from offline_training.datasets.mot_writing import GroundTruthRow
from offline_training.pseudo_labels.clip import Clip
from offline_training.pseudo_labels.coco_detector import (
    cell_grid,
    CocoBoxes,
    CocoDetector,
    cut_by_tile,
    decode,
    suppress,
    tile_corners,
)
from offline_training.pseudo_labels.labelling import tiling, without_doubles
from offline_training.pseudo_labels.road_classes import to_road_boxes, UNATTENDED

PERSON, BICYCLE, CAR, MOTORCYCLE, BUS, TRUCK, DOG = 0, 1, 2, 3, 5, 7, 16


def coco(*rows: tuple) -> CocoBoxes:
    """Rows (score, COCO id, x1, y1, x2, y2)."""
    return CocoBoxes(
        xyxy_px=np.array([r[2:] for r in rows], np.float64).reshape(-1, 4),
        scores=np.array([r[0] for r in rows], np.float64),
        coco_ids=np.array([r[1] for r in rows], np.int64),
    )


def road(*rows: tuple):
    return to_road_boxes(coco(*rows), size_wh=(640, 360), max_iou=0.55)


def test_decoding_puts_a_box_where_its_cell_says():
    corners, strides = cell_grid(416)
    assert len(corners) == 3549
    output = np.zeros((3549, 85), np.float32)
    cell = 52 * 52 + 3 * 26 + 5  # stride 16, row 3, column 5
    assert (corners[cell].tolist(), strides[cell, 0]) == ([5, 3], 16)
    output[cell, :5] = 0.5, 0.25, np.log(2), np.log(4), 0.9
    output[cell, 5 + CAR] = 0.8
    found = decode(output, size_px=416, min_score=0.5)
    assert found.coco_ids.tolist() == [CAR]
    assert found.scores[0] == pytest.approx(0.72)
    np.testing.assert_allclose(found.xyxy_px, [[88 - 16, 52 - 32, 88 + 16, 52 + 32]], rtol=1e-6)
    with pytest.raises(InputError, match='expected'):
        decode(output[:100], size_px=416, min_score=0.5)


def test_suppression_is_within_a_group():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [1, 0, 11, 10]], float)
    kept = suppress(
        boxes, scores=np.array([0.5, 0.9, 0.7]), groups=np.array([0, 0, 1]), max_iou=0.5
    )
    assert kept.tolist() == [1, 2]


def test_tiles_cover_the_image_and_overlap():
    tiles = tile_corners((1242, 375), columns=4, rows=1)
    assert tiles[0].tolist()[:2] == [0, 0]
    assert tiles[-1].tolist()[2:] == [1242, 375]
    assert all(a[2] > b[0] for a, b in itertools.pairwise(tiles))
    assert len(tile_corners((640, 360), columns=3, rows=2)) == 6
    assert tiling('', (640, 480)) == (2, 1)
    assert tiling('', (1242, 375)) == (4, 1)
    assert tiling('3x2', (640, 480)) == (3, 2)
    with pytest.raises(InvalidOptionError, match='COLUMNSxROWS'):
        tiling('3', (640, 480))


def test_boxes_cut_by_an_inner_edge_are_known():
    tile = np.array([100, 0, 300, 360])
    boxes = np.array(
        [[101, 50, 150, 90], [150, 0, 200, 90], [250, 50, 299, 90], [150, 300, 200, 360]], float
    )
    assert cut_by_tile(boxes, tile, (640, 360)).tolist() == [True, False, True, False]


def test_classes_of_the_road():
    found = road(
        (0.9, CAR, 0, 0, 40, 30),
        (0.8, TRUCK, 100, 0, 140, 30),
        (0.7, BUS, 200, 0, 240, 30),
        (0.6, PERSON, 300, 0, 320, 60),
        (0.9, DOG, 400, 0, 420, 60),
    )
    assert sorted(found.class_ids.tolist()) == [PEDESTRIAN, VEHICLE, VEHICLE, VEHICLE]


def test_a_van_seen_as_car_and_truck_is_one_vehicle():
    found = road((0.9, CAR, 0, 0, 40, 30), (0.8, TRUCK, 1, 0, 41, 30))
    assert found.class_ids.tolist() == [VEHICLE]
    assert found.scores.tolist() == [0.9]


def test_riders_are_merged_and_parked_bicycles_are_set_aside():
    found = road(
        (0.9, PERSON, 20, 10, 40, 62),
        (0.8, MOTORCYCLE, 10, 40, 50, 70),
        (0.7, BICYCLE, 300, 40, 350, 70),
    )
    by_class = dict(zip(found.class_ids.tolist(), found.xyxy_px.tolist(), strict=True))
    assert by_class == {CYCLIST: [10, 10, 50, 70], UNATTENDED: [300, 40, 350, 70]}
    weak = road((0.9, PERSON, 20, 10, 40, 62), (0.2, BICYCLE, 10, 40, 50, 70))
    assert PEDESTRIAN in weak.class_ids  # a bicycle the detector doubts makes nobody a cyclist


def test_boxes_end_at_the_image():
    assert road((0.9, CAR, -20, -5, 700, 400)).xyxy_px.tolist() == [[0, 0, 640, 360]]
    assert len(road()) == 0


def row(frame: int, number: int, box: tuple, *, active: bool) -> GroundTruthRow:
    return GroundTruthRow(
        frame_index=frame,
        track_id=number,
        xyxy_px=np.array(box, float),
        class_id=VEHICLE,
        active=active,
    )


def test_ignored_parts_of_an_object_are_dropped():
    rows = [
        row(0, 1, (0, 0, 100, 100), active=True),
        row(0, 2, (10, 10, 50, 50), active=False),
        row(0, 3, (90, 90, 200, 200), active=False),
        row(1, 4, (10, 10, 50, 50), active=False),
    ]
    assert [r.track_id for r in without_doubles(rows)] == [1, 3, 4]


def test_link_options_of_the_command_line():
    config = pseudo_label.link_config(['min_iou=0.4', 'max_gap_frames=2'])
    assert (config.min_iou, config.max_gap_frames) == (0.4, 2)
    for wrong, message in (
        ('min_iou', 'NAME=VALUE'),
        ('speed=3', 'unknown option'),
        ('min_iou=7', 'legal range'),
        ('min_iou=much', 'expected float'),
    ):
        with pytest.raises(InvalidOptionError, match=message):
            pseudo_label.link_config([wrong])


def test_clips_that_cannot_be_read(tmp_path):
    for source in (tmp_path / 'no.mp4', tmp_path):
        with pytest.raises(InputError):
            Clip(source, stride=1, max_frames=5, fps=None)


@pytest.mark.parametrize(
    'wrong',
    [
        {'stride': 0},
        {'stride': -1},
        {'max_frames': 0},
        {'fps': 0.0},
        {'fps': -5.0},
        {'fps': float('inf')},
        {'fps': float('nan')},
    ],
)
def test_clips_without_frames_are_refused(tmp_path, wrong):
    with pytest.raises(InvalidOptionError, match='expected at least 1'):
        Clip(tmp_path, **{'stride': 1, 'max_frames': 5, 'fps': None, **wrong})


class OneCar:
    """Finds one car of 60 x 40 px that drives to the right, a pixel a frame, and nothing else."""

    def __init__(self, *_: object, **__: object) -> None:
        self._x = 100

    def detect_tiled(self, image, *, columns, rows):
        self._x += 1
        return coco((0.9, CAR, self._x, 50, self._x + 60, 90))


def test_classes_that_were_never_found_are_not_said_to_be_labelled(tmp_path, monkeypatch, capsys):
    for k in range(12):
        cv2.imwrite(str(tmp_path / f'{k}.png'), np.full((180, 320, 3), 90, np.uint8))
    monkeypatch.setattr(pseudo_label, 'CocoDetector', OneCar)
    parser = argparse.ArgumentParser()
    pseudo_label.add_arguments(parser)
    words = [str(tmp_path), str(tmp_path / 'road'), '--detector', 'none.onnx']
    assert pseudo_label.run(parser.parse_args(words)) == 0
    sequence = read_sequence(tmp_path / 'road')
    assert sequence.labelled_class_ids == (VEHICLE,)
    assert (len(sequence), sequence.origin) == (12, 'real')
    with pytest.raises(InvalidOptionError, match='--max-width'):
        pseudo_label.run(parser.parse_args([*words, '--max-width', '0']))
    with pytest.raises(InvalidOptionError, match='--threads 0'):
        pseudo_label.run(parser.parse_args([*words, '--threads', '0']))
    with pytest.raises(InputError, match='already holds a sequence'):
        pseudo_label.run(parser.parse_args(words))


def test_a_detector_file_that_is_none_is_refused(tmp_path):
    (tmp_path / 'notes.onnx').write_text('not a network')
    with pytest.raises(InputError, match='not an ONNX model'):
        CocoDetector(tmp_path / 'notes.onnx')


@pytest.mark.data
@pytest.mark.skipif('MOT_DATA' not in os.environ, reason='MOT_DATA names no data folder')
def test_a_real_clip_is_labelled(tmp_path, capsys):
    data = Path(os.environ['MOT_DATA'])
    parser = argparse.ArgumentParser()
    pseudo_label.add_arguments(parser)
    args = parser.parse_args(
        [
            str(data / 'videos' / 'carnd_solidWhiteRight.mp4'),
            str(tmp_path / 'road'),
            '--detector',
            str(data / 'weights' / 'yolox_nano_coco_416.onnx'),
            *('--max-frames', '12', '--preview', str(tmp_path / 'look')),
        ]
    )
    assert pseudo_label.run(args) == 0
    assert '"vehicle"' in capsys.readouterr().out
    sequence = read_sequence(tmp_path / 'road')
    assert (len(sequence), sequence.size_wh) == (12, (640, 360))
    ids = np.unique(np.concatenate([t.ids[~t.ignore] for t in sequence.truth]))
    assert 2 <= len(ids) <= 6  # four cars are in plain view
    assert len(list((tmp_path / 'look').iterdir())) == 12


def test_what_a_limit_leaves_out_is_known(tmp_path):
    for k in range(7):
        cv2.imwrite(str(tmp_path / f'{k}.png'), np.full((4, 4, 3), k, np.uint8))
    clip = Clip(tmp_path, stride=2, max_frames=3, fps=None)  # of 0, 2, 4, 6
    assert (len(list(clip)), clip.n_left_out) == (3, 1)
    assert Clip(tmp_path, stride=2, max_frames=4, fps=None).n_left_out == 0
