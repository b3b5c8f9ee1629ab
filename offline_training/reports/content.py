"""What a section is made of: tables and charts as values; `page` and `figures` draw them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
import re
from typing import Any

DASH = '–'


def file_name(text: str) -> str:
    """`text` as a part of a file's name: nothing in it leads to another folder."""
    return re.sub(r'[^a-z0-9]+', '-', text.lower()).strip('-')


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A cell with a small second line: an interval, and the difference to another run.

    Attributes:
        text: the value.
        interval: first part of the second line; '' for none.
        note: second part of it.
        tone: 'better' or 'worse' colours the note; '' does not.
        color: of a swatch before the text; '' for none.
        is_code: whether the text is a command.
    """

    text: str
    interval: str = ''
    note: str = ''
    tone: str = ''
    color: str = ''
    is_code: bool = False


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of cells; the first column is text, the others are numbers.

    Attributes:
        title: '' for none.
        head: names of the columns.
        rows: each as long as `head`.
        folded: whether a reader has to open it.
        text_columns: how many columns from the left are text.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell | str]]
    folded: bool = False
    text_columns: int = 1


@dataclass(frozen=True, kw_only=True)
class Theme:
    """Colours that a chart takes besides those of the runs."""

    ink: str
    soft: str
    line: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A drawing, the same in the page and as PNG.

    Attributes:
        name: of the PNG file, without its ending; unique in a report.
        title: above the chart.
        width_in: inches of the PNG.
        height_in: inches of the PNG.
        draw: draws on an empty matplotlib figure.
    """

    name: str
    title: str
    width_in: float
    height_in: float
    draw: Callable[[Any, Theme], None]


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading, a sentence and what it is about."""

    title: str
    note: str
    parts: Sequence[Table | Chart]
