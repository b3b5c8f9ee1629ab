"""The benchmark of camera motion: it finds what is true by construction."""

import argparse
import json

import cv2
import numpy as np
import pytest

from mot_compress_ros.camera_motion import View
from mot_compress_ros.errors import InvalidOptionError
from offline_training.benchmarks import camera_motion
from offline_training.benchmarks.camera_motion import distance_px, moved, residuals, STAGES
from offline_training.benchmarks.camera_motion_cases import Drive, drive
from offline_training.benchmarks.camera_motion_contestants import build, CONTESTANTS, Step
from offline_training.commands import benchmark
from offline_training.evaluation.results_sections.benchmark_camera_motion import section
from offline_training.synthetic import SceneConfig


def arguments(*given: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    benchmark.add_arguments(parser)
    return parser.parse_args(['camera-motion', *(str(v) for v in given)])


QUICK = (
    *('--size', '320x192', '--pairs', 2, '--repeats', 2),
    *('--scenes', 1, '--scene-size', '320x192', '--duration', 0.3, '--strides', 1, 2),
)


@pytest.fixture(scope='module')
def report(tmp_path_factory):
    out = tmp_path_factory.mktemp('reports') / 'motion.json'
    assert benchmark.run(arguments(*QUICK, '--json', out)) == 0
    return json.loads(out.read_text())


def test_every_stage_and_contestant_is_measured(report):
    assert report['kind'] == 'benchmark camera-motion'
    assert report['environment']['threads'] == 1
    assert tuple(report['stages']) == STAGES
    for row in report['stages'].values():
        assert 0 <= row['p50_ms'] <= row['p95_ms']
    assert report['stages']['total']['p50_ms'] > report['stages']['look']['p50_ms']
    assert set(report['turned_pictures']) == set(CONTESTANTS) - {'imu'}
    assert set(report['drives']) == {'1', '2'}
    for rows in report['drives'].values():
        assert set(rows) == set(CONTESTANTS)


def test_the_truth_is_true_and_the_image_better_than_nothing(report):
    turned = report['turned_pictures']
    assert turned['true rotation']['p50'] < 1e-9
    assert turned['image']['p50'] < 0.2 * turned['still']['p50']
    for rows in report['drives'].values():
        assert rows['true rotation']['rotation_px']['mean'] < 1e-9
        # An independent way to the same truth: the vehicle's rates, its axes, and the mounting.
        assert rows['imu']['rotation_px']['mean'] < 0.05
        assert rows['imu']['unknown']['mean'] == 0


def test_opencv_gets_its_threads_back():
    before = cv2.getNumThreads()
    with pytest.raises(InvalidOptionError, match='at least 1'):
        camera_motion.measure(arguments('--pairs', 0))
    assert cv2.getNumThreads() == before


def step(*, size_wh=(200, 100)):
    view = View(stamp_ns=0, size_wh=size_wh)
    return Step(
        previous=view,
        current=view,
        moving_xyxy_px=np.zeros((0, 4)),
        true_rotation=np.eye(3),
        intrinsics=np.eye(3),
    )


def shift(x_px, y_px=0.0):
    return np.array([[1, 0, x_px], [0, 1, y_px], [0, 0, 1.0]])


def test_distance_is_that_of_the_places():
    assert distance_px(shift(3, 4), np.eye(3), step()) == pytest.approx(5)
    grown = np.diag([2.0, 2, 1])
    np.testing.assert_allclose(moved(grown, np.array([[10.0, 5]])), [[20, 10]])


def test_residuals_by_hand():
    """Two steps to the right by 10 pixels; one object stands, one goes right by 5 a step."""
    rows = [
        {1: (50 + 10 * k, 40.0, 20.0, True), 2: (80 + 15 * k, 40.0, 10.0, False)} for k in range(3)
    ]
    driven = Drive(steps=[step(), step()], objects=rows)
    told = dict(residuals(driven, [shift(10), shift(10)]))
    assert told['unknown'] == [0, 0]
    assert told['rotation_px'] == pytest.approx([10, 10])
    assert told['standing_place'] == pytest.approx([0, 0])
    assert told['place'] == pytest.approx([0, 0.5, 0, 0.5])
    assert told['course'] == pytest.approx([0, 0])
    silent = dict(residuals(driven, [None, None]))
    assert silent['unknown'] == [1, 1]
    assert silent['standing_place'] == pytest.approx([0.5, 0.5])
    assert silent['course'] == pytest.approx([0, 0]), 'a steady shift looks like a steady motion'


def test_a_drive_skips_frames():
    scene = SceneConfig(size_wh=(160, 96), duration_s=0.4, seed=1, scenario='drive')
    whole, half = (drive(scene, build('image'), stride=n) for n in (1, 2))
    assert (len(whole.steps), len(half.steps)) == (5, 2)
    assert half.steps[0].current.stamp_ns == whole.steps[1].current.stamp_ns
    first, second = whole.steps[0].true_rotation, whole.steps[1].true_rotation
    product = second @ first
    np.testing.assert_allclose(half.steps[0].true_rotation, product / product[2, 2], atol=1e-9)


def test_the_page_of_results_has_its_command_and_tables(report):
    page = section(report)
    assert page.startswith('## Compensation of camera motion\n')
    assert f'`{report["command"]}`' in page
    assert 'OpenCV on 1 thread;' in page
    for name in (*STAGES, *CONTESTANTS):
        assert f'| {name} ' in page
    assert page.endswith('\n')
