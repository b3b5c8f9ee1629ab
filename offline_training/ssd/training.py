"""Train a detector, alone or with a teacher; an interrupted training goes on from its epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import copy
from dataclasses import dataclass, field
import math
from pathlib import Path

import numpy as np
import torch
from torch import nn, Tensor

from mot_compress_ros.console import ProgressLine
from mot_compress_ros.errors import InputError
from mot_compress_ros.options import option
from offline_training.classification.sparsity import SCHEDULES, TrainingMasks
from offline_training.ssd.anchors import assign, offsets_of
from offline_training.ssd.augmentation import augmented
from offline_training.ssd.detection import normalised
from offline_training.ssd.images import BoxedImage
from offline_training.ssd.losses import (
    bounded_regression,
    box_loss,
    chosen_anchors,
    class_loss,
    correspondence,
    DetectionLesson,
    hint_loss,
    soft_class_loss,
    translated,
)
from offline_training.ssd.networks import SsdNet, SsdOutput
from offline_training.training.interruption import StopSignals, TrainingInterruptedError

CHECKPOINT_FILE = 'checkpoint.pt'


@dataclass(frozen=True, kw_only=True)
class DetectorOptions:
    """Recipe of one training."""

    epochs: int = option(120, 'passes over the training images', minimum=1)
    batch_size: int = option(16, 'images of a step', minimum=2)
    learning_rate: float = option(1e-3, "AdamW's, falling to zero as a cosine", minimum=0.0)
    weight_decay: float = option(5e-4, "AdamW's", minimum=0.0)
    warm_up: float = option(0.05, 'share of the steps', minimum=0.0, maximum=1.0)
    clip_norm: float = option(10.0, 'largest gradient norm', minimum=0.0)
    augment: bool = option(True, 'mirrored, cut and of other brightness')
    seed: int = option(317, 'of weights, order and augmentation', minimum=0)
    pruned: float = option(0.0, 'share of the weights, L1 global', minimum=0.0, maximum=0.99)
    pruning: str = option('iterative', 'when they go', choices=tuple(SCHEDULES))
    lesson: DetectionLesson = field(default_factory=DetectionLesson)


@dataclass(frozen=True, eq=False, kw_only=True)
class Targets:
    """Of B images: levels, anchors' classes (B, A) with -1 for nothing, offsets (B, A, 4)."""

    images: Tensor
    classes: Tensor
    offsets: Tensor


def train_detector(
    network: SsdNet,
    images: Sequence[BoxedImage],
    options: DetectorOptions,
    run: Path,
    *,
    teacher: SsdNet | None = None,
    device: str = 'cpu',
    digest: str = '',
) -> SsdNet:
    """Train `network` and return it in eval mode, on the CPU.

    Args:
        network: as it starts.
        images: to learn.
        options: the recipe.
        run: folder of the checkpoint, from which it goes on where there is one.
        teacher: a detector of the same classes; it is left as it is.
        device: where to train.
        digest: stands for the experiment; a checkpoint of another one is refused.

    Raises:
        TrainingInterruptedError: a signal; the epochs that are done are kept.
        InputError: the checkpoint is damaged or of another experiment.
    """
    return _Training(network, images, options, run, teacher, device, digest).run_all()


class Criterion(nn.Module):
    """The loss of a batch; with a teacher it holds the layer that adapts the student's map."""

    def __init__(self, student: SsdNet, teacher: SsdNet | None, lesson: DetectionLesson) -> None:
        super().__init__()
        self._lesson = lesson
        if teacher is not None:
            self.adapter = nn.Conv2d(student.hint_channels, teacher.hint_channels, 1)
            self._student_anchors, self._teacher_anchors = student.anchors, teacher.anchors
            self._which = correspondence(student.anchors, teacher.anchors)

    def forward(self, output: SsdOutput, targets: Targets, taught: SsdOutput | None) -> Tensor:
        """One value: SSD's loss, or that of Chen et al. (equations 1 to 4) with a teacher."""
        positive = targets.classes > 0
        count = positive.sum().clamp(min=1)
        chosen = chosen_anchors(output.logits, targets.classes)
        hard = class_loss(output.logits, targets.classes, chosen)
        boxes = box_loss(output.offsets, targets.offsets, positive)
        if taught is None:
            return (hard + boxes) / count
        lesson = self._lesson
        soft = soft_class_loss(
            output.logits, taught.logits[:, self._which], chosen, background=lesson.background
        )
        bounded = bounded_regression(
            output.offsets, self._offsets(taught), targets.offsets, positive, margin=lesson.margin
        )
        hint = hint_loss(self.adapter(output.hint), taught.hint)
        classes = lesson.mu * hard + (1 - lesson.mu) * soft
        return (classes + boxes + lesson.nu * bounded) / count + lesson.gamma * hint

    def _offsets(self, taught: SsdOutput) -> Tensor:
        """The teacher's offsets at the student's anchors."""
        theirs = self._teacher_anchors[self._which]
        return translated(taught.offsets[:, self._which], theirs, self._student_anchors)


