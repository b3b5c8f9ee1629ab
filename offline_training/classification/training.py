"""Train a classifier: plain, seeded, and gone on with after an interruption.

Order and augmentation of an epoch are a function of the seed and the epoch, and a checkpoint is
written after each, so that a training that was killed ends with the weights of one that was not.
"""

from __future__ import annotations

from collections.abc import Iterator
import copy
from dataclasses import dataclass, field
import math
from pathlib import Path

import torch
from torch import nn, Tensor

from mot_compress_ros.console import ProgressLine
from mot_compress_ros.errors import InputError
from mot_compress_ros.options import option
from offline_training.classification.images import ClassifiedImages
from offline_training.classification.lessons import LessonOptions, LESSONS
from offline_training.classification.sparsity import SCHEDULES, TrainingMasks
from offline_training.training.interruption import StopSignals, TrainingInterruptedError

CHECKPOINT_FILE = 'checkpoint.pt'
_MIDDLE = 127.5  # levels 0..255 become -1..1
_SHIFT_PX = 4
_MEASURED_AT_ONCE = 500


@dataclass(frozen=True, kw_only=True)
class ClassifierOptions:
    """Recipe of one training; the defaults are the paper's (section 4.1.1)."""

    epochs: int = option(50, 'passes over the training images', minimum=1)
    batch_size: int = option(256, 'images of a step', minimum=2)
    learning_rate: float = option(1e-4, "Adam's", minimum=0.0)
    weight_decay: float = option(0.001, "Adam's, added to the gradient", minimum=0.0)
    schedule: str = option('constant', 'learning rate', choices=('constant', 'cosine'))
    ema_decay: float = option(0.0, 'of averaged weights; 0: none', minimum=0.0, maximum=1.0)
    augment: bool = option(False, 'mirrored and shifted by up to 4 px')
    precision: str = option(
        'fp32',
        'of products; bf16: by autocast, channels last, several times as fast on CPUs with AMX',
        choices=('fp32', 'bf16'),
    )
    seed: int = option(317, 'of weights, order and augmentation', minimum=0)
    pruned: float = option(0.0, 'share of the weights, L1 global', minimum=0.0, maximum=0.99)
    pruning: str = option('one_shot', 'when they go', choices=tuple(SCHEDULES))
    lesson: LessonOptions = field(default_factory=LessonOptions)


def train_classifier(
    network: nn.Module,
    images: ClassifiedImages,
    options: ClassifierOptions,
    run: Path,
    *,
    teacher: nn.Module | None = None,
    device: str = 'cpu',
    digest: str = '',
) -> nn.Module:
    """Train `network`, and return it, or its average, in eval mode on the CPU.

    Args:
        network: takes (B, 3, H, W).
        images: to learn.
        options: the recipe.
        run: folder of the checkpoint, from which it goes on where there is one.
        teacher: whose logits the lesson learns; it is left as it is.
        device: where to train.
        digest: stands for the experiment; a checkpoint of another one is refused.

    Raises:
        TrainingInterruptedError: a signal; the epochs that are done are kept.
        InputError: the checkpoint is damaged or of another experiment.
    """
    return _Training(network, images, options, run, teacher, device, digest).run_all()


def _laid_out(network: nn.Module, precision: str) -> nn.Module:
    """The network with weights in the order in memory that its products are fastest in."""
    wanted = torch.contiguous_format if precision == 'fp32' else torch.channels_last
    return network.to(memory_format=wanted)  # type: ignore[call-overload]


