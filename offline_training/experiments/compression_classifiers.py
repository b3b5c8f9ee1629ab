"""The trainings of table 1: what each starts from, learns from and differs in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from offline_training.classification.sparsity import SCHEDULES

# 10^6 multiply-adds of an image of 32 x 32 px, forwards; `test_networks` counts them.
MMAC = {'base': 27.0, 'student': 5.6}


@dataclass(frozen=True, kw_only=True)
class Classifier:
    """One network of the table.

    Attributes:
        name: unique among those of a seed.
        what: in a few words.
        network: name in `classification.networks.SHAPES`.
        options: of `ClassifierOptions`, by dotted name.
        start: whose weights it begins with, or is made int8 of.
        teacher: whose logits it learns.
        norm: whether it has BatchNorm.
        tuned_by: trainings of which the best on validation gives T and alpha.
        best_of: networks of which it is the best on validation; nothing is trained.
        int8: how a start with BatchNorm becomes int8: `folded` or `removed`; nothing is trained.
    """

    name: str
    what: str
    network: str
    options: Mapping[str, Any] = field(default_factory=dict)
    start: str = ''
    teacher: str = ''
    norm: bool = True
    tuned_by: tuple[str, ...] = ()
    best_of: tuple[str, ...] = ()
    int8: str = ''

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of those before it."""
        named = (self.start, self.teacher, *self.tuned_by, *self.best_of)
        return tuple(name for name in named if name)


def classifiers(preset: Mapping[str, Any]) -> list[Classifier]:
    """Every network of table 1, in an order in which each comes after those it needs."""
    epochs = {'epochs': preset['epochs']}
    found = [
        Classifier(name='base', what='the base network', network='base', options=epochs),
        Classifier(name='student', what='the student alone', network='student', options=epochs),
        *_pruned(preset),
        *_distilled(preset, 'base'),
        *_distilled(preset, 'pruned'),
        *_int8(preset),
        *_ours(preset),
    ]
    # What is not trained has no options.
    precision = {'precision': preset['precision']}
    return [replace(c, options={**c.options, **precision}) if c.options else c for c in found]


def amount_name(schedule: str, amount: float) -> str:
    """As `one_shot-40`."""
    return f'{schedule}-{round(100 * amount)}'


def _pruned(preset: Mapping[str, Any]) -> list[Classifier]:
    """By schedule and amount; those that begin with the base get as many epochs more."""
    more = {'epochs': preset['fine_tune_epochs']}
    found = [
        Classifier(
            name='base-longer',
            what='the base network, trained on like the pruned ones',
            network='base',
            options=more,
            start='base',
        )
    ]
    for schedule in SCHEDULES:
        whole = schedule == 'during_training'
        length = {'epochs': preset['epochs']} if whole else more
        found += [
            Classifier(
                name=amount_name(schedule, amount),
                what=f'{round(100 * amount)} % pruned, {schedule.replace("_", " ")}',
                network='base',
                options={**length, 'pruned': amount, 'pruning': schedule},
                start='' if whole else 'base',
            )
            for amount in preset['amounts']
        ]
    candidates = tuple(one.name for one in found[1:])
    return [
        *found,
        Classifier(
            name='pruned',
            what='the pruned network that is best on validation, a teacher',
            network='base',
            best_of=candidates,
        ),
    ]


def _distilled(preset: Mapping[str, Any], teacher: str) -> list[Classifier]:
    """Students of one teacher: a sweep on validation, equation 1, and logits."""
    sweep = [
        _taught(
            f'{teacher}-sweep-T{temperature:g}-a{alpha:g}',
            f'T {temperature:g}, α {alpha:g}',
            teacher,
            preset['sweep_epochs'],
            lesson={'lesson.temperature': float(temperature), 'lesson.alpha': float(alpha)},
        )
        for temperature in preset['temperatures']
        for alpha in preset['alphas']
    ]
    return [
        *sweep,
        _taught(
            f'{teacher}-kd',
            'equation 1, T and α as swept',
            teacher,
            preset['epochs'],
            tuned_by=tuple(one.name for one in sweep),
        ),
        _taught(
            f'{teacher}-logits',
            'squared error of logits',
            teacher,
            preset['epochs'],
            lesson={'lesson.kind': 'logits', 'lesson.alpha': 1.0},
        ),
    ]


def _taught(
    name: str,
    what: str,
    teacher: str,
    epochs: int,
    *,
    tuned_by: tuple[str, ...] = (),
    lesson: Mapping[str, Any] | None = None,
) -> Classifier:
    return Classifier(
        name=name,
        what=f'the student of {teacher}: {what}',
        network='student',
        options={'epochs': epochs, 'lesson.kind': 'soft_targets', **(lesson or {})},
        teacher=teacher,
        tuned_by=tuned_by,
    )


def _int8(preset: Mapping[str, Any]) -> list[Classifier]:
    return [
        Classifier(
            name='base-without-norm',
            what='the base network without BatchNorm',
            network='base',
            options={'epochs': preset['epochs']},
            norm=False,
        ),
        Classifier(
            name='int8-without-norm',
            what='that one in int8, as the paper',
            network='base',
            start='base-without-norm',
            norm=False,
            int8='folded',
        ),
        Classifier(
            name='int8-norm-removed',
            what='the base network in int8, its BatchNorm taken out after training',
            network='base',
            start='base',
            int8='removed',
        ),
        Classifier(
            name='int8-folded',
            what='the base network in int8, BatchNorm folded',
            network='base',
            start='base',
            int8='folded',
        ),
    ]


def _ours(preset: Mapping[str, Any]) -> list[Classifier]:
    """Our recipe: more epochs, augmentation, a falling learning rate, averaged weights."""
    ours = dict(preset['ours'])
    amount, share = ours.pop('pruned'), ours.pop('fine_tune_epochs')
    own = ours.pop('student')  # a small network learns for longer, and overfits less
    lesson: dict[str, Any] = {'lesson.kind': 'soft_targets'}
    lesson |= {f'lesson.{key}': float(ours.pop(key)) for key in ('temperature', 'alpha')}
    prune = {**ours, 'epochs': share, 'pruned': amount, 'pruning': 'iterative'}

    def student(name: str, what: str, teacher: str = '') -> Classifier:
        return Classifier(
            name=name,
            what=what,
            network='student',
            options={**ours, **own, **(lesson if teacher else {})},
            teacher=teacher,
        )

    return [
        Classifier(name='ours-base', what='base, our recipe', network='base', options=ours),
        Classifier(
            name='ours-pruned',
            what=f'{round(100 * amount)} % pruned, iterative, our recipe',
            network='base',
            options=prune,
            start='ours-base',
        ),
        student('ours-student', 'student alone, our recipe'),
        student('ours-base-kd', 'student of the base, our recipe', 'ours-base'),
        student('ours-pruned-kd', 'student of the pruned base, our recipe', 'ours-pruned'),
        Classifier(
            name='ours-int8',
            what='that student in int8, BatchNorm folded',
            network='student',
            start='ours-pruned-kd',
            int8='folded',
        ),
    ]
