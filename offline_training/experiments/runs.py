"""One row of an experiment: a training and its evaluation, each done once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import json
from pathlib import Path
import subprocess
import sys
import time
from typing import Any

from mot_compress_ros.console import say
from mot_compress_ros.errors import InputError, MotCompressError
from mot_compress_ros.inference import load_bundle

SETTINGS_FILE = 'settings.json'
SCORES_FILE = 'evaluation.json'
TIMES_FILE = 'times.json'


class RunFailedError(MotCompressError):
    """A training or an evaluation of an experiment ended with an error."""


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """What to train and on what to evaluate it.

    Attributes:
        folder: of everything this run leaves behind; its last part names the bundle.
        recipe: YAML recipe.
        data: folder of the data sets.
        settings: options that win over the recipe's, by dotted name.
        input_size_wh: input of the network in the evaluation.
        dev: folders of sequences to evaluate on.
        bdd: BDD100K folder to evaluate detection on; None for none.
        init: bundle to start from; '' for random weights.
        device: where to train.
        threads: CPU threads, 0 takes all.
    """

    folder: Path
    recipe: Path
    data: Path
    settings: Mapping[str, object]
    input_size_wh: tuple[int, int]
    dev: Sequence[Path]
    bdd: Path | None
    init: str = ''
    device: str = 'cpu'
    threads: int = 0

    @property
    def bundle(self) -> Path:
        """The trained model."""
        return self.folder / self.folder.name

    def train_command(self) -> list[str]:
        """The words after `python -m offline_training`."""
        width, height = self.input_size_wh
        words = ['train', str(self.recipe), '--data', str(self.data)]
        words += ['--output', str(self.bundle), '--run', str(self.folder / 'run')]
        words += ['--input-size', f'{width}x{height}', '--device', self.device]
        words += ['--threads', str(self.threads)]
        words += ['--init', self.init] if self.init else []
        for name, value in self.settings.items():
            words += ['--set', f'{name}={value}']
        return words

    def evaluate_command(self) -> list[str]:
        """The words after `python -m offline_training`."""
        words = ['evaluate', '--model', str(self.bundle), '--threads', str(self.threads)]
        words += ['--data', *map(str, self.dev)] if self.dev else []
        words += ['--bdd', str(self.bdd)] if self.bdd else []
        # Intervals over sequences do not enter the comparison, and take longer than the rest.
        return [*words, '--resamples', '0', '--json', str(self.folder / SCORES_FILE)]


def complete(plan: RunPlan) -> dict[str, Any]:
    """Train and evaluate what is not finished; returns the evaluation.

    A training that was interrupted goes on from its checkpoint.

    Raises:
        BundleError: `init` cannot be used.
        InputError: the folder holds a run of other settings.
        RunFailedError: a command failed.
    """
    _claim(plan)
    times = plan.folder / TIMES_FILE
    if not (plan.bundle / 'model.json').exists():
        start_s = time.monotonic()
        run_command(plan.train_command(), plan.folder / 'train.log')
        _write(times, {'train_s': round(time.monotonic() - start_s, 1)})
    scores = plan.folder / SCORES_FILE
    if not scores.exists():
        run_command(plan.evaluate_command(), plan.folder / 'evaluate.log')
    report: dict[str, Any] = json.loads(scores.read_text(encoding='utf-8'))
    return report


def _claim(plan: RunPlan) -> None:
    """Write down what the folder is of, or make sure that it is of this."""
    plan.folder.mkdir(parents=True, exist_ok=True)
    path = plan.folder / SETTINGS_FILE
    wanted = {
        'recipe': plan.recipe.read_text(encoding='utf-8'),
        'settings': {name: str(value) for name, value in plan.settings.items()},
        'input_size_wh': list(plan.input_size_wh),
        'init_sha256': load_bundle(plan.init).manifest.weights_sha256 if plan.init else '',
    }
    if not path.exists():
        _write(path, wanted)
    elif json.loads(path.read_text(encoding='utf-8')) != wanted:
        raise InputError(
            f'{plan.folder}: holds a run of other settings; remove it or pass another --output'
        )


def _write(path: Path, content: Mapping[str, object]) -> None:
    """A kill leaves no half file."""
    temporary = path.with_suffix('.new')
    temporary.write_text(json.dumps(content, indent=2) + '\n', encoding='utf-8')
    temporary.replace(path)


def run_command(words: list[str], log: Path) -> None:
    """Run one of our commands; what it says goes to `log`.

    Raises:
        RunFailedError: it ended with an error.
    """
    with log.open('a', encoding='utf-8') as file:
        code = subprocess.run(
            [sys.executable, '-m', 'offline_training', *words],
            stdout=file,
            stderr=subprocess.STDOUT,
            check=False,
        ).returncode
    if code:
        lines = log.read_text(encoding='utf-8', errors='replace').splitlines()
        raise RunFailedError(
            f'{words[0]} ended with {code}: {lines[-1] if lines else "no message"} (all of it in '
            f'{log}); the same command goes on from there'
        )


def announce(done: int, total: int, name: str) -> None:
    """Say which run comes now."""
    say(f'[{done + 1}/{total}] {name}', stream=sys.stderr)
