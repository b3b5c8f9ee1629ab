"""Build the interface packages of this folder into the virtual environment that runs this file.

The ROS wheels on PyPI lack `vision_msgs` and `autoware_perception_msgs`. Their definitions lie
here and are built against the wheels with CMake, for which the environment serves as prefix:
afterwards `from vision_msgs.msg import Detection2DArray` works in it, over DDS too. Where a ROS
distribution brings these packages, nothing of this folder is needed (`COLCON_IGNORE`).

Usage: `.venv/bin/python interfaces/build.py`; it returns at once when nothing changed since the
last build.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import importlib.util
import os
from pathlib import Path
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time

PACKAGES = ('vision_msgs', 'autoware_perception_msgs')
HERE = Path(__file__).resolve().parent
STAMP_NAME = 'mot_compress_ros_interfaces.stamp'
LOG_NAME = 'mot_compress_ros_interfaces.log'
# Left behind by another environment's Python or by a sourced ROS, these would mix two sets of
# libraries.
FOREIGN_VARIABLES = (
    '_ROS_WHEELS_BOOTSTRAP_COMPLETE',
    'LD_LIBRARY_PATH',
    'PYTHONPATH',
    'COLCON_PREFIX_PATH',
    'ROS_PACKAGE_PATH',
)


class BuildError(Exception):
    """The build cannot go on; the message is one line that says what to do."""


def main(arguments: list[str] | None = None) -> int:
    """Build what is not up to date; return 0, or 1 after one line on stderr."""
    parser = argparse.ArgumentParser(
        description='Build the interface packages into this environment.'
    )
    parser.add_argument('--force', action='store_true', help='build even when nothing changed')
    options = parser.parse_args(arguments)
    try:
        build(Path(sys.prefix), force=options.force)
    except BuildError as error:
        sys.stderr.write(f'interfaces: {error}\n')
        return 1
    return 0


def build(prefix: Path, *, force: bool = False) -> bool:
    """Build all packages into `prefix`; return whether there was anything to do."""
    if sys.prefix == sys.base_prefix:
        raise BuildError('run this with the Python of a virtual environment (make env makes one)')
    stamp = prefix / STAMP_NAME
    wanted = fingerprint()
    is_built = all((site_packages(prefix) / name / 'msg').is_dir() for name in PACKAGES)
    if not force and is_built and stamp.exists() and stamp.read_text() == wanted:
        return False
    check_tools()
    stamp.unlink(missing_ok=True)
    log = prefix / LOG_NAME
    log.unlink(missing_ok=True)
    for name in PACKAGES:
        started = time.monotonic()
        remove_package(prefix, name)
        build_package(prefix, name, log=log)
        sys.stdout.write(f'interfaces: built {name} in {time.monotonic() - started:.0f} s\n')
    stamp.write_text(wanted)
    return True


def fingerprint() -> str:
    """Return a hash over everything that decides what a build yields."""
    digest = hashlib.sha256()
    for path in sorted(HERE.rglob('*')):
        if path.is_file() and path.suffix in {'.msg', '.xml', '.txt', '.cmake', '.py'}:
            digest.update(f'{path.relative_to(HERE)}\0'.encode())
            digest.update(path.read_bytes())
    digest.update(f'{sys.version} {sysconfig.get_platform()}'.encode())
    wheels = {(d.name.lower(), d.version) for d in importlib.metadata.distributions()}
    for name, version in sorted(wheels):
        if name.startswith('ros-') or name == 'numpy':
            digest.update(f'{name}=={version} '.encode())
    return digest.hexdigest()


def check_tools() -> None:
    """Raise BuildError with the package that brings it, for the first tool that is missing."""
    for names, variable, package in (
        (('cc', 'gcc', 'clang'), 'CC', 'gcc'),
        (('c++', 'g++', 'clang++'), 'CXX', 'g++'),
    ):
        candidates = (os.environ[variable].split()[0],) if os.environ.get(variable) else names
        if not any(shutil.which(name) for name in candidates):
            raise BuildError(f'no {candidates[0]} found: sudo apt install {package}')
    if not (Path(sysconfig.get_path('include')) / 'Python.h').exists():
        version = f'{sys.version_info.major}.{sys.version_info.minor}'
        raise BuildError(f"Python's headers are missing: sudo apt install python{version}-dev")
    for name in ('cmake', 'ninja'):
        _tool(name)
    if importlib.util.find_spec('rosidl_generator_py') is None:
        raise BuildError('the ROS wheels are missing from this environment: make env')


def site_packages(prefix: Path) -> Path:
    """Return the folder of the Python packages of the environment at `prefix`."""
    places = {'base': str(prefix), 'platbase': str(prefix)}
    return Path(sysconfig.get_path('platlib', vars=places))


def remove_package(prefix: Path, name: str) -> None:
    """Delete what an earlier build of the package left: a removed message is then really gone."""
    libraries = prefix / 'lib'
    for folder in (prefix / 'share' / name, prefix / 'include' / name):
        shutil.rmtree(folder, ignore_errors=True)
    for library in libraries.glob(f'lib{name}__*'):
        library.unlink()
    shutil.rmtree(site_packages(prefix) / name, ignore_errors=True)
    for information in site_packages(prefix).glob(f'{name}-*-info'):
        shutil.rmtree(information)
    for marker in (prefix / 'share' / 'ament_index').glob(f'resource_index/*/{name}'):
        marker.unlink()


def build_package(prefix: Path, name: str, *, log: Path) -> None:
    """Configure, compile and install one package; raise BuildError with the end of the log."""
    cmake, ninja = _tool('cmake'), _tool('ninja')
    with tempfile.TemporaryDirectory(prefix=f'{name}-') as scratch:
        _run(
            [
                *(cmake, '-S', str(HERE / name), '-B', scratch, '-G', 'Ninja'),
                f'-DCMAKE_MAKE_PROGRAM={ninja}',
                f'-DCMAKE_PREFIX_PATH={prefix}',
                f'-DCMAKE_INSTALL_PREFIX={prefix}',
                f'-DPython3_EXECUTABLE={sys.executable}',
                '-DCMAKE_BUILD_TYPE=Release',
                '-DBUILD_TESTING=OFF',
            ],
            prefix=prefix,
            log=log,
        )
        _run([cmake, '--build', scratch, '--target', 'install'], prefix=prefix, log=log)


def _run(command: list[str], *, prefix: Path, log: Path) -> None:
    """Run a command with the environment as its only ament prefix; its output goes to the log."""
    environment = {k: v for k, v in os.environ.items() if k not in FOREIGN_VARIABLES}
    environment['AMENT_PREFIX_PATH'] = environment['CMAKE_PREFIX_PATH'] = str(prefix)
    environment['PATH'] = os.pathsep.join(
        [str(prefix / 'bin'), environment.get('PATH', os.defpath)]
    )
    with log.open('ab') as sink:
        finished = subprocess.run(command, env=environment, stdout=sink, stderr=sink, check=False)
    if finished.returncode:
        tail = '\n'.join(log.read_text(errors='replace').splitlines()[-15:])
        raise BuildError(f'{Path(command[0]).name} failed, see {log}; its end:\n{tail}')


def _tool(name: str) -> str:
    """Return the path of a build tool, the environment's own first."""
    own = Path(sys.prefix) / 'bin' / name
    found = str(own) if own.exists() else shutil.which(name)
    if found is None:
        raise BuildError(
            f'no {name} found: sudo apt install {name if name == "cmake" else "ninja-build"}'
        )
    return found


if __name__ == '__main__':
    sys.exit(main())
