"""A plain training loop: resumable, seeded, stops on a non-finite loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import json
import math
from pathlib import Path
import sys

import torch
from torch import nn, Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from mot_compress_ros.errors import InputError, InvalidOptionError, MotCompressError
from mot_compress_ros.options import option
from offline_training.datasets.sampler import PairSampler
from offline_training.datasets.targets import Batch

CHECKPOINT_FILE = 'checkpoint.pt'


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Recipe of one training run."""

    steps: int = option(4000, 'optimizer steps', minimum=1)
    batch_size: int = option(16, 'images per step, an even number', minimum=2)
    learning_rate: float = option(1e-3, 'peak learning rate of AdamW', minimum=0.0)
    weight_decay: float = option(0.01, 'AdamW weight decay', minimum=0.0)
    warmup_steps: int = option(100, 'steps of linear warm-up', minimum=0)
    ema_decay: float = option(0.998, 'decay of the averaged weights', minimum=0.0, maximum=1.0)
    clip_norm: float = option(10.0, 'largest gradient norm', minimum=0.0)
    seed: int = option(317, 'seed of weights, samples and augmentation', minimum=0)
    precision: str = option('bf16', 'autocast precision', choices=('fp32', 'bf16'))
    checkpoint_every: int = option(200, 'steps between checkpoints', minimum=1)

    def __post_init__(self) -> None:
        if self.batch_size % 2:
            raise InvalidOptionError(
                f'train.batch_size: got {self.batch_size}, expected an even number: images come '
                'in pairs'
            )


class TrainingStoppedError(MotCompressError):
    """The loss or a gradient became NaN or infinite."""


def train(
    model: nn.Module,
    sampler: PairSampler,
    config: TrainConfig,
    criterion: nn.Module,
    run: Path,
    *,
    device: str = 'cpu',
    digest: str = '',
) -> nn.Module:
    """Train `model` to `config.steps` and return its averaged copy, in eval mode.

    `criterion(maps, batch)` returns the named parts of the loss and their sum `total`. A run
    folder that holds a checkpoint is resumed from it. `digest` stands for all that makes the
    result what it is, and is kept in the checkpoint: another experiment is not resumed.

    Raises:
        TrainingStoppedError: the loss or a gradient is no longer finite; the last checkpoint is
            kept.
        InputError: the run folder holds a checkpoint of another experiment.
    """
    model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = AveragedModel(
        model, multi_avg_fn=get_ema_multi_avg_fn(config.ema_decay), use_buffers=True
    )
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _warmup_cosine(config))
    state = {'model': model, 'average': average, 'optimizer': optimizer, 'schedule': schedule}
    start = _restore(run, state, device=device, digest=digest)
    bar = tqdm(
        sampler.batches(start=start, stop=config.steps),
        initial=start,
        total=config.steps,
        unit='step',
        desc=run.name,
        smoothing=0.05,
    )
    for step, batch in enumerate(bar, start=start):
        parts = _train_step(model, batch, optimizer, config, criterion, device)
        schedule.step()
        average.update_parameters(model)
        _log(run, bar, step, parts)
        if (step + 1) % config.checkpoint_every == 0 or step + 1 == config.steps:
            _save(run, state, step + 1, digest=digest)
    return average.module.eval()


def _train_step(
    model: nn.Module,
    batch: Batch,
    optimizer: torch.optim.Optimizer,
    config: TrainConfig,
    criterion: nn.Module,
    device: str,
) -> dict[str, Tensor]:
    model.train()
    batch = batch.to(device)
    images = to_network_input(batch.images)
    with torch.autocast(device, torch.bfloat16, enabled=config.precision == 'bf16'):
        maps = model(images)
    parts: dict[str, Tensor] = criterion(maps, batch)
    if not torch.isfinite(parts['total']):
        named = ', '.join(f'{name} {value.item():.3g}' for name, value in parts.items())
        raise TrainingStoppedError(f'loss is not finite ({named}); lower learning_rate')
    optimizer.zero_grad(set_to_none=True)
    parts['total'].backward()
    try:
        nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm, error_if_nonfinite=True)
    except RuntimeError as error:
        raise TrainingStoppedError(
            f'a gradient is not finite ({error}); lower learning_rate'
        ) from None
    optimizer.step()
    return parts


def to_network_input(images: Tensor) -> Tensor:
    """(B, H, W, 3) uint8 RGB -> (B, 3, H, W) float32 in 0..1, channels-last in memory."""
    return images.permute(0, 3, 1, 2).float().div_(255)


def _warmup_cosine(config: TrainConfig) -> Callable[[int], float]:
    def factor(step: int) -> float:
        warm = min(1.0, (step + 1) / max(config.warmup_steps, 1))
        return warm * 0.5 * (1 + math.cos(math.pi * min(step / config.steps, 1.0)))

    return factor


def _log(run: Path, bar: tqdm, step: int, parts: dict[str, Tensor]) -> None:
    if step % 10:
        return
    values = {name: round(value.item(), 4) for name, value in parts.items()}
    bar.set_postfix(values)
    with (run / 'log.jsonl').open('a') as log:
        log.write(json.dumps({'step': step, **values}) + '\n')


def _save(run: Path, state: dict[str, object], step: int, *, digest: str) -> None:
    """Write the checkpoint beside the old one, then swap: a kill never leaves half a file."""
    content = {name: part.state_dict() for name, part in state.items()}  # type: ignore[attr-defined]
    temporary = run / f'{CHECKPOINT_FILE}.new'
    torch.save({'step': step, 'digest': digest, **content}, temporary)
    temporary.replace(run / CHECKPOINT_FILE)


def _restore(run: Path, state: dict[str, object], *, device: str, digest: str) -> int:
    """Load the run's checkpoint, if it has one; returns the step to go on from."""
    run.mkdir(parents=True, exist_ok=True)
    path = run / CHECKPOINT_FILE
    if not path.exists():
        return 0
    content = torch.load(path, weights_only=True, map_location=device)
    if 'digest' not in content:
        sys.stderr.write(
            f'{path}: does not say which experiment it is of; resumed as if it were this one\n'
        )
    elif content['digest'] != digest:
        raise InputError(
            f'{path}: checkpoint of another recipe, data or --init; remove {run} or pass --run'
        )
    for name, part in state.items():
        part.load_state_dict(content[name])  # type: ignore[attr-defined]
    return int(content['step'])
