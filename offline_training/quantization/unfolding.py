"""Weights of a folded network back in the layout of its bundle."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from mot_compress_ros.networks import JointDetector
from mot_compress_ros.networks.focus import _PIXELS as PIXELS
from mot_compress_ros.networks.fuse import batch_norm_pairs
from mot_compress_ros.networks.yolov5_blocks import Focus


@torch.no_grad()
def unfolded(folded: JointDetector, like: JointDetector) -> dict[str, Tensor]:
    """A state dict for `like` whose network computes what `folded` does.

    Each BatchNorm is left with nothing to do but to add the bias.

    Args:
        folded: after `fuse_batch_norm`, and `merge_focus` or not; its weights may have changed.
        like: a network of the bundle; it is left as it is.
    """
    result = copy.deepcopy(like)
    state, folded_state = result.state_dict(), folded.state_dict()
    shared = {key: value for key, value in folded_state.items() if key in state}
    for block_name, block in like.named_modules():
        for conv_name, norm_name in batch_norm_pairs(block):
            conv, norm = (_joined(block_name, name) for name in (conv_name, norm_name))
            weight, bias = _weights(folded, like, conv)
            eps = like.get_submodule(norm).eps
            shared |= {
                f'{conv}.weight': weight,
                f'{norm}.bias': bias,
                f'{norm}.weight': torch.ones_like(bias),
                f'{norm}.running_mean': torch.zeros_like(bias),
                f'{norm}.running_var': torch.full_like(bias, 1 - float(eps)),  # type: ignore[arg-type]
            }
            if f'{conv}.bias' in state:
                shared[f'{conv}.bias'] = torch.zeros_like(bias)
    result.load_state_dict({**state, **shared})
    return result.state_dict()


def _weights(folded: JointDetector, like: JointDetector, conv: str) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution, taken apart again where it was merged with `Focus`."""
    focus = conv.removesuffix('.conv.conv')
    merged = focus != conv and isinstance(like.get_submodule(focus), Focus)
    found = folded.get_submodule(focus if merged else conv)
    if not merged or isinstance(found, Focus):
        module = folded.get_submodule(conv)
        return module.get_parameter('weight'), module.get_parameter('bias')
    layer = found.get_submodule('0')
    spread = layer.get_parameter('weight')
    parts = [spread[:, :, row::2, column::2] for row, column in PIXELS]
    return torch.cat(parts, dim=1), layer.get_parameter('bias')


def _joined(*names: str) -> str:
    return '.'.join(name for name in names if name)
