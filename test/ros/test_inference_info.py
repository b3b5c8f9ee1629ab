"""What a message says of the network that saw a frame, and that it can be read again."""

from dataclasses import replace

import numpy as np
import pytest

from mot_compress_ros.assembly import build_pipeline
from mot_compress_ros.datatypes import Frame
from mot_compress_ros.inference.backends.scripted import write_scripted_bundle
from mot_compress_ros.keyframe import TeacherState
from mot_compress_ros.options import from_mapping
from mot_compress_ros.pipeline import PipelineConfig

pytest.importorskip('rclpy', reason='rclpy is not installed')

from builtin_interfaces.msg import Time
from std_msgs.msg import Header

from mot_compress_ros.ros.inference_info import InferenceInfo, info_of, of_message, to_message

HEADER = Header(stamp=Time(sec=5, nanosec=7), frame_id='optical')
INFO = InferenceInfo(
    source='student',
    model='small',
    model_sha256='abc',
    prior_age_ms=66.667,
    late_results=3,
    keyframe_reason='idle',
    failed='',
)


@pytest.mark.parametrize(
    'info',
    [
        INFO,
        replace(INFO, source='teacher', prior_age_ms=0.0),
        replace(INFO, prior_age_ms=None, failed='no answer within 5 s'),
    ],
)
def test_what_is_written_can_be_read(info):
    message = to_message(info, header=HEADER, node='mot_tracker', camera='left/wide')
    assert of_message(message) == info
    assert message.header == HEADER
    (status,) = message.status
    assert (status.name, status.hardware_id) == ('mot_tracker: left/wide inference', 'left/wide')
    assert status.level == (b'\x01' if info.failed else b'\x00')
    assert [item.key for item in status.values] == [
        *('source', 'model', 'model_sha256', 'prior_age_ms', 'late_results', 'keyframe_reason')
    ]


@pytest.fixture
def models(tmp_path):
    return {
        'model': str(write_scripted_bundle(tmp_path / 'small', fusion='concat')),
        'teacher': str(write_scripted_bundle(tmp_path / 'large')),
    }


def run(models, n_frames, **options):
    """Frames 100 ms apart through a pipeline; what there is to say of each."""
    config = from_mapping(PipelineConfig, options)
    pipeline = build_pipeline(cameras=['front'], config=config, **models)
    image = np.full((192, 320, 3), 128, np.uint8)
    for n in range(n_frames):
        frame = Frame(image=image, stamp_ns=10**9 + n * 10**8, camera='front')
        (tracks,) = pipeline.step([frame])
        yield info_of(pipeline, tracks, camera='front')


def test_in_turn_the_source_the_age_and_the_reason_of_every_frame(models):
    found = list(run(models, 7, **{'keyframe.interval': 3}))
    assert [info.source[0] for info in found] == list('tsstsst')
    assert [info.model for info in found[:2]] == ['large', 'small']
    assert [info.prior_age_ms for info in found] == [0, 100, 200, 0, 100, 200, 0]
    assert [info.keyframe_reason for info in found] == ['first', '', '', 'age', '', '', 'age']
    assert {info.late_results for info in found} == {0}


def test_beside_the_age_is_that_of_the_frame_the_teacher_saw(models):
    options = {'keyframe.mode': 'async', 'keyframe.teacher_ms': 250.0}
    found = list(run(models, 8, **options))
    assert {info.source for info in found} == {'student'}
    # Frame 0 is given, answered by frame 3, which is given; that is answered by frame 6.
    assert [info.prior_age_ms for info in found] == [None] * 3 + [300, 400, 500, 300, 400]
    assert [info.keyframe_reason != '' for info in found] == [n in (0, 3, 6) for n in range(8)]
    assert [info.late_results for info in found] == [0, 0, 0, 1, 1, 1, 2, 2]


def test_a_teacher_that_is_started_again_still_counts_as_failed(models):
    """Else the level would change to and fro while it fails and fails again."""
    config = from_mapping(PipelineConfig, {})
    pipeline = build_pipeline(cameras=['front'], config=config, **models)
    image = np.full((192, 320, 3), 128, np.uint8)
    (tracks,) = pipeline.step([Frame(image=image, stamp_ns=10**9, camera='front')])
    said = {}
    for state in TeacherState:
        pipeline.teacher.state, pipeline.teacher.reason = state, 'no memory'
        said[state.value] = info_of(pipeline, tracks, camera='front').failed
    assert said == {'starting': 'no memory', 'failed': 'no memory', 'ready': ''}


def test_without_a_teacher_there_is_little_to_say(models):
    (info,) = run({'model': models['model']}, 1)
    assert info == InferenceInfo(
        source='student',
        model='small',
        model_sha256='',
        prior_age_ms=None,
        late_results=0,
        keyframe_reason='',
        failed='',
    )
