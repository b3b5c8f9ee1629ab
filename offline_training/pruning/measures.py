"""What pruning aims at: a share of the work, or a time that was measured.

A member of `MEASURES` is a function of a network and `MeasuredBy`. Targets are written
`macs=0.5`: half of what the network had. `ms=12` alone is absolute, a time in milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
import math

from torch import nn

from mot_compress_ros.errors import InvalidOptionError
from offline_training.model_costs import count_costs
from offline_training.pruning.removal import Shapes

Latency = Callable[[nn.Module], float]


@dataclass(frozen=True, kw_only=True)
class MeasuredBy:
    """How to measure.

    Attributes:
        size_wh: of the input, pixels.
        latency: of a network's forward pass, as a function of it, in milliseconds or, for the
            measure `time`, in any unit; None for unknown.
    """

    size_wh: tuple[int, int]
    latency: Latency | None = None


def macs(network: nn.Module, by: MeasuredBy) -> float:
    """Multiply-adds of one image (`model_costs`)."""
    return float(count_costs(network, size_wh=by.size_wh).macs)


def macs_of_shapes(network: nn.Module, by: MeasuredBy) -> Callable[[Shapes], float]:
    """The same of what is left of a network, from the shapes of its weights.

    A layer multiplies each of its weights once at each place, and places stay.
    """
    layers = count_costs(network, size_wh=by.size_wh).modules
    places = {
        f'{layer.name}.weight': layer.macs // network.get_parameter(f'{layer.name}.weight').numel()
        for layer in layers
        if layer.macs
    }
    return lambda shapes: float(
        sum(count * math.prod(shapes[key]) for key, count in places.items())
    )


def parameters_of_shapes(network: nn.Module, by: MeasuredBy) -> Callable[[Shapes], float]:
    """Trainable values of what is left."""
    names = [name for name, _ in network.named_parameters()]
    return lambda shapes: float(sum(math.prod(shapes[name]) for name in names))


def parameters(network: nn.Module, by: MeasuredBy) -> float:
    """Trainable values."""
    return float(sum(p.numel() for p in network.parameters()))


def latency(network: nn.Module, by: MeasuredBy) -> float:
    """What a forward pass takes, measured.

    Raises:
        InvalidOptionError: nobody said how.
    """
    if by.latency is None:
        raise InvalidOptionError(
            'target: time has to be measured, and there is no function that does; '
            'aim at macs or parameters'
        )
    return by.latency(network)


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A measure.

    Attributes:
        of: a network's.
        is_share: whether a target of it is a share of what the whole network has.
        of_shapes: of a network: a function from shapes of what is left of it to their measure;
            None where the network has to be there to be measured.
    """

    of: Callable[[nn.Module, MeasuredBy], float]
    is_share: bool
    of_shapes: Callable[[nn.Module, MeasuredBy], Callable[[Shapes], float]] | None = None


MEASURES: Mapping[str, Measure] = {
    'macs': Measure(of=macs, is_share=True, of_shapes=macs_of_shapes),
    'parameters': Measure(of=parameters, is_share=True, of_shapes=parameters_of_shapes),
    'time': Measure(of=latency, is_share=True),
    'ms': Measure(of=latency, is_share=False),
}


@dataclass(frozen=True, kw_only=True)
class Target:
    """At most this much of a measure, a key of `MEASURES`."""

    measure: str
    value: float

    def __post_init__(self) -> None:
        known = MEASURES.get(self.measure)
        if known is None or not self.value > 0 or (known.is_share and self.value >= 1):
            raise InvalidOptionError(
                f'target: got {self.measure}={self.value:g}, expected a share between 0 and 1 of '
                f'{", ".join(name for name, m in MEASURES.items() if m.is_share)}, or ms=NUMBER'
            )

    def amount(self, whole: float) -> float:
        """What that is of a network that has `whole`."""
        return self.value * whole if MEASURES[self.measure].is_share else self.value


def parse_target(text: str) -> tuple[str, float]:
    """`macs=0.5` to ('macs', 0.5).

    Raises:
        InvalidOptionError: it is no name and number.
    """
    name, _, number = text.partition('=')
    try:
        return name, float(number)
    except ValueError:
        raise InvalidOptionError(f'--target {text}: write it as NAME=NUMBER, macs=0.5') from None
