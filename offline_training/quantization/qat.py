"""Quantization-aware training by NNCF, taught by the network in float32.

NNCF puts quantizers into the network where the runtime has them, with ranges from calibration, and
lets gradients straight through; weights and ranges are trained. BatchNorm is folded before, so
nothing of it moves. The teacher says what to learn, so frames need no labels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
import math
from typing import Any

import torch
from torch import nn, Tensor
from torch.nn import functional as F

from mot_compress_ros.console import ProgressLine
from mot_compress_ros.networks import JointDetector
from mot_compress_ros.networks.heads import HEADS
from offline_training.quantization.calibration import Sample
from offline_training.quantization.config import PtqConfig, QatConfig
from offline_training.quantization.float_graph import Answers, FEATURE
from offline_training.quantization.openvino_ptq import presets, range_parameters
from offline_training.quantization.tools import load_nncf, silent_tools
from offline_training.training.trainer import TrainingStoppedError

Maps = Mapping[str, Tensor]
_SURE = 1e-6  # of a heat map, so that logarithms stay finite


@dataclass(frozen=True, eq=False, kw_only=True)
class Trained:
    """What a training left.

    Attributes:
        answers: the network with its quantizers, eval mode.
        first_loss: of the first step.
        last_loss: mean of the last tenth of the steps.
    """

    answers: nn.Module
    first_loss: float
    last_loss: float


def quantized_answers(answers: Answers, samples: Sequence[Sample], config: PtqConfig) -> nn.Module:
    """A copy with NNCF's quantizers, calibrated; `answers` has its BatchNorm folded."""
    nncf = load_nncf()
    inputs = [_tensors(sample) for sample in samples]
    ignored = [rf'^{name.replace(".", "/")}/.*' for name in config.ignored]
    if config.float_last_layers:
        ignored += [rf'^{head}/2/.*' for head in HEADS]
    with silent_tools():
        model: nn.Module = nncf.quantize(
            answers,
            nncf.Dataset(inputs),
            preset=presets()[config.preset],
            subset_size=len(inputs),
            fast_bias_correction=config.fast_bias_correction,
            ignored_scope=nncf.IgnoredScope(patterns=ignored, validate=False),
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                disable_bias_correction=not config.bias_correction,
                overflow_fix=nncf.OverflowFix.DISABLE,
                **range_parameters(config),
            ),
        )
    return model


def train(
    answers: nn.Module,
    names: Sequence[str],
    heads: JointDetector,
    teach: Callable[[Tensor, Tensor | None], Maps],
    samples: Sequence[Sample],
    config: QatConfig,
) -> Trained:
    """Train a network with quantizers, in place.

    Args:
        answers: of `quantized_answers`.
        names: of its outputs.
        heads: evaluates the heads that it leaves out; its parameters stay.
        teach: images and prior to the maps to learn, `hm` in 0..1.
        samples: what is learned from, mirrored half of the time.
        config: the options.

    Raises:
        TrainingStoppedError: the loss is no longer finite.
    """
    draw = torch.Generator().manual_seed(config.seed)
    trained = [p for p in answers.parameters() if p.requires_grad and p.is_floating_point()]
    optimizer = torch.optim.Adam(trained, lr=config.learning_rate)
    losses: list[float] = []
    answers.train()
    with ProgressLine(config.steps) as line:
        for step in range(config.steps):
            for group in optimizer.param_groups:
                group['lr'] = config.learning_rate * _cosine(step / config.steps)
            images, prior = _batch(samples, config.batch_size, draw)
            given = (images,) if prior is None else (images, prior)
            found = completed(dict(zip(names, answers(*given), strict=True)), heads)
            loss = distillation_loss(found, teach(images, prior), config)
            if not torch.isfinite(loss):
                raise TrainingStoppedError(
                    f'loss is {loss.item():g} at step {step}; lower qat.learning_rate, now '
                    f'{config.learning_rate:g}'
                )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(trained, config.clip_norm)
            optimizer.step()
            losses.append(loss.item())
            line.update(step + 1, lambda: f'loss {losses[-1]:.4f}')
    last = losses[-max(1, len(losses) // 10) :]
    return Trained(answers=answers.eval(), first_loss=losses[0], last_loss=sum(last) / len(last))


def completed(maps: Maps, heads: JointDetector) -> dict[str, Tensor]:
    """The maps, and the heads that read the features of a sparse network."""
    found = dict(maps)
    for name, feature in maps.items():
        if name.startswith(FEATURE):
            del found[name]
            for head in name.removeprefix(FEATURE).split('_'):
                found[head] = getattr(heads, head)(feature)
    return found


def distillation_loss(found: Maps, taught: Maps, config: QatConfig) -> Tensor:
    """How far maps are from a teacher's, (B, n, h, w) each, `hm` in 0..1.

    The heat map by cross entropy above what the teacher itself has, over its mass; boxes and
    embeddings where the teacher sees objects, weighted by the best of its classes.
    """
    target = taught['hm'].clamp(_SURE, 1 - _SURE)
    own = found['hm'].clamp(_SURE, 1 - _SURE)
    mass = target.sum().clamp(min=1.0)
    entropy = F.binary_cross_entropy(target, target, reduction='sum')
    heat = (F.binary_cross_entropy(own, target, reduction='sum') - entropy) / mass
    weight = taught['hm'].amax(dim=1, keepdim=True)  # (B, 1, h, w)
    weight = weight / weight.sum().clamp(min=_SURE)
    boxes = sum(
        ((found[name] - taught[name]).abs().mean(dim=1, keepdim=True) * weight).sum()
        for name in ('wh', 'reg')
    )
    turned = 1 - F.cosine_similarity(found['id'], taught['id'], dim=1)[:, None]
    embeddings = (turned * weight).sum()
    return config.heatmap * heat + config.boxes * boxes + config.embeddings * embeddings


def _cosine(share: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * share))


def _batch(
    samples: Sequence[Sample], size: int, draw: torch.Generator
) -> tuple[Tensor, Tensor | None]:
    """Images and priors of samples drawn with replacement, each mirrored half of the time."""
    chosen = torch.randint(len(samples), (size,), generator=draw).tolist()
    mirrored = (torch.rand(size, generator=draw) < 0.5).tolist()
    rows = [
        tuple(part.flip(-1) if flip else part for part in _tensors(samples[index]))
        for index, flip in zip(chosen, mirrored, strict=True)
    ]
    parts: list[Any] = [torch.cat(part) for part in zip(*rows, strict=True)]
    return parts[0], parts[1] if len(parts) > 1 else None


def _tensors(sample: Sample) -> tuple[Tensor, ...]:
    return tuple(torch.from_numpy(part) for part in sample.inputs)
