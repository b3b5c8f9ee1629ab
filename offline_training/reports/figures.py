"""Draws a `Chart` by matplotlib: as SVG whose ink follows the page's colours, and as PNG.

Both come from the same drawing. The colours of ink and grid in an SVG are signal values that are
replaced by the style sheet's variables, so that the chart is readable in light and in dark.
"""

from __future__ import annotations

from html import escape
import io
from pathlib import Path
import re
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from offline_training.reports.content import Chart, Theme

PNG_DPI = 150
FULL_WIDTH_IN = 9.6  # of a chart that is as wide as the page
_PNG_THEME = Theme(ink='#1b1f24', soft='#5d6772', line='#dfe3e8')
# Values that nobody else uses, and what becomes of them in the page.
_SVG_THEME = Theme(ink='#010203', soft='#040506', line='#070809')
_VARIABLES = {
    _SVG_THEME.ink: 'var(--ink)',
    _SVG_THEME.soft: 'var(--soft)',
    _SVG_THEME.line: 'var(--line)',
}


def _style(theme: Theme) -> dict[str, Any]:
    return {
        'axes.axisbelow': True,
        'axes.edgecolor': theme.soft,
        'axes.facecolor': 'none',
        'axes.grid': True,
        'axes.labelcolor': theme.soft,
        'axes.spines.right': False,
        'axes.spines.top': False,
        'axes.titlecolor': theme.ink,
        'axes.titlelocation': 'left',
        'axes.titlesize': 9.5,
        'axes.unicode_minus': True,
        'font.family': 'sans-serif',
        'font.sans-serif': ['DejaVu Sans'],
        'font.size': 8.5,
        'grid.color': theme.line,
        'grid.linewidth': 0.7,
        'legend.fontsize': 8.5,
        'legend.frameon': False,
        'legend.labelcolor': theme.ink,
        'svg.fonttype': 'none',
        'text.color': theme.ink,
        'text.parse_math': False,  # a dollar in a name is a dollar
        'xtick.color': theme.soft,
        'ytick.color': theme.soft,
    }


def write_png(chart: Chart, path: Path) -> None:
    """Draw `chart` on white."""
    path.write_bytes(_render(chart, _PNG_THEME, 'png'))


def svg(chart: Chart) -> str:
    """An `<svg>` element for the page, with ids of its own."""
    text = _render(chart, _SVG_THEME, 'svg').decode('utf-8')
    text = text[text.index('<svg') :]
    text = re.sub(r'<metadata>.*?</metadata>', '', text, flags=re.DOTALL)
    text = re.sub(r'<style type="text/css">.*?</style>', '', text, flags=re.DOTALL)
    head, rest = text.split('>', 1)
    box = re.search(r'viewBox="[^"]*"', head)
    assert box is not None, 'matplotlib states the size of its drawing'
    for mark in ('id="', 'url(#', 'href="#'):
        rest = rest.replace(mark, f'{mark}{chart.name}-')
    rest = rest.replace("'DejaVu Sans'", 'system-ui, sans-serif')
    for signal, variable in _VARIABLES.items():
        rest = rest.replace(signal, variable)
    label = escape(chart.title, quote=True)
    share = chart.width_in / FULL_WIDTH_IN
    head = f'class="chart" style="width:{share:.0%}" {box[0]} role="img" aria-label="{label}"'
    return f'<svg {head}>{rest}'.strip()


def _render(chart: Chart, theme: Theme, kind: str) -> bytes:
    # The salt makes the ids of the drawing the same each time, and other than another chart's.
    style: Any = {**_style(theme), 'svg.hashsalt': chart.name}
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(chart.width_in, chart.height_in), layout='constrained')
        chart.draw(figure, theme)
        out = io.BytesIO()
        transparent = kind == 'svg'
        figure.savefig(
            out,
            format=kind,
            dpi=PNG_DPI,
            facecolor='none' if transparent else 'white',
            metadata={'Date': None} if kind == 'svg' else {'Software': None},
        )
    return out.getvalue()
