"""What every chart of the report is drawn with: a plane, its axes, and the SVG around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
import math

WIDTH = 960
LEFT, RIGHT, TOP, BOTTOM = 46, 62, 20, 34
POINTS_AT_MOST = 900


@dataclass(frozen=True)
class Plane:
    """Maps frame numbers and values to pixels of a drawing, `height` pixels high."""

    first: int
    last: int
    top_value: float
    height: int

    def x(self, frame: float) -> float:
        """Pixels from the left."""
        share = (frame - self.first) / max(self.last - self.first, 1)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Pixels from the top."""
        return TOP + (1 - value / self.top_value) * (self.height - TOP - BOTTOM)


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


def svg(height: int, parts: Sequence[str]) -> str:
    """An `<svg>` element of the parts, drawn in their order."""
    body = ''.join(parts)
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img">{body}</svg>'


def grid(plane: Plane, ticks: Sequence[float], unit: str) -> str:
    """Horizontal lines at the ticks, their values at the left and the unit above them."""
    lines = []
    for tick in ticks:
        y = plane.y(tick)
        lines.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="tick" text-anchor="end" x="{LEFT - 6}" y="{y + 4:.1f}">{tick:g}</text>'
        )
    lines.append(
        f'<text class="tick" x="{LEFT}" y="{TOP - 9}">{escape(unit)}</text>' if unit else ''
    )
    return ''.join(lines)


def frame_axis(plane: Plane) -> str:
    """The horizontal axis of frame numbers."""
    base = plane.height - BOTTOM
    parts = [
        f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{base}" y2="{base}"/>',
        f'<text class="tick" text-anchor="end" x="{WIDTH - RIGHT}" y="{base + 30}">frame</text>',
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


def value_axis(plane: Plane, ticks: Sequence[float], unit: str) -> str:
    """A horizontal axis of values; the last tick stands at the right end of `plane`."""
    base = plane.height - BOTTOM
    parts = [
        f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{base}" y2="{base}"/>',
        f'<text class="tick" text-anchor="end" x="{WIDTH - RIGHT}" y="{base + 30}">'
        f'{escape(unit)}</text>',
    ]
    for tick in ticks:
        x = plane.x(tick / ticks[-1] * plane.last)
        parts.append(
            f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{base}" y2="{base + 4}"/>'
            f'<text class="tick" text-anchor="middle" x="{x:.1f}" y="{base + 17}">{tick:g}</text>'
        )
    return ''.join(parts)


def drop_marks(plane: Plane, frames: Sequence[int]) -> str:
    """A tick at the lower edge for each frame that was dropped; some of them in a long run."""
    shown = frames[:: math.ceil(len(frames) / POINTS_AT_MOST) or 1]
    base = plane.y(0)
    return ''.join(
        f'<line class="mark" x1="{plane.x(f):.1f}" x2="{plane.x(f):.1f}" y1="{base:.1f}" '
        f'y2="{base - 7:.1f}"><title>frame {f} dropped</title></line>'
        for f in shown
    )
