"""Draws the times of `benchmark association` over the number of objects."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from offline_training.reports.content import Chart, Theme
from offline_training.reports.figures import FULL_WIDTH_IN, svg
from offline_training.reports.runs import COLORS, MARKERS

NAME = 'association'
# As the page of a report has them; the ground is drawn too, as an image may stand on any page.
_STYLE = """<style>
:root{--ink:#1b1f24;--soft:#5d6772;--line:#dfe3e8;--card:#fff}
@media (prefers-color-scheme:dark){
:root{--ink:#e8ebef;--soft:#9aa5b1;--line:#333a42;--card:#1d2126}}
text{font-family:system-ui,sans-serif}
</style><rect width="100%" height="100%" fill="var(--card)"/>"""


def times_chart(report: Mapping[str, Any]) -> Chart:
    """Computing times of all contestants on logarithmic axes; a colour for each package."""
    objects = [int(n) for n in report['scenes']]
    contestants = report['contestants']
    last = str(objects[-1])
    slowest_first = sorted(contestants, key=lambda name: -_cpu_ms(contestants[name], last))
    style = _styles(report)

    def draw(figure: Any, theme: Theme) -> None:
        axes = figure.subplots()
        handles = []
        for name in slowest_first:
            times_ms = [_cpu_ms(contestants[name], str(n)) for n in objects]
            handles += axes.plot(objects, times_ms, label=name, **style[name])
        goals = {int(n): ms for n, ms in report['goals_ms'].items() if int(n) in objects}
        if report['reference'] in contestants and goals:
            handles.append(
                axes.scatter(
                    list(goals),
                    list(goals.values()),
                    marker='_',
                    s=220,
                    color=theme.ink,
                    zorder=4,
                    label=f'goal of {report["reference"]}',
                )
            )
        axes.set_xscale('log')
        axes.set_yscale('log')
        axes.set_xticks(objects, [str(n) for n in objects])
        axes.minorticks_off()
        axes.yaxis.set_major_formatter(lambda ms, _: f'{ms:g}')
        axes.set_xlabel('objects in a frame')
        axes.set_ylabel('median computing time of a frame, ms')
        figure.legend(handles=handles, loc='outside right center', handlelength=3)

    title = 'Time of the association per frame'
    return Chart(name=NAME, title=title, width_in=FULL_WIDTH_IN, height_in=4.8, draw=draw)


def _cpu_ms(contestant: Mapping[str, Any], n: str) -> float:
    return float(contestant['objects'][n]['cpu_p50_ms'])


def _styles(report: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Colour by package, marker by its member; ours are solid, the reference is heavy."""
    packages = list(dict.fromkeys(c['package'] for c in report['contestants'].values()))
    seen = dict.fromkeys(packages, 0)
    styles = {}
    for name, contestant in report['contestants'].items():
        package = contestant['package']
        styles[name] = {
            'color': COLORS[packages.index(package) % len(COLORS)],
            'marker': MARKERS[seen[package] % len(MARKERS)],
            'markersize': 4.5,
            'linestyle': '-' if package == 'ours' else '--',
            'linewidth': 2.8 if name == report['reference'] else 1.2,
        }
        seen[package] += 1
    return styles


def standalone_svg(chart: Chart) -> str:
    """`chart` as a file of its own; its colours follow the reader's light or dark."""
    _, rest = svg(chart).split('>', 1)
    width, height = (round(96 * inches) for inches in (chart.width_in, chart.height_in))
    view = f'{72 * chart.width_in:g} {72 * chart.height_in:g}'  # matplotlib draws in points
    head = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'width="{width}" height="{height}" viewBox="0 0 {view}" role="img" '
        f'aria-label="{escape(chart.title, quote=True)}">'
    )
    return f'{head}{_STYLE}{rest}\n'
