"""Warnings are throttled by kind, and nothing is lost silently."""

from mot_compress_ros.ros.throttled_log import ThrottledLog


class Recorder:
    def __init__(self):
        self.lines = []
        self.now = 0.0

    def warning(self, message):
        self.lines.append(message)

    def clock(self):
        return self.now


def test_a_kind_is_said_once_per_period_with_the_number_left_out():
    recorder = Recorder()
    log = ThrottledLog(recorder, period_s=5.0, clock=recorder.clock)
    for n in range(10):
        log.warn_of('front', f'truncated: {n} bytes')
    recorder.now = 5.0
    log.warn_of('front', 'truncated: 99 bytes')
    assert recorder.lines == [
        'front: truncated: 0 bytes',
        'front: truncated: 99 bytes (9 more like this)',
    ]


def test_kinds_and_cameras_do_not_hide_each_other():
    recorder = Recorder()
    log = ThrottledLog(recorder, clock=recorder.clock)
    for who, text in (('front', 'a'), ('rear', 'a'), ('front', 'b')):
        log.warn_of(who, text)
    assert recorder.lines == ['front: a', 'rear: a', 'front: b']


def test_invented_kinds_do_not_fill_the_memory():
    recorder = Recorder()
    log = ThrottledLog(recorder, clock=recorder.clock)
    for n in range(1000):
        log.warn_of('front', 'x' * n)
    assert len(log._said) <= 100


def test_the_node_speaks_for_itself_without_a_name():
    recorder = Recorder()
    log = ThrottledLog(recorder, clock=recorder.clock)
    log.warn_of('', 'teacher failed: ended by 9')
    log.warn_of('', 'teacher failed: ended by 11')
    assert recorder.lines == ['teacher failed: ended by 9']
