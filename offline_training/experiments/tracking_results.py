"""Scores of presets on groups of cases, each computed once.

A result is kept in a file that is named by all it depends on: the options of the tracker, the
detections, stamps and ground truth of the cases, the code of the tracker and of the scores, the
machine and the versions of what both are made of.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
import functools
import hashlib
from importlib.metadata import version
import json
from pathlib import Path
import sys
from types import ModuleType
from typing import Any

from mot_compress_ros import boxes, tracking
from mot_compress_ros.console import ProgressLine
from mot_compress_ros.errors import InputError
from mot_compress_ros.options import to_mapping
from mot_compress_ros.tracking import PRESETS, presets, TrackerConfig
from offline_training import evaluation
from offline_training.environment import cpu_model
from offline_training.experiments.tracking_cases import Case
from offline_training.experiments.tracking_code import content_hash, source_hash
from offline_training.experiments.tracking_scoring import CaseScores, pool, PooledRow, score_case
from offline_training.parallel import failures, run_all, Task
from offline_training.report_files import write_report

_BATCH = 32


@dataclass(frozen=True, eq=False, kw_only=True)
class GroupJob:
    """One preset on the cases of one group at one rate."""

    cases: Sequence[Case]
    config: TrackerConfig


@dataclass(frozen=True, kw_only=True)
class PresetRow:
    """A line of the tables: what the preset is called there, and its scores."""

    preset: str
    row: PooledRow


def score_presets(
    cases: Sequence[Case],
    configs: Mapping[str, TrackerConfig],
    *,
    store: Path | None = None,
    workers: int = 1,
) -> list[PresetRow]:
    """All presets on all cases, pooled; group by group, presets in order.

    Args:
        cases: of any groups.
        configs: by the name of the row.
        store: folder of results that are computed once; None computes all.
        workers: how many groups run at a time.

    Raises:
        InputError: a tracker failed; the others are in the store.
    """
    jobs = dict(_jobs(cases, configs))
    paths = {name: store / f'{_key(job)}.json' if store else None for name, job in jobs.items()}
    done = {name: kept for name, path in paths.items() if path and (kept := _kept(path))}
    for name, scores in _computed(jobs, set(done), workers=workers):
        done[name] = scores
        path = paths[name]
        if path is not None:
            write_report(path, {'cases': [s.to_json() for s in scores]})
    return [
        PresetRow(preset=preset, row=row)
        for (_, _, preset), name in _named(cases, configs)
        for row in pool(list(zip(jobs[name].cases, done[name], strict=True)))
    ]


def score_group(job: GroupJob) -> list[CaseScores]:
    """One entry for each case."""
    return [score_case(case, job.config) for case in job.cases]


def _named(
    cases: Sequence[Case], configs: Mapping[str, TrackerConfig]
) -> list[tuple[tuple[str, str, str], str]]:
    """Group, rate and preset of each job, and the job's name."""
    groups = dict.fromkeys((case.group, case.rate) for case in cases)
    keys = [(group, rate, preset) for group, rate in groups for preset in configs]
    return [(key, f'{key[0]}, {key[1]}: {key[2]}') for key in keys]


def _jobs(
    cases: Sequence[Case], configs: Mapping[str, TrackerConfig]
) -> Iterator[tuple[str, GroupJob]]:
    for (group, rate, preset), name in _named(cases, configs):
        members = [case for case in cases if (case.group, case.rate) == (group, rate)]
        yield name, GroupJob(cases=members, config=configs[preset])


def _computed(
    jobs: Mapping[str, GroupJob], done: set[str], *, workers: int
) -> Iterator[tuple[str, list[CaseScores]]]:
    """What is not done yet, in batches, so that an interruption loses little."""
    missing = [Task(name=name, value=job) for name, job in jobs.items() if name not in done]
    if not missing:
        return
    step = 1 if workers == 1 else _BATCH  # every batch starts its own processes
    with ProgressLine(len(jobs), first=len(done)) as line:
        for start in range(0, len(missing), step):
            outcomes = run_all(missing[start : start + step], score_group, workers=workers)
            yield from ((o.name, o.result) for o in outcomes if o.result is not None)
            failed = failures(outcomes)
            if failed:
                raise InputError(f'{len(failed)} failed; {failed[0]}')
            last = outcomes[-1].name
            line.update(len(done) + start + len(outcomes), last.__str__)


def _kept(path: Path) -> list[CaseScores] | None:
    """A result of the store; None where there is none, or it cannot be read."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding='utf-8'))
        return [CaseScores.from_json(case) for case in content['cases']]
    except (OSError, ValueError, KeyError, TypeError, InputError):
        return None


def _key(job: GroupJob) -> str:
    content = {
        'config': to_mapping(job.config),
        'cases': [_fingerprint(case) for case in job.cases],
        'code': code_version(job.config.preset),
        'judge': source_hash(evaluation),
        'machine': [cpu_model(), *(version(name) for name in ('numpy', 'lap', 'trackeval'))],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:24]


@functools.cache
def _fingerprint(case: Case) -> str:
    seen = (case.detections, case.stamps_ns, case.camera_motion)
    return content_hash((case.name, case.protocol, case.judge, *seen))


def code_version(preset: str) -> str:
    """Hash of the source that decides what a preset publishes; another preset's is not in it."""
    return source_hash(tracking, boxes, without=presets) + source_hash(*_sources(PRESETS[preset]))


def _sources(preset: object) -> tuple[ModuleType, ...]:
    """The module of a preset and of those that it takes parts from."""
    found, missing = {presets.__name__: presets}, [getattr(preset, '__name__', '')]
    while missing:
        name = missing.pop()
        if name not in found and name.startswith(f'{presets.__name__}.'):
            found[name] = sys.modules[name]
            values = vars(found[name]).values()
            missing += [v.__name__ for v in values if isinstance(v, ModuleType)]
            missing += [str(getattr(v, '__module__', '')) for v in values]
    return tuple(found[name] for name in sorted(found) if name != presets.__name__)
