"""Trainings as runs of `train`, each done once and gone on with after an interruption.

A training has a folder that is named by everything its result depends on: the recipe, the data,
and the trainings that it begins with or learns from. So other options are another folder, and
nothing old is ever taken for something new.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
import functools
import hashlib
import json
from pathlib import Path
import sys
import time
from typing import Any

import yaml

from mot_compress_ros.errors import MotCompressError
from mot_compress_ros.options import to_mapping
from offline_training.experiments.atttrack_halves import Halves, SOURCES
from offline_training.experiments.atttrack_paper import Arm, FAMILIES
from offline_training.experiments.atttrack_plan import (
    all_trainings,
    arms_of,
    Contestant,
    Training,
)
from offline_training.experiments.atttrack_presets import Preset
from offline_training.report_files import write_report, write_text
from offline_training.training.config import BESIDE_THE_RESULT

TIMES_FILE = 'times.json'
# Options that `train` sets itself, or that make no difference.
_LEFT_OUT = {'architecture.pivots', 'train.shards', *(f'train.{n}' for n in BESIDE_THE_RESULT)}


class TrainingStoppedError(MotCompressError):
    """A training was interrupted; `exit_code` says by which signal."""

    def __init__(self, name: str, exit_code: int) -> None:
        super().__init__(f'{name}: stopped; the same command goes on from there')
        self.exit_code = exit_code


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where and on what the trainings of one data set are done.

    Attributes:
        run: folder of the experiment.
        halves: the data.
        preset: sizes.
        n_class: classes that are learned, from the first.
        share: of the preset's steps.
        settings: options of every training, which win over all others.
        init: bundle that a network starts from, by name of the network.
        device: where to train.
        threads: CPU threads, 0 takes all.
        students: families whose rows of the tables are made.
        known: every training by its name.
    """

    run: Path
    halves: Halves
    preset: Preset
    n_class: int
    share: float = 1.0
    settings: Mapping[str, object]
    init: Mapping[str, str]
    device: str = 'cpu'
    threads: int = 0
    students: tuple[str, ...] = FAMILIES
    known: Mapping[str, Training] = field(default_factory=all_trainings)

    def arms(self, table: str) -> list[Arm]:
        """The rows of a table that are made, in order."""
        return [arm for arm in arms_of(table) if arm.family in self.students]

    def steps(self, training: Training) -> int:
        """Optimizer steps of a training."""
        return self.preset.steps(
            training.stage,
            images=self.halves.images,
            share=self.share,
            network=training.network,
        )

    def options(self, training: Training) -> dict[str, object]:
        """Every option of the recipe that is not left at its default, by dotted name."""
        preset, width_height = self.preset, self.preset.input_size_wh
        options: dict[str, object] = {
            'sampler': 'epochs',
            **preset.recipe,
            'augment.width_px': width_height[0],
            'augment.height_px': width_height[1],
            'train.steps': self.steps(training),
            **network_options(preset.networks[training.network], n_class=self.n_class),
        }
        if training.stage == 'more':
            options |= {'sampler': 'keyframes', **preset.more, 'attention.prior': 'off'}
        options = {**options, **training.settings}
        if training.told:
            options |= {f'attention.{name}': value for name, value in preset.attention.items()}
        return {**options, **self.settings}

    def digest(self, training: Training) -> str:
        """Of everything that its result depends on."""
        init = '' if training.start else self.init.get(training.network, '')
        content = {
            'options': {name: str(v) for name, v in sorted(self.options(training).items())},
            'data': self.halves.digest,
            'input': self.preset.input_size_wh,
            'init': _weights_sha256(init) if init else '',
            **_edition(str(self.options(training)['sampler'])),
            'needs': [
                self.digest(self.known[name])
                for name in (training.start, training.teacher)
                if name
            ],
        }
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def folder(self, training: Training) -> Path:
        """Of all that a training leaves behind."""
        return self.run / 'trainings' / f'{training.name}-{self.digest(training)[:8]}'

    def bundle(self, training: Training) -> Path:
        """The trained network."""
        return self.folder(training) / training.name

    def shared_teacher(self, training: Training) -> Path:
        """The teacher with the pivots of this training."""
        return self.folder(training) / f'{training.name}-teacher'

    def bundles(self, contestant: Contestant) -> tuple[Path, Path | None]:
        """Student and teacher of a pipeline."""
        student = self.known[contestant.student]
        if not contestant.teacher:
            return self.bundle(student), None
        if contestant.shared:
            return self.bundle(student), self.shared_teacher(student)
        return self.bundle(student), self.bundle(self.known[contestant.teacher])

    def is_done(self, training: Training) -> bool:
        """Whether its bundles are there, and are of today's options."""
        outputs = [self.bundle(training)]
        outputs += [self.shared_teacher(training)] if training.shares_pivots else []
        return all((output / 'model.json').exists() for output in outputs) and _is_of_today(
            self.folder(training) / 'recipe.yaml', outputs[0] / 'model.json'
        )


