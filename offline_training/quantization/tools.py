"""NNCF and OpenVINO's converter, kept from reporting home and from warning of themselves.

Both send statistics of their use to their makers unless somebody has objected on the machine;
where `CI` is set they do not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import logging
import os
from typing import Any
import warnings

_NO_REPORTS = {'CI': 'true', 'NNCF_CI': '1'}


@contextmanager
def silent_tools() -> Iterator[None]:
    """No reports, no log lines below errors and no warnings, for as long as this lasts.

    NNCF compiles with OpenVINO cores of its own, see `signal_stack_kept`.
    """
    from mot_compress_ros.inference.backends.openvino_core import signal_stack_kept

    logger = logging.getLogger('nncf')
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with _no_reports(), signal_stack_kept(), warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        logger.setLevel(level)


def load_nncf() -> Any:
    """The module `nncf`; it decides when it is imported whether it reports home."""
    with _no_reports():
        import nncf
    return nncf


@contextmanager
def _no_reports() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in _NO_REPORTS}
    os.environ.update(_NO_REPORTS)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
