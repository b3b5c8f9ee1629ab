"""The few kinds of chart that the sections use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import itertools
from typing import Any

from offline_training.reports.content import Chart, Theme
from offline_training.reports.figures import FULL_WIDTH_IN

_LEGEND_CHARACTERS = 120  # in a line, with the handles
MOST_LABELLED_BARS = 24
_WIDEST_BAR = 0.3  # of the distance between two groups


@dataclass(frozen=True, kw_only=True)
class Series:
    """Values of one run; None where there is none.

    Attributes:
        label: in the legend.
        color: of line and marker.
        marker: matplotlib's sign.
        x: numbers, or nothing where the groups of a chart are the axis.
        y: as many.
        low: lower end of each value's interval; may be shorter.
        high: upper end; may be shorter.
        reference: a level to draw dashed beside it.
    """

    label: str
    color: str
    marker: str = 'o'
    x: Sequence[float] = ()
    y: Sequence[float | None] = ()
    low: Sequence[float | None] = ()
    high: Sequence[float | None] = ()
    reference: float | None = None


def legend_label(text: str) -> str:
    """`text` as a legend may show it: matplotlib hides what begins with an underscore."""
    short = text if len(text) <= 48 else f'{text[:47]}…'
    return f' {short}' if short.startswith('_') else short


def legend(figure: Any, handles: Sequence[Any], labels: Sequence[str]) -> None:
    """One legend above all axes of a figure."""
    if handles:
        figure.legend(
            handles,
            [legend_label(label) for label in labels],
            loc='outside upper left',
            ncols=_columns(labels),
            columnspacing=1.4,
            handlelength=1.2,
        )


def _columns(labels: Sequence[str]) -> int:
    """How many labels fit beside each other."""
    longest = max(len(legend_label(label)) for label in labels)
    return max(1, min(len(labels), _LEGEND_CHARACTERS // (longest + 6)))


def grouped_bars(
    name: str, title: str, *, groups: Sequence[str], series: Sequence[Series], unit: str
) -> Chart:
    """Bars of all runs side by side in each group, with intervals where there are some."""

    def draw(figure: Any, theme: Theme) -> None:
        axes = figure.subplots()
        axes.grid(visible=False, axis='x')
        width = min(0.8 / max(len(series), 1), _WIDEST_BAR)
        handles = []
        for k, one in enumerate(series):
            places = [i + (k - (len(series) - 1) / 2) * width for i in range(len(groups))]
            heights = [value or 0.0 for value in one.y]
            handles.append(axes.bar(places, heights, width * 0.92, color=one.color))
            _intervals(axes, places, one, theme)
            if len(groups) * len(series) <= MOST_LABELLED_BARS:
                _bar_labels(axes, places, one)
        axes.axhline(0, color=theme.soft, linewidth=0.8)
        axes.set_xticks(range(len(groups)), groups)
        axes.tick_params(axis='x', length=0)
        axes.set_ylabel(unit)
        axes.margins(y=0.12)
        pad = 0.6 if len(groups) > 2 else 1.4
        axes.set_xlim(-pad, len(groups) - 1 + pad)
        legend(figure, handles, [one.label for one in series])

    return Chart(name=name, title=title, width_in=FULL_WIDTH_IN, height_in=3.4, draw=draw)


def _intervals(axes: Any, places: Sequence[float], one: Series, theme: Theme) -> None:
    for place, low, high in zip(places, one.low, one.high, strict=False):
        if low is not None and high is not None:
            axes.plot([place, place], [low, high], color=theme.ink, linewidth=1.2)


def _bar_labels(axes: Any, places: Sequence[float], one: Series) -> None:
    """Each value beyond the end of its bar and interval."""
    ends_of = itertools.zip_longest(places, one.y, one.low, one.high)
    for place, value, low, high in ends_of:
        if value is None:
            continue
        ends = [value, *(end for end in (low, high) if end is not None)]
        upwards = value >= 0
        axes.annotate(
            f'{value:.1f}',
            (place, max(ends) if upwards else min(ends)),
            xytext=(0, 2 if upwards else -2),
            textcoords='offset points',
            ha='center',
            va='bottom' if upwards else 'top',
            fontsize=7.5,
        )


def dots(
    name: str, title: str, *, rows: Sequence[str], series: Sequence[Series], unit: str
) -> Chart:
    """One row per name, one dot per run; a thin line joins the dots of a row."""

    def draw(figure: Any, theme: Theme) -> None:
        axes = figure.subplots()
        axes.grid(visible=False, axis='y')
        for row in range(len(rows)):
            values = [value for one in series if (value := one.y[row]) is not None]
            if values:
                axes.plot([min(values), max(values)], [row, row], color=theme.line, linewidth=3)
        handles = [
            axes.scatter(
                [value for value in one.y if value is not None],
                [row for row, value in enumerate(one.y) if value is not None],
                s=42,
                color=one.color,
                marker=one.marker,
                zorder=3,
            )
            for one in series
        ]
        axes.set_yticks(range(len(rows)), rows)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlabel(unit)
        legend(figure, handles, [one.label for one in series])

    height_in = 1.2 + 0.26 * len(rows)
    return Chart(name=name, title=title, width_in=FULL_WIDTH_IN, height_in=height_in, draw=draw)
