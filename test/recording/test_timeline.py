"""What the report remembers of a run."""

import numpy as np
import pytest

from mot_compress_ros.datatypes import Frame, Tracks
from mot_compress_ros.recording.charts import (
    Bar,
    line_chart,
    Rule,
    Series,
    short_number,
    span_chart,
    stack_chart,
    thinned,
)
from mot_compress_ros.recording.step import Step
from mot_compress_ros.recording.svg import nice_ticks
from mot_compress_ros.recording.timeline import Timeline

IMAGE = np.zeros((8, 8, 3), np.uint8)


def make_step(index, ids):
    stamp_ns = index * 100
    frame = Frame(image=IMAGE, stamp_ns=stamp_ns, frame_index=index)
    if ids is None:
        return Step(frame=frame, tracks=None)
    n = len(ids)
    ones = np.ones(n, np.int64)
    tracks = Tracks(
        stamp_ns=stamp_ns,
        boxes_xyxy_px=np.tile(np.array([1, 1, 5, 5], np.float32), (n, 1)),
        scores=0.5 * ones,
        class_ids=np.array(ids, np.int64) % 2,
        track_ids=ids,
        velocities_px_s=np.zeros((n, 2)),
        states=ones,
        ages=ones,
        hits=ones,
        frames_since_update=ones,
    )
    return Step(frame=frame, tracks=tracks)


def make_timeline(steps):
    timeline = Timeline(('even', 'odd'))
    for index, ids in enumerate(steps):
        timeline.add(make_step(index, ids), IMAGE)
    return timeline


def test_spans_end_where_a_track_is_missing_but_not_at_a_dropped_frame():
    timeline = make_timeline([[1], [1, 2], None, [1, 2], [2], [1, 2]])
    assert timeline.lives[1].spans == [(1, 4), (6, 6)]
    assert timeline.lives[1].frames == 4
    assert timeline.lives[2].spans == [(2, 6)]
    assert [m.counts for m in timeline.moments][:3] == [(0, 1), (1, 1), (0, 0)]
    assert [m.dropped for m in timeline.moments] == [False, False, True, False, False, False]


@pytest.mark.parametrize('length', [1, 5, 24, 25, 400])
def test_samples_spread_over_runs_of_any_length(length):
    samples = make_timeline([[1]] * length).samples(6)
    numbers = [s.frame_number for s in samples]
    assert len(numbers) == min(length, 6)
    assert numbers == sorted(set(numbers))
    assert numbers[0] == 1
    assert numbers[-1] > 0.9 * length


def test_samples_are_of_served_frames():
    numbers = [s.frame_number for s in make_timeline([None, None, [1], None]).samples(6)]
    assert numbers == [3]


@pytest.mark.parametrize(
    ('highest', 'whole', 'ticks'),
    [
        (0.0, False, [0, 1]),
        (float('nan'), False, [0, 1]),
        (7.0, False, [0, 2, 4, 6, 8]),
        (0.03, False, [0, 0.01, 0.02, 0.03]),
        (2.0, True, [0, 1, 2]),
        (1000.0, False, [0, 500, 1000]),
    ],
)
def test_ticks_are_round_and_cover_the_values(highest, whole, ticks):
    assert nice_ticks(highest, whole=whole) == pytest.approx(ticks)


def test_short_numbers_have_no_exponent():
    assert [short_number(v) for v in (0.04, 12.34, 123.4, 12345.6)] == [
        '0.0',
        '12.3',
        '123',
        '12346',
    ]


def test_thinning_keeps_the_peak():
    values = [1.0] * 5000
    values[3333] = 9.0
    rows = thinned(values)
    assert len(rows) <= 900
    assert rows == sorted(rows)
    assert 3333 in rows


def test_charts_draw_what_they_are_given():
    series = Series(name='a <b>', color='red', frames=[1, 2, 3], values=[1.0, 4.0, 2.0])
    line = line_chart(
        series, frames=(1, 3), unit='ms', rules=[Rule(name='p50', value=2.0)], marks=[2]
    )
    assert 'p50 2.0<' in line and 'frame 2 dropped' in line
    assert line.count('<svg') == line.count('</svg>') == 1
    stack = stack_chart([series, series], frames=(1, 3), unit='tracks')
    assert stack.count('<path') == 2 and 'a &lt;b&gt;' in stack
    bars = span_chart(
        [Bar(label='7', tooltip='7 & 8', color='blue', spans=[(1, 2), (3, 3)])], frames=(1, 3)
    )
    assert bars.count('<rect') == 2 and '7 &amp; 8' in bars
