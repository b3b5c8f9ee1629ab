"""A plain training loop: seeded, resumable to the step, alone or over several processes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
import signal
import time

from torch import nn

from offline_training.datasets.sampler import Sampler
from offline_training.datasets.targets import Batch
from offline_training.distillation.tutor import Tutor
from offline_training.pruning.schedules import Sparsifier
from offline_training.training.checkpoints import (
    CHECKPOINT_FILE,
    hold,
    restore_checkpoint,
    save_checkpoint,
)
from offline_training.training.config import TrainConfig
from offline_training.training.interruption import StopSignals, TrainingInterruptedError
from offline_training.training.processes import Processes
from offline_training.training.records import RunRecords
from offline_training.training.trainer import Trainer, TrainingStoppedError

__all__ = [
    'CHECKPOINT_FILE',
    'TrainConfig',
    'TrainingInterruptedError',
    'TrainingStoppedError',
    'train',
]


def train(
    model: nn.Module,
    sampler: Sampler,
    config: TrainConfig,
    criterion: nn.Module,
    run: Path,
    *,
    device: str = 'cpu',
    digest: str = '',
    processes: Processes | None = None,
    tutor: Tutor | None = None,
    sparsifier: Sparsifier | None = None,
    workers: int = 1,
    tensorboard: bool = False,
) -> nn.Module:
    """Train `model` to `config.steps` and return its averaged copy, in eval mode.

    A run folder that holds a checkpoint is resumed from it: everything else that a step depends on
    is a function of the seed and the step, so a run that was killed ends with the weights of one
    that was not.

    Args:
        model: the network; what is frozen in it stays as it is.
        sampler: what the steps are trained on.
        config: the options.
        criterion: `criterion(maps, batch)` returns the named parts of the loss and their sum
            `total`. What it learns itself trains and is saved with the network.
        run: folder of checkpoint and logs.
        device: where to train; with `processes`, theirs counts.
        digest: stands for all that makes the result what it is, and is kept in the checkpoint:
            another experiment is not resumed.
        processes: who else trains this network; nobody by default.
        tutor: asks a frozen teacher, which is no part of what is trained and kept.
        sparsifier: prunes weights of `model` on the way, and holds zeros that it has; it finds
            them again in a checkpoint.
        workers: threads that make batches.
        tensorboard: write event files too.

    Raises:
        TrainingStoppedError: the loss or a gradient is no longer finite; the last checkpoint is
            kept.
        TrainingInterruptedError: SIGINT or SIGTERM; the checkpoint is of the last step.
        InputError: the run folder holds a damaged checkpoint or one of another experiment, or is
            in use; or another process trains something else.
        PeerLostError: another process is gone.
    """
    processes = processes or Processes(device=device)
    trainer = Trainer(
        model, criterion, config, processes=processes, tutor=tutor, sparsifier=sparsifier
    )
    run.mkdir(parents=True, exist_ok=True)
    with hold(run) if processes.leads else nullcontext():
        processes.expect_same(digest)
        start = restore_checkpoint(run, trainer, digest=digest)
        batches = sampler.batches(
            start=start,
            stop=config.steps,
            shards=trainer.shards,
            n_shards=trainer.n_shards,
            workers=workers,
        )
        with (
            closing(batches),
            _records(run, start, config, processes, tensorboard) as records,
        ):
            _run_steps(trainer, enumerate(batches, start=start), config, run, records, digest)
    return trainer.average.module.eval()


def _run_steps(
    trainer: Trainer,
    batches: Iterable[tuple[int, Sequence[Batch]]],
    config: TrainConfig,
    run: Path,
    records: RunRecords | None,
    digest: str,
) -> None:
    """All steps that are left; `records` are those of the process that leads."""
    clock = CheckpointClock(config)
    with StopSignals() as signals:
        for step, shards in batches:
            report = trainer.step(step, shards, stop=signals.received != 0)
            if records:
                records.step(step, report)
            last = report.stop or step + 1 == config.steps
            if records and (last or clock.due(step + 1)):
                records.keep()
                save_checkpoint(run, trainer, step + 1, digest=digest)
                clock.restart()
            if report.stop and step + 1 < config.steps:
                raise _interrupted(run, step + 1, signals.received)


@dataclass
class CheckpointClock:
    """When the next checkpoint is due: after so many steps, or so many seconds."""

    config: TrainConfig

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """A checkpoint has just been written."""
        self._last_s = time.monotonic()

    def due(self, done: int) -> bool:
        """Whether to write one now, with `done` steps behind us."""
        waited_s = time.monotonic() - self._last_s
        return done % self.config.checkpoint_every == 0 or waited_s >= (
            self.config.checkpoint_every_s
        )


@contextmanager
def _records(
    run: Path, start: int, config: TrainConfig, processes: Processes, tensorboard: bool
) -> Iterator[RunRecords | None]:
    """The logs, in the process that leads; nothing in the others."""
    if not processes.leads or start >= config.steps:
        yield None
        return
    records = RunRecords(
        run,
        start=start,
        stop=config.steps,
        images_per_step=config.batch_size,
        every=config.log_every,
        tensorboard=tensorboard,
    )
    try:
        yield records
    finally:
        records.close()


def _interrupted(run: Path, step: int, signum: int) -> TrainingInterruptedError:
    cause = signal.Signals(signum).name if signum else 'another process'
    return TrainingInterruptedError(
        f'stopped by {cause} with {step} steps done, kept in {run / CHECKPOINT_FILE}; the same '
        'command goes on from there',
        signum=signum,
    )
