"""Small charts as inline SVG: nothing to load, colours from the page's CSS variables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
import math

from mot_compress_ros.recording.svg import (
    BOTTOM,
    drop_marks,
    frame_axis,
    grid,
    LEFT,
    nice_ticks,
    Plane,
    POINTS_AT_MOST,
    RIGHT,
    svg,
    TOP,
    WIDTH,
)

_ROW_PX = 13
_BAR_PX = 9


@dataclass(frozen=True, kw_only=True)
class Series:
    """Named `values` at the frame numbers `frames`, in their order; `color` is a CSS colour."""

    name: str
    color: str
    frames: Sequence[int]
    values: Sequence[float]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A horizontal dashed line with its name at the right end."""

    name: str
    value: float


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A row of the span chart: spans (first, last) of frame numbers, a label and a tooltip."""

    label: str
    tooltip: str
    color: str
    spans: Sequence[tuple[int, int]]


def line_chart(
    series: Series,
    *,
    frames: tuple[int, int],
    unit: str,
    rules: Sequence[Rule] = (),
    marks: Sequence[int] = (),
    height: int = 220,
) -> str:
    """A line over the frame number.

    Args:
        series: what to draw.
        frames: first and last frame number of the axis.
        unit: of the values; stands above the axis.
        rules: reference values.
        marks: frame numbers that get a tick at the lower edge (dropped frames).
        height: of the drawing, pixels.

    Returns:
        An `<svg>` element.
    """
    highest = max([*series.values, *(rule.value for rule in rules)], default=0.0)
    ticks = nice_ticks(highest)
    plane = Plane(*frames, top_value=ticks[-1], height=height)
    kept = thinned(series.values)
    points = ' '.join(
        f'{plane.x(series.frames[i]):.1f},{plane.y(series.values[i]):.1f}' for i in kept
    )
    line = f'<polyline class="line" stroke="{series.color}" points="{points}"/>'
    parts = [grid(plane, ticks, unit), frame_axis(plane), line]
    parts += [_rule(plane, rule) for rule in rules]
    return svg(height, [*parts, drop_marks(plane, marks)])


def stack_chart(
    series: Sequence[Series],
    *,
    frames: tuple[int, int],
    unit: str,
    marks: Sequence[int] = (),
    height: int = 190,
) -> str:
    """Counts of several kinds, stacked, over the frame number; all series share their frames.

    Args:
        series: from the lowest layer to the highest.
        frames: first and last frame number of the axis.
        unit: of the values; stands above the axis.
        marks: frame numbers that get a tick at the lower edge (dropped frames).
        height: of the drawing, pixels.

    Returns:
        An `<svg>` element.
    """
    totals = [sum(values) for values in zip(*(s.values for s in series), strict=True)]
    ticks = nice_ticks(max(totals, default=0.0), whole=True)
    plane = Plane(*frames, top_value=ticks[-1], height=height)
    kept = thinned(totals)
    layers, tops = [], [0.0] * len(totals)
    for s in series:
        tops = [top + value for top, value in zip(tops, s.values, strict=True)]
        stairs = _stairs(plane, [(s.frames[i], tops[i]) for i in kept])
        layers.append(
            f'<path fill="{s.color}" d="{stairs}"><title>{escape(s.name)}</title></path>'
        )
    parts = [grid(plane, ticks, unit), *reversed(layers), frame_axis(plane)]
    return svg(height, [*parts, drop_marks(plane, marks)])


def span_chart(bars: Sequence[Bar], *, frames: tuple[int, int]) -> str:
    """One row per bar, over the frame number; an `<svg>` element."""
    height = TOP + BOTTOM + _ROW_PX * max(len(bars), 1)
    plane = Plane(*frames, top_value=1.0, height=height)
    parts = [frame_axis(plane)]
    for row, bar in enumerate(bars):
        top = TOP + row * _ROW_PX
        parts.append(
            f'<text class="tick" text-anchor="end" x="{LEFT - 6}" y="{top + _BAR_PX}">'
            f'{escape(bar.label)}</text>'
        )
        parts.append(f'<g fill="{bar.color}"><title>{escape(bar.tooltip)}</title>')
        for first, last in bar.spans:
            left = plane.x(first)
            width = max(plane.x(last) - left, 2.0)
            parts.append(
                f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{_BAR_PX}" rx="2"/>'
            )
        parts.append('</g>')
    return svg(height, parts)


def short_number(value: float) -> str:
    """About three digits, without an exponent: 12.3, 123, 1234."""
    return f'{value:.1f}' if abs(value) < 100 else f'{value:.0f}'


def thinned(values: Sequence[float]) -> list[int]:
    """At most some hundred rows; each is the highest of its bucket, so that peaks stay."""
    size = math.ceil(len(values) / POINTS_AT_MOST) or 1
    buckets = (
        range(start, min(start + size, len(values))) for start in range(0, len(values), size)
    )
    return [max(bucket, key=lambda row: values[row]) for bucket in buckets]


def _stairs(plane: Plane, points: Sequence[tuple[int, float]]) -> str:
    """Outline of an area with steps: each value lasts until the next frame."""
    base = plane.y(0)
    if not points:
        return ''
    commands = [f'M{plane.x(points[0][0]):.1f} {base:.1f}']
    for (frame, value), following in zip(points, [*points[1:], points[-1]], strict=True):
        commands.append(f'L{plane.x(frame):.1f} {plane.y(value):.1f}')
        commands.append(f'L{plane.x(following[0]):.1f} {plane.y(value):.1f}')
    return f'{"".join(commands)}L{plane.x(points[-1][0]):.1f} {base:.1f}Z'


def _rule(plane: Plane, rule: Rule) -> str:
    y = plane.y(rule.value)
    text = escape(f'{rule.name} {short_number(rule.value)}')
    return (
        f'<line class="rule" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="rule-name" x="{WIDTH - RIGHT + 4}" y="{y + 4:.1f}">'
        f'{text}</text>'
    )
