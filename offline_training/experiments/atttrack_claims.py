"""What the paper says that its parts are worth: sign and size, there and here.

A difference of MOTA is in points. One of FPS is in per cent of the second arm: frames per second
of other machines and networks cannot be subtracted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from offline_training.experiments.atttrack_paper import (
    Arm,
    BEYOND,
    BEYOND_INTERVAL,
    DLA34,
    FAMILIES,
    FIGURE,
    FIGURE_INTERVALS,
    TABLES,
    TITLES,
    YOLOV5,
)
from offline_training.experiments.atttrack_scoring import Result

INTERVALS = (2, 4, 6)
SIGNS = {1: '+', -1: '−', 0: '0'}


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A difference that the paper states.

    Attributes:
        table: where its figures stand.
        what: the first of each pair minus the second.
        measure: `mota` in points, or `fps` in per cent of the second.
        pairs: of arms; the mean over them counts.
        sign: what the text says, 1 or -1.
        printed: the size where only the text has it; None takes it from the table.
        beside: table of the second of each pair, where it is another one.
    """

    table: str
    what: str
    measure: str
    pairs: tuple[tuple[Arm, Arm], ...]
    sign: int
    printed: float | None = None
    beside: str = ''

    @property
    def second_table(self) -> str:
        """Where the second of each pair stands."""
        return self.beside or self.table

    @property
    def cells(self) -> list[tuple[tuple[str, Arm], tuple[str, Arm]]]:
        """Table and arm of both of each pair."""
        return [((self.table, a), (self.second_table, b)) for a, b in self.pairs]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A claim beside what was measured.

    Attributes:
        claim: the claim.
        paper: the size in the paper; None where it prints none.
        ours: the size here.
        low: lower end of the interval over sequences; None where there is none.
        high: upper end.
        sequences: that the interval is over.
        hota: the same difference in HOTA, points, of a claim on MOTA; the paper has none.
    """

    claim: Claim
    paper: float | None
    ours: float
    low: float | None = None
    high: float | None = None
    sequences: int = 0
    hota: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the sign is the one that the text says."""
        return sign_of(self.ours) == self.claim.sign

    @property
    def paper_holds(self) -> bool | None:
        """The same of the paper's own figures; None where it prints none."""
        return None if self.paper is None else sign_of(self.paper) == self.claim.sign

    def to_json(self) -> dict[str, object]:
        """All of it."""
        return {
            'table': self.claim.table,
            'what': self.claim.what,
            'measure': self.claim.measure,
            'claimed_sign': SIGNS[self.claim.sign],
            'paper': self.paper,
            'paper_holds': self.paper_holds,
            'ours': self.ours,
            'low': self.low,
            'high': self.high,
            'sequences': self.sequences,
            'hota': self.hota,
            'holds': self.holds,
        }


def sign_of(value: float) -> int:
    """1, 0 or -1; less than the last digit that is printed is 0."""
    return 0 if abs(value) < 0.005 else 1 if value > 0 else -1


def claims_of(tables: Sequence[str]) -> list[Claim]:
    """The claims whose figures stand in some of the tables."""
    return [claim for claim in _all_claims() if claim.table in tables]


def judge(
    claims: Sequence[Claim], results: Mapping[tuple[str, Arm], Result], *, resamples: int
) -> list[Verdict]:
    """Each claim beside the results; those whose arms have none are left out.

    Args:
        claims: in order.
        results: by table and arm.
        resamples: draws of the intervals of MOTA; 0 for none.
    """
    known = [
        claim for claim in claims if all(cell in results for pair in claim.cells for cell in pair)
    ]
    return [_verdict(claim, results, resamples=resamples) for claim in known]


def difference(values: Sequence[tuple[float, float]], measure: str) -> float:
    """Mean difference of pairs: of MOTA in points, of FPS in per cent of the second."""
    if measure == 'fps':
        return mean(100 * (a / b - 1) for a, b in values)
    return mean(a - b for a, b in values)


