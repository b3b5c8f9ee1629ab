"""Counts, rates and advice about one camera's stream."""

from dataclasses import replace

import pytest

from mot_compress_ros.ros import monitor
from mot_compress_ros.ros.monitor import assess_camera, CameraMonitor, Level

PERIOD_NS = 50_000_000  # 20 Hz


@pytest.fixture
def clock(monkeypatch):
    """A monotonic clock that only moves when told."""

    class Clock:
        now = 100.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(monitor, 'time', clock)
    return clock


def streaming(clock, *, frames=10, clock_period_s=0.1):
    camera = CameraMonitor()
    for n in range(frames):
        clock.now += clock_period_s
        camera.arrived(stamp_ns=n * PERIOD_NS)
        camera.tracked(active_tracks=3, delay_ms=12.5)
    return camera


def assess(activity, **changes):
    given = {
        'topic': '/front/image_raw',
        'publishers': 1,
        'incompatible_qos': '',
        'stale_after_s': 1.0,
    }
    return assess_camera(activity, **{**given, **changes})


def test_rates_by_the_clock_and_by_the_stamps(clock):
    activity = streaming(clock).activity()
    assert activity.frame_rate_node_hz == pytest.approx(10)
    assert activity.frame_rate_msg_hz == pytest.approx(20)
    assert (activity.received, activity.processed, activity.delay_ms) == (10, 10, 12.5)


def test_the_window_of_the_rates_slides(clock):
    camera = streaming(clock, frames=200, clock_period_s=0.1)
    for n in range(monitor.WINDOW):
        clock.now += 0.01
        camera.arrived(stamp_ns=10**12 + n)
    assert camera.activity().frame_rate_node_hz == pytest.approx(100)


def test_no_rate_from_one_message_or_from_stamps_that_stand_still(clock):
    camera = CameraMonitor()
    camera.arrived(stamp_ns=5)
    assert camera.activity().frame_rate_node_hz == 0
    camera.arrived(stamp_ns=5)
    activity = camera.activity()
    assert activity.frame_rate_msg_hz == 0
    assert activity.non_increasing == 1


def test_the_rate_falls_while_no_image_comes(clock):
    camera = streaming(clock)
    rates = []
    for pause_s in (0.15, 0.85, 9.0):
        clock.now += pause_s
        rates.append(camera.activity().frame_rate_node_hz)
    assert rates == pytest.approx([10, 2, 0.2])


def test_every_fate_of_an_image_has_its_own_count(clock):
    camera = streaming(clock)
    camera.tracked(active_tracks=3, delay_ms=12.5, is_duplicate=True)
    camera.late()
    camera.dropped()
    camera.failed('torn')
    activity = camera.activity()
    fates = ('processed', 'duplicates', 'late', 'dropped', 'bad')
    assert [getattr(activity, fate) for fate in fates] == [10, 1, 1, 1, 1]


def test_a_good_stream_is_ok(clock):
    assert assess(streaming(clock).activity()) == (Level.OK, '3 tracks')


def test_never_ok_before_the_first_image(clock):
    level, text = assess(CameraMonitor().activity())
    assert (level, text) == (Level.STALE, 'no image yet on /front/image_raw')
    level, text = assess(CameraMonitor().activity(), publishers=0)
    assert level is Level.ERROR
    assert 'no publisher on /front/image_raw' in text


def test_silence_is_stale_and_activation_starts_the_clock_anew(clock):
    camera = streaming(clock)
    clock.now += 5
    assert assess(camera.activity()) == (Level.STALE, 'no image on /front/image_raw for 5.0 s')
    assert assess(camera.activity(), publishers=0)[0] is Level.ERROR
    camera.begin()
    assert camera.activity().silence_s == 0
    assert camera.activity().received == 10


def test_images_that_are_never_tracked_are_an_error_with_the_reason(clock):
    camera = streaming(clock)
    for n in range(20):
        clock.now += 0.1
        camera.arrived(stamp_ns=10**10 + n)
        camera.failed('unknown encoding')
    level, text = assess(camera.activity())
    assert level is Level.ERROR
    assert text.endswith('unknown encoding')
    assert camera.activity().bad == 20


def test_a_few_bad_images_warn_until_they_are_history(clock):
    camera = streaming(clock)
    camera.failed('image data truncated')
    assert assess(camera.activity()) == (Level.WARN, '1 bad images of late: image data truncated')
    for n in range(monitor.WINDOW):
        camera.arrived(stamp_ns=10**10 + n)
        camera.tracked(active_tracks=0, delay_ms=0)
    assert assess(camera.activity())[0] is Level.OK
    assert camera.activity().last_error == 'image data truncated'


def test_images_lost_in_transport_are_said_with_the_way_out(clock):
    camera = streaming(clock)
    camera.lost(4)
    level, text = assess(camera.activity())
    assert level is Level.WARN
    assert text.startswith('4 images lost in transport')
    clock.now += 5
    level, text = assess(camera.activity())
    assert level is Level.ERROR
    assert 'qos_overrides./front/image_raw.subscription.reliability' in text
    for n in range(monitor.WINDOW):
        camera.arrived(stamp_ns=10**10 + n)
        camera.tracked(active_tracks=0, delay_ms=0)
    assert assess(camera.activity())[0] is Level.OK
    assert camera.activity().lost == 4


def test_stamps_that_do_not_advance_warn(clock):
    camera = streaming(clock)
    camera.arrived(stamp_ns=0)
    assert assess(camera.activity())[0] is Level.WARN


def test_an_incompatible_publisher_is_named_with_the_parameter_that_mends_it(clock):
    level, text = assess(
        replace(CameraMonitor().activity(), silence_s=3.0), incompatible_qos='RELIABILITY'
    )
    assert level is Level.ERROR
    assert 'qos_overrides./front/image_raw.subscription.reliability' in text
    # another publisher on the topic works
    assert assess(streaming(clock).activity(), incompatible_qos='RELIABILITY')[0] is Level.OK
