"""Which CPU cores the student has, and which the teacher."""

from __future__ import annotations

from collections.abc import Iterator, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass
import os
from pathlib import Path

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.keyframe.workers import parse_cores

_THREADS = Path('/proc/self/task')


@dataclass(frozen=True, kw_only=True)
class Cores:
    """Cores of each network; none: wherever the system puts it."""

    student: frozenset[int] = frozenset()
    teacher: frozenset[int] = frozenset()

    @property
    def teacher_text(self) -> str:
        """As the option `keyframe.teacher_cores` is written."""
        return ','.join(map(str, sorted(self.teacher)))

    def to_json(self) -> dict[str, list[int]]:
        """For a report."""
        return {'student': sorted(self.student), 'teacher': sorted(self.teacher)}


def choose_cores(student: str, teacher: str, *, device: str) -> Cores:
    """What was asked for.

    By default, on a CPU, the student has the first core and the teacher the second; on a GPU
    nobody is pinned.

    Raises:
        InvalidOptionError: they share a core, or one is not there.
    """
    asked = Cores(student=parse_cores(student), teacher=parse_cores(teacher))
    if asked.student & asked.teacher:
        raise InvalidOptionError(
            f'--student-cores {student} and --teacher-cores {teacher}: they share a core'
        )
    if asked.student or asked.teacher or device != 'cpu':
        return asked
    free = sorted(os.sched_getaffinity(0))
    if len(free) < 2:
        raise InvalidOptionError(
            f'this process may use core {free} alone; student and teacher need one each, or '
            '--student-cores to share it knowingly'
        )
    return Cores(student=frozenset(free[:1]), teacher=frozenset(free[1:2]))


@contextmanager
def pinned(cores: Set[int]) -> Iterator[None]:
    """Every thread of this process stays on `cores` in here; none: nothing changes.

    Threads that begin in here inherit it, so torch is to be imported in here too.
    """
    before = os.sched_getaffinity(0)
    _pin(cores or before)
    try:
        yield
    finally:
        _pin(before)


def _pin(cores: Set[int]) -> None:
    for thread in _THREADS.iterdir():
        with suppress(ProcessLookupError):  # it ended in the meantime
            os.sched_setaffinity(int(thread.name), cores)
