"""Pipelines as runs of `evaluate`, and frames per second of the whole pipeline.

FPS as the paper has it: frames by seconds of the whole tracking, networks and association, one
frame at a time. The images are in memory, the first keyframes are not measured, a turn is whole
periods of K frames, and turns of all pipelines alternate, so that what else the machine does
meets all of them.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass, field, replace
import functools
import hashlib
import itertools
import json
import math
import os
from pathlib import Path
from statistics import median
from typing import Any

from mot_compress_ros import (
    boxes,
    camera_motion,
    homography,
    inference,
    keyframe,
    networks,
    pipeline,
    preprocess,
    stream,
    tracking,
)
from mot_compress_ros.assembly import build_pipeline
from mot_compress_ros.console import ProgressLine
from mot_compress_ros.datatypes import Frame
from mot_compress_ros.errors import InputError
from mot_compress_ros.options import from_mapping
from mot_compress_ros.pipeline import PipelineConfig
from mot_compress_ros.sources.source import stamp_of_index
from offline_training import evaluation
from offline_training.benchmarks.pipeline import CAMERA, one_turn
from offline_training.command_options import typed
from offline_training.commands import evaluate
from offline_training.environment import cpu_model
from offline_training.evaluation.inference import sequence_frames
from offline_training.evaluation.truth_sets import read_set
from offline_training.experiments.atttrack_paper import Arm
from offline_training.experiments.atttrack_plan import all_trainings, contestant_of
from offline_training.experiments.atttrack_training import as_typed, Site
from offline_training.experiments.tracking_code import source_hash
from offline_training.report_files import write_report

PER_CENT = ('mota', 'idf1', 'hota')
WARM_UP_FRAMES = 10  # at least
MAX_AGE_S = 3600.0  # the paper uses Φ until the next keyframe, however slowly frames come


@functools.cache
def _code() -> str:
    packages = (camera_motion, inference, keyframe, networks, tracking, evaluation)
    return source_hash(boxes, homography, pipeline, preprocess, stream, *packages)


@dataclass(frozen=True, kw_only=True)
class Judging:
    """How pipelines are scored.

    Attributes:
        protocol: whose rules judge the tracks.
        pipeline: options of the pipeline, by dotted name.
        threads: CPU threads of the networks; 0 takes all.
        device: where the networks run.
        code: hash of the code that runs and judges them, of when it was loaded: the trainings that
            come before may take hours, in which the files change.
    """

    protocol: str
    pipeline: Mapping[str, object]
    threads: int = 0
    device: str = 'cpu'
    code: str = field(default_factory=_code)

    def options(self, arm: Arm) -> dict[str, object]:
        """Options of the pipeline of an arm that are not left at their defaults."""
        contestant = contestant_of(arm)
        options = {**self.pipeline, 'runtime.device': self.device}
        if self.threads:
            options['runtime.threads'] = self.threads
        if contestant.teacher:
            options |= {
                'keyframe.mode': 'fixed',
                'keyframe.interval': contestant.interval,
                'keyframe.update': contestant.update,
                'keyframe.max_age_s': MAX_AGE_S,
                **contestant.settings,
            }
        return options


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of an arm.

    Attributes:
        figures: by measure; MOTA, IDF1 and HOTA in per cent.
        turns_fps: frames per second of each turn.
        report: of `evaluate`.
    """

    figures: Mapping[str, float]
    turns_fps: Sequence[float]
    report: Mapping[str, Any]

    def to_json(self) -> dict[str, object]:
        """All but the report, of which the command and the origin are kept."""
        return {
            'figures': dict(self.figures),
            'turns_fps': list(self.turns_fps),
            'command': self.report['command'],
        }


def result_of(report: Mapping[str, Any], turns_fps: Sequence[float]) -> Result:
    """The figures of the tables from an evaluation and the turns."""
    (origin,) = report['combined']
    pooled = report['combined'][origin]['all']
    sizes = report['sizes']['student']
    figures = {measure: 100 * float(pooled[measure]) for measure in PER_CENT}
    figures['parameters_m'] = sizes['parameters'] / 1e6
    if turns_fps:
        figures['fps'] = float(median(turns_fps))
    return Result(figures=figures, turns_fps=turns_fps, report=report)


def evaluate_words(site: Site, arm: Arm, judging: Judging) -> list[str]:
    """The words after `python -m offline_training`."""
    student, teacher = site.bundles(contestant_of(arm))
    words = ['evaluate', '--model', str(student)]
    words += ['--teacher', str(teacher)] if teacher else []
    words += ['--data', str(site.halves.test), '--protocol', judging.protocol]
    words += ['--resamples', '0']
    for name, value in judging.options(arm).items():
        words += ['--set', f'{name}={value}']
    return words


