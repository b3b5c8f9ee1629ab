"""The report's section on keyframes: when the teacher looked, and what that cost."""

from __future__ import annotations

from mot_compress_ros.frame_source import STUDENT, TEACHER
from mot_compress_ros.recording.charts import short_number
from mot_compress_ros.recording.figures import LatencySummary, Spread
from mot_compress_ros.recording.html_parts import folded, legend, nothing, section, table
from mot_compress_ros.recording.keyframe_charts import (
    Distribution,
    histogram_chart,
    Lane,
    strip_chart,
)
from mot_compress_ros.recording.keyframe_summary import KeyframesSummary, latencies_by_network_ms
from mot_compress_ros.recording.summary import Summary
from mot_compress_ros.recording.timeline import Timeline

_COLORS = {TEACHER: 'var(--teacher)', STUDENT: 'var(--student)'}
# Students' frames are lower as well as greyer, for who cannot tell the colours.
_STUDENT_SHARE = 0.4
_STAGES = ('teacher', 'student', 'prior', 'late_result')
_OPTIONS = 'keyframe.'


def keyframe_tile(keyframes: KeyframesSummary) -> tuple[str, str, str]:
    """Name, value and note of the tile at the top of the page."""
    every = keyframes['interval_frames']
    note = f'{100 * keyframes["ratio"]:.1f} % of the frames'
    if every is not None:
        note += f', every {every["median"]:g}'
    return 'keyframes', str(keyframes['count']), note


def keyframe_section(timeline: Timeline, summary: Summary) -> str:
    """The section; nothing where there is no teacher."""
    keyframes = summary.get('keyframes')
    if keyframes is None:
        return ''
    body = (
        _strip(timeline, keyframes)
        + _figures(summary, keyframes)
        + '<h3>Latency of the frames of each network</h3>'
        + _in_turn(summary, keyframes)
        + _histogram(timeline)
        + _latency_table(summary, keyframes)
        + folded(
            'Options of the keyframes',
            [(k, v) for k, v in summary['options'].items() if k.startswith(_OPTIONS)],
        )
    )
    return section('Keyframes', body, note='which network saw which frame')


def _strip(timeline: Timeline, keyframes: KeyframesSummary) -> str:
    moments = timeline.moments
    frames: dict[str, list[int]] = {STUDENT: [], TEACHER: []}
    for moment in moments:
        if moment.source is not None:
            frames[moment.source.network].append(moment.frame_number)
    if not any(frames.values()):
        return nothing()
    late = [
        (seen, known)
        for seen, known in zip(keyframes['frame_numbers'], keyframes['known_from'], strict=True)
        if seen != known
    ]
    lanes = [
        Lane(
            name=network,
            color=_COLORS[network],
            frames=numbers,
            share=1.0 if network == TEACHER else _STUDENT_SHARE,
        )
        for network, numbers in frames.items()
    ]
    names = [(f'{name} frame', _COLORS[name]) for name in (TEACHER, STUDENT) if frames[name]]
    if late:
        text = 'below: late result, from the frame that the teacher saw to the one that knew it'
        names.append((text, _COLORS[TEACHER]))
    dropped = [moment.frame_number for moment in moments if moment.dropped]
    if dropped:
        names.append(('dropped frame', 'var(--warn)'))
    axis = (moments[0].frame_number, moments[-1].frame_number)
    return legend(names) + strip_chart(lanes, frames=axis, marks=dropped, spans=late)


def _figures(summary: Summary, keyframes: KeyframesSummary) -> str:
    late, n = keyframes['late'], summary['frames']['processed']
    ratio = f'{100 * keyframes["ratio"]:.1f} %'
    rows = [
        ('keyframes', f'{keyframes["count"]} of {n} frames, {ratio}'),
        (
            'from one to the next: least, median, most',
            f'{_spread(keyframes["interval_frames"], "frames")}; '
            f'{_spread(keyframes["interval_s"], "s")}',
        ),
        ('late results', str(late['results'])),
    ]
    if late['results'] or late['refused']:
        delay = late['delay_ms']
        rows += [
            (
                'late by, in the time of the stamps',
                f'p50 {short_number(delay["p50"])} ms, p95 {short_number(delay["p95"])} ms, '
                f'p99 {short_number(delay["p99"])} ms'
                if delay
                else 'not told',
            ),
            ('late by: least, median, most', _spread(late['delay_frames'], 'frames')),
            ('late results refused', str(late['refused'])),
            ('frames played again for them', str(late['frames_replayed'])),
        ]
    return table(('', ''), rows)


def _in_turn(summary: Summary, keyframes: KeyframesSummary) -> str:
    """Says of a replay what its latencies would hide."""
    if summary['mode'] != 'replay' or not keyframes['late']['results']:
        return ''
    return (
        '<p class="none">In a replay a teacher beside the student works in turn with it, so its '
        "time is in the student's frames; live it is not.</p>"
    )


def _histogram(timeline: Timeline) -> str:
    found = latencies_by_network_ms(timeline.moments)
    if not found:
        return nothing()
    kinds = [
        Distribution(name=network, color=_COLORS[network], values=values)
        for network, values in found.items()
    ]
    return legend((network, _COLORS[network]) for network in found) + histogram_chart(
        kinds, unit='ms'
    )


def _latency_table(summary: Summary, keyframes: KeyframesSummary) -> str:
    """Whole frames by network, then the stages that only keyframes have."""
    figures = {f'{name} frames': p for name, p in keyframes['latency_ms'].items()}
    for name, p in summary['latency_ms'].items():
        if name.removeprefix('node: ') in _STAGES:
            figures[f'stage {name}'] = p
    rows = [(name, *_cells(p)) for name, p in figures.items()]
    return table(('', 'p50 ms', 'p95 ms', 'p99 ms', 'samples'), rows) if rows else ''


def _cells(p: LatencySummary) -> tuple[str, str, str, str]:
    return f'{p["p50"]:.2f}', f'{p["p95"]:.2f}', f'{p["p99"]:.2f}', str(p['n'])


def _spread(spread: Spread | None, unit: str) -> str:
    if spread is None:
        return f'no two to count {unit} between' if unit != 's' else ''
    return f'{spread["min"]:g} / {spread["median"]:g} / {spread["max"]:g} {unit}'
