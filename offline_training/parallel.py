"""The same function on many inputs: one after the other, or in processes of Ray.

Ray is an optional extra and is imported where more than one worker or a cluster is asked for. Each
result depends on its own input alone, so both ways give the same; they come back in the order of
the tasks. What fails is reported with its name and does not keep the others from running.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
import os
import socket
from typing import Any, Generic, TypeVar

from mot_compress_ros.command_line import number
from mot_compress_ros.errors import InputError, InvalidOptionError, MotCompressError

T = TypeVar('T')
R = TypeVar('R')

LOCAL = 'local'  # the address that means: this machine, no cluster
MAX_WORKERS = 1024
INSTALL = 'pip install -r requirements/ray.txt'
_CONNECT_TIMEOUT_S = 5.0


@dataclass(frozen=True, eq=False, kw_only=True)
class Task(Generic[T]):
    """One input and the name it goes by in messages."""

    name: str
    value: T


@dataclass(frozen=True, eq=False, kw_only=True)
class Outcome(Generic[R]):
    """What became of a task: its result, or why there is none.

    Attributes:
        name: of the task.
        result: what the function returned; None where it failed.
        error: why it failed, in one line; '' where it did not.
    """

    name: str
    result: R | None
    error: str = ''


# Asked after each finished task with the number of finished ones and the name of the last.
Progress = Callable[[int, str], None]


def add_parallel_arguments(parser: argparse.ArgumentParser, *, what: str) -> None:
    """The options of every command that can run on Ray."""
    parser.add_argument(
        '--workers',
        type=number(int, 1, MAX_WORKERS),
        default=1,
        help=f'{what} that run at a time, in processes of Ray; 1 is a plain loop',
    )
    parser.add_argument(
        '--ray',
        default=LOCAL,
        metavar='ADDRESS',
        help="a running Ray cluster, 'auto' or host:port; default: this machine alone",
    )


def run_all(
    tasks: Sequence[Task[T]],
    function: Callable[[T], R],
    *,
    workers: int = 1,
    address: str = LOCAL,
    progress: Progress = lambda done, name: None,
) -> list[Outcome[R]]:
    """Call `function` with the value of every task.

    Args:
        tasks: what to do; names must differ.
        function: takes one value and returns a result. With Ray, it, its values and its results
            travel between processes, so they must be picklable, and paths must mean the same on
            every machine of a cluster.
        workers: how many tasks run at a time; 1 without a cluster is a plain loop in this process.
        address: 'local', or the address of a running Ray cluster, 'auto' or 'host:6379'; this
            process runs on one of its machines.
        progress: told of every finished task.

    Returns:
        One outcome per task, in their order.

    Raises:
        InvalidOptionError: a wrong number of workers, or Ray is needed and not installed.
        InputError: two tasks have one name, or the cluster does not answer.
    """
    if not 1 <= workers <= MAX_WORKERS:
        raise InvalidOptionError(f'workers: got {workers}, expected 1 to {MAX_WORKERS}')
    names = [task.name for task in tasks]
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        raise InputError(f'two tasks are called {", ".join(doubles)}; names must differ')
    if workers == 1 and address == LOCAL:
        found = _in_turn(tasks, function)
    else:
        found = _with_ray(tasks, function, workers=workers, address=address)
    outcomes: dict[str, Outcome[R]] = {}
    for outcome in found:
        outcomes[outcome.name] = outcome
        progress(len(outcomes), outcome.name)
    return [outcomes[name] for name in names]


def failures(outcomes: Sequence[Outcome[Any]]) -> list[str]:
    """One line for each task that failed."""
    return [f'{outcome.name}: {outcome.error}' for outcome in outcomes if outcome.error]


def _attempt(name: str, value: T, function: Callable[[T], R]) -> Outcome[R]:
    """Run one task; whatever is wrong with it is its own matter."""
    try:
        return Outcome(name=name, result=function(value))
    except MotCompressError as error:
        return _failed(name, str(error))
    except Exception as error:  # one bad input must not take the others with it
        return _failed(name, f'{type(error).__name__}: {error}')


def _failed(name: str, reason: str) -> Outcome[Any]:
    return Outcome(name=name, result=None, error=' '.join(reason.split()) or 'failed')


def _in_turn(tasks: Sequence[Task[T]], function: Callable[[T], R]) -> Iterator[Outcome[R]]:
    for task in tasks:
        yield _attempt(task.name, task.value, function)


def _with_ray(
    tasks: Sequence[Task[T]], function: Callable[[T], R], *, workers: int, address: str
) -> Iterator[Outcome[R]]:
    """Outcomes as they come; at most `workers` tasks are under way."""
    with _ray_session(workers=workers, address=address) as ray:
        # A lost machine of a cluster is worth a second try; a process that died here is not.
        retries = 0 if address == LOCAL else 1
        attempt = ray.remote(_attempt).options(max_retries=retries, **_resources(ray, workers))
        waiting = list(reversed(tasks))
        running: dict[Any, str] = {}  # Ray's reference to a task under way -> its name
        while waiting or running:
            while waiting and len(running) < workers:
                task = waiting.pop()
                running[attempt.remote(task.name, task.value, function)] = task.name
            (ready,), _ = ray.wait(list(running), num_returns=1)
            yield _collected(ray, ready, running.pop(ready))


def _collected(ray: Any, reference: Any, name: str) -> Outcome[R]:
    try:
        outcome: Outcome[R] = ray.get(reference)
    except ray.exceptions.RayError as error:  # the worker was killed, or the result is unpicklable
        line = next((line for line in str(error).splitlines() if line.strip()), '')
        return _failed(name, f'{type(error).__name__}: {line}')
    return outcome


def _resources(ray: Any, workers: int) -> Mapping[str, float]:
    """One core per task, and its share of the GPUs, which Ray hides from tasks that ask for none.

    Cores are a number of tasks here: threads are set where the function says so.
    """
    gpus = float(ray.cluster_resources().get('GPU', 0))
    return {'num_cpus': 1, 'num_gpus': min(1.0, gpus / workers)}


@contextmanager
def _ray_session(*, workers: int, address: str) -> Iterator[Any]:
    """Ray, started here or connected to a cluster, and ended again."""
    os.environ.setdefault('RAY_USAGE_STATS_ENABLED', '0')  # nothing is sent home
    try:
        import ray
    except ImportError as error:
        raise InvalidOptionError(
            f'more than one worker, or a cluster, needs Ray, which is not installed ({error}): '
            f'{INSTALL}'
        ) from None
    options: dict[str, Any] = {'log_to_driver': False, 'logging_level': 'error'}
    if address == LOCAL:
        options |= {'address': 'local', 'num_cpus': workers, 'include_dashboard': False}
    else:
        _check_reachable(address)
        options |= {'address': address}
    try:
        ray.init(**options)
    except Exception as error:  # connection, version and address errors are of many kinds
        raise _unusable(address, error) from None
    try:
        yield ray
    finally:
        ray.shutdown()


def _check_reachable(address: str) -> None:
    """Knock at host:port, for Ray itself would wait for minutes."""
    host, colon, port = address.rpartition(':')
    if not (colon and port.isdigit()):
        return
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_TIMEOUT_S).close()
    except (OSError, OverflowError) as error:
        raise _unusable(address, error) from None


def _unusable(address: str, error: Exception) -> InputError:
    line = next(iter(str(error).splitlines()), '')
    return InputError(
        f'Ray at {address!r} cannot be used ({type(error).__name__}: {line}); start it with '
        f'`ray start --head` and give its address, or {LOCAL!r}; a cluster that asks for a token '
        'gets it from RAY_AUTH_MODE and RAY_AUTH_TOKEN'
    )
