"""Charts of the report's section on keyframes, as inline SVG."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
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
    value_axis,
    WIDTH,
)

_LATE_PX = 13
_GAP_PX = 2  # between a late result and the next, which begins where it ended


@dataclass(frozen=True, kw_only=True)
class Lane:
    """A kind of frame in the strip chart: the columns of its `frames` are `share` of it high."""

    name: str
    color: str
    frames: Sequence[int]
    share: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """Named `values` of a histogram; `color` is a CSS colour."""

    name: str
    color: str
    values: Sequence[float]


def strip_chart(
    lanes: Sequence[Lane],
    *,
    frames: tuple[int, int],
    marks: Sequence[int] = (),
    spans: Sequence[tuple[int, int]] = (),
    height: int = 96,
) -> str:
    """One column per frame that says of which kind it was; an `<svg>` element.

    In a long run a column stands for several frames, and is as high as their share.

    Args:
        lanes: the kinds; later ones are drawn over earlier ones.
        frames: first and last frame number of the axis.
        marks: frame numbers that get a tick at the lower edge (dropped frames).
        spans: (first, last) frame numbers of bars under the strip (late results).
        height: of the drawing without the bars, pixels.
    """
    height += _LATE_PX if spans else 0
    plane = Plane(*frames, top_value=1.0, height=height)
    bottom = height - BOTTOM - (_LATE_PX if spans else 0)
    parts = []
    for lane in lanes:
        columns = ''.join(_columns(plane, lane, bottom=bottom))
        parts.append(f'<g fill="{lane.color}"><title>{escape(lane.name)}</title>{columns}</g>')
    bars = ''.join(
        f'<rect x="{plane.x(first):.1f}" y="{bottom + 3}" height="5" rx="2" '
        f'width="{max(plane.x(last) - plane.x(first) - _GAP_PX, 1):.1f}"/>'
        for first, last in spans[:: math.ceil(len(spans) / POINTS_AT_MOST) or 1]
    )
    return svg(
        height,
        [*parts, f'<g class="late">{bars}</g>', frame_axis(plane), drop_marks(plane, marks)],
    )


def _columns(plane: Plane, lane: Lane, *, bottom: float) -> Iterator[str]:
    """Rectangles of one lane; neighbours of the same height are one."""
    size = math.ceil((plane.last - plane.first + 1) / POINTS_AT_MOST)
    counts = Counter((frame - plane.first) // size for frame in lane.frames)
    runs: list[list[int]] = []  # first bucket, last bucket, frames in each
    for bucket in sorted(counts):
        if runs and runs[-1][1] == bucket - 1 and runs[-1][2] == counts[bucket]:
            runs[-1][1] = bucket
        else:
            runs.append([bucket, bucket, counts[bucket]])
    full = (bottom - TOP) * lane.share
    for first, last, count in runs:
        start, end = plane.first + first * size, plane.first + (last + 1) * size
        left, right = (min(max(plane.x(f - 0.5), LEFT), WIDTH - RIGHT) for f in (start, end))
        high = full * count / size
        yield (
            f'<rect x="{left:.1f}" y="{bottom - high:.1f}" width="{right - left:.1f}" '
            f'height="{high:.1f}"/>'
        )


def histogram_chart(
    kinds: Sequence[Distribution], *, unit: str, bins: int = 40, height: int = 200
) -> str:
    """How the values of each kind spread: the share of its own values in each bin, on one axis.

    Outliers, beyond 1.5 times the 95th percentile of every kind, are counted in the last bin.

    Args:
        kinds: side by side in every bin.
        unit: of the values.
        bins: of equal width, from 0.
        height: of the drawing, pixels.

    Returns:
        An `<svg>` element.
    """
    ticks = nice_ticks(max((_reach(kind.values) for kind in kinds), default=0.0), count=8)
    size = ticks[-1] / bins
    counts = [Counter(min(int(v / size), bins - 1) for v in kind.values) for kind in kinds]
    shares = [
        {b: 100 * n / len(kind.values) for b, n in found.items()}
        for kind, found in zip(kinds, counts, strict=True)
    ]
    levels = nice_ticks(max((max(s.values(), default=0.0) for s in shares), default=0.0))
    plane = Plane(0, bins, top_value=levels[-1], height=height)
    parts = [grid(plane, levels, '% of the frames of each')]
    wide = (plane.x(1) - plane.x(0)) / max(len(kinds), 1)
    for row, (kind, found) in enumerate(zip(kinds, counts, strict=True)):
        parts.append(f'<g fill="{kind.color}">')
        for b, n in sorted(found.items()):
            top = plane.y(shares[row][b])
            beyond = ' and more' if b == bins - 1 else ''
            parts.append(
                f'<rect x="{plane.x(b) + row * wide:.1f}" y="{top:.1f}" width="{wide:.1f}" '
                f'height="{plane.y(0) - top:.1f}"><title>{escape(kind.name)}: {n} of '
                f'{len(kind.values)} frames, {b * size:.4g} to {(b + 1) * size:.4g} '
                f'{escape(unit)}{beyond}</title></rect>'
            )
        parts.append('</g>')
    return svg(height, [*parts, value_axis(plane, ticks, unit)])


def _reach(values: Sequence[float]) -> float:
    """How far the axis has to go for values without their outliers."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return min(ordered[-1], 1.5 * ordered[math.ceil(0.95 * len(ordered)) - 1])
