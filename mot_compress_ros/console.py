"""A progress bar with a live one-line status, on the terminal or, slower, in a log."""

from __future__ import annotations

from collections.abc import Callable
import os
import shutil
import sys
import time
from typing import TextIO

_REDRAW_S = 0.1
_LOG_EVERY_S = 5.0
_BAR_CELLS = 24
_PARTS = ' ▏▎▍▌▋▊▉█'
_ASCII_PARTS = ' #'
_FALLBACK_COLUMNS = 100


def say(text: str, *, stream: TextIO | None = None) -> None:
    """Write one line to standard output, or to `stream`."""
    out = stream or sys.stdout
    try:
        out.write(f'{text}\n')
        out.flush()
    except BrokenPipeError:  # a reader such as `head` has seen enough; the work goes on
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())


def complain(text: str) -> None:
    """Write one line to standard error."""
    say(text, stream=sys.stderr)


class ProgressLine:
    """One line that is rewritten in place; where there is no terminal, a line every 5 seconds.

    Use it as a context manager, so that the last state stays and the next output starts a line
    of its own.

    Args:
        total: steps to expect; 0 where nobody knows.
        first: steps that were done before; they say nothing of the time that is left.
        log_every_s: seconds between two lines where there is no terminal.
        stream: where to write; standard error by default.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        total: int,
        *,
        first: int = 0,
        log_every_s: float = _LOG_EVERY_S,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total, self._first = total, first
        self._log_every_s = log_every_s
        self._stream = stream or sys.stderr
        self._clock = clock
        self._live = self._stream.isatty()
        self._start_s = clock()
        self._next_s = 0.0
        self._done = 0
        self._status: Callable[[], str] = str

    def update(self, done: int, status: Callable[[], str]) -> None:
        """Say how far it is; `status` is asked when the line is drawn, ten times a second."""
        self._done, self._status = done, status
        now_s = self._clock()
        if now_s >= self._next_s:
            self._next_s = now_s + (_REDRAW_S if self._live else self._log_every_s)
            self._draw(now_s)

    def finish(self) -> None:
        """Draw the last state and end the line."""
        self._draw(self._clock())
        if self._live:
            self._stream.write('\n')
        self._stream.flush()

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()

    def _draw(self, now_s: float) -> None:
        line = f'{self._bar()}  {self._status()}{self._remaining(now_s)}'
        if self._live:
            columns = shutil.get_terminal_size((_FALLBACK_COLUMNS, 24)).columns
            self._stream.write(f'\r\x1b[2K{line[: columns - 1]}')
        else:
            self._stream.write(f'{line}\n')
        self._stream.flush()

    def _bar(self) -> str:
        if not self._total:
            return f'{self._done}'
        share = min(self._done / self._total, 1.0)
        if not self._live:
            return f'{share:4.0%}'
        unicode = (self._stream.encoding or '').lower().startswith('utf')
        cells = bar_cells(share, _BAR_CELLS, ascii_only=not unicode)
        return f'▕{cells}▏{share:4.0%}' if unicode else f'[{cells}]{share:4.0%}'

    def _remaining(self, now_s: float) -> str:
        elapsed_s = now_s - self._start_s
        new = self._done - self._first
        if new < 1 or not self._total or self._done >= self._total or elapsed_s < 1:
            return ''
        return f'  eta {elapsed_s / new * (self._total - self._done):.0f} s'


def bar_cells(share: float, cells: int, *, ascii_only: bool = False) -> str:
    """A bar of `cells` characters, filled to `share` (0..1) in eighths of a cell."""
    parts = _ASCII_PARTS if ascii_only else _PARTS
    steps = len(parts) - 1
    filled = round(share * cells * steps)
    full, rest = divmod(filled, steps)
    bar = parts[-1] * full + (parts[rest] if rest else '')
    return bar.ljust(cells)
