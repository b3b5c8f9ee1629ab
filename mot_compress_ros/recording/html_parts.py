"""Pieces that the sections of the report share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def section(title: str, body: str, *, note: str = '') -> str:
    """A card with a title and a small note beside it; `body` is HTML, the others are text."""
    small = f' <small>{escape(note)}</small>' if note else ''
    return f'<section><h2>{escape(title)}{small}</h2>{body}</section>'


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of text; without a head where all its cells are empty."""
    top = ''
    if any(head):
        top = '<thead><tr>' + ''.join(f'<th>{escape(h)}</th>' for h in head) + '</tr></thead>'
    body = ''.join(
        '<tr>' + ''.join(f'<td>{escape(cell)}</td>' for cell in row) + '</tr>' for row in rows
    )
    return f'<table>{top}<tbody>{body}</tbody></table>'


def folded(title: str, items: Iterable[tuple[str, object]]) -> str:
    """Names and values that a click unfolds; nothing where there are none."""
    rows = [(str(key), str(value)) for key, value in items]
    if not rows:
        return ''
    return f'<details><summary>{escape(title)}</summary>{table(("", ""), rows)}</details>'


def legend(items: Iterable[tuple[str, str]]) -> str:
    """Names with a dot of their CSS colour before them, from (name, colour)."""
    dots = ''.join(
        f'<span><i style="background:{color}"></i>{escape(name)}</span>' for name, color in items
    )
    return f'<div class="legend">{dots}</div>'


def nothing() -> str:
    """In the place of a chart that has no data."""
    return '<p class="none">Nothing to show.</p>'
