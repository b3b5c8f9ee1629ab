"""Which trainings and which pipelines the tables of the paper need.

All variants of a student begin with the same plain student and are trained for the same number of
steps more, on the same frames in the same order; so is the plain one itself. The paper
trains each from COCO weights. Equal cost is then exact, and what the variants share takes no part
in their differences.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mot_compress_ros.errors import InvalidOptionError
from offline_training.experiments.atttrack_paper import (
    Arm,
    BEYOND,
    BEYOND_INTERVAL,
    BEYOND_SCHEMES,
    CAPTIONS,
    DLA34,
    FAMILIES,
    FIGURE,
    FIGURE_INTERVALS,
    FIGURE_SCHEMES,
    TABLES,
    YOLOV5,
)

MID = 'yolov5_mid'
_TOLD = {'architecture.fusion': 'concat'}  # eq. 4
_GATED = {'architecture.fusion': 'gated', 'loss.ifm': 1.0}
_HEAT_GATE = {**_GATED, 'architecture.fusion': 'gated_heat'}
# The classifier that both networks share takes the place of the student's own.
_EFM = {**_TOLD, 'loss.efm': 1.0, 'loss.identity_ce': 0.0}

_LAYERWISE = {'loss.layerwise': 1000.0}  # the weight of its authors


@dataclass(frozen=True, kw_only=True)
class Training:
    """One run of `train`.

    Attributes:
        name: unique; of its bundle too.
        network: name in the preset.
        stage: name in `atttrack_presets.STAGES`.
        what: in a few words.
        settings: options by dotted name, which win over the preset's.
        start: training whose weights it begins with; '' for none.
        teacher: training whose network it learns from; '' for none.
        told: whether the student is told what the teacher saw.
        shares_pivots: whether it has a pivot for each identity, and writes the teacher anew with
            the same pivots.
    """

    name: str
    network: str
    stage: str
    what: str
    settings: Mapping[str, object] = field(default_factory=dict)
    start: str = ''
    teacher: str = ''
    told: bool = False
    shares_pivots: bool = False


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """A pipeline to be scored.

    Attributes:
        student: training of the network that sees most frames, or all.
        teacher: training of the network that sees the keyframes; '' for none.
        interval: K; 0 where there is no teacher.
        update: `keyframe.update`.
        settings: options of the pipeline beside those.
        shared: whether the teacher is the copy with pivots that the student's training wrote.
    """

    student: str
    teacher: str = ''
    interval: int = 0
    update: str = 'off'
    settings: Mapping[str, object] = field(default_factory=dict)
    shared: bool = False

    @property
    def trainings(self) -> tuple[str, ...]:
        """Those that it is made of."""
        return (self.student, self.teacher) if self.teacher else (self.student,)


def all_trainings() -> dict[str, Training]:
    """Every training by its name; each stands behind those that it needs."""
    found = [_whole(family, 'teacher') for family in FAMILIES]
    found.append(_whole(MID, 'half of the channels'))
    for family in FAMILIES:
        found += _students(family)
    found += [
        _variant(YOLOV5, 'cross', 'EFM with the DLA34 teacher', _EFM, teacher=DLA34, told=True),
        _variant(YOLOV5, 'gated', 'gated fusion, IFM', _GATED, teacher=YOLOV5, told=True),
        _variant(
            YOLOV5, 'heat_gate', 'gated by heat alone', _HEAT_GATE, teacher=YOLOV5, told=True
        ),
    ]
    return {training.name: training for training in found}


def _whole(network: str, what: str) -> Training:
    return Training(name=network, network=network, stage='whole', what=what)


def _students(family: str) -> list[Training]:
    small = small_of(family)
    base = Training(name=small, network=small, stage='base', what='what all students begin with')
    return [
        base,
        _variant(family, 'plain', 'trained on, alone', {}),
        _variant(family, 'none', 'no feature learning', _TOLD, teacher=family, told=True),
        _variant(family, 'ifm', 'IFM', {**_TOLD, 'loss.ifm': 1.0}, teacher=family, told=True),
        _variant(family, 'efm', 'EFM', _EFM, teacher=family, told=True),
        _variant(family, 'layerwise', 'attention maps', _LAYERWISE, teacher=family),
    ]


def _variant(
    family: str,
    name: str,
    what: str,
    settings: Mapping[str, object],
    *,
    teacher: str = '',
    told: bool = False,
) -> Training:
    small = small_of(family)
    return Training(
        name=f'{small}-{name}',
        network=small,
        stage='more',
        what=what,
        settings=settings,
        start=small,
        teacher=teacher,
        told=told,
        shares_pivots='loss.efm' in settings,
    )


def small_of(family: str) -> str:
    """The student's network."""
    return f'{family}_small'


def contestant_of(arm: Arm) -> Contestant:
    """The pipeline of an arm."""
    small, scheme = small_of(arm.family), arm.scheme
    if scheme == 'teacher':
        return Contestant(student=arm.family)
    if scheme == 'mid':
        return Contestant(student=MID)
    if scheme == 'student':
        return Contestant(student=f'{small}-plain')
    others = {'naive': 'plain', 'still': 'ifm', 'shift': 'ifm', 'follow': 'gated', 'ego': 'gated'}
    trained = others.get(scheme, scheme)
    update = {'naive': 'off', 'layerwise': 'off'}
    update |= {name: name for name in ('still', 'shift', 'follow')}
    return Contestant(
        student=f'{small}-{trained}',
        teacher=DLA34 if scheme == 'cross' else arm.family,
        interval=arm.interval,
        update=update.get(scheme, 'render'),
        settings={'camera_motion.source': 'image'} if scheme == 'ego' else {},
        shared=scheme in ('efm', 'cross'),
    )


def arms_of(table: str) -> list[Arm]:
    """The arms of a table, in order of its rows.

    Raises:
        InvalidOptionError: there is no such table.
    """
    if table not in CAPTIONS:
        raise InvalidOptionError(f'--tables {table}: legal: {", ".join(CAPTIONS)}')
    if table == FIGURE:
        return [
            Arm(family, scheme, k)
            for family in FAMILIES
            for scheme in FIGURE_SCHEMES
            for k in FIGURE_INTERVALS
        ]
    if table == BEYOND:
        return [
            Arm(YOLOV5, scheme, 0 if scheme == 'student' else BEYOND_INTERVAL)
            for scheme in BEYOND_SCHEMES
        ]
    arms = list(TABLES[table])
    # The paper does not say how the heat map is updated: the other way stands beside it.
    shifted = [Arm(a.family, 'shift', a.interval) for a in arms if a.scheme == 'ifm']
    return arms + shifted if table == '3' else arms


def trainings_for(arms: Sequence[Arm]) -> list[Training]:
    """What must be trained for some arms, in order."""
    known = all_trainings()
    wanted: set[str] = set()
    open_names = [name for arm in arms for name in contestant_of(arm).trainings]
    while open_names:
        training = known[open_names.pop()]
        if training.name not in wanted:
            wanted.add(training.name)
            open_names += [name for name in (training.start, training.teacher) if name]
    return [training for name, training in known.items() if name in wanted]
