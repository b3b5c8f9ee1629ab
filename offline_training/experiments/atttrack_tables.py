"""The tables of the paper with ours beside them, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from offline_training.evaluation.tables import ENOUGH_SEQUENCES, markdown_table
from offline_training.experiments.atttrack_claims import SIGNS, Verdict
from offline_training.experiments.atttrack_paper import (
    Arm,
    BEYOND,
    CAPTIONS,
    FIGURE,
    INCONSISTENCIES,
    MEASURES,
    SCHEMES,
    TABLES,
    TITLES,
)
from offline_training.experiments.atttrack_scoring import Result

DASH = '–'
_OF_THE_PAPER = ('mota', 'fps', 'idf1', 'parameters_m')
_OURS_ALONE = ('idf1', 'hota')
_FORM = {'parameters_m': '.2f'}


def paper_table(table: str, results: Mapping[tuple[str, Arm], Result]) -> str:
    """One table: of each measure the paper's figure and ours, and IDF1 and HOTA beside them."""
    printed = TABLES.get(table, {})
    measures = [m for m in _OF_THE_PAPER if any(m in cells for cells in printed.values())]
    measures = measures or ['mota', 'fps']
    alone = [m for m in _OURS_ALONE if m not in measures]
    header = ['student', 'scheme', 'K']
    for measure in measures:
        name = MEASURES[measure]
        header += [f'{name}, paper', 'ours'] if printed else [name]
    header += [MEASURES[measure] for measure in alone]
    lines = []
    for arm in [arm for of, arm in results if of == table]:
        ours, paper = results[table, arm].figures, printed.get(arm, {})
        cells = [TITLES[arm.family], SCHEMES[arm.scheme], str(arm.interval or DASH)]
        for measure in measures:
            cells += [_cell(paper.get(measure), measure)] if printed else []
            cells.append(_cell(ours.get(measure), measure))
        lines.append([*cells, *(_cell(ours.get(measure), measure) for measure in alone)])
    return markdown_table(header, lines)


def claims_table(verdicts: Sequence[Verdict]) -> str:
    """Every difference: what the paper says, its size there and here, and whether it holds."""
    lines = []
    for verdict in verdicts:
        claim = verdict.claim
        unit = ' %' if claim.measure == 'fps' else ''
        bounds = ''
        if verdict.low is not None and verdict.high is not None:
            bounds = f'{verdict.low:+.1f} to {verdict.high:+.1f}'
        where = 'figure 7' if claim.table == FIGURE else f'table {claim.table}'
        paper = _signed(verdict.paper, unit)
        if verdict.paper_holds is False:
            paper += ' (!)'
        lines.append(
            [
                claim.what,
                where,
                MEASURES[claim.measure],
                SIGNS[claim.sign],
                paper,
                _signed(verdict.ours, unit),
                bounds,
                'yes' if verdict.holds else 'no',
                '' if verdict.hota is None else _signed(verdict.hota, ''),
            ]
        )
    header = ['difference', 'where', 'of', 'said', 'paper', 'ours', 'interval', 'holds', 'HOTA']
    return markdown_table(header, lines)


def summary_text(verdicts: Sequence[Verdict]) -> str:
    """How many signs hold, and how many of those are beyond doubt over sequences."""
    holding = [v for v in verdicts if v.holds]
    bounded = [v for v in verdicts if v.low is not None and v.high is not None]
    sure = [v for v in bounded if v.low is not None and v.high is not None and v.low * v.high > 0]
    text = f'{len(holding)} of {len(verdicts)} signs are those of the paper.'
    if bounded:
        sequences = bounded[0].sequences
        text += (
            f' Of {len(bounded)} differences with an interval over sequences, {len(sure)} have '
            f"an interval on one side of 0, {sum(v.holds for v in sure)} of them the paper's."
        )
        if sequences < ENOUGH_SEQUENCES:
            text += f' Intervals over {sequences} sequences are rough.'
    if any(v.paper_holds is False for v in verdicts):
        text += ' (!): the figures of the paper do not have the sign that its text says.'
    return f'{text} HOTA: the same difference of ours, in points.'


def own_table(verdicts: Sequence[Verdict]) -> str:
    """What our own parts bring, of which the paper says nothing."""
    lines = []
    for verdict in verdicts:
        bounds = DASH
        if verdict.low is not None and verdict.high is not None:
            bounds = f'{verdict.low:+.1f} to {verdict.high:+.1f}'
        hota = DASH if verdict.hota is None else _signed(verdict.hota, '')
        lines.append([verdict.claim.what, _signed(verdict.ours, ''), bounds, hota])
    return markdown_table(['difference', 'MOTA', 'interval', 'HOTA'], lines)


def own_summary_text(verdicts: Sequence[Verdict]) -> str:
    """How many of our parts bring anything."""
    better = sum(v.holds for v in verdicts)
    return f'{better} of these {len(verdicts)} differences are above 0.'


def all_tables(
    tables: Sequence[str],
    results: Mapping[tuple[str, Arm], Result],
    verdicts: Sequence[Verdict],
    *,
    image: str = '',
) -> str:
    """What stands between the markers of a page.

    Args:
        tables: those that were made.
        results: by table and arm.
        verdicts: on the differences.
        image: path of figure 7, relative to the page; '' for none.
    """
    parts = []
    for table in tables:
        title = (
            CAPTIONS[table] if table in (FIGURE, BEYOND) else f'Table {table}: {CAPTIONS[table]}'
        )
        parts.append(f'### {title}')
        if table == FIGURE and image:
            parts.append(f'![{CAPTIONS[FIGURE]}]({image})')
        parts.append(paper_table(table, results))
    theirs = [v for v in verdicts if v.claim.table != BEYOND]
    own = [v for v in verdicts if v.claim.table == BEYOND]
    if own:
        parts += [own_summary_text(own), own_table(own)]
    if theirs:
        parts += ['### What the paper says of its parts', summary_text(theirs)]
        parts.append(claims_table(theirs))
    listed = '\n'.join(f'- {text}' for text in INCONSISTENCIES)
    parts += ['### Where the paper does not agree with itself', listed]
    return '\n\n'.join(parts)


def _cell(value: float | None, measure: str) -> str:
    return DASH if value is None else format(value, _FORM.get(measure, '.1f'))


def _signed(value: float | None, unit: str) -> str:
    return DASH if value is None else f'{value:+.1f}{unit}'
