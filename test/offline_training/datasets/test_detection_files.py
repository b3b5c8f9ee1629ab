"""Public detections: what the files say is what comes out, and what they must not say."""

import math

import numpy as np
import pytest

from mot_compress_ros.errors import InputError
from offline_training.datasets.classes import CYCLIST, PEDESTRIAN, VEHICLE
from offline_training.datasets.detection_files import (
    ACF_SCALE,
    LogisticScale,
    POINTRCNN_SCALE,
    read_mot_detections,
    read_pointrcnn,
)


def mot_file(folder, *lines):
    path = folder / 'det.txt'
    path.write_text(''.join(f'{line}\n' for line in lines))
    return path


def pointrcnn_file(folder, name, *lines):
    path = folder / f'pointrcnn_{name}' / '0000.txt'
    path.parent.mkdir(exist_ok=True)
    path.write_text(''.join(f'{line}\n' for line in lines))
    return path


def test_mot_detections_by_frame(tmp_path):
    path = mot_file(
        tmp_path, '3,-1,10,20,30,40,20,1,2,3', '1,-1,0,0,5,5,60,1,2,3', '3,-1,1,1,2,2,-5,1,2,3'
    )
    found = read_mot_detections(path, n_frames=4)
    assert [len(d) for d in found] == [1, 0, 2, 0]
    assert found[2].boxes_xyxy_px.tolist() == [[10, 20, 40, 60], [1, 1, 3, 3]]
    assert found[2].class_ids.tolist() == [PEDESTRIAN, PEDESTRIAN]
    assert found[0].embeddings.shape == (1, 0)
    # The middle of the scale is 0.5, two widths above it 1 / (1 + e^-2).
    assert found[2].scores[0] == pytest.approx(0.5)
    assert found[0].scores[0] == pytest.approx(1 / (1 + math.exp(-2)))


def test_pointrcnn_classes_of_three_files(tmp_path):
    pointrcnn_file(tmp_path, 'Car', '0,2,1,2,11,22,3.0,1,1,1,1,1,1,1,1')
    pointrcnn_file(tmp_path, 'Pedestrian', '1,1,1,2,11,22,4.0,1,1,1,1,1,1,1,1')
    pointrcnn_file(tmp_path, 'Cyclist', '0,3,5,5,9,9,-0.8,1,1,1,1,1,1,1,1')
    first, second, third = read_pointrcnn(tmp_path, '0000', n_frames=3)
    assert first.class_ids.tolist() == [VEHICLE, CYCLIST]
    assert first.boxes_xyxy_px.tolist() == [[1, 2, 11, 22], [5, 5, 9, 9]]
    assert first.scores[0] == pytest.approx(0.5)
    assert second.class_ids.tolist() == [PEDESTRIAN]
    assert not len(third)


def test_a_projection_without_area_is_left_out(tmp_path):
    pointrcnn_file(tmp_path, 'Car', '0,2,1241,185,1241,374,3,1', '0,2,5,5,9,9,3,1')
    (found,) = read_pointrcnn(tmp_path, '0000', n_frames=1)
    assert found.boxes_xyxy_px.tolist() == [[5, 5, 9, 9]]


@pytest.mark.parametrize('scale', [ACF_SCALE, POINTRCNN_SCALE, LogisticScale(middle=0, width=1)])
def test_scales_keep_the_order_and_stay_within_0_and_1(scale):
    raw = np.array([-1e9, -50, -0.847, 0, 3, 20, 130, 1e9])
    scores = scale(raw)
    assert scores.dtype == np.float32
    assert (np.diff(scores) >= 0).all()
    assert scores.min() >= 0 and scores.max() <= 1
    assert (np.diff(scale(np.linspace(-5, 15, 20))) > 0).all()


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('0,-1,1,1,2,2,5', 'frame 0; expected whole ones, 1 to 3'),
        ('4,-1,1,1,2,2,5', 'frame 4'),
        ('1.5,-1,1,1,2,2,5', r'frame 1\.5'),
        ('1,-1,1,1,2,2', 'at least 7 columns, got 6'),
        ('1,-1,1,one,2,2,5', 'finite numbers'),
        ('1,-1,1,nan,2,2,5', 'finite numbers'),
    ],
)
def test_damaged_lines_are_named(tmp_path, line, message):
    with pytest.raises(InputError, match=rf'det\.txt:2.*{message}'):
        read_mot_detections(mot_file(tmp_path, '1,-1,1,1,2,2,5', line), n_frames=3)


def test_missing_files_and_unknown_types(tmp_path):
    with pytest.raises(InputError, match='MOTChallenge detections'):
        read_mot_detections(tmp_path / 'det.txt', n_frames=1)
    with pytest.raises(InputError, match='pointrcnn_Car/0000'):
        read_pointrcnn(tmp_path, '0000', n_frames=1)
    pointrcnn_file(tmp_path, 'Car', '0,4,1,2,11,22,3.0')
    with pytest.raises(InputError, match='type 4; legal: 1'):
        read_pointrcnn(tmp_path, '0000', n_frames=1)
