"""The teacher's own process: loads the detector and looks at the frames it is told of.

It ends with its parent, however that ends. Ctrl-C is the parent's business.
"""

from __future__ import annotations

from contextlib import suppress
import ctypes
from dataclasses import dataclass
from multiprocessing.connection import Connection
import os
from pathlib import Path
import signal
from typing import Any

from mot_compress_ros.datatypes import ColorOrder, Frame
from mot_compress_ros.inference import DecodeConfig, Detector
from mot_compress_ros.keyframe.workers.look import failure_of, look
from mot_compress_ros.keyframe.workers.shared_image import SharedImageReader

PR_SET_PDEATHSIG = 1  # linux/prctl.h
OOM_SCORE_ADJ = 500  # of 1000: where memory runs out, the kernel ends the teacher, not the node


@dataclass(frozen=True, kw_only=True)
class Job:
    """A frame whose image lies in the shared memory."""

    camera: str
    stamp_ns: int
    frame_id: str
    frame_index: int
    color_order: ColorOrder
    shape: tuple[int, int, int]
    decode: DecodeConfig | None


@dataclass(frozen=True, kw_only=True)
class Ready:
    """The detector is loaded and warm."""

    backend_name: str


def main(*, parent: int, connection: int, memory: int, cores: list[int]) -> None:
    """Serve until the parent hangs up.

    Args:
        parent: its process id.
        connection: file descriptor of the child's end of a pipe for both directions. The first
            message is what loads the detector.
        memory: file descriptor of the shared memory.
        cores: CPU cores that this process was pinned to; none where it was not.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Comes when the thread of the parent that started us ends: it lives as long as we do.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return  # it ended before the line above
    with suppress(OSError):  # where /proc is not there, or not ours to write
        Path('/proc/self/oom_score_adj').write_text(str(OOM_SCORE_ADJ))
    with Connection(connection) as link, suppress(EOFError, ConnectionError):
        _serve(link, SharedImageReader(memory), frozenset(cores))


def _serve(link: Connection[Any, Any], images: SharedImageReader, cores: frozenset[int]) -> None:
    detector = _load(link, cores)
    if detector is None:
        return
    link.send(Ready(backend_name=detector.backend.name))
    while True:
        job: Job = link.recv()
        frame = Frame(
            image=images.view(job.shape),
            stamp_ns=job.stamp_ns,
            camera=job.camera,
            frame_id=job.frame_id,
            frame_index=job.frame_index,
            color_order=job.color_order,
        )
        link.send(look(detector, frame, job.decode))


def _load(link: Connection[Any, Any], cores: frozenset[int]) -> Detector | None:
    try:
        if cores and os.sched_getaffinity(0) != cores:
            raise OSError(f'cores {sorted(cores)}: the system gives {os.sched_getaffinity(0)}')
        detector: Detector = link.recv()()
        detector.warm_up()
    except (EOFError, ConnectionError):
        return None
    except Exception as error:  # whatever a runtime raises is the reason
        link.send(failure_of(error))
        return None
    return detector
