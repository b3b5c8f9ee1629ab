"""report.html: one page that needs nothing but itself."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

from mot_compress_ros.recording.charts import (
    Bar,
    line_chart,
    Rule,
    Series,
    short_number,
    span_chart,
    stack_chart,
)
from mot_compress_ros.recording.html_parts import folded, legend, nothing, section, table
from mot_compress_ros.recording.keyframe_section import keyframe_section, keyframe_tile
from mot_compress_ros.recording.report_style import STYLE
from mot_compress_ros.recording.step import RunInfo
from mot_compress_ros.recording.summary import Summary
from mot_compress_ros.recording.timeline import Life, Timeline

_SAMPLES = 6
_BARS_AT_MOST = 60
# Distinct hues that hold on white and on black; classes beyond them start anew.
_CLASS_COLORS = ('#4c8df6', '#f08c2e', '#2fa866', '#b667e0', '#e2566b', '#1aa5b8')
_LATENCY_COLOR = 'var(--accent)'


def render_report(info: RunInfo, timeline: Timeline, summary: Summary) -> str:
    """The page as text."""
    title = f'{info.models[0].name} on {info.input_path}' if info.models else info.input_path
    sections = [
        _heading(info, summary),
        _tiles(summary),
        section('Sample frames', _samples(timeline), note='evenly spread over the run'),
        section('Tracks over time', _track_chart(info, timeline), note=_tracks_note(timeline)),
        section('Tracks per frame', _count_chart(info, timeline)),
        section('Latency', _latency_chart(timeline, summary), note=_latency_note(info)),
        keyframe_section(timeline, summary),
        _details(summary),
    ]
    body = ''.join(sections)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)}</title><style>{STYLE}</style></head>'
        f'<body><main>{body}</main></body></html>\n'
    )


def class_color(class_id: int) -> str:
    """The CSS colour of a class."""
    return _CLASS_COLORS[class_id % len(_CLASS_COLORS)]


def _heading(info: RunInfo, summary: Summary) -> str:
    mode = {'replay': 'replayed without ROS', 'live': 'live through the ROS node'}[info.mode]
    models = ' &middot; '.join(
        f'{escape(m.role)} <b>{escape(m.name)}</b> <code>{escape(m.sha256[:12])}</code>'
        for m in info.models
    )
    reason = summary['reason'] or 'The run was interrupted.'
    cut = '' if summary['complete'] else f'<p class="warn">{escape(reason)}</p>'
    return (
        f'<header><h1>{escape(info.input_path)}</h1>'
        f'<p>{escape(info.input_kind)} at {info.fps_hz:g} frames per second, camera '
        f'<b>{escape(info.camera)}</b>, {mode} &middot; {models}</p>{cut}</header>'
    )


def _tiles(summary: Summary) -> str:
    frames, tracks = summary['frames'], summary['tracks']
    total = summary['latency_ms'].get('total')
    per_class = ', '.join(f'{n} {name}' for name, n in tracks['per_class'].items())
    tiles = [
        ('frames', str(frames['processed']), f'of {frames["received"]} received'),
        ('dropped', str(frames['dropped']), f'{frames["unreadable"]} unreadable'),
        ('tracks', str(tracks['total']), per_class),
        ('per frame', f'{tracks["mean_per_frame"]:.1f}', 'tracks on average'),
        ('rate', f'{summary["throughput_fps"]:.1f}', 'frames per second'),
    ]
    if total is not None:
        p50, p95 = short_number(total['p50']), short_number(total['p95'])
        tiles.append(('median latency', f'{p50} ms', f'p95 {p95} ms'))
    if 'keyframes' in summary:
        tiles.append(keyframe_tile(summary['keyframes']))
    cells = ''.join(
        f'<div class="tile"><span>{escape(name)}</span><b>{escape(value)}</b>'
        f'<small>{escape(note)}</small></div>'
        for name, value, note in tiles
    )
    return f'<div class="tiles">{cells}</div>'


def _samples(timeline: Timeline) -> str:
    figures = []
    for sample in timeline.samples(_SAMPLES):
        data = base64.b64encode(sample.jpeg).decode('ascii')
        width, height = sample.size_wh
        figures.append(
            f'<figure><img alt="frame {sample.frame_number} with its tracks" width="{width}" '
            f'height="{height}" src="data:image/jpeg;base64,{data}">'
            f'<figcaption>frame {sample.frame_number}</figcaption></figure>'
        )
    return f'<div class="samples">{"".join(figures)}</div>' if figures else nothing()


def _track_chart(info: RunInfo, timeline: Timeline) -> str:
    lives = _longest(timeline)
    if not lives:
        return nothing()
    bars = [
        Bar(
            label=str(life.track_id),
            tooltip=f'{_class_name(info, life.class_id)} {life.track_id}: {life.frames} frames, '
            f'{life.spans[0][0]} to {life.spans[-1][1]}',
            color=class_color(life.class_id),
            spans=life.spans,
        )
        for life in lives
    ]
    return _legend(info) + span_chart(bars, frames=_frame_range(timeline))


def _count_chart(info: RunInfo, timeline: Timeline) -> str:
    served = [moment for moment in timeline.moments if not moment.dropped]
    if not served:
        return nothing()
    series = [
        Series(
            name=name,
            color=class_color(class_id),
            frames=[moment.frame_number for moment in served],
            values=[float(moment.counts[class_id]) for moment in served],
        )
        for class_id, name in enumerate(info.class_names)
    ]
    dropped = [moment.frame_number for moment in timeline.moments if moment.dropped]
    chart = stack_chart(series, frames=_frame_range(timeline), unit='tracks', marks=dropped)
    return _legend(info) + chart


def _latency_chart(timeline: Timeline, summary: Summary) -> str:
    timed = [(m.frame_number, m.latency_ms) for m in timeline.moments if m.latency_ms is not None]
    if not timed:
        return nothing()
    total = summary['latency_ms'].get('total')
    rules = []
    if total is not None:
        rules = [Rule(name='p50', value=total['p50']), Rule(name='p95', value=total['p95'])]
    series = Series(
        name='latency',
        color=_LATENCY_COLOR,
        frames=[frame for frame, _ in timed],
        values=[value for _, value in timed],
    )
    dropped = [moment.frame_number for moment in timeline.moments if moment.dropped]
    chart = line_chart(
        series, frames=_frame_range(timeline), unit='ms', rules=rules, marks=dropped
    )
    return chart + _latency_table(summary)


def _latency_table(summary: Summary) -> str:
    rows = [
        (name, f'{p["p50"]:.2f}', f'{p["p95"]:.2f}', f'{p["p99"]:.2f}', str(p['n']))
        for name, p in summary['latency_ms'].items()
    ]
    return table(('stage', 'p50 ms', 'p95 ms', 'p99 ms', 'samples'), rows)


def _details(summary: Summary) -> str:
    models = [
        (
            m['role'],
            f'{m["name"]}, {m["architecture"]}, {_size(m["input_size_wh"])}, '
            f'sha256 {m["sha256"] or "none"}',
        )
        for m in summary['models']
    ]
    parts = [
        folded('Models', models),
        folded('Counters', summary['counters'].items()),
        folded('Options', summary['options'].items()),
        folded('Versions', summary['versions'].items()),
    ]
    return section('Details', ''.join(parts))


def _legend(info: RunInfo) -> str:
    return legend((name, class_color(i)) for i, name in enumerate(info.class_names))


def _longest(timeline: Timeline) -> list[Life]:
    """The longest tracks, in order of their id."""
    ranked = sorted(timeline.lives.values(), key=lambda life: -life.frames)
    return sorted(ranked[:_BARS_AT_MOST], key=lambda life: life.track_id)


def _tracks_note(timeline: Timeline) -> str:
    hidden = len(timeline.lives) - _BARS_AT_MOST
    return f'the {_BARS_AT_MOST} longest; {hidden} shorter ones not shown' if hidden > 0 else ''


def _latency_note(info: RunInfo) -> str:
    if info.mode == 'live':
        return 'from sending the image to receiving its tracks; ticks below: dropped frames'
    return 'wall-clock time of Pipeline.step'


def _frame_range(timeline: Timeline) -> tuple[int, int]:
    return timeline.moments[0].frame_number, timeline.moments[-1].frame_number


def _class_name(info: RunInfo, class_id: int) -> str:
    return info.class_names[class_id] if class_id < len(info.class_names) else str(class_id)


def _size(size_wh: Sequence[int]) -> str:
    return ' x '.join(str(side) for side in size_wh)
