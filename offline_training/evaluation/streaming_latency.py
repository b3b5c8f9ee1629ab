"""How long a frame takes in a streaming evaluation: as measured now, constant, or as drawn.

A source answers for the role of the network that saw the frame ('student' or 'teacher'), so that
keyframes cost what they cost. A speed factor of 2 stands for a machine twice as fast.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import json
import math
from pathlib import Path
from typing import Protocol

import numpy as np

from mot_compress_ros.errors import InputError, InvalidOptionError
from mot_compress_ros.keyframe import Role

MEASURED = 'measured'


class LatencySource(Protocol):
    """Runtime of one frame."""

    @property
    def wall_rate(self) -> float:
        """Nanoseconds that pass for each that this machine needs beside the networks."""

    def duration_ns(self, role: str, measured_ns: int) -> int:
        """Of a frame that the network of `role` saw and that took it `measured_ns` here."""

    def beside(self) -> LatencySource:
        """For a network that works beside: what it takes changes nothing of what this one says."""


@dataclass(frozen=True)
class MeasuredLatency:
    """The wall clock of this machine, divided by the speed factor."""

    speed_factor: float

    def duration_ns(self, role: str, measured_ns: int) -> int:
        """The measured time, scaled."""
        del role
        return round(measured_ns / self.speed_factor)

    @property
    def wall_rate(self) -> float:
        """As fast as the networks."""
        return 1 / self.speed_factor

    def beside(self) -> MeasuredLatency:
        """The same: it remembers nothing."""
        return self


class DrawnLatency:
    """Runtimes drawn with replacement from samples; the same seed gives the same runtimes.

    Samples are of whole frames, so that nothing passes beside them.

    Args:
        samples_ms: by role; one sample makes a constant.
        speed_factor: divides them.
        seed: of the draws.
    """

    def __init__(
        self, samples_ms: Mapping[str, Sequence[float]], *, speed_factor: float, seed: int
    ) -> None:
        self._samples_ms, self._speed_factor, self._seed = samples_ms, speed_factor, seed
        self._samples_ns = {
            role: np.asarray(samples) * 1e6 / speed_factor for role, samples in samples_ms.items()
        }
        self._random = np.random.default_rng(seed)

    def duration_ns(self, role: str, measured_ns: int) -> int:
        """One draw."""
        del measured_ns
        samples_ns = self._samples_ns[role]
        return round(float(samples_ns[self._random.integers(len(samples_ns))]))

    @property
    def wall_rate(self) -> float:
        """None: a run is the same on every machine."""
        return 0.0

    def beside(self) -> DrawnLatency:
        """The same samples, drawn by another seed that follows from this one's."""
        (other,) = np.random.SeedSequence(self._seed).generate_state(1)
        return DrawnLatency(self._samples_ms, speed_factor=self._speed_factor, seed=int(other))


@dataclass(frozen=True, kw_only=True)
class LatencyChoice:
    """What `--latency` asked for; without samples the wall clock is measured.

    Attributes:
        description: for people.
        samples_ms: by role.
    """

    description: str
    samples_ms: Mapping[str, tuple[float, ...]] | None = None

    def source(self, *, speed_factor: float, seed: int) -> LatencySource:
        """A source at its beginning."""
        if self.samples_ms is None:
            return MeasuredLatency(speed_factor)
        return DrawnLatency(self.samples_ms, speed_factor=speed_factor, seed=seed)


@dataclass(frozen=True, kw_only=True)
class TimedNetwork:
    """A model whose runtime is wanted: its name, as the benchmark calls it, and its input."""

    name: str
    input_size_wh: tuple[int, int]


def choose_latency(
    text: str, *, student: TimedNetwork, teacher: TimedNetwork | None = None
) -> LatencyChoice:
    """Read `--latency`.

    Args:
        text: `measured`, milliseconds as `17`, `17,60` for student and teacher, or the JSON file
            of `benchmark pipeline`, which has measured each of the models alone.
        student: the network of most frames.
        teacher: the network of the keyframes, if there are any.

    Raises:
        InvalidOptionError: numbers that are no runtimes, or one too few.
        InputError: the file cannot be read, lacks a model, or is of another input size.
    """
    if text == MEASURED:
        return LatencyChoice(description='wall clock of each step on this machine')
    models = {Role.STUDENT.value: student, **({Role.TEACHER.value: teacher} if teacher else {})}
    if text.endswith('.json') or Path(text).is_file():
        samples = read_samples(Path(text), models)
        return LatencyChoice(
            description=f'drawn from {Path(text).name}: '
            + ', '.join(f'{len(s)} samples of {models[role].name}' for role, s in samples.items()),
            samples_ms=samples,
        )
    values = _milliseconds(text)
    if len(values) != len(models):
        raise InvalidOptionError(
            f'--latency {text}: {len(values)} runtimes for {len(models)} networks; write '
            f'{"STUDENT_MS,TEACHER_MS" if teacher else "MS"}'
        )
    constants = {role: (ms,) for role, ms in zip(models, values, strict=True)}
    return LatencyChoice(
        description=', '.join(f'{role} {ms:g} ms' for role, (ms,) in constants.items()),
        samples_ms=constants,
    )


def _milliseconds(text: str) -> list[float]:
    try:
        values = [float(part) for part in text.split(',')]
    except ValueError:
        raise InvalidOptionError(
            f'--latency {text}: expected {MEASURED}, MS, STUDENT_MS,TEACHER_MS, or a JSON file of '
            '`benchmark pipeline`'
        ) from None
    if not all(math.isfinite(v) and v >= 0 for v in values):
        raise InvalidOptionError(f'--latency {text}: expected milliseconds of 0 and above')
    return values


def read_samples(path: Path, models: Mapping[str, TimedNetwork]) -> dict[str, tuple[float, ...]]:
    """Runtimes (ms) of whole frames, by role, from a file of `benchmark pipeline`.

    Raises:
        InputError: the file is of another kind, or a model of `models` was not measured in it at
            its input size.
    """
    try:
        report = json.loads(path.read_text(encoding='utf-8'))
        measured = report['models'] if report['kind'] == 'benchmark pipeline' else None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f'{path}: not a JSON file of `benchmark pipeline` ({error!r})') from None
    if not isinstance(measured, dict):
        raise InputError(f'{path}: of kind {report["kind"]!r}, expected `benchmark pipeline`')
    for model in models.values():
        if report.get('size_wh') != list(model.input_size_wh):
            width, height = model.input_size_wh
            raise InputError(
                f'{path}: measured with an input of {report.get("size_wh")}, {model.name} has '
                f'{width}x{height}; run `benchmark pipeline --size {width}x{height}`'
            )
    return {role: _samples_of(path, measured, model.name) for role, model in models.items()}


def _samples_of(path: Path, measured: Mapping[str, object], name: str) -> tuple[float, ...]:
    if name not in measured:
        raise InputError(
            f'{path}: has no runtimes of {name}, only of {", ".join(measured)}; run `benchmark '
            f'pipeline --models {name}`'
        )
    try:
        turns = measured[name]['turns']  # type: ignore[index]
        samples = tuple(float(ms) for turn in turns for ms in turn['samples_ms'])
    except (KeyError, TypeError, ValueError):
        samples = ()
    if not samples or not all(math.isfinite(ms) and ms >= 0 for ms in samples):
        raise InputError(
            f'{path}: {name} has no `samples_ms`, the runtime of each frame; measure again with '
            '`benchmark pipeline`'
        )
    return samples