def _verdict(
    claim: Claim, results: Mapping[tuple[str, Arm], Result], *, resamples: int
) -> Verdict:
    paper, measure = claim.printed, claim.measure
    if paper is None and claim.table in TABLES:
        first, second = TABLES[claim.table], TABLES[claim.second_table]
        printed = [(first[a][measure], second[b][measure]) for a, b in claim.pairs]
        paper = difference(printed, measure)
    found = [(results[a], results[b]) for a, b in claim.cells]
    ours = difference([(a.figures[measure], b.figures[measure]) for a, b in found], measure)
    low, high, sequences = None, None, 0
    if measure == 'mota' and len(found) == 1 and resamples:
        low, high, sequences = _interval(found[0][1].report, found[0][0].report, resamples)
    hota = None
    if measure == 'mota':
        hota = difference([(a.figures['hota'], b.figures['hota']) for a, b in found], measure)
    return Verdict(
        claim=claim,
        paper=paper,
        ours=ours,
        low=low,
        high=high,
        sequences=sequences,
        hota=hota,
    )


def _interval(
    before: Mapping[str, Any], after: Mapping[str, Any], resamples: int
) -> tuple[float | None, float | None, int]:
    """Of the difference in MOTA, points; None where there is one sequence only."""
    from offline_training.evaluation.bootstrap import BootstrapConfig, paired_differences

    (found,) = paired_differences(before, after, BootstrapConfig(resamples=resamples)).values()
    if 'why_not' in found or 'all' not in found['scores']:
        return None, None, 0
    bounds = found['scores']['all']['mota']
    if bounds['low'] is None:
        return None, None, 0
    return 100 * bounds['low'], 100 * bounds['high'], len(found['sequences'])


def _all_claims() -> list[Claim]:
    return [
        *_sizes(),
        *_alone('2'),
        *_attention(),
        *_of_interval(),
        *_other_teacher(),
        *_feature_learning(),
        *_figure(),
        *_alone('7'),
        *_second_set(),
        *_beyond(),
    ]


def _claim(
    table: str, what: str, pair: tuple[Arm, Arm], sign: int, *, measure: str = 'mota'
) -> Claim:
    return Claim(table=table, what=what, measure=measure, pairs=(pair,), sign=sign)


def _both(table: str, what: str, pair: tuple[Arm, Arm], mota: int, fps: int) -> list[Claim]:
    """One claim for MOTA and one for FPS; 0 is no claim."""
    signs = {'mota': mota, 'fps': fps}
    return [_claim(table, what, pair, s, measure=m) for m, s in signs.items() if s]


def _sizes() -> list[Claim]:
    """Section 3.3."""
    teacher = Arm(YOLOV5, 'teacher')
    return [
        claim
        for scheme, name in (('mid', 'half'), ('student', 'a quarter'))
        for claim in _both(
            '1', f'YOLOv5: {name} of the channels, over all', (Arm(YOLOV5, scheme), teacher), -1, 1
        )
    ]


def _alone(table: str) -> list[Claim]:
    """Sections 5.4 and 5.8."""
    return [
        claim
        for family in FAMILIES
        for claim in _both(
            table,
            f'{TITLES[family]}: student only over teacher only',
            (Arm(family, 'student'), Arm(family, 'teacher')),
            -1,
            1,
        )
    ]


def _attention() -> list[Claim]:
    """Section 5.4."""
    found: list[Claim] = []
    for family in FAMILIES:
        told, still, naive = (Arm(family, scheme, 6) for scheme in ('ifm', 'still', 'naive'))
        name = TITLES[family]
        found += _both('3', f'{name}: update over no update, K = 6', (told, still), 1, -1)
        found += _both('3', f'{name}: AttTrack over naive mix, K = 6', (told, naive), 1, -1)
    return found


