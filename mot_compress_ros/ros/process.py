"""Start and stop the node as a process of its own, as the demo and the live tests do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import contextlib
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import tempfile

Value = bool | int | float | str | Sequence[str]
_SOURCE_ROOT = Path(__file__).resolve().parents[2]


class NodeProcess:
    """`python -m mot_compress_ros.ros.node` in a context manager.

    Args:
        parameters: node parameters by name.
        name: name of the node.
        namespace: namespace of the node, '' for the global one.
        params_file: YAML file of further parameters; `parameters` win over it.
        remappings: names to remap.
        environment: variables to set, `ROS_DOMAIN_ID` for instance.
        log_file: where its output goes; a temporary file where None.
    """

    def __init__(
        self,
        parameters: Mapping[str, Value],
        *,
        name: str = 'mot_tracker',
        namespace: str = '',
        params_file: Path | None = None,
        remappings: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        log_file: Path | None = None,
    ) -> None:
        self._cleanup = contextlib.ExitStack()
        self._folder = Path(self._cleanup.enter_context(tempfile.TemporaryDirectory()))
        self.log_file = log_file or self._folder / 'node.log'
        self._remappings = {'__node': name, **(remappings or {})}
        if namespace:
            self._remappings['__ns'] = namespace
        self._params_files = [params_file] if params_file else []
        self._params_files.append(self._write(parameters))
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None

    def _write(self, parameters: Mapping[str, Value]) -> Path:
        """A parameter file; JSON values are YAML values, and need no quoting for a shell."""
        lines = ['/**:', '  ros__parameters:']
        for key, value in parameters.items():
            shown = list(value) if isinstance(value, (list, tuple)) else value
            lines.append(f'    {json.dumps(key)}: {json.dumps(shown)}')
        path = self._folder / 'parameters.yaml'
        path.write_text('\n'.join(lines) + '\n', 'utf-8')
        return path

    def command(self) -> list[str]:
        """The command line."""
        command = [sys.executable, '-m', 'mot_compress_ros.ros.node', '--ros-args']
        for path in self._params_files:
            command += ['--params-file', str(path)]
        for old, new in self._remappings.items():
            command += ['-r', f'{old}:={new}']
        return command

    def __enter__(self) -> NodeProcess:
        path = os.pathsep.join(filter(None, [str(_SOURCE_ROOT), os.environ.get('PYTHONPATH')]))
        log = self._cleanup.enter_context(self.log_file.open('wb'))
        self._process = subprocess.Popen(
            self.command(),
            env={**os.environ, 'PYTHONPATH': path, 'PYTHONUNBUFFERED': '1', **self._environment},
            stdout=log,
            stderr=subprocess.STDOUT,
            # Ctrl-C in a terminal goes to the whole group: this process decides when to stop it.
            start_new_session=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._cleanup.close()

    @property
    def pid(self) -> int:
        """Process id; 0 before it was started."""
        return 0 if self._process is None else self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def stop(
        self, *, timeout_s: float = 20.0, signal_number: signal.Signals = signal.SIGINT
    ) -> int:
        """End the process kindly, or by force after `timeout_s`; its exit code."""
        if self._process is None:
            return 0
        if self.running:
            self._process.send_signal(signal_number)
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def wait(self, *, timeout_s: float) -> int:
        """Wait for the process to end by itself; its exit code.

        Raises:
            subprocess.TimeoutExpired: it did not.
        """
        return 0 if self._process is None else self._process.wait(timeout_s)

    def output(self) -> str:
        """What it has logged so far."""
        return self.log_file.read_text('utf-8', errors='replace')
