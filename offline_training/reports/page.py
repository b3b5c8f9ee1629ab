"""The report as one HTML page that needs nothing but itself. Every string is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
import importlib

from mot_compress_ros.recording.report_style import STYLE
from offline_training.reports import SECTIONS
from offline_training.reports.content import Cell, Chart, Section, Table
from offline_training.reports.figures import svg
from offline_training.reports.runs import Run

_MORE_STYLE = """
:root{--better:#1a7f4b;--worse:#c0392b}
@media (prefers-color-scheme:dark){:root{--better:#5fd38d;--worse:#ff8a7a}}
main{max-width:1180px}
h3{font-size:14px;margin:18px 0 4px;font-weight:600}
p.note{margin:-4px 0 8px;color:var(--soft);font-size:14px}
.scroll{overflow-x:auto}
td,th{white-space:nowrap;padding-right:16px}
td.text,th.text{white-space:normal;overflow-wrap:normal;word-break:normal}
td.text:first-child{white-space:nowrap}
@media (max-width:640px){
td.text:first-child,th.text:first-child{position:sticky;left:0;background:var(--card)}
td.text:first-child{white-space:normal;overflow-wrap:anywhere;min-width:104px}
}
td.code{min-width:300px;overflow-wrap:anywhere}
td.number,th.number{text-align:right}
td small{display:block;color:var(--soft);font-size:12px}
span.better{color:var(--better)}
span.worse{color:var(--worse)}
td i{display:inline-block;width:11px;height:11px;border-radius:3px;margin-right:7px}
td code{font-size:12px;color:var(--soft)}
td code span{display:inline-block;max-width:100%}
details{margin-top:10px}
svg.chart{margin:0 auto 0 0;min-width:620px}
svg.chart *{stroke-linejoin:round;stroke-linecap:butt}
"""


def sections_of(runs: Sequence[Run]) -> list[Section]:
    """What there is to say of `runs`."""
    found = (importlib.import_module(name).section(runs) for name in SECTIONS)
    return [section for section in found if section is not None]


def render_page(sections: Sequence[Section], *, title: str) -> str:
    """The page as text."""
    body = ''.join(_section(section) for section in sections)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)}</title><style>{STYLE}{_MORE_STYLE}</style></head>'
        f'<body><main><header><h1>{escape(title)}</h1></header>{body}</main></body></html>\n'
    )


def _section(section: Section) -> str:
    note = f'<p class="note">{escape(section.note)}</p>' if section.note else ''
    parts = ''.join(
        _chart(part) if isinstance(part, Chart) else _table(part) for part in section.parts
    )
    return f'<section><h2>{escape(section.title)}</h2>{note}{parts}</section>'


def _chart(chart: Chart) -> str:
    return f'<h3>{escape(chart.title)}</h3><div class="scroll">{svg(chart)}</div>'


def _table(table: Table) -> str:
    head = ''.join(
        f'<th class="{_alignment(k, table)}">{escape(label)}</th>'
        for k, label in enumerate(table.head)
    )
    rows = ''.join(
        '<tr>' + ''.join(_cell(c, _alignment(k, table)) for k, c in enumerate(row)) + '</tr>'
        for row in table.rows
    )
    body = (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f'<tbody>{rows}</tbody></table></div>'
    )
    if table.folded:
        title = escape(table.title or 'table')
        return f'<details><summary>{title}</summary>{body}</details>'
    return (f'<h3>{escape(table.title)}</h3>' if table.title else '') + body


def _alignment(column: int, table: Table) -> str:
    return 'text' if column < table.text_columns else 'number'


def _cell(cell: Cell | str, alignment: str) -> str:
    if isinstance(cell, str):
        return f'<td class="{alignment}">{escape(cell)}</td>'
    swatch = f'<i style="background:{escape(cell.color)}"></i>' if cell.color else ''
    text = _code(cell.text) if cell.is_code else escape(cell.text)
    lines = ((cell.interval, ''), (cell.note, cell.tone))
    spans = [f'<span class="{escape(tone)}">{escape(line)}</span>' for line, tone in lines if line]
    note = f'<small>{" ".join(spans)}</small>' if spans else ''
    kind = f'{alignment} code' if cell.is_code else alignment
    return f'<td class="{kind}">{swatch}{text}{note}</td>'


def _code(text: str) -> str:
    """A command that breaks between its words only, not at hyphens."""
    return f'<code>{" ".join(f"<span>{escape(word)}</span>" for word in text.split())}</code>'
