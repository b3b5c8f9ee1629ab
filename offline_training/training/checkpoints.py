"""The file that a training goes on from: whole or not there, and only of the same experiment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
import fcntl
import io
import os
from pathlib import Path
from typing import Any
import zipfile

import torch
from torch import nn

from mot_compress_ros.console import complain
from mot_compress_ros.errors import InputError
from offline_training.training.trainer import frozen_modules, Trainer

CHECKPOINT_FILE = 'checkpoint.pt'
LOCK_FILE = 'lock'


@contextmanager
def hold(run: Path) -> Iterator[None]:
    """Keep other trainings out of a run's folder; a process that dies lets go of it.

    Raises:
        InputError: another training is at work there.
    """
    with (run / LOCK_FILE).open('w') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f'{run}: another training is at work in this folder; stop it, or pass --run'
            ) from None
        except OSError:
            complain(f'{run}: this file system has no locks; start only one training here')
        yield


def save_checkpoint(run: Path, trainer: Trainer, step: int, *, digest: str) -> None:
    """Write the checkpoint beside the old one, then swap: a kill never leaves half a file.

    Both the file and the swap are on the disk when this returns.

    Raises:
        InputError: the disk does not take it; the old one is kept.
    """
    path = run / CHECKPOINT_FILE
    temporary = path.with_suffix('.new')
    content = {'step': step, 'digest': digest, **_state(trainer)}
    try:
        with temporary.open('wb') as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        folder = os.open(run, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
    except (OSError, RuntimeError) as error:  # torch's own writer raises RuntimeError
        temporary.unlink(missing_ok=True)
        raise InputError(f'{path}: cannot be written ({error}); free some space') from None


def restore_checkpoint(run: Path, trainer: Trainer, *, digest: str) -> int:
    """Load the run's checkpoint, if it has one; returns the step to go on from.

    Process 0 reads it, and hands it to the others.

    Raises:
        InputError: it is damaged, or of another experiment.
    """
    path = run / CHECKPOINT_FILE
    processes = trainer.processes
    data = processes.share_bytes(_checked(path) if processes.leads else b'')
    if not data:
        return 0
    content = _read(path, data, str(trainer.device))
    if 'digest' not in content:
        complain(f'{path}: does not say which experiment it is of; resumed as if it were this one')
    elif content['digest'] != digest:
        raise InputError(
            f'{path}: checkpoint of another recipe, data or --init; remove {run} or pass --run '
            '(of the recipe is the number of shards, by default that of the processes)'
        )
    try:
        trainer.network.load_state_dict(content['model'])
        trainer.average.load_state_dict(content['average'])
        _load_criterion(trainer.criterion, content.get('criterion', {}))
        trainer.optimizer.load_state_dict(content['optimizer'])
        trainer.scaler.load_state_dict(content.get('scaler', {}))
        return int(content['step'])
    except (KeyError, RuntimeError, ValueError) as error:
        raise InputError(
            f'{path}: does not fit this network ({error}); remove {run} or pass --run'
        ) from None


def _checked(path: Path) -> bytes:
    """Its bytes, none where there is no file.

    Torch checks nothing, but the file has a checksum of each part.
    """
    if not path.exists():
        return b''
    data = path.read_bytes()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            wrong = archive.testzip()
    except zipfile.BadZipFile as error:
        raise _damaged(path, str(error)) from None
    if wrong:
        raise _damaged(path, f'wrong checksum of {wrong}')
    return data


def _read(path: Path, data: bytes, device: str) -> dict[str, Any]:
    try:
        content: dict[str, Any] = torch.load(
            io.BytesIO(data), weights_only=True, map_location=device
        )
    except Exception as error:  # what torch raises at foreign content has no common family
        raise _damaged(path, str(error).splitlines()[0]) from None
    return content


def _damaged(path: Path, reason: str) -> InputError:
    return InputError(
        f'{path}: damaged checkpoint ({reason}); put back a copy of it, or remove it to begin anew'
    )


def _state(trainer: Trainer) -> dict[str, object]:
    return {
        'model': trainer.network.state_dict(),
        'average': trainer.average.state_dict(),
        'optimizer': trainer.optimizer.state_dict(),
        'scaler': trainer.scaler.state_dict(),
        'criterion': _without_frozen(trainer.criterion),
    }


def _without_frozen(criterion: nn.Module) -> dict[str, object]:
    """A frozen teacher comes from its bundle, not from the checkpoint."""
    prefixes = tuple(f'{name}.' for name, _ in frozen_modules(criterion))
    return {k: v for k, v in criterion.state_dict().items() if not k.startswith(prefixes)}


def _load_criterion(criterion: nn.Module, state: Mapping[str, Any]) -> None:
    wanted = _without_frozen(criterion)
    if set(wanted) != set(state):
        differing = ', '.join(sorted(set(wanted) ^ set(state)))
        raise ValueError(f'the criterion differs in {differing}')
    criterion.load_state_dict(state, strict=False)
