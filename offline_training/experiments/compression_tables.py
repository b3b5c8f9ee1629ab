"""Tables with the paper's figures beside ours, and differences that the paper claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
import statistics


@dataclass(frozen=True, kw_only=True)
class Column:
    """A measure: its name, the head of its column, and digits behind the point."""

    key: str
    title: str
    digits: int = 2


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line.

    Attributes:
        name: of what it is about.
        label: for the reader.
        values: by measure, one of each seed.
        paper: the paper's figure of a measure, where it has one.
    """

    name: str
    label: str
    values: Mapping[str, Sequence[float]]
    paper: Mapping[str, float] = field(default_factory=dict)

    def mean(self, key: str) -> float:
        """Over the seeds."""
        return statistics.fmean(self.values[key])

    def to_json(self) -> dict[str, object]:
        """Everything, with the differences from the paper."""
        return {
            'name': self.name,
            'label': self.label,
            'values': {key: list(values) for key, values in self.values.items()},
            'paper': dict(self.paper),
            'difference': {
                key: self.mean(key) - figure
                for key, figure in self.paper.items()
                if self.values.get(key)
            },
        }


def markdown_table(first: str, columns: Sequence[Column], rows: Sequence[Row]) -> str:
    """A cell is `ours (paper: difference)`, with the spread over seeds where there are several."""
    head = f'| {first} | ' + ' | '.join(column.title for column in columns) + ' |'
    rule = '|---' * (len(columns) + 1) + '|'
    lines = [
        f'| {row.label} | ' + ' | '.join(cell(row, column) for column in columns) + ' |'
        for row in rows
    ]
    return '\n'.join([head, rule, *lines])


def cell(row: Row, column: Column) -> str:
    """One figure of a row; a dash where it was not measured."""
    digits, paper = column.digits, row.paper.get(column.key)
    values = row.values.get(column.key, ())
    if not values:
        return '—' if paper is None else f'— ({paper:g})'
    mean = statistics.fmean(values)
    text = f'{mean:.{digits}f}'
    if len(values) > 1 and statistics.stdev(values) > 0:
        text += f' ± {statistics.stdev(values):.{digits}f}'
    return text if paper is None else f'{text} ({paper:g}: {mean - paper:+.{digits}f})'


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A difference that the paper reports between two rows, or a goal of ours.

    Attributes:
        text: what is said.
        better: name of the row that is said to be better.
        worse: name of the other; '' where `least` is a bound of the first alone.
        key: the measure.
        paper: their difference in the paper; None for a goal.
        least: what a goal wants at least.
        most: what a goal wants at most.
    """

    text: str
    better: str
    worse: str = ''
    key: str = 'test'
    paper: float | None = None
    least: float | None = None
    most: float | None = None


def claims_text(claims: Sequence[Claim], rows: Sequence[Row], *, digits: int = 2) -> str:
    """One line for each claim whose rows are there: the paper's figure, ours, and what of it."""
    by_name = {row.name: row for row in rows}
    lines = ['| claim | paper | ours | |', '|---|---|---|---|']
    for claim in claims:
        found = difference(claim, by_name)
        if found is None:
            continue
        ours, holds = found
        said = '—' if claim.paper is None else f'{claim.paper:+.{digits}f}'
        sign = '+' if claim.worse else ''
        lines.append(
            f'| {claim.text} | {said} | {ours:{sign}.{digits}f} | '
            f'{"holds" if holds else "does not hold"} |'
        )
    return '\n'.join(lines) if len(lines) > 2 else ''


def difference(claim: Claim, rows: Mapping[str, Row]) -> tuple[float, bool] | None:
    """Ours, and whether it has the paper's sign or meets the goal; None without the rows."""
    if claim.better not in rows or (claim.worse and claim.worse not in rows):
        return None
    ours = rows[claim.better].mean(claim.key)
    ours -= rows[claim.worse].mean(claim.key) if claim.worse else 0.0
    if claim.paper is not None:
        return ours, ours * claim.paper > 0
    if claim.most is not None:
        return ours, ours <= claim.most
    return ours, ours > 0 if claim.least is None else ours >= claim.least
