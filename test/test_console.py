"""The progress line, on a terminal and in a log."""

import io

import pytest

from mot_compress_ros.console import bar_cells, complain, ProgressLine, say


class Terminal(io.StringIO):
    encoding = 'utf-8'

    def isatty(self):
        return True


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def run(stream, *, total=10, step_s=0.05):
    clock = Clock()
    with ProgressLine(total, stream=stream, clock=clock) as line:
        for done in range(1, 11):
            clock.now += step_s
            line.update(done, lambda done=done: f'tracks {done}')
    return stream.getvalue()


def test_terminal_line_is_rewritten_in_place_at_most_ten_times_a_second():
    text = run(Terminal())
    assert text.count('\n') == 1 and text.endswith('\n')
    lines = text.rstrip('\n').split('\r\x1b[2K')[1:]
    assert len(lines) == 6, 'five redraws in half a second, and the end'
    assert lines[-1].startswith('▕████████████████████████▏100%  tracks 10')


def test_log_gets_a_line_now_and_then():
    lines = run(io.StringIO(), step_s=2.0).splitlines()
    assert lines[0] == ' 10%  tracks 1  eta 18 s'
    assert lines[-1] == '100%  tracks 10'
    assert len(lines) == 5, 'every five seconds'


def test_steps_of_an_earlier_run_say_nothing_of_the_time_left():
    stream, clock = io.StringIO(), Clock()
    with ProgressLine(10, first=6, log_every_s=60.0, stream=stream, clock=clock) as line:
        for done in range(7, 10):
            clock.now += 2.0
            line.update(done, lambda: 'x')
    assert stream.getvalue().splitlines() == [' 70%  x  eta 6 s', ' 90%  x  eta 2 s']


def test_unknown_length_shows_the_count():
    assert run(io.StringIO(), total=0, step_s=9.0).splitlines()[0] == '1  tracks 1'


@pytest.mark.parametrize(
    ('share', 'ascii_only', 'bar'),
    [
        (0.0, False, '    '),
        (0.5, False, '██  '),
        (0.53, False, '██▏ '),
        (1.0, False, '████'),
        (0.5, True, '##  '),
    ],
)
def test_bar(share, ascii_only, bar):
    assert bar_cells(share, 4, ascii_only=ascii_only) == bar


def test_say_and_complain_go_to_their_streams(capsys):
    say('result')
    complain('trouble')
    assert capsys.readouterr() == ('result\n', 'trouble\n')
