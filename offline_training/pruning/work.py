"""Pruning in steps, with a training after each, as bundles on the disk: it may be interrupted.

Every step leaves `step_K/pruned` and, where there is a recipe, `step_K/tuned`, which `train`
makes of it and goes on with from its own checkpoint. What is there is not made again, as long as
it is the same work; `work.json` says which work it is, and what the steps aim at.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.console import complain
from mot_compress_ros.errors import InputError, InvalidOptionError
from mot_compress_ros.inference import Bundle, load_bundle
from mot_compress_ros.inference.backends.torch_eager import load_network
from mot_compress_ros.inference.checkpoint import MANIFEST_FILE, save_bundle
from mot_compress_ros.networks import JointDetector
from offline_training.commands import train
from offline_training.pruning.contract import Method
from offline_training.pruning.removal import changed_channels
from offline_training.report_files import write_report
from offline_training.training.interruption import TrainingInterruptedError

WORK_FILE = 'work.json'
Mend = Callable[[JointDetector], JointDetector]


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """The training after a step.

    Attributes:
        recipe: of the network's architecture.
        words: of `train`, beside the recipe, `--init`, `--output` and `--run-folder`.
        beside: more of them, which make no other experiment: where the data are, how many threads.
    """

    recipe: Path
    words: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class Step:
    """What a step left behind.

    Attributes:
        goal: of the method's measure.
        pruned: the network as it was cut.
        tuned: the same, trained on; None where nothing was trained.
    """

    goal: float
    pruned: Bundle
    tuned: Bundle | None

    @property
    def bundle(self) -> Bundle:
        """What the next step begins with."""
        return self.tuned or self.pruned


def prune_in_steps(
    bundle: Bundle,
    method: Method,
    run: Path,
    *,
    work: Mapping[str, object],
    tuning: Tuning | None,
    mend: Mend = lambda network: network,
) -> list[Step]:
    """All steps of a method, those from before with the others.

    Args:
        bundle: of the whole network.
        method: what to do.
        run: folder of the steps.
        work: what makes the result what it is; another work is not gone on with.
        tuning: the training after each step, None for none.
        mend: what is done with a network that was just pruned, without training.

    Raises:
        InputError: the folder is of another work.
        InvalidOptionError: the target cannot be reached, or the method needs a training.
        TrainingInterruptedError: a signal stopped a training; the same call goes on from there.
    """
    if method.needs_training and tuning is None:
        raise InvalidOptionError(
            '--schedule: prunes while the network is trained, and there is no training; pass '
            '--recipe and --data'
        )
    network = load_network(bundle).eval()
    method.begin(network)
    goals = _goals(run, method, network, _fingerprint(bundle, work, tuning))
    steps: list[Step] = []
    for number, goal in enumerate(goals, start=1):
        folder = run / f'step_{number}'
        begin = steps[-1].bundle if steps else bundle
        pruned = _pruned(begin, method, goal, folder / 'pruned', mend)
        tuned = _tuned(pruned, method, tuning, folder) if tuning else None
        steps.append(Step(goal=goal, pruned=pruned, tuned=tuned))
    return steps


def write_pruned(
    whole: Bundle, steps: Sequence[Step], output: Path, history: Mapping[str, object]
) -> Bundle:
    """The last step's network as a bundle that says how it came about.

    What was measured of the whole network is not said of this one. Without a training its
    embeddings are no longer those of a space that others share.

    Args:
        whole: what was pruned.
        steps: what was done.
        output: folder; its last part is the name.
        history: what the manifest says of the pruning.
    """
    last = steps[-1].bundle
    manifest = replace(
        last.manifest,
        name=output.name,
        metrics={},
        training={
            **last.manifest.training,
            'pruning': {
                'of': whole.manifest.name,
                'of_sha256': whole.manifest.weights_sha256,
                **history,
            },
        },
    )
    return save_bundle(output, manifest, last.tensors)


def _goals(run: Path, method: Method, network: JointDetector, fingerprint: str) -> list[float]:
    """As they were written when the work began; a measured time would not come out again.

    Raises:
        InputError: the folder is of another work, or its file cannot be read.
    """
    path = run / WORK_FILE
    if not (path.is_file() and any(run.glob('step_*'))):
        goals = method.goals(network)
        write_report(path, {'fingerprint': fingerprint, 'measure': method.measure, 'goals': goals})
        return goals
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
        found, goals = content['fingerprint'], [float(goal) for goal in content['goals']]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f'{path}: cannot be read ({error}); remove {run}') from None
    if found != fingerprint:
        raise InputError(
            f'{path}: of another model, target, recipe or option; remove {run} or pass --run'
        )
    return goals


def _fingerprint(bundle: Bundle, work: Mapping[str, object], tuning: Tuning | None) -> str:
    recipe = tuning.recipe.read_text(encoding='utf-8') if tuning else ''
    content = [bundle.manifest.weights_sha256, work, recipe, tuning.words if tuning else ()]
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def _pruned(begin: Bundle, method: Method, goal: float, folder: Path, mend: Mend) -> Bundle:
    if (folder / MANIFEST_FILE).is_file():
        return load_bundle(folder)
    network = mend(method.prune(load_network(begin).eval(), goal))
    takes_prior = network.prior_planes > 0
    teacher = {**begin.manifest.teacher, 'mapping': 'none'} if takes_prior else {}
    manifest = replace(
        begin.manifest,
        name=folder.parent.name,
        channels=changed_channels(network),
        graphs=(),
        metrics={},
        embedding_space='',
        teacher=teacher if begin.manifest.teacher else {},
    )
    return save_bundle(folder, manifest, _tensors(network, begin))


def _tensors(network: JointDetector, like: Bundle) -> dict[str, NDArray[np.generic]]:
    """Of the network, each of the type that the bundle has it in."""
    state = network.state_dict()
    return {
        key: value.cpu().numpy().astype(like.tensors[key].dtype) for key, value in state.items()
    }


def _tuned(pruned: Bundle, method: Method, tuning: Tuning, folder: Path) -> Bundle:
    """Train on; `train` finds what it has done of it before.

    Raises:
        TrainingInterruptedError: it was stopped.
    """
    output = folder / 'tuned'
    if (output / MANIFEST_FILE).is_file():
        return load_bundle(output)
    holding = [f'{key}={value}' for key, value in method.holding.items()]
    words = [
        str(tuning.recipe),
        *('--init', str(pruned.path), '--output', str(output)),
        *('--run-folder', str(folder / 'training')),
        *tuning.words,
        *tuning.beside,
        *(word for pair in holding for word in ('--set', pair)),
    ]
    parser = argparse.ArgumentParser()
    train.add_arguments(parser)
    complain(f'{folder.name}: training')
    code = train.run(parser.parse_args(words))
    if code:
        raise TrainingInterruptedError(
            f'stopped in {folder.name}; the same command goes on from there', signum=code - 128
        )
    return load_bundle(output)


def as_words(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Options of `train` as words; what is None, 0, '' or an empty list is left out."""
    words: list[str] = []
    for name, value in options.items():
        values = value if isinstance(value, list) else [value]
        for one in values:
            words += [f'--{name}', str(one)] if one else []
    return tuple(words)
