"""The work of `experiments distillation`: trainings and evaluations, each done once."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
import hashlib
import json
from typing import Any

from mot_compress_ros.console import complain, ProgressLine
from mot_compress_ros.errors import InputError
from offline_training.commands import evaluate
from offline_training.experiments.atttrack_plan import Training
from offline_training.experiments.atttrack_scoring import Judging
from offline_training.experiments.atttrack_time import Clock, duration, plan_text
from offline_training.experiments.atttrack_training import as_typed, complete, Site
from offline_training.experiments.distillation_plan import STUDENT
from offline_training.report_files import write_report

PER_CENT = ('idf1', 'mota', 'hota')


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of a network.

    Attributes:
        figures: IDF1, MOTA, HOTA and MT (mostly tracked objects), in per cent, by name.
        report: of `evaluate`.
    """

    figures: Mapping[str, float]
    report: Mapping[str, Any]

    def to_json(self) -> dict[str, object]:
        """All but the report, of which the command is kept."""
        return {'figures': dict(self.figures), 'command': self.report['command']}


def result_of(report: Mapping[str, Any]) -> Result:
    """The figures of the tables from an evaluation."""
    (origin,) = report['combined']
    pooled = report['combined'][origin]['all']
    tracked = [pooled[name] for name in ('mostly_tracked', 'partly_tracked', 'mostly_lost')]
    figures = {name: 100 * float(pooled[name]) for name in PER_CENT}
    figures['mt'] = 100 * tracked[0] / max(sum(tracked), 1)
    return Result(figures=figures, report=report)


def scored(site: Site) -> list[Training]:
    """The trainings whose networks are scored: all but what the students begin with."""
    return [training for training in site.known.values() if training.name != STUDENT]


def planned_text(site: Site) -> str:
    """What would be done, and how long it takes."""
    halves, clock = site.halves, Clock(site)
    title = (
        f'{len(halves.names)} sequences ({halves.images} images to train on, {halves.frames} to '
        f'score, {halves.identities} identities), {len(scored(site))} networks to score'
    )
    return plan_text([clock.training(training) for training in site.known.values()], title=title)


def train_all(site: Site) -> None:
    """Train what is not trained yet.

    Raises:
        TrainingStoppedError: a signal came; what was done is kept.
        MotCompressError: `train` refuses what it was given.
    """
    planned = list(site.known.values())
    for done, training in enumerate(planned):
        if not site.is_done(training):
            left_s = sum(Clock(site).training(other).seconds for other in planned[done:])
            complain(
                f'[{done + 1}/{len(planned)}] {training.name}: {training.what}, about '
                f'{duration(left_s)} left to train'
            )
            complete(site, training)


def score_all(site: Site, judging: Judging) -> dict[str, Result]:
    """The result of each network, by name of its training.

    Raises:
        InputError: a sequence could not be scored.
    """
    planned = scored(site)
    results = {}
    with ProgressLine(len(planned)) as line:
        for done, training in enumerate(planned):
            line.update(done, lambda training=training: f'score {training.name}')  # type: ignore[misc]
            results[training.name] = result_of(_evaluated(site, training, judging))
        line.update(len(planned), lambda: 'scored')
    return results


def evaluate_words(site: Site, training: Training, judging: Judging) -> list[str]:
    """The words after `python -m offline_training`."""
    words = ['evaluate', '--model', str(site.bundle(training)), '--data', str(site.halves.test)]
    words += ['--protocol', judging.protocol, '--resamples', '0']
    for name, value in _options(judging).items():
        words += ['--set', f'{name}={value}']
    return words


def _options(judging: Judging) -> dict[str, object]:
    options = {**judging.pipeline, 'runtime.device': judging.device}
    return {**options, 'runtime.threads': judging.threads} if judging.threads else options


def _evaluated(site: Site, training: Training, judging: Judging) -> dict[str, Any]:
    """The report of `evaluate`, made where it is not there."""
    words = evaluate_words(site, training, judging)
    path = site.run / 'evaluations' / f'{_key(site, training, judging)}.json'
    if not path.exists():
        parser = argparse.ArgumentParser(prog='evaluate')
        evaluate.add_arguments(parser)
        path.parent.mkdir(parents=True, exist_ok=True)
        log = path.with_suffix('.log').open('w', encoding='utf-8')
        with log, redirect_stderr(log), as_typed(words):
            report = evaluate.evaluate(parser.parse_args(words[1:]))
        if report['failed']:
            name, error = next(iter(report['failed'].items()))
            raise InputError(f'{training.name}: {name}: {error}')
        write_report(path, report)
    found: dict[str, Any] = json.loads(path.read_text(encoding='utf-8'))
    return found


def _key(site: Site, training: Training, judging: Judging) -> str:
    """Stands for a network, its data and the code that runs and judges it."""
    options = {name: str(value) for name, value in _options(judging).items()}
    content: Sequence[object] = [
        site.digest(training),
        site.halves.digest,
        judging.protocol,
        options,
        judging.code,
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:24]
