"""The node with a real network gives the tracks of the offline path, frame by frame."""

import numpy as np
import pytest

from mot_compress_ros.assembly import build_pipeline
from mot_compress_ros.datatypes import Frame
from mot_compress_ros.options import from_mapping
from mot_compress_ros.pipeline import PipelineConfig

pytest.importorskip('rclpy', reason='rclpy is not installed')
pytest.importorskip('vision_msgs.msg', reason='the ROS interfaces are not built')

from mot_compress_ros.ros.client import TrackerClient
from mot_compress_ros.ros.process import NodeProcess

pytestmark = pytest.mark.ros

OPTIONS = {
    'runtime.device': 'cpu',
    'runtime.precision': 'fp32',
    'runtime.threads': 1,
    'decode.min_score': 0.05,
    'decode.max_detections': 40,
    'tracker.new_track_score': 0.1,
    'tracker.min_area_px2': 0.0,
    'keyframe.interval': 3,
}


def drifting_frames(count):
    """Coarse noise that drifts to the right, so that its peaks do."""
    coarse = np.random.default_rng(5).integers(0, 256, (24, 60, 3), np.uint8)
    noise = coarse.repeat(8, axis=0).repeat(8, axis=1)  # (192, 480, 3)
    for index in range(count):
        image = np.ascontiguousarray(noise[:, 100 - 4 * index : 388 - 4 * index])
        stamp_ns = 10**12 + index * 10**8
        yield Frame(image=image, stamp_ns=stamp_ns, camera='front', frame_index=index)


@pytest.fixture(scope='module')
def models(tmp_path_factory, write_tiny_bundle):
    folder = tmp_path_factory.mktemp('models')
    return {
        'model': str(write_tiny_bundle(folder / 'student', seed=0)),
        'teacher': str(write_tiny_bundle(folder / 'teacher', seed=1)),
    }


@pytest.fixture(scope='module')
def client(models):
    parameters = {'cameras': ['front'], 'autostart': True, **models, **OPTIONS}
    with NodeProcess(parameters) as process:
        with TrackerClient(cameras=['front']) as client:
            client.wait_for_topics()
            yield client
        assert process.stop() == 0


def test_live_tracks_are_the_offline_ones(client, models):
    config = from_mapping(PipelineConfig, OPTIONS)
    offline = build_pipeline(cameras=['front'], config=config, **models)
    ids, rows = {}, 0
    for frame in drifting_frames(20):
        live = client.exchange(frame)
        (expected,) = offline.step([frame])
        assert len(live.detections) == len(expected)
        rows += len(expected)
        for row, detection in enumerate(live.detections):
            (result,) = detection.results
            name = offline.class_names[expected.class_ids[row]]
            assert result.hypothesis.class_id == name
            assert result.hypothesis.score == pytest.approx(expected.scores[row], abs=1e-5)
            centre, x1_y1_x2_y2 = detection.bbox.center.position, expected.boxes_xyxy_px[row]
            half = detection.bbox.size_x / 2, detection.bbox.size_y / 2
            corners = [centre.x - half[0], centre.y - half[1], centre.x + half[0]]
            assert [*corners, centre.y + half[1]] == pytest.approx(x1_y1_x2_y2, abs=1e-3)
            number = int(expected.track_ids[row])
            assert detection.id.rsplit('-', 1)[1] == str(number)
            ids[number] = ids.get(number, 0) + 1
    assert rows > 100, 'the network does see something'
    assert max(ids.values()) >= 10, 'and some of it lasts'