class _Training:
    def __init__(
        self,
        network: SsdNet,
        images: Sequence[BoxedImage],
        options: DetectorOptions,
        run: Path,
        teacher: SsdNet | None,
        device: str,
        digest: str,
    ) -> None:
        self._images, self._options = images, options
        self._digest, self._device = digest, device
        self._network = network.to(device)
        self._teacher = copy.deepcopy(teacher).to(device).eval() if teacher else None
        torch.manual_seed(options.seed)  # the layer that adapts is drawn alike, whoever teaches
        self._criterion = Criterion(self._network, self._teacher, options.lesson).to(device)
        self._optimizer = torch.optim.AdamW(
            [*self._network.parameters(), *self._criterion.parameters()],
            lr=options.learning_rate,
            weight_decay=options.weight_decay,
        )
        self._masks = TrainingMasks(self._network, schedule=options.pruning, amount=options.pruned)
        self._path = run / CHECKPOINT_FILE

    def run_all(self) -> SsdNet:
        first, epochs = self._restore(), self._options.epochs
        with ProgressLine(epochs, first=first) as line, StopSignals() as signals:
            for epoch in range(first, epochs):
                self._masks.before_epoch(epoch, epochs)
                loss = self._epoch(epoch, signals)
                self._save(epoch + 1)
                line.update(epoch + 1, lambda loss=loss: f'loss {loss:.3f}')  # type: ignore[misc]
        return self._network.cpu().eval()

    def _epoch(self, epoch: int, signals: StopSignals) -> float:
        self._network.train()
        total = 0.0
        for step, targets in enumerate(self._batches(epoch)):
            if signals.received:
                raise TrainingInterruptedError(
                    f'stopped with {epoch} epochs done, kept in {self._path}; the same command '
                    'goes on from there',
                    signum=signals.received,
                )
            self._set_rate(epoch * self._steps() + step)
            planes = normalised(targets.images)
            taught = None
            if self._teacher is not None:
                with torch.no_grad():
                    taught = self._teacher(planes)
            loss = self._criterion(self._network(planes), targets, taught)
            self._optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(self._network.parameters(), self._options.clip_norm)
            self._optimizer.step()
            self._masks.after_step()
            total += float(loss.detach())
        return total / self._steps()

    def _steps(self) -> int:
        return max(1, len(self._images) // self._options.batch_size)

    def _set_rate(self, step: int) -> None:
        options, steps = self._options, self._steps() * self._options.epochs
        risen = min(1.0, (step + 1) / max(1.0, options.warm_up * steps))
        factor = risen * 0.5 * (1 + math.cos(math.pi * step / steps))
        for group in self._optimizer.param_groups:
            group['lr'] = options.learning_rate * factor

    def _batches(self, epoch: int) -> Iterator[Targets]:
        rng = np.random.default_rng((self._options.seed, epoch))
        order = rng.permutation(len(self._images))
        size = min(self._options.batch_size, len(order))
        for step in range(self._steps()):
            chosen = [self._images[int(row)] for row in order[step * size : (step + 1) * size]]
            if self._options.augment:
                chosen = [augmented(one, rng) for one in chosen]
            yield self._targets(chosen)

    def _targets(self, images: Sequence[BoxedImage]) -> Targets:
        anchors = self._network.anchors.cpu()
        found = [
            assign(
                anchors,
                torch.from_numpy(one.boxes),
                torch.from_numpy(one.classes),
                torch.from_numpy(one.ignored),
            )
            for one in images
        ]
        return Targets(
            images=torch.from_numpy(np.stack([one.image for one in images])).to(self._device),
            classes=torch.stack([one.classes for one in found]).to(self._device),
            offsets=torch.stack([offsets_of(o.boxes, anchors) for o in found]).to(self._device),
        )

    def _save(self, epochs: int) -> None:
        temporary = self._path.with_suffix('.new')
        temporary.parent.mkdir(parents=True, exist_ok=True)
        content = {
            'epochs': epochs,
            'digest': self._digest,
            'network': self._network.state_dict(),
            'criterion': self._criterion.state_dict(),
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
            self._criterion.load_state_dict(content['criterion'])
            self._optimizer.load_state_dict(content['optimizer'])
            return int(content['epochs'])
        except Exception as error:  # what torch raises at foreign content has no common family
            raise InputError(
                f'{self._path}: no checkpoint to go on from ({error}); remove it to begin anew'
            ) from None
