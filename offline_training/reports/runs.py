"""Reads runs: JSON files that our commands wrote, and folders of training runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
import json
import math
from pathlib import Path
from typing import Any

from mot_compress_ros.errors import InputError
from offline_training.reports import EVALUATIONS, TRAINING

LOG_FILE = 'log.jsonl'
COMMON_KEYS = frozenset({'kind', 'command', 'environment'})
# Distinct hues that hold on white and on black; runs beyond them start anew.
COLORS = ('#4c8df6', '#f08c2e', '#2fa866', '#b667e0', '#e2566b', '#1aa5b8')
MARKERS = ('o', 's', '^', 'D', 'v', 'P', 'X')


@dataclass(frozen=True, eq=False, kw_only=True)
class Run:
    """One run.

    Attributes:
        label: unique in a report.
        path: where it was read.
        kind: as its file says; `training` for a folder.
        content: the file, or `log` with one entry per logged step.
        number: place among the runs of its group, from 0; gives its colour and marker.
    """

    label: str
    path: Path
    kind: str
    content: Mapping[str, Any]
    number: int = 0

    @property
    def color(self) -> str:
        """Of all that the report draws of this run."""
        return COLORS[self.number % len(COLORS)]

    @property
    def marker(self) -> str:
        """In charts; seven markers and six colours give 42 different runs."""
        return MARKERS[self.number % len(MARKERS)]

    def get(self, *keys: str) -> Any:
        """What is found below `keys`, or None."""
        return dig(self.content, *keys)


def dig(content: object, *keys: str) -> Any:
    """What is found below `keys` in nested dictionaries, or None."""
    for key in keys:
        if not isinstance(content, Mapping) or key not in content:
            return None
        content = content[key]
    return content


def entries(content: object, *keys: str) -> list[Mapping[str, Any]]:
    """The dictionaries of the list that is found below `keys`; none where there is no list."""
    found = dig(content, *keys)
    return [e for e in found if isinstance(e, Mapping)] if isinstance(found, list) else []


def as_number(value: object) -> float | None:
    """`value` if it is a finite number."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value if is_number and math.isfinite(value) else None  # type: ignore[return-value,arg-type]


def read_runs(paths: Sequence[Path]) -> list[Run]:
    """All runs, labelled by the names of their files, with folders where these are the same.

    Raises:
        InputError: a run cannot be read or is given twice.
    """
    resolved = [path.resolve() for path in paths]
    doubles = [str(p) for i, p in enumerate(paths) if resolved[i] in resolved[:i]]
    if doubles:
        raise InputError(f'given twice: {", ".join(doubles)}')
    runs: list[Run] = []
    for path, label in zip(paths, _labels(resolved), strict=True):
        run = read_run(path)
        # Counted by group, so that runs of one kind differ and one order gives one colour.
        number = sum(group_of(other) == group_of(run) for other in runs)
        runs.append(replace(run, label=label, number=number))
    return runs


def group_of(run: Run) -> str:
    """Runs of one group are drawn in one chart."""
    return EVALUATIONS[0] if run.kind in EVALUATIONS else run.kind


def read_run(path: Path) -> Run:
    """One run.

    Raises:
        InputError: it is missing, broken, or not ours.
    """
    if path.is_dir():
        return Run(label=path.name, path=path, kind=TRAINING, content={'log': _read_log(path)})
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except FileNotFoundError:
        raise InputError(f'{path}: no such file; expected JSON or a training folder') from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f'{path}: not a readable JSON file ({error})') from None
    if not isinstance(content, dict) or not set(content) >= COMMON_KEYS:
        raise InputError(
            f'{path}: not written by one of our commands; expected the keys '
            f'{", ".join(sorted(COMMON_KEYS))}'
        )
    return Run(label=path.stem, path=path, kind=str(content['kind']), content=content)


def _read_log(folder: Path) -> list[dict[str, float]]:
    """Logged steps in their order; of a step that was done again after a resume, the last."""
    path = folder / LOG_FILE
    try:
        lines = path.read_text(encoding='utf-8').splitlines()
    except (OSError, ValueError) as error:
        raise InputError(
            f'{folder}: not a training run: {LOG_FILE} cannot be read ({error})'
        ) from None
    steps: dict[int, dict[str, float]] = {}
    for number, line in enumerate(lines, start=1):
        entry = _entry(line)
        if entry is None and number < len(lines):  # a kill may have cut the last line
            raise InputError(f'{path}:{number}: not a JSON object with a `step`: {line[:60]!r}')
        if entry is not None:
            steps[int(entry['step'])] = entry
    if not steps:
        raise InputError(f'{path}: no step is logged in it')
    return [steps[step] for step in sorted(steps)]


def _entry(line: str) -> dict[str, float] | None:
    """The numbers of a line, or None where it is no entry."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    if not isinstance(entry, dict) or as_number(entry.get('step')) is None:
        return None
    return {key: value for key, value in entry.items() if as_number(value) is not None}


def _labels(paths: Sequence[Path]) -> list[str]:
    """Names without endings, with as many folders before them as make all of them differ."""
    named = [path.with_suffix('') if path.suffix == '.json' else path for path in paths]
    most = max((len(path.parts) for path in named), default=1)
    for depth in range(1, most + 1):
        labels = ['/'.join(path.parts[-depth:]) for path in named]
        if len(set(labels)) == len(labels):
            return labels
    return [str(path) for path in paths]  # they differ in the ending only
