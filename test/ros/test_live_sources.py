"""Which network saw a frame, on the way from the node into the recording; no node is started."""

import pytest

pytest.importorskip('rclpy')
pytest.importorskip('vision_msgs.msg')

from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray

from mot_compress_ros.ros import conversions, demo
from mot_compress_ros.ros.listener import Listener, to_tracks
from mot_compress_ros.ros.live_run import _node_latencies


def answer(stamp_ns):
    return Detection2DArray(header=Header(stamp=conversions.ns_to_stamp(stamp_ns)))


@pytest.mark.parametrize('source_first', [True, False])
def test_source_finds_its_frame_before_and_after_the_tracks(source_first):
    listener = Listener()
    for stamp_ns in (100, 200, 300):
        listener.sending(stamp_ns)
    told = {'stamp_ns': 200, 'network': 'teacher', 'teacher_age_s': 0.0}
    if source_first:
        listener.hear_source(**told)
    listener.hear('/camera/tracks', answer(200))
    if not source_first:
        listener.hear_source(**told)
    listener.hear_source(stamp_ns=999, network='teacher')  # of a frame that was not sent
    assert [e.network for e in listener.exchanges] == ['', 'teacher', '']
    assert [e.teacher_age_s for e in listener.exchanges] == [None, 0.0, None]
    exchange = listener.exchanges[1]
    assert to_tracks(exchange.answer, (), network=exchange.network).source == 'teacher'


def test_second_message_about_a_frame_changes_nothing():
    listener = Listener()
    listener.sending(100)
    listener.hear_source(stamp_ns=100, network='student', teacher_age_s=0.25)
    listener.hear_source(stamp_ns=100, network='teacher', teacher_age_s=0.0)
    (exchange,) = listener.exchanges
    assert (exchange.network, exchange.teacher_age_s) == ('student', 0.25)


def latencies(**counters):
    stages = ('teacher', 'student', 'late_result', 'track')
    times = {f'latency_{s}_{p}_ms': '1.5' for s in stages for p in ('p50', 'p95', 'p99')}
    found = _node_latencies({**times, **{name: str(n) for name, n in counters.items()}})
    return {name.removeprefix('node: '): percentiles.n for name, percentiles in found.items()}


def test_stages_have_as_many_samples_as_the_frames_that_went_through_them():
    assert latencies(frames_processed=120, keyframes=20) == {
        'teacher': 20,
        'student': 100,
        'late_result': 0,
        'track': 120,
    }
    late = latencies(frames_processed=120, keyframes=30, late_results=30, late_results_refused=2)
    assert late == {'teacher': 32, 'student': 120, 'late_result': 32, 'track': 120}


@pytest.mark.parametrize(
    ('given', 'teacher'),
    [
        ([], 'road_teacher'),
        (['--teacher', ''], ''),
        (['--teacher', 'mine'], 'mine'),
        (['--model', 'mine'], ''),
        (['--model', 'mine', '--teacher', 'wise'], 'wise'),
        (['--model', 'road_student'], 'road_teacher'),
    ],
)
def test_shipped_student_brings_its_teacher_unless_told_otherwise(given, teacher):
    arguments = demo._parser().parse_args(given)
    assert demo.chosen_teacher(arguments) == teacher
