"""Sets of CPU cores, as `taskset` writes them."""

from __future__ import annotations

import os
import re

from mot_compress_ros.errors import InvalidOptionError


def parse_cores(text: str, *, n_cores: int | None = None) -> frozenset[int]:
    """The cores of '1', '2-3' or '0,2'; none for ''.

    Args:
        text: numbers and ranges, both ends counted, with commas between them.
        n_cores: how many the machine has; asked for where it is not given.

    Raises:
        InvalidOptionError: it is written otherwise, or names a core that is not there.
    """
    if not text.strip():
        return frozenset()
    n_cores = n_cores or os.cpu_count() or 1
    cores: set[int] = set()
    for part in text.split(','):
        match = re.fullmatch(r'\s*(\d{1,5})\s*(?:-\s*(\d{1,5})\s*)?', part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, -1)
        if last < first:
            raise InvalidOptionError(
                f"keyframe.teacher_cores: {text!r} names no cores; write '1', '2-3' or '0,2'"
            )
        if last >= n_cores:
            raise InvalidOptionError(
                f'keyframe.teacher_cores: {text!r} names core {last}; this machine has '
                f'0 to {n_cores - 1}'
            )
        cores.update(range(first, last + 1))
    return frozenset(cores)
