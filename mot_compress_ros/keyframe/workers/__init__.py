"""Where a teacher works: a folder of equals behind the contract `Worker`.

A worker takes one frame at a time and answers it, or ends and says why. It is never repaired:
`Teacher` (keyframe/teacher.py) starts another one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mot_compress_ros.keyframe.workers.contract import (
    Answer,
    Failure,
    StartWorker,
    Worker,
    WorkerSetup,
    WorkerState,
)
from mot_compress_ros.keyframe.workers.cores import parse_cores
from mot_compress_ros.keyframe.workers.process import start_process
from mot_compress_ros.keyframe.workers.simulated import start_simulated
from mot_compress_ros.keyframe.workers.thread import start_thread

__all__ = [
    'WORKERS',
    'Answer',
    'Failure',
    'StartWorker',
    'Worker',
    'WorkerSetup',
    'WorkerState',
    'parse_cores',
    'resolve_worker',
]

WORKERS: Mapping[str, Callable[[WorkerSetup], StartWorker]] = {
    'thread': start_thread,
    'process': start_process,
    'simulated': start_simulated,
}
_OF_DEVICE = {'cuda': 'thread', 'cpu': 'process'}


def resolve_worker(worker: str, *, device: str) -> str:
    """The member that `keyframe.worker` means.

    Args:
        worker: its value; `auto` chooses, anything else is meant as it is.
        device: 'cpu' or 'cuda', what the teacher runs on. On a CPU a process keeps Python's lock
            and torch's threads apart from the student's, and a crash away from it. On a GPU a
            thread leaves the lock alone while it waits, and the memory is there once.
    """
    return _OF_DEVICE[device] if worker == 'auto' else worker
