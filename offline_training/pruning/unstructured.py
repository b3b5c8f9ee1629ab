"""Unstructured pruning: the smallest weights of a network become zero (L1, global).

What the paper did (*Real Time Object Tracking For Autonomous Driving Using Model Compression*,
section 3.1.1), with `torch.nn.utils.prune`'s counts. It takes nothing away: a zero is stored and
multiplied like any other number, so neither the network nor its file becomes smaller and no
machine of ours becomes faster. Only a compressed archive of the file is smaller. `bytes_of` says
both. Structured pruning (`structured`) is what makes networks small.

Two ways to keep zeros while a network trains on: `prune_l1_global` puts masks into the layers,
which hold in any loop until `make_permanent`; `Masks` are set again after every step and leave
the network and its state dict as they are, so that an average of its weights can have them too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
import zlib

from safetensors.torch import save as save_safetensors
import torch
from torch import nn, Tensor
from torch.nn.utils import parametrize

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.networks.deformable import DeformConv2d

# "In our larger model approach, we focused on pruning only the convolutional layers", and
# "all available convolutions in the model structure" (sections 3.1.1 and 4.1.2).
CONVOLUTIONS: tuple[type[nn.Module], ...] = (nn.Conv2d, nn.ConvTranspose2d, DeformConv2d)
_WEIGHT = 'weight'


@dataclass(frozen=True, kw_only=True)
class LayerSparsity:
    """Weights of a layer, and how many of them are zero."""

    name: str
    weights: int
    zeros: int

    @property
    def sparsity(self) -> float:
        """Share of zeros, 0..1."""
        return self.zeros / self.weights


@dataclass(frozen=True, kw_only=True)
class PruneReport:
    """Zeros of the layers that may be pruned; biases and BatchNorm are no part of them."""

    layers: tuple[LayerSparsity, ...]

    @property
    def weights(self) -> int:
        """Of all layers."""
        return sum(layer.weights for layer in self.layers)

    @property
    def zeros(self) -> int:
        """Of all layers."""
        return sum(layer.zeros for layer in self.layers)

    @property
    def sparsity(self) -> float:
        """Share of zeros of all layers together, 0..1."""
        return self.zeros / max(self.weights, 1)


@dataclass(frozen=True, kw_only=True)
class FileBytes:
    """A network's weights as a file: as it is, and as an archive (DEFLATE, level 6)."""

    stored: int
    zipped: int


class Mask(nn.Module):
    """Sets the weights to zero that `kept` (a boolean tensor of their shape) has not."""

    kept: Tensor

    def __init__(self, kept: Tensor) -> None:
        super().__init__()
        self.register_buffer('kept', kept)

    def forward(self, weight: Tensor) -> Tensor:
        """The weight with its zeros."""
        return weight * self.kept


def prune_l1_global(
    model: nn.Module, *, amount: float, module_types: tuple[type[nn.Module], ...] = CONVOLUTIONS
) -> PruneReport:
    """Mask the smallest of the weights that are not masked yet, in place.

    The masks hold through any optimizer step, in copies and in averages of the model. Its weights
    have other names until `make_permanent`.

    Args:
        model: is masked.
        amount: share of the weights without a mask that gets one, 0..1: a call with 0.2 and
            another with 0.25 leave 60 %, as with `torch.nn.utils.prune`.
        module_types: kinds of layers that are pruned.

    Raises:
        InvalidOptionError: `amount` is no share.
    """
    if not 0 <= amount <= 1:
        raise InvalidOptionError(f'amount: got {amount}, expected a share of the weights, 0 to 1')
    layers = dict(_layers(model, module_types))
    before = {name: _kept(layer) for name, layer in layers.items()}
    weights = {name: layer.get_parameter(_raw_name(layer)) for name, layer in layers.items()}
    free = sum(int(kept.sum()) for kept in before.values())
    taken = sum(kept.numel() for kept in before.values()) - free
    masks = smallest(weights, count=taken + round(amount * free), masked=before)
    for name, layer in layers.items():
        if parametrize.is_parametrized(layer, _WEIGHT):
            _mask(layer).kept = masks[name]
        else:
            parametrize.register_parametrization(layer, _WEIGHT, Mask(masks[name]))
    return sparsity_report(model, module_types)


def make_permanent(model: nn.Module) -> None:
    """Write the zeros into the weights and take the masks away, in place.

    The network has the parameters of one that was never masked, with zeros in them.
    """
    for module in list(model.modules()):
        if parametrize.is_parametrized(module, _WEIGHT):
            _unmask(module)


def _unmask(layer: nn.Module) -> None:
    """What `parametrize.remove_parametrizations` does, without breaking copies of the layer.

    Copies share a class, from which torch takes the attribute `weight`.
    """
    raw = layer.get_parameter(_raw_name(layer))
    with torch.no_grad():
        raw.copy_(_effective(layer))
    del layer.parametrizations
    object.__setattr__(layer, '__class__', type(layer).__bases__[0])
    others = dict(layer._parameters)
    layer._parameters.clear()
    layer._parameters.update({_WEIGHT: raw, **others})