def _of_interval() -> list[Claim]:
    """Section 5.4: a smaller K is slower and more accurate."""
    found: list[Claim] = []
    for family in FAMILIES:
        for small, large in ((2, 4), (4, 6), (2, 6)):
            pair = (Arm(family, 'ifm', small), Arm(family, 'ifm', large))
            found += _both('4', f'{TITLES[family]}: K = {small} over K = {large}', pair, 1, -1)
    return found


def _other_teacher() -> list[Claim]:
    """Section 5.5."""
    return [
        claim
        for k in INTERVALS
        for claim in _both(
            '5',
            f'YOLOv5-small: DLA34 teacher over YOLOv5 teacher, K = {k}',
            (Arm(YOLOV5, 'cross', k), Arm(YOLOV5, 'efm', k)),
            1,
            -1,
        )
    ]


def _feature_learning() -> list[Claim]:
    """Section 5.6."""
    found: list[Claim] = []
    for family in FAMILIES:
        for k in INTERVALS:
            efm, ifm, none = (Arm(family, scheme, k) for scheme in ('efm', 'ifm', 'none'))
            name = TITLES[family]
            found.append(_claim('6', f'{name}: IFM over none, K = {k}', (ifm, none), 1))
            found.append(_claim('6', f'{name}: EFM over none, K = {k}', (efm, none), 1))
            found += _both('6', f'{name}: EFM over IFM, K = {k}', (efm, ifm), 1, -1)
    return found


def _figure() -> list[Claim]:
    """Section 5.7; the figure has no numbers."""

    def pairs(family: str, intervals: Sequence[int]) -> tuple[tuple[Arm, Arm], ...]:
        return tuple((Arm(family, 'efm', k), Arm(family, 'layerwise', k)) for k in intervals)

    found = [
        Claim(
            table=FIGURE,
            what=f'{TITLES[family]}: AttTrack over layer-wise, mean of K = 2 to 12',
            measure='mota',
            pairs=pairs(family, FIGURE_INTERVALS),
            sign=1,
        )
        for family in FAMILIES
    ]
    near = pairs(YOLOV5, (2, 3, 4))
    what = 'YOLOv5: AttTrack over layer-wise, mean of K = 2 to 4'
    for measure, sign, printed in (('mota', 1, 4.0), ('fps', -1, -2.0)):
        found.append(
            Claim(table=FIGURE, what=what, measure=measure, pairs=near, sign=sign, printed=printed)
        )
    return found


def _second_set() -> list[Claim]:
    """Section 5.8."""
    found: list[Claim] = []
    for family in (DLA34, YOLOV5):
        for k in INTERVALS:
            pair = (Arm(family, 'efm', k), Arm(family, 'layerwise', k))
            what = f'{TITLES[family]}: AttTrack over layer-wise, K = {k}'
            found += _both('8', what, pair, 1, -1)
            told = Arm(family, 'efm', k)
            for scheme, measure in (('student', 'mota'), ('teacher', 'fps')):
                claim = Claim(
                    table='8',
                    what=f'{TITLES[family]}: AttTrack over {scheme} only, K = {k}',
                    measure=measure,
                    pairs=((told, Arm(family, scheme)),),
                    sign=1,
                    beside='7',
                )
                found.append(claim)
    return found


def _beyond() -> list[Claim]:
    """What we hope of our own parts; the paper has none of them."""
    wanted = {
        "gated over the paper's fusion": ('gated', 'ifm'),
        'gated over naive mix': ('gated', 'naive'),
        'age and uncertainty over the heat map alone': ('gated', 'heat_gate'),
        "the tracker's places over the teacher's velocities": ('follow', 'gated'),
        'camera motion compensated over not': ('ego', 'gated'),
    }
    return [
        _claim(
            BEYOND,
            f'{TITLES[YOLOV5]}: {what}, K = {BEYOND_INTERVAL}',
            (Arm(YOLOV5, first, BEYOND_INTERVAL), Arm(YOLOV5, second, BEYOND_INTERVAL)),
            1,
        )
        for what, (first, second) in wanted.items()
    ]
