"""From a node process that was just started to one that tracks, or to the reason why not."""

from __future__ import annotations

from collections.abc import Callable

from mot_compress_ros.console import complain
from mot_compress_ros.errors import MotCompressError
from mot_compress_ros.ros.client import TrackerClient
from mot_compress_ros.ros.process import NodeProcess

_START_S = 60.0
_CONFIGURE_S = 300.0
_WIND_DOWN_S = 15.0  # the node gives a frame in work ten


class NodeError(MotCompressError):
    """The node died, or does not do what it was asked to."""


def bring_up(client: TrackerClient, process: NodeProcess) -> None:
    """Wait for the node, configure and activate it through its lifecycle services."""
    complain('starting the node ...')
    client.wait_for_node(timeout_s=_START_S)
    complain('loading and warming up the models ...')
    for transition in ('configure', 'activate'):
        if not client.change_state(transition, timeout_s=_CONFIGURE_S):
            raise NodeError(f'the node refuses to {transition}: {last_words(process)}')
    client.wait_for_topics(timeout_s=_START_S)


def wind_down(client: TrackerClient, process: NodeProcess) -> None:
    """Deactivate and clean the node up; what does not work is said, and no reason to fail."""
    try:
        with client.watching(lambda: check_running(process)):
            for transition in ('deactivate', 'cleanup'):
                client.change_state(transition, timeout_s=_WIND_DOWN_S)
    except (NodeError, TimeoutError) as error:
        complain(f'warning: {error}')


def check_running(process: NodeProcess, stop: Callable[[], bool] = bool) -> None:
    """To be called wherever there is waiting.

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
