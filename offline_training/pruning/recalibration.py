"""BatchNorm's statistics measured again, which needs frames and neither labels nor training.

What is left of a pruned network sees other sums than the whole one did, so the means and variances
that BatchNorm subtracts and divides by are wrong; much of what a pruned detector no longer finds
is lost by that alone.
"""

from __future__ import annotations

from collections.abc import Sequence
import copy

import torch
from torch import nn, Tensor

from mot_compress_ros.networks import JointDetector

Inputs = Sequence[tuple[Tensor, ...]]


def recalibrated(network: JointDetector, inputs: Inputs) -> JointDetector:
    """A copy whose BatchNorms have the mean statistics of the inputs.

    Args:
        network: it is left as it is.
        inputs: batches, each as the network takes it: images and, where it takes one, a prior.
    """
    copied = copy.deepcopy(network).eval()
    norms = [module for module in copied.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over all batches
        norm.train()
    with torch.no_grad():
        for given in inputs:
            copied(*given)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return copied.eval()
