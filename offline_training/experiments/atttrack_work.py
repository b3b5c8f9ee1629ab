"""The work of `experiments atttrack`: all that is to be trained and scored, each once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mot_compress_ros.console import complain, ProgressLine
from offline_training.experiments.atttrack_paper import Arm
from offline_training.experiments.atttrack_plan import Training, trainings_for
from offline_training.experiments.atttrack_scoring import (
    evaluated,
    Judging,
    measured_fps,
    Result,
    result_of,
)
from offline_training.experiments.atttrack_time import Clock, duration, Job, plan_text
from offline_training.experiments.atttrack_training import complete, seconds_of, Site


def all_to_train(sites: Mapping[str, Site]) -> list[tuple[Site, Training]]:
    """Everything to be trained, each once."""
    found: dict[Path, tuple[Site, Training]] = {}
    for site, tables in by_site(sites):
        for training in trainings_for([arm for table in tables for arm in site.arms(table)]):
            found[site.folder(training)] = (site, training)
    return list(found.values())


def all_to_score(sites: Mapping[str, Site]) -> list[tuple[Site, Arm]]:
    """Everything to be scored, each once."""
    return [
        (site, arm)
        for site, tables in by_site(sites)
        for arm in dict.fromkeys(arm for table in tables for arm in site.arms(table))
    ]


def by_site(sites: Mapping[str, Site]) -> list[tuple[Site, list[str]]]:
    """Each data set once, with its tables."""
    found: dict[Path, tuple[Site, list[str]]] = {}
    for table, site in sites.items():
        found.setdefault(site.halves.folder, (site, []))[1].append(table)
    return list(found.values())


def planned_text(sites: Mapping[str, Site]) -> str:
    """What would be done, and how long it takes."""
    trainings = [Clock(site).training(training) for site, training in all_to_train(sites)]
    scoring = [Clock(site).scoring(arm) for site, arm in all_to_score(sites)]
    rest = Job(
        name=f'score {len(scoring)} pipelines, where they are not in the folder of the runs',
        seconds=sum(job.seconds for job in scoring),
        is_done=False,
    )
    halves = ', '.join(
        f'{len(site.halves.names)} sequences ({site.halves.images} images to train on, '
        f'{site.halves.frames} to score, {site.halves.identities} identities)'
        for site, _ in by_site(sites)
    )
    return plan_text([*trainings, rest], title=halves)


def train_all(sites: Mapping[str, Site]) -> None:
    """Train what is not trained yet.

    Raises:
        TrainingStoppedError: a signal came; what was done is kept.
        MotCompressError: `train` refuses what it was given.
    """
    planned = all_to_train(sites)
    expected_s, taken_s = 0.0, 0.0  # of this start, to correct what is expected of the rest
    for done, (site, training) in enumerate(planned):
        left_s = [Clock(s).training(t).seconds for s, t in planned[done:]]
        if site.is_done(training):
            continue
        pace = taken_s / expected_s if expected_s else 1.0
        complain(
            f'[{done + 1}/{len(planned)}] {training.name}: {training.what}, about '
            f'{duration(pace * left_s[0])} of {duration(pace * sum(left_s))} left to train'
        )
        before_s = seconds_of(site.folder(training)) or 0.0
        taken_s += complete(site, training) - before_s
        expected_s += left_s[0]


def score_all(sites: Mapping[str, Site], judging: Judging) -> dict[tuple[str, Arm], Result]:
    """The result of each arm of each table.

    Raises:
        InputError: a sequence could not be scored.
    """
    planned = all_to_score(sites)
    reports = {}
    with ProgressLine(len(planned)) as line:
        for done, (site, arm) in enumerate(planned):
            line.update(done, lambda arm=arm: f'score {arm.label}')  # type: ignore[misc]
            reports[site.halves.folder, arm] = evaluated(site, arm, judging)
        line.update(len(planned), lambda: 'scored')
    turns: dict[tuple[Path, Arm], list[float]] = {}
    for site, _ in by_site(sites):
        mine = [arm for s, arm in planned if s.halves == site.halves]
        measured = measured_fps(site, mine, judging)
        turns |= {(site.halves.folder, arm): fps for arm, fps in measured.items()}
    return {
        (table, arm): result_of(reports[site.halves.folder, arm], turns[site.halves.folder, arm])
        for table, site in sites.items()
        for arm in site.arms(table)
    }
