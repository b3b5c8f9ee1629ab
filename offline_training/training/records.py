"""What a run says of itself: a progress line, log.jsonl and, where asked for, TensorBoard."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
import json
import os
from pathlib import Path
import time
from typing import Any, TYPE_CHECKING

from mot_compress_ros.console import ProgressLine
from mot_compress_ros.errors import InvalidOptionError
from offline_training.training.trainer import StepReport

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

LOG_FILE = 'log.jsonl'
TENSORBOARD_FOLDER = 'tensorboard'
PROGRESS_EVERY_S = 30.0
_RATE_STEPS = 20  # speed is that of the last so many steps


class RunRecords:
    """The logs of one run; a resumed run goes on in them, without a step twice.

    A line of log.jsonl has `step` (counted from 0), the parts of the loss by name, and
    `learning_rate`, `grad_norm` (before clipping), `images_per_s` and `time_s` (Unix time).

    Args:
        run: folder of the run.
        start: first step that is still to do; what the logs hold of it and after is dropped.
        stop: number of steps of the whole run.
        images_per_step: over all processes.
        every: steps between two records; the last step is recorded too.
        tensorboard: write event files too.

    Raises:
        InvalidOptionError: TensorBoard is asked for and not installed.
    """

    def __init__(
        self,
        run: Path,
        *,
        start: int,
        stop: int,
        images_per_step: int,
        every: int,
        tensorboard: bool = False,
    ) -> None:
        self._stop, self._every, self._images_per_step = stop, every, images_per_step
        cut_log(run / LOG_FILE, start)
        self._log = (run / LOG_FILE).open('a', encoding='utf-8')
        self._events = open_events(run / TENSORBOARD_FOLDER, start) if tensorboard else None
        self._line = ProgressLine(stop, first=start, log_every_s=PROGRESS_EVERY_S)
        self._ends_s = deque([time.monotonic()], maxlen=_RATE_STEPS + 1)

    def step(self, index: int, report: StepReport) -> None:
        """Say what step `index` did."""
        self._ends_s.append(time.monotonic())
        self._line.update(index + 1, lambda: self._status(index, report))
        if index % self._every and index + 1 != self._stop:
            return
        values = {name: round(float(value), 6) for name, value in report.parts.items()}
        speeds = {
            'learning_rate': float(f'{report.learning_rate:.6g}'),
            'grad_norm': round(float(report.grad_norm), 6),
            'images_per_s': round(self.images_per_s, 3),
        }
        record = {'step': index, **values, **speeds, 'time_s': round(time.time(), 3)}
        self._log.write(json.dumps(record) + '\n')
        self._log.flush()
        if self._events:
            self._write_events(index, {f'loss/{name}': v for name, v in values.items()})
            self._write_events(index, {f'train/{name}': v for name, v in speeds.items()})

    @property
    def images_per_s(self) -> float:
        """Of the last steps, over all processes."""
        elapsed_s = self._ends_s[-1] - self._ends_s[0]
        return (len(self._ends_s) - 1) * self._images_per_step / max(elapsed_s, 1e-9)

    def keep(self) -> None:
        """Put on the disk what was said; called before a checkpoint of the same steps."""
        self._log.flush()
        os.fsync(self._log.fileno())
        if self._events:
            self._events.flush()

    def close(self) -> None:
        """End the progress line and close the files."""
        self._line.finish()
        self._log.close()
        if self._events:
            self._events.close()

    def _write_events(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._events.add_scalar(name, value, step)  # type: ignore[union-attr]

    def _status(self, index: int, report: StepReport) -> str:
        parts = ' '.join(f'{name} {float(value):.3f}' for name, value in report.parts.items())
        return (
            f'step {index + 1}/{self._stop}  {parts}  lr {report.learning_rate:.1e}  '
            f'{self.images_per_s:.1f} images/s'
        )


def cut_log(path: Path, start: int) -> None:
    """Keep the whole lines of the steps before `start`; a kill may have left half a line."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding='utf-8', errors='replace').splitlines():
        record = _parsed(line)
        if record is not None and record.get('step', start) < start:
            kept.append(f'{line}\n')
    temporary = path.with_suffix('.new')
    temporary.write_text(''.join(kept), encoding='utf-8')
    temporary.replace(path)


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except json.JSONDecodeError:
        return None
    return record if isinstance(record, dict) else None


def open_events(folder: Path, start: int) -> SummaryWriter:
    """A writer of event files; readers drop what older files hold from `start` on.

    Raises:
        InvalidOptionError: TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise InvalidOptionError(
            '--tensorboard: the package tensorboard is not installed; pip install tensorboard, or '
            f'read {LOG_FILE} in the run folder, which has the same numbers'
        ) from None
    return SummaryWriter(str(folder), purge_step=start)
