"""The one OpenVINO core of a process, and what has to be mended about loading it.

OpenVINO's CPU plugin gives the thread that loads it a signal stack of its own, large enough for
AMX, and takes its memory back when it is released. On another thread than that which loaded it (a
teacher's worker, or wherever the garbage collector runs) it does not deregister it: the next
signal that Python handles, such as Ctrl-C, is then written to memory that is gone, and the process
ends with a segmentation fault and without a trace (seen with OpenVINO 2026.4). So the plugin is
loaded once and stays, and the signal stack is put back to what it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import ctypes
import sys
import threading

import openvino as ov

_lock = threading.Lock()
_cores: list[ov.Core] = []


def shared_core() -> ov.Core:
    """The core of this process, with the CPU plugin loaded."""
    with _lock:
        if not _cores:
            core = ov.Core()
            with signal_stack_kept():
                core.get_property('CPU', 'OPTIMIZATION_CAPABILITIES')  # loads it
            _cores.append(core)
        return _cores[0]


class _SignalStack(ctypes.Structure):
    """`stack_t` of Linux."""

    _fields_ = (('pointer', ctypes.c_void_p), ('flags', ctypes.c_int), ('size', ctypes.c_size_t))


@contextmanager
def signal_stack_kept() -> Iterator[None]:
    """Put the signal stack of this thread back to what it was, for tools with cores of their own.

    Python's handlers need no more than the thread's own stack, or that of `faulthandler`.
    """
    if sys.platform != 'linux':
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    before = _SignalStack()
    libc.sigaltstack(None, ctypes.byref(before))
    try:
        yield
    finally:
        libc.sigaltstack(ctypes.byref(before), None)