def evaluated(site: Site, arm: Arm, judging: Judging) -> dict[str, Any]:
    """The report of `evaluate`, made where it is not there.

    Raises:
        InputError: a sequence could not be scored.
    """
    words = evaluate_words(site, arm, judging)
    path = site.run / 'evaluations' / f'{_key(site, arm, judging)}.json'
    if not path.exists():
        parser = argparse.ArgumentParser(prog='evaluate')
        evaluate.add_arguments(parser)
        path.parent.mkdir(parents=True, exist_ok=True)
        log = path.with_suffix('.log').open('w', encoding='utf-8')
        with log, redirect_stderr(log), as_typed(words):
            report = evaluate.evaluate(parser.parse_args(words[1:]))
        if report['failed']:
            name, error = next(iter(report['failed'].items()))
            raise InputError(f'{arm.label}: {name}: {error}')
        write_report(path, report)
    found: dict[str, Any] = json.loads(path.read_text(encoding='utf-8'))
    return found


def _key(site: Site, arm: Arm, judging: Judging) -> str:
    """Stands for a pipeline, its data and the code that runs and judges it."""
    known, contestant = all_trainings(), contestant_of(arm)
    content = [
        [site.digest(known[name]) for name in contestant.trainings],
        contestant.shared,
        site.halves.digest,
        judging.protocol,
        {name: str(value) for name, value in judging.options(arm).items()},
        judging.code,
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:24]


def measured_fps(site: Site, arms: Sequence[Arm], judging: Judging) -> dict[Arm, list[float]]:
    """Frames per second of each turn of each arm; turns that were measured are not again."""
    paths = {arm: _turns_path(site, arm, judging) for arm in arms}
    turns = {arm: _read_turns(path) for arm, path in paths.items()}
    order = itertools.product(range(site.preset.speed['repeats']), arms)
    missing = [arm for turn, arm in order if len(turns[arm]) <= turn]
    stand = _Stand(site, judging)
    with ProgressLine(len(missing)) as line:
        for done, arm in enumerate(missing):
            line.update(done, lambda arm=arm: f'frames per second: {arm.label}')  # type: ignore[misc]
            turns[arm].append(stand.turn(arm))
            write_report(paths[arm], {'frames_per_s': turns[arm], 'load': os.getloadavg()[0]})
        line.update(len(missing), lambda: 'frames per second')
    return turns


def _turns_path(site: Site, arm: Arm, judging: Judging) -> Path:
    text = f'{_key(site, arm, judging)} {cpu_model()} {dict(site.preset.speed)}'
    return site.run / 'speed' / f'{hashlib.sha256(text.encode()).hexdigest()[:24]}.json'


def _read_turns(path: Path) -> list[float]:
    try:
        return [float(v) for v in json.loads(path.read_text('utf-8'))['frames_per_s']]
    except (OSError, ValueError, KeyError):
        return []


class _Stand:
    """Opens the images once, and measures turns."""

    def __init__(self, site: Site, judging: Judging) -> None:
        self._site, self._judging = site, judging

    def turn(self, arm: Arm) -> float:
        """Frames per second over whole periods of K frames.

        Raises:
            InputError: the teacher failed, or there are too few frames.
        """
        values = typed(PipelineConfig, self._judging.options(arm))
        student, teacher = self._site.bundles(contestant_of(arm))
        running = build_pipeline(
            cameras=[CAMERA],
            model=str(student),
            teacher=str(teacher or ''),
            config=from_mapping(PipelineConfig, values),
        )
        try:
            warm_up, measured = whole_periods(len(self._frames), arm.interval)
            turn = one_turn(running, self._frames[: warm_up + measured], warm_up=warm_up)
            keyframes = running.health.counters().get('keyframes', 0)
        finally:
            running.close()
        if keyframes != (measured // arm.interval if arm.interval else 0):
            raise InputError(f'{arm.label}: the teacher saw {keyframes} of {measured} frames')
        return float(str(turn['frames_per_s']))

    @functools.cached_property
    def _frames(self) -> list[Frame]:
        """The first images of the test halves, stamped as one stream of one size."""
        sequences = read_set(self._site.halves.test, {'layout': 'mot'}).sequences
        first = sequences[0]
        frames = itertools.chain.from_iterable(
            sequence_frames(s) for s in sequences if s.size_wh == first.size_wh
        )
        count = self._site.preset.speed['frames'] + WARM_UP_FRAMES
        return [
            replace(frame, camera=CAMERA, frame_index=i, stamp_ns=stamp_of_index(i, first.fps))
            for i, frame in enumerate(itertools.islice(frames, count))
        ]


def whole_periods(n: int, interval: int) -> tuple[int, int]:
    """How many of `n` frames are not measured, and how many then are: whole periods of K.

    Raises:
        InputError: there are not enough.
    """
    k = max(interval, 1)
    warm_up = math.ceil(WARM_UP_FRAMES / k) * k
    measured = (n - warm_up) // k * k
    if measured < k:
        raise InputError(
            f'{n} frames are too few to measure the speed at K = {k}: expected {warm_up + k}'
        )
    return warm_up, measured