def network_options(network: Mapping[str, object], *, n_class: int) -> dict[str, object]:
    """Options of a recipe, by dotted name, from what a preset says of a network.

    One that names its `family` is of that section of the recipe, any other of `architecture`.
    """
    family = network.get('family')
    section = str(family or 'architecture')
    sizes = {f'{section}.{key}': value for key, value in network.items() if key != 'family'}
    chosen = {'family': family} if family else {}
    return {**chosen, f'{section}.n_class': n_class, **sizes}


def _is_of_today(recipe: Path, manifest: Path) -> bool:
    """False where an option that the recipe leaves at its default had another one then.

    `train` then refuses to go on with the old run. An option that was not there then changes
    nothing at its default, and another value has another folder.
    """
    from offline_training.recipes import read_recipe

    now = to_mapping(read_recipe(recipe).config)
    then = json.loads(manifest.read_text(encoding='utf-8'))['training']['options']
    return all(name in _LEFT_OUT or then.get(name, value) == value for name, value in now.items())


def _edition(sampler: str) -> dict[str, int]:
    """Of the samples that the code draws; the first is left out, as it was when it was alone."""
    from offline_training.datasets.sampler import SAMPLERS

    edition = SAMPLERS[sampler].edition
    return {'edition': edition} if edition > 1 else {}


@functools.cache
def _weights_sha256(bundle: str) -> str:
    from mot_compress_ros.inference import load_bundle

    return load_bundle(bundle).manifest.weights_sha256


def train_words(site: Site, training: Training) -> list[str]:
    """The words after `python -m offline_training`; the recipe is what `write_recipe` wrote."""
    known, folder = site.known, site.folder(training)
    width, height = site.preset.input_size_wh
    words = ['train', str(folder / 'recipe.yaml'), '--data', str(site.halves.folder)]
    words += ['--output', str(site.bundle(training)), '--run', str(folder / 'run')]
    words += ['--input-size', f'{width}x{height}', '--device', site.device]
    words += ['--threads', str(site.threads)]
    start = str(site.bundle(known[training.start])) if training.start else ''
    start = start or site.init.get(training.network, '')
    words += ['--init', start] if start else []
    if training.teacher:
        words += ['--teacher', str(site.bundle(known[training.teacher]))]
    if training.shares_pivots:
        words += ['--teacher-output', str(site.shared_teacher(training))]
    return words


def complete(site: Site, training: Training) -> float:
    """Train what is not trained yet; returns the seconds that it took, all starts together.

    Raises:
        TrainingStoppedError: a signal came; what was done is kept.
        MotCompressError: `train` refuses what it was given.
    """
    folder = site.folder(training)
    if site.is_done(training):
        return seconds_of(folder) or 0.0
    folder.mkdir(parents=True, exist_ok=True)
    write_recipe(folder / 'recipe.yaml', site.options(training))
    before_s, start_s = seconds_of(folder) or 0.0, time.monotonic()
    try:
        code = run_typed(train_words(site, training))
    finally:
        spent_s = before_s + time.monotonic() - start_s
        write_report(folder / TIMES_FILE, {'seconds': round(spent_s, 1)})
    if code:
        raise TrainingStoppedError(training.name, code)
    return spent_s


def write_recipe(path: Path, options: Mapping[str, object]) -> None:
    """A recipe of `train` with these options and the training halves as its source."""
    nested: dict[str, Any] = {}
    for name, value in options.items():
        section, _, key = name.rpartition('.')
        (nested.setdefault(section, {}) if section else nested)[key] = value
    text = yaml.safe_dump({**nested, 'sources': list(SOURCES)}, sort_keys=True)
    write_text(path, text)


def seconds_of(folder: Path) -> float | None:
    """What a training has taken so far; None where it was never begun."""
    try:
        return float(json.loads((folder / TIMES_FILE).read_text(encoding='utf-8'))['seconds'])
    except (OSError, ValueError, KeyError):
        return None


def run_typed(words: list[str]) -> int:
    """Run `train` in this process; its bundle names the command that makes it again."""
    from offline_training.commands import train

    parser = argparse.ArgumentParser(prog='train')
    train.add_arguments(parser)
    with as_typed(words):
        return train.run(parser.parse_args(words[1:]))


@contextmanager
def as_typed(words: list[str]) -> Iterator[None]:
    """What asks for the command line gets these words after `python -m offline_training`."""
    before = sys.argv
    sys.argv = [before[0], *words]
    try:
        yield
    finally:
        sys.argv = before
