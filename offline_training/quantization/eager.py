"""Post-training quantization in torch's eager mode, as the first paper did it.

The paper (section 3.1.3) "had to remove the BatchNorm operation due to issues in fusing modules";
`without_batch_norm` does that, and the network is then trained without one. `quantize_eager` folds
BatchNorm instead, which needs no such loss. Weights are symmetric and per channel, activations
asymmetric and per tensor.

torch.ao.quantization is deprecated: torch 2.13 still has it and warns, and its successor, torchao,
is another package, which has no eager static int8 for convolutions. The warnings of the calls made
here are silenced, and only those.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
import copy
from functools import partial
from typing import Any
import warnings

import torch
from torch import fx, nn, Tensor
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from mot_compress_ros.errors import InvalidOptionError

# Observers of activations. Seven bits of the eight are used: the kernels of processors without
# VNNI add pairs of products in 16 bits (FBGEMM), and torch does not say which it takes.
OBSERVERS = ('histogram', 'minmax')
_HIGHEST = 127
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
_FOLDED = {nn.Conv2d: fuse_conv_bn_eval, nn.Linear: fuse_linear_bn_eval}


def without_batch_norm(network: nn.Module) -> nn.Module:
    """A copy in which every BatchNorm does nothing, to be trained so: the paper's way.

    What BatchNorm had scaled is lost: the copy of a trained network answers by chance.
    """
    bare = copy.deepcopy(network)
    for name in [n for n, module in bare.named_modules() if isinstance(module, _NORMS)]:
        bare.set_submodule(name, nn.Identity())
    return bare


def quantize_eager(
    network: nn.Module, batches: Iterable[Tensor], *, observer: str = 'histogram'
) -> nn.Module:
    """An int8 copy of a network of convolutions, linear layers, ReLU, pooling and reshaping.

    Chains of convolution, BatchNorm and ReLU become one layer.

    Args:
        network: float32; left as it is.
        batches: inputs (B, ...) that calibrate.
        observer: one of `OBSERVERS`.

    Raises:
        InvalidOptionError: there is no such observer.
    """
    with _deprecated():
        from torch.ao import quantization as ao

        folded = fold_batch_norm(copy.deepcopy(network).eval())
        pairs = chains(folded, tuple(_FOLDED), nn.ReLU)
        if pairs:
            folded = ao.fuse_modules(folded, pairs)
        wrapped = ao.QuantWrapper(folded)
        wrapped.qconfig = _settings(observer)
        return _calibrated(wrapped, ((batch,) for batch in batches))


def convert_layers(
    network: nn.Module, inputs: Iterable[Sequence[Tensor]], *, observer: str = 'histogram'
) -> nn.Module:
    """Convolutions of any network in 8 bits, each between two conversions, in place.

    Args:
        network: eval mode, BatchNorm folded.
        inputs: arguments of the network that calibrate.
        observer: one of `OBSERVERS`.
    """
    with _deprecated():
        from torch.ao import quantization as ao

        layers = [name for name, m in network.named_modules() if type(m) is nn.Conv2d]
        for name in layers:
            layer = ao.QuantWrapper(network.get_submodule(name))
            layer.qconfig = _settings(observer)
            network.set_submodule(name, layer)
        return _calibrated(network, inputs)


def fold_batch_norm(network: nn.Module) -> nn.Module:
    """Fold each BatchNorm into the convolution or linear layer before it, in place: exact."""
    for layer, norm in chains(network, tuple(_FOLDED), _NORMS):
        module = network.get_submodule(layer)
        fused = _FOLDED[type(module)](module, network.get_submodule(norm))  # type: ignore[operator]
        network.set_submodule(layer, fused)
        network.set_submodule(norm, nn.Identity())
    return network


def chains(network: nn.Module, first: Any, second: Any) -> list[list[str]]:
    """Names of modules of two kinds that follow each other, where nothing else reads between.

    Found in torch.fx's trace, so that it does not matter how the network names them; what does
    nothing may lie between.
    """
    modules = dict(network.named_modules())
    found = []
    for node in fx.symbolic_trace(network).graph.nodes:
        if _is(node, first, modules):
            after = _only_user(node)
            while after is not None and _is(after, (nn.Identity, nn.Dropout), modules):
                after = _only_user(after)
            if after is not None and _is(after, second, modules):
                found.append([str(node.target), str(after.target)])
    return found


def _is(node: fx.Node, kinds: Any, modules: Mapping[str, nn.Module]) -> bool:
    return node.op == 'call_module' and isinstance(modules[str(node.target)], kinds)


def _only_user(node: fx.Node) -> fx.Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None


def state_bytes(network: nn.Module) -> int:
    """Bytes of all values of a network, those packed into int8 layers included."""
    total = 0
    for value in network.state_dict().values():
        for tensor in value if isinstance(value, tuple) else (value,):
            if isinstance(tensor, Tensor):
                total += _tensor_bytes(tensor)
    return total


def _tensor_bytes(tensor: Tensor) -> int:
    scales = 0
    if tensor.is_quantized and tensor.qscheme() == torch.per_channel_affine:
        scales = 4 * tensor.q_per_channel_scales().numel()
    return tensor.numel() * tensor.element_size() + scales


def _calibrated(network: nn.Module, inputs: Iterable[Sequence[Tensor]]) -> nn.Module:
    from torch.ao import quantization as ao

    _prefer_int8_engine()
    prepared = ao.prepare(network.eval(), inplace=True)
    with torch.inference_mode():
        for given in inputs:
            prepared(*given)
    converted: nn.Module = ao.convert(prepared, inplace=True)
    return converted


def _settings(observer: str) -> Any:
    from torch.ao import quantization as ao

    if observer not in OBSERVERS:
        raise InvalidOptionError(f'observer: got {observer!r}, expected one of {OBSERVERS}')
    kinds = {'histogram': ao.HistogramObserver, 'minmax': ao.MinMaxObserver}
    return ao.QConfig(
        activation=partial(kinds[observer], dtype=torch.quint8, quant_min=0, quant_max=_HIGHEST),
        weight=ao.default_per_channel_weight_observer,
    )


def _prefer_int8_engine() -> None:
    """x86, where torch has it, else what it has."""
    engines = torch.backends.quantized.supported_engines
    if 'x86' in engines:
        torch.backends.quantized.engine = 'x86'


@contextmanager
def _deprecated() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', message='.*torch.ao.quantization is deprecated.*')
        warnings.filterwarnings('ignore', message='.*quantized tensor creation functions.*')
        yield
