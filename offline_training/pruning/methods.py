"""The two methods behind one contract."""

from __future__ import annotations

from collections.abc import Mapping
import copy

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.networks import JointDetector
from mot_compress_ros.options import from_mapping
from offline_training.pruning.contract import MethodOptions
from offline_training.pruning.graph import channel_groups
from offline_training.pruning.importance import check_losses
from offline_training.pruning.measures import MeasuredBy, MEASURES, Target
from offline_training.pruning.schedules import ROUNDS, rounds, UnstructuredConfig
from offline_training.pruning.structured import (
    channel_floors,
    goals,
    prune_step,
    StructuredConfig,
)
from offline_training.pruning.unstructured import Masks


class Structured:
    """Channels go (`structured`); the goals are of the target's measure."""

    holding: Mapping[str, object] = {}
    needs_training = False

    def __init__(self, options: MethodOptions) -> None:
        name, value = options.target
        self._target = Target(measure=name, value=value)
        self._config = from_mapping(StructuredConfig, options.settings)
        self._by = MeasuredBy(size_wh=options.input_size_wh, latency=options.latency)
        check_losses(self._config.importance, options.losses)
        self._losses = options.losses
        self._floors: dict[str, int] = {}
        self.measure = name

    def goals(self, network: JointDetector) -> list[float]:
        """Equal parts of the way from the whole network to the target."""
        whole = MEASURES[self._target.measure].of(network, self._by)
        return goals(whole, self._target.amount(whole), steps=self._config.steps)

    def begin(self, network: JointDetector) -> None:
        """Learn of the whole network how many channels must stay."""
        self._floors = channel_floors(channel_groups(network), self._config)

    def prune(self, network: JointDetector, goal: float) -> JointDetector:
        """The network without channels."""
        smaller, _ = prune_step(
            network,
            self._config,
            MEASURES[self._target.measure],
            goal,
            self._by,
            floors=self._floors,
            losses=self._losses,
        )
        return smaller


class Unstructured:
    """The smallest weights of all convolutions become zero; the goals are shares of zeros."""

    measure = 'sparsity'

    def __init__(self, options: MethodOptions) -> None:
        name, self._amount = options.target
        if name != self.measure or not 0 < self._amount < 1:
            raise InvalidOptionError(
                f'target: got {name}={self._amount:g}, expected sparsity=NUMBER, a share between '
                '0 and 1: zeros change no macs, parameters and milliseconds; that is what '
                '--method structured is for'
            )
        self._config = from_mapping(UnstructuredConfig, options.settings)
        self.needs_training = self._config.schedule != ROUNDS
        self.holding: Mapping[str, object] = (
            {'sparsity.schedule': self._config.schedule, 'sparsity.amount': self._amount}
            if self.needs_training
            else {'sparsity.schedule': 'hold'}
        )

    def goals(self, network: JointDetector) -> list[float]:
        """Equal parts of the target."""
        return rounds(self._amount, self._config.steps)

    def begin(self, network: JointDetector) -> None:
        """Nothing has to be known."""

    def prune(self, network: JointDetector, goal: float) -> JointDetector:
        """The network with zeros, those that it has among them; as it is where training prunes."""
        sparse = copy.deepcopy(network)
        if not self.needs_training:
            masks = Masks(sparse)
            masks.raise_to(goal)
            masks.apply(sparse)
        return sparse
