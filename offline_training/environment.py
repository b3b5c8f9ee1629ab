"""What a measurement was made on, for every JSON file."""

from __future__ import annotations

from importlib import metadata
import os
from pathlib import Path
import platform
import shlex
import sys

_PACKAGES = (
    'torch',
    'numpy',
    'opencv-python-headless',
    'openvino',
    'onnxruntime',
    'nncf',
    'lap',
    'trackeval',
    'pycocotools',
)


def describe_environment() -> dict[str, object]:
    """CPU model, cores that may be used, and versions of what computes the numbers."""
    return {
        'cpu': cpu_model(),
        'cores': len(os.sched_getaffinity(0)),
        'system': f'{platform.system()} {platform.machine()}',
        'python': platform.python_version(),
        'versions': {name: version for name in _PACKAGES if (version := _version(name))},
    }


def cpu_model() -> str:
    """Name of the processor, as the kernel tells it."""
    path = Path('/proc/cpuinfo')
    lines = path.read_text(encoding='utf-8').splitlines() if path.is_file() else []
    names = [line.partition(':')[2].strip() for line in lines if line.startswith('model name')]
    return names[0] if names else platform.processor() or platform.machine()


def command_line() -> str:
    """The command that is running, as one would type it elsewhere.

    The folder that the variable MOT_DATA names is written as the variable, and folders below the
    current one as relative: a path of one machine says nothing on another.
    """
    text = shlex.join(['python', '-m', 'offline_training', *sys.argv[1:]])
    data = os.environ.get('MOT_DATA', '').rstrip('/')
    if data:
        text = text.replace(data, '$MOT_DATA')
    return text.replace(f'{Path.cwd()}/', '')


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ''
