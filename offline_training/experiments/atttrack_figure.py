"""Figure 7: MOTA and FPS over K, with fitted polynomials of second order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offline_training.experiments.atttrack_paper import (
    Arm,
    CAPTIONS,
    FAMILIES,
    FIGURE,
    FIGURE_SCHEMES,
    MEASURES,
    SCHEMES,
    TITLES,
)
from offline_training.experiments.atttrack_scoring import Result
from offline_training.reports.content import Chart, Theme
from offline_training.reports.figures import FULL_WIDTH_IN
from offline_training.reports.runs import COLORS, MARKERS

NAME = 'atttrack_figure7'
ORDER = 2


def fitted(
    intervals: Sequence[int], values: Sequence[float], at: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The polynomial of second order nearest to the values, evaluated at `at`."""
    coefficients = np.polynomial.polynomial.polyfit(intervals, values, ORDER)
    return np.asarray(np.polynomial.polynomial.polyval(at, coefficients), np.float64)


def interval_chart(results: Mapping[tuple[str, Arm], Result]) -> Chart:
    """MOTA above, FPS below; one column for each student, one colour for each scheme."""

    def draw(figure: Any, theme: Theme) -> None:
        del theme
        families = [f for f in FAMILIES if any(arm.family == f for _, arm in results)]
        axes = figure.subplots(2, len(families), sharex=True, squeeze=False)
        handles: list[Any] = []
        for row, measure in enumerate(('mota', 'fps')):
            for column, family in enumerate(families):
                handles = _panel(axes[row][column], results, family=family, measure=measure)
                if row == 0:
                    axes[row][column].set_title(TITLES[family])
            axes[row][0].set_ylabel(MEASURES[measure])
        for axis in axes[-1]:
            axis.set_xlabel('K, frames from one teacher frame to the next')
        figure.legend(handles=handles, loc='outside upper left', ncols=len(handles))

    return Chart(
        name=NAME, title=CAPTIONS[FIGURE], width_in=FULL_WIDTH_IN, height_in=5.4, draw=draw
    )


def _panel(
    axis: Any, results: Mapping[tuple[str, Arm], Result], *, family: str, measure: str
) -> list[Any]:
    handles = []
    for index, scheme in enumerate(FIGURE_SCHEMES):
        points = sorted(
            (arm.interval, result.figures[measure])
            for (table, arm), result in results.items()
            if (table, arm.family, arm.scheme) == (FIGURE, family, scheme)
        )
        intervals, values = zip(*points, strict=True)
        style = {'color': COLORS[index]}
        handles.append(
            axis.scatter(
                intervals, values, s=22, marker=MARKERS[index], label=SCHEMES[scheme], **style
            )
        )
        at = np.linspace(min(intervals), max(intervals), 60)
        axis.plot(at, fitted(intervals, values, at), linewidth=1.2, **style)
    return handles
