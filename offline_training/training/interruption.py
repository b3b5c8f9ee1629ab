"""SIGINT and SIGTERM end a training after the step that is running."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType

from mot_compress_ros.errors import MotCompressError

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class TrainingInterruptedError(MotCompressError):
    """A signal asked the training to stop; its checkpoint is written.

    Attributes:
        signum: which signal, 0 where another process got it.
    """

    def __init__(self, message: str, *, signum: int) -> None:
        super().__init__(message)
        self.signum = signum

    @property
    def exit_code(self) -> int:
        """As a shell has it: 130 after SIGINT, 143 after SIGTERM."""
        return 128 + (self.signum or signal.SIGTERM)


class StopSignals:
    """Notes a signal instead of dying of it, while used as a context manager.

    A second one has its usual effect. Outside the main thread, where Python takes no handlers,
    nothing is noted.
    """

    def __init__(self) -> None:
        self.received = 0
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = number
        self._restore()
        # Not through sys.stderr: a handler may have interrupted a write to it.
        os.write(2, f'{signal.Signals(number).name}: stopping after this step\n'.encode())

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._before = {}
