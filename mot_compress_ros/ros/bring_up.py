"""From a node process that was just started to one that tracks, or to the reason why not."""

from __future__ import annotations

from collections.abc import Callable
import time

from mot_compress_ros.console import complain
from mot_compress_ros.errors import MotCompressError
from mot_compress_ros.ros.client import TrackerClient
from mot_compress_ros.ros.process import NodeProcess

_START_S = 60.0
_CONFIGURE_S = 300.0


class NodeError(MotCompressError):
    """The node died, or does not do what it was asked to."""


def bring_up(client: TrackerClient, process: NodeProcess, check: Callable[[], None]) -> None:
    """Wait for the node, configure and activate it through its lifecycle services."""
    complain('starting the node ...')
    end_s = time.monotonic() + _START_S
    while True:
        try:
            client.wait_for_node(timeout_s=1.0)
            break
        except TimeoutError:
            check()
            if time.monotonic() > end_s:
                raise
    complain('loading and warming up the models ...')
    for transition in ('configure', 'activate'):
        if not client.change_state(transition, timeout_s=_CONFIGURE_S):
            raise NodeError(f'the node refuses to {transition}: {last_words(process)}')
    client.wait_for_topics(timeout_s=_START_S)


def check_running(process: NodeProcess, stop: Callable[[], bool]) -> None:
    """Called wherever there is waiting.

    Raises:
        NodeError: the node is dead.
        KeyboardInterrupt: a stop was asked for.
    """
    if not process.running:
        raise NodeError(f'the node died: {last_words(process)}; its log is {process.log_file}')
    if stop():
        raise KeyboardInterrupt


def last_words(process: NodeProcess) -> str:
    """The last error the node logged, or its last line where there is none."""
    lines = [line.strip() for line in process.output().splitlines() if line.strip()]
    errors = [line for line in lines if '[ERROR]' in line or '[FATAL]' in line]
    return (errors or lines or ['no output'])[-1]
