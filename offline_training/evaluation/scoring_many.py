"""Score many sequences, in turn or on Ray; one that fails does not keep the others from it."""

from __future__ import annotations

from collections.abc import Sequence

from mot_compress_ros.console import ProgressLine
from mot_compress_ros.errors import InputError
from offline_training.evaluation.sequence_scorer import (
    SequenceJob,
    SequenceOutcome,
    SequenceScorer,
)
from offline_training.parallel import failures, LOCAL, Outcome, run_all, Task


def score_sequences(
    jobs: Sequence[SequenceJob], scorer: SequenceScorer, *, workers: int, address: str
) -> list[Outcome[SequenceOutcome]]:
    """One call of the scorer for each sequence; the calls know nothing of each other.

    Args:
        jobs: sequences of different names.
        scorer: travels to other processes by its names alone.
        workers: how many sequences run at a time.
        address: of a Ray cluster, or 'local'.

    Returns:
        In order of the jobs.

    Raises:
        InputError: all failed, or Ray does not answer.
        InvalidOptionError: Ray is needed and not installed.
    """
    tasks = [Task(name=job.sequence.name, value=job) for job in jobs]
    if workers == 1 and address == LOCAL:
        outcomes = run_all(tasks, lambda job: _score_here(scorer, job))
    else:
        with ProgressLine(len(tasks)) as line:
            outcomes = run_all(
                tasks,
                scorer,
                workers=workers,
                address=address,
                progress=lambda done, name: line.update(done, lambda: name),
            )
    failed = failures(outcomes)
    if failed and len(failed) == len(outcomes):
        raise InputError(f'no sequence could be scored; {failed[0]}')
    return outcomes


def _score_here(scorer: SequenceScorer, job: SequenceJob) -> SequenceOutcome:
    """In this process, with a progress line of its frames."""
    with ProgressLine(len(job.sequence)) as line:
        return scorer(job, lambda done: line.update(done, lambda: job.sequence.name))
