"""Steps that are done once: each has a folder named by everything its result depends on.

So other options are another folder, nothing old is ever taken for something new, and the same
command goes on where it was stopped. A step that is done has an `outcome.json`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
import hashlib
import json
from pathlib import Path
import time
from typing import Any

from mot_compress_ros.console import complain
from mot_compress_ros.errors import InvalidOptionError
from offline_training.report_files import write_report

OUTCOME_FILE = 'outcome.json'
TIMES_FILE = 'times.json'
CHECKPOINT_FILE = 'checkpoint.pt'
_FIRST_GMAC_PER_S = 15.0  # of two laptop cores, forwards and backwards; until a step is measured


@dataclass(frozen=True, kw_only=True)
class Place:
    """What a step is given.

    Attributes:
        folder: to leave things in; it may hold those of a start that was interrupted.
        digest: stands for the experiment.
        needs: the folders of the steps that it needs, by name.
    """

    folder: Path
    digest: str
    needs: Mapping[str, Path]

    def outcome(self, name: str) -> dict[str, Any]:
        """What came of a step that this one needs."""
        return read_outcome(self.needs[name])


@dataclass(frozen=True, kw_only=True)
class Step:
    """One piece of work.

    Attributes:
        name: unique.
        what: in a few words.
        content: everything its outcome depends on, beside the data and what it needs.
        needs: names of steps before it.
        gmac: about how many 10^9 multiply-adds it takes, for the estimate of time.
        make: does it, and returns the outcome as plain values.
    """

    name: str
    what: str
    content: Mapping[str, object]
    needs: tuple[str, ...] = ()
    gmac: float = 0.0
    make: Callable[[Place], Mapping[str, Any]]


class Study:
    """All steps of an experiment on one data set."""

    def __init__(self, steps: Sequence[Step], *, run: Path, data: str) -> None:
        """`data` stands for the data set; a step must come after those it needs."""
        self.steps = {step.name: step for step in steps}
        self._run, self._data = run, data
        self._digests: dict[str, str] = {}
        for position, step in enumerate(steps):
            missing = set(step.needs) - {s.name for s in steps[:position]}
            if missing or len(self.steps) != len(steps):
                raise InvalidOptionError(
                    f'{step.name}: needs {", ".join(missing)}, expected steps before it, each '
                    'name once'
                )

    def digest(self, name: str) -> str:
        """Of everything that a step's outcome depends on."""
        if name not in self._digests:
            step = self.steps[name]
            content = {
                'content': {key: str(value) for key, value in sorted(step.content.items())},
                'data': self._data,
                'needs': [self.digest(other) for other in step.needs],
            }
            self._digests[name] = hashlib.sha256(json.dumps(content).encode()).hexdigest()
        return self._digests[name]

    def folder(self, name: str) -> Path:
        """Of all that a step leaves behind."""
        return self._run / f'{name}-{self.digest(name)[:8]}'

    def is_done(self, name: str) -> bool:
        """Whether its outcome is there."""
        return (self.folder(name) / OUTCOME_FILE).is_file()

    def outcome(self, name: str) -> dict[str, Any]:
        """What came of a step that is done."""
        return read_outcome(self.folder(name))

    def complete(self) -> None:
        """Do all that is not done yet, in order; what a step raises passes through."""
        for number, step in enumerate(self.steps.values(), start=1):
            if self.is_done(step.name):
                continue
            left = duration(sum(self._seconds_left()))
            complain(f'[{number}/{len(self.steps)}] {step.name}: {step.what}; about {left} left')
            self._do(step)

    def _do(self, step: Step) -> None:
        folder = self.folder(step.name)
        folder.mkdir(parents=True, exist_ok=True)
        place = Place(
            folder=folder,
            digest=self.digest(step.name),
            needs={name: self.folder(name) for name in step.needs},
        )
        before_s, start_s = self.seconds(step.name), time.monotonic()
        outcome: Mapping[str, Any] | None = None
        try:
            outcome = step.make(place)
        finally:
            spent_s = before_s + time.monotonic() - start_s
            write_report(folder / TIMES_FILE, {'seconds': round(spent_s, 2)})
            if outcome is not None:
                write_report(folder / OUTCOME_FILE, outcome)
                (folder / CHECKPOINT_FILE).unlink(missing_ok=True)  # three times the weights

    def seconds(self, name: str) -> float:
        """That a step has taken so far, all starts together."""
        try:
            text = (self.folder(name) / TIMES_FILE).read_text(encoding='utf-8')
            return float(json.loads(text)['seconds'])
        except (OSError, ValueError, KeyError):
            return 0.0

    def _pace(self) -> float:
        """10^9 multiply-adds a second, of the steps that are done."""
        done = [step for step in self.steps.values() if step.gmac and self.is_done(step.name)]
        spent_s = sum(self.seconds(step.name) for step in done)
        return sum(step.gmac for step in done) / spent_s if spent_s else _FIRST_GMAC_PER_S

    def _seconds_left(self) -> Iterator[float]:
        pace = self._pace()
        for step in self.steps.values():
            if not self.is_done(step.name):
                yield max(step.gmac / pace - self.seconds(step.name), 0.0)

    def plan_text(self) -> str:
        """What is done and what would be done, and about how long that takes."""
        pace = self._pace()
        lines = [
            f'  {step.name}: {step.what}, '
            + ('done' if self.is_done(step.name) else f'about {duration(step.gmac / pace)}')
            for step in self.steps.values()
        ]
        total = duration(sum(self._seconds_left()))
        return '\n'.join([*lines, f'{len(lines)} steps, about {total} left at {pace:.1f} GMAC/s'])


def needed(
    needs: Mapping[str, Sequence[str]], asked: Sequence[str], *, flag: str = '--only'
) -> list[str]:
    """Names of the asked ones and of all that they need, in the order of `needs`.

    Args:
        needs: what each needs, by name; each stands behind those.
        asked: names; none asks for all.
        flag: for the message.

    Raises:
        InvalidOptionError: there is no such name.
    """
    unknown = [name for name in asked if name not in needs]
    if unknown:
        raise InvalidOptionError(f'{flag} {unknown[0]}: legal: {", ".join(needs)}')
    wanted = set(asked or needs)
    for name in reversed(list(needs)):
        if name in wanted:
            wanted.update(needs[name])
    return [name for name in needs if name in wanted]


def read_outcome(folder: Path) -> dict[str, Any]:
    """What came of the step whose folder this is."""
    found: dict[str, Any] = json.loads((folder / OUTCOME_FILE).read_text(encoding='utf-8'))
    return found


def duration(seconds: float) -> str:
    """As `40 s`, `12 min` or `3.5 h`."""
    if seconds < 100:
        return f'{seconds:.0f} s'
    return f'{seconds / 60:.0f} min' if seconds < 6000 else f'{seconds / 3600:.1f} h'
