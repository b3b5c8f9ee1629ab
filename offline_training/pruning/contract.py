"""What every method of pruning has; the package says what it means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TYPE_CHECKING

if TYPE_CHECKING:
    from mot_compress_ros.networks import JointDetector

Latency = Callable[[Any], float]


@dataclass(frozen=True, kw_only=True)
class MethodOptions:
    """What a method is made of.

    Attributes:
        target: name and number that are aimed at, such as ('macs', 0.5).
        settings: options of the method by name; those that are not of it are an error.
        input_size_wh: of the network.
        latency: as `MeasuredBy` takes it.
        losses: of training batches with a network; None where there are none.
    """

    target: tuple[str, float]
    settings: Mapping[str, object]
    input_size_wh: tuple[int, int]
    latency: Latency | None = None
    losses: Callable[[Any], Any] | None = None


class Method(Protocol):
    """See the package."""

    measure: str
    needs_training: bool
    holding: Mapping[str, object]

    def begin(self, network: JointDetector) -> None:
        """Look at the whole network."""

    def goals(self, network: JointDetector) -> list[float]:
        """What each step aims at."""

    def prune(self, network: JointDetector, goal: float) -> JointDetector:
        """A network that meets a goal."""
