"""Small charts as inline SVG: nothing to load, colours from the page's CSS variables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
import math

_WIDTH = 960
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 62, 20, 34
_POINTS_AT_MOST = 900
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


@dataclass(frozen=True)
class _Plane:
    """Maps frame numbers and values to pixels of the drawing."""

    first: int
    last: int
    top_value: float
    height: int

    def x(self, frame: float) -> float:
        share = (frame - self.first) / max(self.last - self.first, 1)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        return _TOP + (1 - value / self.top_value) * (self.height - _TOP - _BOTTOM)


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
    plane = _Plane(*frames, top_value=ticks[-1], height=height)
    kept = thinned(series.values)
    points = ' '.join(
        f'{plane.x(series.frames[i]):.1f},{plane.y(series.values[i]):.1f}' for i in kept
    )
    line = f'<polyline class="line" stroke="{series.color}" points="{points}"/>'
    parts = [_grid(plane, ticks, unit), _frame_axis(plane), line]
    parts += [_rule(plane, rule) for rule in rules]
    return _svg(height, [*parts, _marks(plane, marks)])


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
    plane = _Plane(*frames, top_value=ticks[-1], height=height)
    kept = thinned(totals)
    layers, tops = [], [0.0] * len(totals)
    for s in series:
        tops = [top + value for top, value in zip(tops, s.values, strict=True)]
        stairs = _stairs(plane, [(s.frames[i], tops[i]) for i in kept])
        layers.append(
            f'<path fill="{s.color}" d="{stairs}"><title>{escape(s.name)}</title></path>'
        )
    parts = [_grid(plane, ticks, unit), *reversed(layers), _frame_axis(plane)]
    return _svg(height, [*parts, _marks(plane, marks)])


def span_chart(bars: Sequence[Bar], *, frames: tuple[int, int]) -> str:
    """One row per bar, over the frame number; an `<svg>` element."""
    height = _TOP + _BOTTOM + _ROW_PX * max(len(bars), 1)
    plane = _Plane(*frames, top_value=1.0, height=height)
    parts = [_frame_axis(plane)]
    for row, bar in enumerate(bars):
        top = _TOP + row * _ROW_PX
        parts.append(
            f'<text class="tick" text-anchor="end" x="{_LEFT - 6}" y="{top + _BAR_PX}">'
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
    return _svg(height, parts)


def nice_ticks(highest: float, *, count: int = 4, whole: bool = False) -> list[float]:
    """Round values from 0 to at least `highest`, about `count` steps of 1, 2 or 5 times 10^n."""
    if not highest > 0:
        return [0.0, 1.0]
    raw = highest / count
    power = 10.0 ** math.floor(math.log10(raw))
    size = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
    if whole:
        size = max(size, 1.0)
    steps = math.ceil(highest / size - 1e-9)
    return [i * size for i in range(steps + 1)]


def short_number(value: float) -> str:
    """About three digits, without an exponent: 12.3, 123, 1234."""
    return f'{value:.1f}' if abs(value) < 100 else f'{value:.0f}'


def thinned(values: Sequence[float]) -> list[int]:
    """At most some hundred rows; each is the highest of its bucket, so that peaks stay."""
    size = math.ceil(len(values) / _POINTS_AT_MOST) or 1
    buckets = (
        range(start, min(start + size, len(values))) for start in range(0, len(values), size)
    )
    return [max(bucket, key=lambda row: values[row]) for bucket in buckets]


def _svg(height: int, parts: Sequence[str]) -> str:
    body = ''.join(parts)
    return f'<svg viewBox="0 0 {_WIDTH} {height}" role="img">{body}</svg>'


def _grid(plane: _Plane, ticks: Sequence[float], unit: str) -> str:
    lines = []
    for tick in ticks:
        y = plane.y(tick)
        lines.append(
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="tick" text-anchor="end" x="{_LEFT - 6}" y="{y + 4:.1f}">{tick:g}</text>'
        )
    lines.append(
        f'<text class="tick" x="{_LEFT}" y="{_TOP - 9}">{escape(unit)}</text>' if unit else ''
    )
    return ''.join(lines)


def _frame_axis(plane: _Plane) -> str:
    base = plane.height - _BOTTOM
    parts = [
        f'<line class="axis" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{base}" y2="{base}"/>',
        f'<text class="tick" text-anchor="end" x="{_WIDTH - _RIGHT}" y="{base + 30}">frame</text>',
    ]
    span = plane.last - plane.first
    size = nice_ticks(span, count=8, whole=True)[1] if span else 1
    tick = math.ceil(plane.first / size) * size
    while tick <= plane.last:
        x = plane.x(tick)
        parts.append(
            f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{base}" y2="{base + 4}"/>'
            f'<text class="tick" text-anchor="middle" x="{x:.1f}" y="{base + 17}">{tick:g}</text>'
        )
        tick += size
    return ''.join(parts)


def _stairs(plane: _Plane, points: Sequence[tuple[int, float]]) -> str:
    """Outline of an area with steps: each value lasts until the next frame."""
    base = plane.y(0)
    if not points:
        return ''
    commands = [f'M{plane.x(points[0][0]):.1f} {base:.1f}']
    for (frame, value), following in zip(points, [*points[1:], points[-1]], strict=True):
        commands.append(f'L{plane.x(frame):.1f} {plane.y(value):.1f}')
        commands.append(f'L{plane.x(following[0]):.1f} {plane.y(value):.1f}')
    return f'{"".join(commands)}L{plane.x(points[-1][0]):.1f} {base:.1f}Z'


def _marks(plane: _Plane, frames: Sequence[int]) -> str:
    shown = frames[:: math.ceil(len(frames) / _POINTS_AT_MOST) or 1]
    base = plane.y(0)
    return ''.join(
        f'<line class="mark" x1="{plane.x(f):.1f}" x2="{plane.x(f):.1f}" y1="{base:.1f}" '
        f'y2="{base - 7:.1f}"><title>frame {f} dropped</title></line>'
        for f in shown
    )


def _rule(plane: _Plane, rule: Rule) -> str:
    y = plane.y(rule.value)
    text = escape(f'{rule.name} {short_number(rule.value)}')
    return (
        f'<line class="rule" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="rule-name" x="{_WIDTH - _RIGHT + 4}" y="{y + 4:.1f}">'
        f'{text}</text>'
    )
