"""Sizes and inference time of a classifier, as the paper has them and as they ship.

Size, two definitions. `checkpoint`: the file that a training leaves, with the optimizer's state;
that is what the paper calls model size (12 bytes a parameter; an int8 network has no optimizer
state there either). `shipped`: the weights alone at each precision, BatchNorm folded into fc1; at
int8 a byte a weight, a float scale for each output, and float biases.

Inference time: one pass over the whole test set, in batches of 256, images in memory as levels;
the paper says no more than that it is in seconds and on the CPU.
"""

from __future__ import annotations

from collections.abc import Mapping
import copy
import io
import time

import torch
from torch import nn

from offline_training.classification.images import ClassifiedImages
from offline_training.classification.networks import SmallConvNet
from offline_training.classification.training import normalised
from offline_training.quantization.eager import fold_batch_norm

BATCH = 256


def parameters(network: SmallConvNet) -> int:
    """Trainable values."""
    return sum(p.numel() for p in network.parameters())


def shipped_mb(network: SmallConvNet) -> dict[str, float]:
    """Weights alone by precision; 1 MB is 10^6 bytes. Zeros of a mask count like others."""
    tensors = list(fold_batch_norm(copy.deepcopy(network).eval()).parameters())
    values = sum(p.numel() for p in tensors)
    int8 = sum(p.numel() + 4 * p.shape[0] if p.dim() > 1 else 4 * p.numel() for p in tensors)
    return {'fp32': 4 * values / 1e6, 'fp16': 2 * values / 1e6, 'int8': int8 / 1e6}


def checkpoint_mb(network: SmallConvNet) -> float:
    """A file with weights and Adam's state, after a step."""
    shadow = copy.deepcopy(network)
    optimizer = torch.optim.Adam(shadow.parameters(), lr=0.0)
    for parameter in shadow.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    content = {'network': shadow.state_dict(), 'optimizer': optimizer.state_dict()}
    return file_bytes(content) / 1e6


def file_bytes(content: Mapping[str, object]) -> int:
    """Bytes of the file that torch writes of it."""
    buffer = io.BytesIO()
    torch.save(dict(content), buffer)
    return buffer.tell()


def quantized_mb(network: nn.Module) -> float:
    """The file of its state."""
    return file_bytes(network.state_dict()) / 1e6


def seconds_of_passes(
    networks: Mapping[str, nn.Module], images: ClassifiedImages, *, repeats: int
) -> dict[str, list[float]]:
    """Seconds of passes over all images, by network; turns alternate, the first is not measured.

    Args:
        networks: in eval mode, on the CPU.
        images: the test set.
        repeats: measured passes of each.
    """
    levels = torch.from_numpy(images.images)
    found: dict[str, list[float]] = {name: [] for name in networks}
    with torch.inference_mode():
        for turn in range(repeats + 1):
            for name, network in networks.items():
                start_s = time.perf_counter()
                for part in levels.split(BATCH):
                    network(normalised(part))
                if turn:
                    found[name].append(time.perf_counter() - start_s)
    return found