class _Training:
    def __init__(
        self,
        network: nn.Module,
        images: ClassifiedImages,
        options: ClassifierOptions,
        run: Path,
        teacher: nn.Module | None,
        device: str,
        digest: str,
    ) -> None:
        self._options, self._digest, self._device = options, digest, device
        self._network = _laid_out(network.to(device), options.precision)
        self._teacher = None
        if teacher:
            copied = copy.deepcopy(teacher).to(device).eval()
            self._teacher = _laid_out(copied, options.precision)
        self._average = copy.deepcopy(self._network) if options.ema_decay else self._network
        self._images = torch.from_numpy(images.images).to(device)
        self._labels = torch.from_numpy(images.labels).to(device)
        self._lesson = LESSONS[options.lesson.kind](options.lesson)
        self._optimizer = torch.optim.Adam(
            network.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay
        )
        self._masks = TrainingMasks(self._network, schedule=options.pruning, amount=options.pruned)
        self._path = run / CHECKPOINT_FILE
        self._taught = self._teach_once()

    def run_all(self) -> nn.Module:
        first, epochs = self._restore(), self._options.epochs
        with ProgressLine(epochs, first=first) as line, StopSignals() as signals:
            for epoch in range(first, epochs):
                self._masks.before_epoch(epoch, epochs)
                loss = self._epoch(epoch, signals)
                self._save(epoch + 1)
                line.update(epoch + 1, lambda loss=loss: f'loss {loss:.3f}')  # type: ignore[misc]
        return _laid_out(self._average, 'fp32').cpu().eval()

    def _epoch(self, epoch: int, signals: StopSignals) -> float:
        self._network.train()
        total, steps = torch.zeros((), device=self._device), 0
        for step, (images, labels, taught) in enumerate(self._batches(epoch)):
            if signals.received:
                raise TrainingInterruptedError(
                    f'stopped with {epoch} epochs done, kept in {self._path}; the same command '
                    'goes on from there',
                    signum=signals.received,
                )
            self._set_rate(epoch, step)
            loss = self._lesson(self._answers(self._network, images), labels, taught)
            self._optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self._optimizer.step()
            self._update_average(epoch * self._steps() + step)
            self._masks.after_step(self._average)
            total, steps = total + loss.detach(), steps + 1
        return float(total) / steps

    def _answers(self, network: nn.Module, planes: Tensor) -> Tensor:
        """Logits in float32, of products in the precision that was asked for."""
        if self._options.precision == 'fp32':
            logits: Tensor = network(planes)
            return logits
        with torch.autocast(self._device, torch.bfloat16):
            logits = network(planes.to(memory_format=torch.channels_last))
        return logits.float()

    def _steps(self) -> int:
        return max(1, len(self._labels) // self._options.batch_size)

    def _set_rate(self, epoch: int, step: int) -> None:
        options = self._options
        done = (epoch + step / self._steps()) / options.epochs
        factor = 0.5 * (1 + math.cos(math.pi * done)) if options.schedule == 'cosine' else 1.0
        for group in self._optimizer.param_groups:
            group['lr'] = options.learning_rate * factor

    def _batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
        """Images, classes and what the teacher says of them; what fills no batch is left out."""
        generator = torch.Generator().manual_seed(1_000_003 * self._options.seed + epoch)
        order = torch.randperm(len(self._labels), generator=generator)
        size = min(self._options.batch_size, len(order))
        for step in range(self._steps()):
            rows = order[step * size : (step + 1) * size].to(self._device)
            images = self._images[rows]
            if self._options.augment:
                images = mirrored_and_shifted(images, generator)
            planes = normalised(images)
            taught = None if self._taught is None else self._taught[rows]
            if self._teacher is not None and taught is None:
                with torch.no_grad():
                    taught = self._answers(self._teacher, planes)
            yield planes, self._labels[rows], taught

    def _teach_once(self) -> Tensor | None:
        """What the teacher says of every image, where these are always the same."""
        if self._teacher is None or self._options.augment:
            return None
        return logits_of(self._teacher, self._images)

    @torch.no_grad()
    def _update_average(self, step: int) -> None:
        decay = min(self._options.ema_decay, (1 + step) / (10 + step))
        if not self._options.ema_decay:
            return
        new = self._network.state_dict()
        for name, value in self._average.state_dict().items():
            if value.is_floating_point():
                value.lerp_(new[name], 1 - decay)
            else:
                value.copy_(new[name])

    def _save(self, epochs: int) -> None:
        temporary = self._path.with_suffix('.new')
        temporary.parent.mkdir(parents=True, exist_ok=True)
        content = {
            'epochs': epochs,
            'digest': self._digest,
            'network': self._network.state_dict(),
            'average': self._average.state_dict(),
            'optimizer': self._optimizer.state_dict(),
        }
        torch.save(content, temporary)
        temporary.replace(self._path)

    def _restore(self) -> int:
        if not self._path.exists():
            return 0
        try:
            content = torch.load(self._path, weights_only=True, map_location=self._device)
            if content['digest'] != self._digest:
                raise ValueError('of another experiment')
            self._network.load_state_dict(content['network'])
            self._average.load_state_dict(content['average'])
            self._optimizer.load_state_dict(content['optimizer'])
            return int(content['epochs'])
        except Exception as error:  # what torch raises at foreign content has no common family
            raise InputError(
                f'{self._path}: no checkpoint to go on from ({error}); remove it to begin anew'
            ) from None


def normalised(images: Tensor) -> Tensor:
    """(B, 3, H, W) levels 0..255 to float -1..1."""
    return images.float() / _MIDDLE - 1


def mirrored_and_shifted(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each image mirrored or not and shifted by up to 4 px either way; its border is continued.

    Args:
        images: (B, 3, H, W), of any type.
        generator: on the CPU.
    """
    n, _, height, width = images.shape
    device = images.device
    mirror = torch.rand(n, generator=generator).to(device) < 0.5
    shift = torch.randint(-_SHIFT_PX, _SHIFT_PX + 1, (n, 2), generator=generator).to(device)
    rows = (torch.arange(height, device=device) + shift[:, :1]).clamp(0, height - 1)  # (B, H)
    columns = (torch.arange(width, device=device) + shift[:, 1:]).clamp(0, width - 1)  # (B, W)
    columns = torch.where(mirror[:, None], columns.flip(1), columns)
    which = torch.arange(n, device=device)[:, None, None]
    taken = images.permute(0, 2, 3, 1)[which, rows[:, :, None], columns[:, None, :]]
    return taken.permute(0, 3, 1, 2).contiguous()


@torch.no_grad()
def logits_of(network: nn.Module, images: Tensor) -> Tensor:
    """Logits (N, C) of (N, 3, H, W) levels, in parts."""
    return torch.cat([network(normalised(part)) for part in images.split(_MEASURED_AT_ONCE)])


def accuracy(network: nn.Module, images: ClassifiedImages) -> float:
    """Share of the images whose class has the largest logit, in per cent."""
    logits = logits_of(network, torch.from_numpy(images.images))
    right = logits.argmax(1) == torch.from_numpy(images.labels)
    return 100 * float(right.double().mean())
