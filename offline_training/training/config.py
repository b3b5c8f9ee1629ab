"""The options of a training run."""

from __future__ import annotations

from dataclasses import dataclass

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.options import option
from offline_training.training.optimizers import OPTIMIZERS, SCHEDULES

PRECISIONS = ('fp32', 'bf16', 'fp16')

# Options that change nothing of the result; another value of theirs is no other experiment.
BESIDE_THE_RESULT = ('checkpoint_every', 'checkpoint_every_s', 'log_every')


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Recipe of one training run.

    A batch may be cut into shards. Each has its own BatchNorm statistics and its own loss, as on a
    device of its own; gradients, losses and running statistics are averaged over them. So N
    processes with a shard each compute what one process computes that takes N shards in turn: bit
    for bit with two shards, with more up to the rounding of sums in another order.
    """

    steps: int = option(4000, 'optimizer steps', minimum=1)
    batch_size: int = option(16, 'images per step over all shards, an even number', minimum=2)
    shards: int = option(0, 'equal parts of a batch; 0 is one for each process', minimum=0)
    optimizer: str = option('adamw', 'optimizer', choices=tuple(OPTIMIZERS))
    learning_rate: float = option(1e-3, 'peak learning rate', minimum=0.0)
    momentum: float = option(0.9, 'momentum of sgd', minimum=0.0, maximum=1.0)
    weight_decay: float = option(0.01, 'weight decay', minimum=0.0)
    decay_norm_and_bias: bool = option(
        True, "weight decay also on the network's BatchNorm weights and biases"
    )
    schedule: str = option(
        'cosine',
        'learning rate after the warm-up: to zero, in one step, or constant',
        choices=tuple(SCHEDULES),
    )
    step_at: float = option(
        2 / 3, 'share of the run after which the schedule `step` falls', minimum=0.0, maximum=1.0
    )
    gamma: float = option(0.1, 'factor of that fall', minimum=0.0, maximum=1.0)
    warmup_steps: int = option(100, 'steps of linear warm-up', minimum=0)
    ema_decay: float = option(0.998, 'decay of the averaged weights', minimum=0.0, maximum=1.0)
    clip_norm: float = option(10.0, 'largest gradient norm; 0 does not clip', minimum=0.0)
    seed: int = option(317, 'seed of weights, samples and augmentation', minimum=0)
    precision: str = option('bf16', 'autocast precision; fp16 on CUDA only', choices=PRECISIONS)
    channels_last: bool = option(True, 'images and weights with the channels last in memory')
    checkpoint_every: int = option(200, 'steps between checkpoints', minimum=1)
    checkpoint_every_s: float = option(
        60.0, 'seconds after which a checkpoint is written in any case', minimum=0.0, unit='s'
    )
    log_every: int = option(10, 'steps between records in the logs', minimum=1)

    def __post_init__(self) -> None:
        if self.batch_size % (2 * max(self.shards, 1)):
            parts = f', in {self.shards} shards' if self.shards > 1 else ''
            raise InvalidOptionError(
                f'train.batch_size: got {self.batch_size}{parts}, expected an even number of '
                'images in each shard: images come in pairs'
            )
