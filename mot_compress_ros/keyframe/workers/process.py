"""A process of its own: for a CPU, and where a crash must not take the node along.

A fresh interpreter, as by the `spawn` method of `multiprocessing`, but started with `subprocess`:
`multiprocessing` would import the caller's main script once more in the child, and keeps a process
of its own to clean up shared memory, which is not needed here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
import json
from multiprocessing import Pipe
from multiprocessing.connection import Connection
import os
import signal
import subprocess
import sys
import threading
from typing import Any

from mot_compress_ros.datatypes import Frame
from mot_compress_ros.inference import Detector
from mot_compress_ros.keyframe.workers.child import Job, Ready
from mot_compress_ros.keyframe.workers.contract import (
    Answer,
    Failure,
    StartWorker,
    WorkerSetup,
    WorkerState,
)
from mot_compress_ros.keyframe.workers.look import failure_of
from mot_compress_ros.keyframe.workers.shared_image import SharedImage
from mot_compress_ros.keyframe.workers.slot import SlotWorker

CLOSE_S = 5.0  # a killed process that holds a GPU takes a while to go
EXIT_S = 2.0  # from hanging up to the end of a child

# Cores are chosen first: numpy and torch start their threads when they are imported.
_BOOT = """
import json, os, sys
start = json.loads(sys.argv[1])
if start['cores']:
    try:
        os.sched_setaffinity(0, start['cores'])
    except OSError:
        pass  # main sees it
sys.path[:] = start.pop('path')
from mot_compress_ros.keyframe.workers.child import main
main(**start)
"""


class ProcessWorker(SlotWorker):
    """A detector in a child process, which one thread of ours starts, listens to and buries.

    Images go through shared memory, everything else through a pipe.
    """

    def __init__(self, load: Callable[[], Detector], *, cores: frozenset[int]) -> None:
        self.name = 'process'
        self._load, self._cores = load, cores
        super().__init__()
        self._lock = threading.Lock()  # of the three below, which the thread makes and closes
        self._process: subprocess.Popen[bytes] | None = None
        self._link: Connection[Any, Any] | None = None
        self._image: SharedImage | None = None
        self._thread = threading.Thread(
            target=self._supervise, name='teacher process', daemon=True
        )
        self._thread.start()

    @property
    def gone(self) -> bool:
        """Whether the child has ended and was buried."""
        return not self._thread.is_alive()

    @property
    def pid(self) -> int | None:
        """Process id of the child; None before it has one."""
        return None if self._process is None else self._process.pid

    def submit(self, frame: Frame) -> bool:
        """Copy the frame's image to the child."""
        if not self._slot.begin():
            return False
        try:
            with self._lock:
                if self._link is not None and self._image is not None:
                    self._image.put(frame.image)
                    self._link.send(self._job(frame))
        except ConnectionError:
            pass  # the child has just ended; our thread will say how
        except (OSError, MemoryError) as error:
            self._slot.end(failure_of(error))
        return True

    def abandon(self) -> None:
        """Kill the child, whatever it does, and let our thread bury it."""
        self._slot.end(Failure(reason='closed'))
        with self._lock:
            if self._process is not None:
                self._process.kill()

    def close(self) -> None:
        """`abandon`, and wait until the child is gone."""
        self.abandon()
        self._thread.join(CLOSE_S)

    def _job(self, frame: Frame) -> Job:
        height, width, channels = frame.image.shape
        return Job(
            camera=frame.camera,
            stamp_ns=frame.stamp_ns,
            frame_id=frame.frame_id,
            frame_index=frame.frame_index,
            color_order=frame.color_order,
            shape=(height, width, channels),
            decode=self._decode,
        )

    def _supervise(self) -> None:
        """The thread. It lives as long as the child, which the kernel ends with it."""
        try:
            link = self._start()
            link.send(self._load)
            while True:
                self._receive(link.recv())
        except (EOFError, ConnectionError):
            self._slot.end(Failure(reason=how_it_ended(self._bury())))
        except Exception as error:  # no memory, no more processes, a message that is none
            self._slot.end(failure_of(error))
        finally:
            self._release()

    def _start(self) -> Connection[Any, Any]:
        with self._lock:
            if self._slot.state is WorkerState.ENDED:
                raise EOFError
            self._image = SharedImage()
            self._link, theirs = Pipe()
            with theirs:
                self._process = _spawn(theirs.fileno(), self._image.fd, self._cores)
            return self._link

    def _receive(self, message: object) -> None:
        match message:
            case Answer():
                self._slot.put(_checked(message))
            case Ready():
                self.name = f'process {self.pid}, {message.backend_name}'
                self._slot.ready()
            case Failure():
                self._slot.end(message)

    def _bury(self) -> int:
        """The exit code of the child; one that hung up and stays is killed."""
        if self._process is None:
            return 0
        try:
            return self._process.wait(EXIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _release(self) -> None:
        with self._lock:
            if self._process is not None:
                self._process.kill()
            if self._link is not None:
                self._link.close()
            if self._image is not None:
                self._image.close()
            self._link = self._image = None
        self._bury()


def _spawn(connection: int, memory: int, cores: frozenset[int]) -> subprocess.Popen[bytes]:
    start = {
        'path': [str(entry) for entry in sys.path],
        'parent': os.getpid(),
        'connection': connection,
        'memory': memory,
        'cores': sorted(cores),
    }
    return subprocess.Popen(
        [sys.executable, '-X', 'faulthandler', '-c', _BOOT, json.dumps(start)],
        stdin=subprocess.DEVNULL,
        pass_fds=(connection, memory),
        process_group=0,  # Ctrl-C in a terminal goes to the node alone
    )


def _checked(answer: Answer) -> Answer:
    """The answer with its detections validated and read-only, as all are."""
    seen = answer.observation
    if seen is None:
        return answer
    return replace(answer, observation=replace(seen, detections=replace(seen.detections)))


def how_it_ended(exit_code: int) -> str:
    """An exit code in words."""
    if exit_code >= 0:
        return f'the process of the teacher ended with exit code {exit_code}'
    number = -exit_code
    known = number in set(signal.Signals)
    name = signal.Signals(number).name if known else f'signal {number}'
    hint = ', out of memory or by hand' if number == signal.SIGKILL else ''
    return f'the process of the teacher was ended by {name}{hint}'


def start_process(setup: WorkerSetup) -> StartWorker:
    """Processes, each of which loads the detector itself."""
    return lambda: ProcessWorker(setup.load, cores=setup.cores)