def smallest(
    weights: Mapping[str, Tensor], *, count: int, masked: Mapping[str, Tensor] | None = None
) -> dict[str, Tensor]:
    """Masks without the `count` smallest weights of all tensors together.

    Args:
        weights: by name.
        count: of all weights.
        masked: masks of before; what they lack is counted first.

    Returns:
        Boolean tensors by the same names, True where a weight stays.
    """
    with torch.no_grad():
        sizes = torch.cat([weight.abs().flatten() for weight in weights.values()])
        if masked is not None:
            sizes[~torch.cat([masked[name].flatten() for name in weights])] = -1
        kept = torch.ones_like(sizes, dtype=torch.bool)
        kept[torch.topk(sizes, count, largest=False, sorted=False).indices] = False
    parts = kept.split([weight.numel() for weight in weights.values()])
    return {
        name: part.view(weight.shape)
        for (name, weight), part in zip(weights.items(), parts, strict=True)
    }


class Masks:
    """Zeros of a network, set again after every optimizer step.

    At first they are the zeros that the network has, so nothing of them needs to be saved: a
    training that goes on from a checkpoint finds them in the weights. A layer that is zero as a
    whole was not pruned but begins so, as the last one of a gated fusion does.

    Args:
        network: is not touched yet.
        module_types: kinds of layers that are pruned.
    """

    def __init__(
        self,
        network: nn.Module,
        module_types: tuple[type[nn.Module], ...] = CONVOLUTIONS,
    ) -> None:
        self._types = module_types
        self._weights = _weights(network, module_types)
        self._kept = {
            name: (weight != 0) | ~weight.any() for name, weight in self._weights.items()
        }

    @property
    def sparsity(self) -> float:
        """Share of the weights that the masks set to zero."""
        total = sum(kept.numel() for kept in self._kept.values())
        return 1 - sum(int(kept.sum()) for kept in self._kept.values()) / max(total, 1)

    def raise_to(self, sparsity: float) -> None:
        """Let this share of all weights be zero, the smallest; what is zero stays so."""
        total = sum(weight.numel() for weight in self._weights.values())
        zeros = sum(int((~kept).sum()) for kept in self._kept.values())
        count = max(round(sparsity * total), zeros)
        self._kept = smallest(self._weights, count=count, masked=self._kept)

    @torch.no_grad()
    def apply(self, *networks: nn.Module) -> None:
        """Set the zeros in these, which are the network, a copy or an average of it."""
        for network in networks:
            for name, weight in _weights(network, self._types).items():
                weight.mul_(self._kept[name])


def sparsity_report(
    model: nn.Module, module_types: tuple[type[nn.Module], ...] = CONVOLUTIONS
) -> PruneReport:
    """Zeros of the layers of these kinds, as they would be saved."""
    layers = []
    for name, layer in _layers(model, module_types):
        weight = _effective(layer)
        zeros = int((weight == 0).sum())
        layers.append(LayerSparsity(name=name, weights=weight.numel(), zeros=zeros))
    return PruneReport(layers=tuple(layers))


def bytes_of(tensors: Mapping[str, Tensor]) -> FileBytes:
    """What a file of these tensors takes, and what its archive takes."""
    data = save_safetensors({k: v.detach().cpu().contiguous() for k, v in tensors.items()})
    return FileBytes(stored=len(data), zipped=len(zlib.compress(data, 6)))


def _layers(
    model: nn.Module, kinds: tuple[type[nn.Module], ...]
) -> Iterator[tuple[str, nn.Module]]:
    yield from ((name, m) for name, m in model.named_modules() if isinstance(m, kinds))


def _weights(model: nn.Module, kinds: tuple[type[nn.Module], ...]) -> dict[str, nn.Parameter]:
    return {name: layer.get_parameter(_WEIGHT) for name, layer in _layers(model, kinds)}


def _raw_name(layer: nn.Module) -> str:
    masked = parametrize.is_parametrized(layer, _WEIGHT)
    return f'parametrizations.{_WEIGHT}.original' if masked else _WEIGHT


def _effective(layer: nn.Module) -> Tensor:
    """The weight that the layer computes with, its zeros included."""
    weight = layer.weight
    assert isinstance(weight, Tensor), 'layers that are pruned have a weight'
    return weight


def _mask(layer: nn.Module) -> Mask:
    mask = layer.get_submodule(f'parametrizations.{_WEIGHT}.0')
    assert isinstance(mask, Mask), 'nobody else makes another weight of it'
    return mask


def _kept(layer: nn.Module) -> Tensor:
    if parametrize.is_parametrized(layer, _WEIGHT):
        return _mask(layer).kept
    return torch.ones_like(layer.get_parameter(_WEIGHT), dtype=torch.bool)
