"""Which CPU cores the student has, and which the teacher."""

from __future__ import annotations

from collections.abc import Iterator, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass
import os
from pathlib import Path
import time

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


class OtherWork:
    """How much of the machine others use, from now on: what they take, the measured ones lack."""

    def __init__(self) -> None:
        self._began_s, self._busy_s, self._own_s = time.monotonic(), _busy_s(), _own_s()

    def share(self) -> float:
        """Of the time of all cores."""
        elapsed_s = (time.monotonic() - self._began_s) * (os.cpu_count() or 1)
        others_s = (_busy_s() - self._busy_s) - (_own_s() - self._own_s)
        return min(1.0, max(0.0, others_s / elapsed_s))


def _busy_s() -> float:
    """Time that all cores have worked since the machine started (proc(5): user to steal)."""
    with Path('/proc/stat').open(encoding='ascii') as file:
        user, nice, system, _, _, irq, soft, steal = map(int, file.readline().split()[1:9])
    return (user + nice + system + irq + soft + steal) / os.sysconf('SC_CLK_TCK')


def _own_s() -> float:
    """Time that this process and its children have worked."""
    times = os.times()
    own_s = times.user + times.system + times.children_user + times.children_system
    for listed in _THREADS.glob('*/children'):
        with suppress(OSError):  # the thread ended in the meantime
            own_s += sum(map(_worked_s, listed.read_text(encoding='ascii').split()))
    return own_s


def _worked_s(pid: str) -> float:
    with suppress(OSError):
        after_name = Path('/proc', pid, 'stat').read_text(encoding='utf-8').rpartition(')')[2]
        user, system = after_name.split()[11:13]
        return (int(user) + int(system)) / os.sysconf('SC_CLK_TCK')
    return 0.0
