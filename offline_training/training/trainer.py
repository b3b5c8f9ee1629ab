"""One optimizer step: shards forward and backward, one sum over the processes, one update."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import nn, Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from mot_compress_ros.errors import InvalidOptionError, MotCompressError
from offline_training.datasets.targets import Batch
from offline_training.distillation.tutor import Lesson, Tutor
from offline_training.pruning.schedules import Sparsifier
from offline_training.training.config import TrainConfig
from offline_training.training.optimizers import learning_rate, make_optimizer
from offline_training.training.processes import Processes

AUTOCAST = {'fp32': torch.float32, 'bf16': torch.bfloat16, 'fp16': torch.float16}

# Half precision that overflows even at this factor of the loss is no passing spike.
SMALLEST_LOSS_SCALE = 2.0**-4


class TrainingStoppedError(MotCompressError):
    """The loss or a gradient became NaN or infinite."""


@dataclass(frozen=True, eq=False, kw_only=True)
class StepReport:
    """What a step did; tensors are scalars on the training device.

    Attributes:
        parts: the named parts of the loss, averaged over the shards.
        grad_norm: of the gradient before it was clipped.
        learning_rate: of this step.
        stop: whether a process of the training wants to stop now.
    """

    parts: Mapping[str, Tensor]
    grad_norm: Tensor
    learning_rate: float
    stop: bool


class Trainer:
    """A network, its criterion and all that changes as they are trained.

    What is frozen (`requires_grad` is off) stays out of the optimizer; modules that are frozen as
    a whole stay in eval mode, so that their running statistics do not move either.

    Args:
        network: trained in place; its maps go to the criterion.
        criterion: `criterion(maps, batch)` returns the named parts of the loss and their sum
            `total`; it may have parameters, which are trained too.
        config: `shards` 0 stands for one for each process.
        processes: who else computes this step.
        tutor: asks a frozen teacher and shows the network what it says; the criterion gets that as
            `criterion(maps, batch, lesson)`. It is no part of what is trained.
        sparsifier: sets weights of the network and of its average to zero; none by default.

    Raises:
        InvalidOptionError: the precision or the shards cannot be had here.
    """

    def __init__(
        self,
        network: nn.Module,
        criterion: nn.Module,
        config: TrainConfig,
        *,
        processes: Processes | None = None,
        tutor: Tutor | None = None,
        sparsifier: Sparsifier | None = None,
    ) -> None:
        self.processes = processes or Processes()
        self.device = torch.device(self.processes.device)
        check_precision(config.precision, self.device.type)
        self.n_shards = config.shards or self.processes.size
        self.shards = self.processes.shards(self.n_shards)
        memory = torch.channels_last if config.channels_last else torch.contiguous_format
        network.to(self.device, memory_format=memory)  # type: ignore[call-overload]
        self.network, self.criterion = network, criterion.to(self.device)
        self._modules = nn.ModuleList([network, criterion])
        self._trained = [p for p in self._modules.parameters() if p.requires_grad]
        self._statistics = [b for b in self._modules.buffers() if b.is_floating_point()]
        self._counters = [b for b in self._modules.buffers() if not b.is_floating_point()]
        with torch.no_grad():
            self.processes.share_first([*self._modules.parameters(), *self._statistics])
        self.average = AveragedModel(
            network, multi_avg_fn=get_ema_multi_avg_fn(config.ema_decay), use_buffers=True
        )
        self.optimizer = make_optimizer(network, criterion, config)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=config.precision == 'fp16')
        self._config = config
        self._tutor = tutor
        self._sparsifier = sparsifier

    def step(self, index: int, batches: Sequence[Batch], *, stop: bool = False) -> StepReport:
        """Optimizer step `index` on this process' shards of its batch.

        Raises:
            TrainingStoppedError: the loss or a gradient is no longer finite; the weights are
                those of before.
            PeerLostError: another process is gone.
        """
        if self._sparsifier:
            self._sparsifier.before_step(index / self._config.steps)
        self.optimizer.zero_grad(set_to_none=True)
        parts, changes = self._all_shards(index, batches)
        stop = self._sum_over_processes([*parts.values(), *changes], stop=stop)
        if not torch.isfinite(parts['total']):
            named = ', '.join(f'{name} {value.item():.3g}' for name, value in parts.items())
            raise TrainingStoppedError(f'loss is not finite ({named}); lower learning_rate')
        for buffer, change in zip(self._statistics, changes, strict=False):
            buffer.add_(change)
        rate = learning_rate(self._config, index)
        for group in self.optimizer.param_groups:
            group['lr'] = rate
        norm = self._update()
        self.average.update_parameters(self.network)
        if self._sparsifier:
            self._sparsifier.after_step(self.network, self.average.module)
        return StepReport(parts=parts, grad_norm=norm, learning_rate=rate, stop=stop)

    def _all_shards(
        self, index: int, batches: Sequence[Batch]
    ) -> tuple[dict[str, Tensor], list[Tensor]]:
        """What this process adds to the averages over all shards.

        Gradients are left in the parameters. Returned are the parts of the loss and the changes of
        the running statistics, which stay as they were; no changes where there is one shard only,
        whose statistics are in place already. Changes are averaged, not values, so that what
        stands still keeps its bits.
        """
        set_training(self._modules)
        many = self.n_shards > 1
        statistics, counters = (self._statistics, self._counters) if many else ([], [])
        before = [buffer.clone() for buffer in (*statistics, *counters)]
        changes = [torch.zeros_like(buffer) for buffer in statistics]
        total: dict[str, Tensor] = {}
        for shard, batch in zip(self.shards, batches, strict=True):
            _put((*statistics, *counters), before)
            parts = self._one_shard(index, shard, batch)
            for name, value in parts.items():
                total[name] = total[name] + value if name in total else value
            for change, now, then in zip(changes, statistics, before, strict=False):
                change.add_(now - then, alpha=1 / self.n_shards)
        _put(statistics, before[: len(statistics)])  # counters count steps, not shards
        return total, changes

    def _one_shard(self, index: int, shard: int, batch: Batch) -> dict[str, Tensor]:
        # Whatever draws at random draws the same after a resume, and wherever the shard is.
        seeds = np.random.SeedSequence((self._config.seed, index, shard))
        torch.manual_seed(int(seeds.generate_state(1, np.uint64)[0]))
        batch = batch.to(str(self.device))
        to_input = partial(to_network_input, channels_last=self._config.channels_last)
        images = to_input(batch.images)
        dtype = AUTOCAST[self._config.precision]
        told: tuple[Lesson, ...] = ()
        with torch.autocast(self.device.type, dtype, enabled=dtype is not torch.float32):
            if self._tutor is None:
                maps = self.network(images)
            else:
                told = (self._tutor.lesson(batch, images, to_input),)
                maps = self._tutor.ask(images, *told)
        parts: dict[str, Tensor] = self.criterion(maps, batch, *told)
        self.scaler.scale(parts['total'] / self.n_shards).backward()
        return {name: value.detach().float() / self.n_shards for name, value in parts.items()}

    def _sum_over_processes(self, shares: Sequence[Tensor], *, stop: bool) -> bool:
        """Sum `shares` and the gradients; a parameter without any gradient keeps none.

        Returns whether any process wants to stop.
        """
        if self.processes.size == 1:
            return stop
        has = torch.tensor(
            [stop, *(p.grad is not None for p in self._trained)],
            dtype=torch.float32,
            device=self.device,
        )
        for parameter in self._trained:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [p.grad for p in self._trained if p.grad is not None]
        self.processes.sum_in_place([has, *shares, *gradients])
        wanted, *found = (has > 0).tolist()
        for parameter, one_has in zip(self._trained, found, strict=True):
            if not one_has:
                parameter.grad = None
        return bool(wanted)

    def _update(self) -> Tensor:
        """Clip and step; returns the norm of the whole gradient."""
        self.scaler.unscale_(self.optimizer)
        limit = self._config.clip_norm or float('inf')
        norm = nn.utils.clip_grad_norm_(self._trained, limit)
        if not self.scaler.is_enabled():
            if not torch.isfinite(norm):
                raise TrainingStoppedError('a gradient is not finite; lower learning_rate')
        elif self.scaler.get_scale() < SMALLEST_LOSS_SCALE:
            raise TrainingStoppedError(
                'gradients do not fit into fp16 at any scale; lower learning_rate or take bf16'
            )
        self.scaler.step(self.optimizer)  # under fp16 an overflow leaves the weights alone
        self.scaler.update()
        return norm


def _put(buffers: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    for buffer, value in zip(buffers, values, strict=True):
        buffer.copy_(value)


def check_precision(precision: str, device_type: str) -> None:
    """Raise InvalidOptionError where a device cannot train in a precision."""
    if precision == 'fp16' and device_type != 'cuda':
        raise InvalidOptionError(
            f'train.precision: got fp16 on {device_type}; it trains on CUDA only: elsewhere its '
            'kernels are slower than fp32 and small gradients vanish; use bf16 or fp32'
        )


def to_network_input(images: Tensor, *, channels_last: bool = True) -> Tensor:
    """(B, H, W, 3) uint8 RGB -> (B, 3, H, W) float32 in 0..1."""
    planes = images.permute(0, 3, 1, 2).float().div_(255)
    return planes if channels_last else planes.contiguous()


def set_training(module: nn.Module) -> None:
    """Training mode, except for modules that are frozen as a whole."""
    module.train()
    for _, frozen in frozen_modules(module):
        frozen.eval()


def frozen_modules(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The outermost modules with parameters of which none is trained, by their dotted names."""
    for name, child in module.named_children():
        parameters = list(child.parameters())
        if parameters and not any(p.requires_grad for p in parameters):
            yield name, child
        else:
            yield from ((f'{name}.{inner}', m) for inner, m in frozen_modules(child))
