"""The commands that a step of a recipe may be: how each is called, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
import shutil
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Call:
    """What a step is given.

    Attributes:
        before: bundle of the step before.
        after: bundle to leave behind.
        folder: for everything else.
        options: of the recipe, by long name.
        teacher: '' for none.
        data: folder of the data sets; None where nothing needs it.
        input_size: WxH; '' as the bundle says.
        threads: 0 takes all.
        device: where to train.
    """

    before: Path
    after: Path
    folder: Path
    options: Mapping[str, Any]
    teacher: str = ''
    data: Path | None = None
    input_size: str = ''
    threads: int = 0
    device: str = 'cpu'


def train_words(call: Call) -> list[str]:
    """`train`: goes on with the weights, in a run that can be resumed."""
    given = dict(call.options)
    words = ['train', str(given.pop('recipe')), '--init', str(call.before)]
    words += ['--output', str(call.after), '--run', str(call.folder / 'run')]
    own = {**_taught(call), 'input-size': call.input_size, 'device': call.device}
    return [*words, *as_words({**_common(call), **own, **given})]


def prune_words(call: Call) -> list[str]:
    """`prune`: with training between its steps where there is a recipe."""
    words = ['prune', '--model', str(call.before), '--output', str(call.after)]
    own = {**_taught(call), 'input-size': call.input_size, 'device': call.device}
    run = {'run': call.folder / 'run', 'json': call.folder / 'prune.json'}
    return [*words, *as_words({**_common(call), **own, **run, **call.options})]


def quantize_words(call: Call) -> list[str]:
    """`quantize`: an int8 graph in a copy of the bundle, or trained weights and theirs."""
    shutil.rmtree(call.after, ignore_errors=True)
    words = ['quantize', '--model', str(call.before), '--output', str(call.after)]
    own: dict[str, Any] = {'json': call.folder / 'quantize.json', 'input-size': call.input_size}
    if call.options.get('method') == 'qat':
        own |= _taught(call)
    return [*words, *as_words({**_common(call), **own, **call.options})]


def calibrate_words(call: Call) -> list[str]:
    """`calibrate`: scores on another model's scale."""
    shutil.rmtree(call.after, ignore_errors=True)
    words = ['calibrate', '--model', str(call.before), '--output', str(call.after)]
    own = {'threads': call.threads, 'json': call.folder / 'calibrate.json'}
    return [*words, *as_words({**own, **call.options})]


def export_words(call: Call) -> list[str]:
    """`export`: graphs join those of a copy of the bundle."""
    _copied(call)
    words = ['export', '--model', str(call.after)]
    own = {'json': call.folder / 'export.json', 'input-size': call.input_size}
    return [*words, *as_words({**own, **call.options})]


def verify_words(call: Call) -> list[str]:
    """`verify`: ends the pipeline where a graph does not say what torch says."""
    _copied(call)
    words = ['verify', '--model', str(call.after)]
    return [*words, *as_words({'json': call.folder / 'verify.json', **call.options})]


# By the name of the command.
COMMANDS: Mapping[str, Callable[[Call], list[str]]] = {
    'train': train_words,
    'prune': prune_words,
    'quantize': quantize_words,
    'calibrate': calibrate_words,
    'export': export_words,
    'verify': verify_words,
}

# Commands that look at a bundle and leave it as it is.
UNCHANGED = frozenset({'verify'})


def as_words(options: Mapping[str, Any]) -> list[str]:
    """Options as the words of a command line.

    True is a flag, a mapping is several NAME=VALUE of an option that is repeated, a list several
    values of one; None, '' and False are left out.
    """
    words: list[str] = []
    for name, value in options.items():
        flag = f'--{name.replace("_", "-")}'
        if value is True:
            words.append(flag)
        elif isinstance(value, Mapping):
            for key, inner in value.items():
                words += [flag, f'{key}={inner}']
        elif isinstance(value, list):
            words += [flag, *map(str, value)] if value else []
        elif value is not None and value is not False and value != '':
            words += [flag, str(value)]
    return words


def _common(call: Call) -> dict[str, Any]:
    return {'data': call.data, 'threads': call.threads}


def _taught(call: Call) -> dict[str, Any]:
    return {'teacher': call.teacher}


def _copied(call: Call) -> None:
    """The bundle of the step before, as this step's own; what an earlier start left is dropped."""
    shutil.rmtree(call.after, ignore_errors=True)
    shutil.copytree(call.before, call.after)
