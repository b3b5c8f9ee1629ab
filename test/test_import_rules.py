"""Who may import whom, read from the source; docs/architecture.md has the table and its why."""

from __future__ import annotations

import ast
from collections.abc import Iterator
import os
from pathlib import Path
import subprocess
import sys
import textwrap

import pytest

ROOT = Path(__file__).resolve().parents[1]
CORE, TRAINING = 'mot_compress_ros', 'offline_training'
EDGE = 'ros'

GROUND = frozenset({'errors', 'datatypes', 'boxes', 'homography', 'options', 'console'})
MIDDLE = frozenset(
    {
        'preprocess',
        'networks',
        'inference',
        'keyframe',
        'tracking',
        'camera_motion',
        'metric',
        'health',
        'image_decoding',
        'message_fields',
        'drawing',
        'frame_source',
        'sources',
        'recording',
    }
)
TOP = frozenset({'pipeline', 'stream', 'assembly', 'command_line', 'replay'})

# A package from elsewhere, and the only places (path prefixes) that may import it.
KEPT_TO = {
    'torch': (f'{CORE}/networks/', f'{CORE}/inference/backends/torch_', f'{TRAINING}/'),
    'onnxruntime': (f'{CORE}/inference/backends/onnx_runtime.py', f'{TRAINING}/'),
    'openvino': (f'{CORE}/inference/backends/openvino', f'{TRAINING}/'),
    'tensorrt': (f'{CORE}/inference/backends/tensorrt.py', f'{TRAINING}/'),
    'trackeval': (f'{TRAINING}/',),
    'torch_pruning': (f'{TRAINING}/pruning/',),
    'nncf': (f'{TRAINING}/quantization/',),
    'ray': (f'{TRAINING}/parallel.py',),  # an optional extra
    # The tests' reference for the Kalman filter, and a rival in a benchmark.
    'filterpy': (f'{TRAINING}/benchmarks/association_rivals/',),
    'trackers': (f'{TRAINING}/benchmarks/association_rivals/',),
    'supervision': (f'{TRAINING}/benchmarks/association_rivals/',),
    'norfair': (f'{TRAINING}/benchmarks/association_rivals/',),
    # A model from elsewhere is never unpickled; CIFAR is published as pickles, of which arrays are
    # made and nothing else.
    'pickle': (f'{TRAINING}/classification/images.py',),
    'dill': (),
    'shelve': (),
    'joblib': (),
}
ROS_PACKAGES = frozenset(
    {
        'rclpy',
        'rcl_interfaces',
        'builtin_interfaces',
        'ament_index_python',
        'cv_bridge',
        'launch',
        'launch_ros',
        'sensor_msgs_py',
        'tf2_ros',
    }
)


def breaches(path: str, source: str) -> list[str]:
    """Return one line for each import in `source`, found at `path`, that the rules forbid."""
    found = []
    for line, name in imported_names(path, source):
        reason = forbidden(path, name)
        if reason:
            found.append(f'{path}:{line}: imports {name}: {reason}')
    return found


def imported_names(path: str, source: str) -> Iterator[tuple[int, str]]:
    """Yield (line, absolute dotted name) of everything imported, inside functions too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = absolute_base(path, node)
            for alias in node.names:
                name = f'{base}.{alias.name}'
                yield node.lineno, name if is_module(name) else base
        elif isinstance(node, ast.Call) and called_name(node) in ('import_module', '__import__'):
            argument = node.args[0] if node.args else None
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                yield node.lineno, argument.value


def absolute_base(path: str, node: ast.ImportFrom) -> str:
    """Return the package that `from <package> import ...` names, with leading dots resolved."""
    if not node.level:
        return node.module or ''
    package = Path(path).parts[: -node.level]
    return '.'.join([*package, *([node.module] if node.module else [])])


def is_module(name: str) -> bool:
    """Return whether a dotted name of ours is a file or a folder, not a name inside a module."""
    place = ROOT.joinpath(*name.split('.'))
    return name.startswith((CORE, TRAINING)) and (
        place.is_dir() or place.with_suffix('.py').is_file()
    )


def called_name(node: ast.Call) -> str:
    """Return the last part of the name of the function that is called."""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ''


def forbidden(path: str, name: str) -> str:
    """Return why the file at `path` must not import `name`; empty when it may."""
    package = name.partition('.')[0]
    if package in (CORE, TRAINING):
        return forbidden_of_ours(path, name)
    if package in ROS_PACKAGES or package.endswith('_msgs'):
        at_edge = path.startswith(f'{CORE}/{EDGE}/')
        return '' if at_edge else f'ROS is known in {CORE}/{EDGE} only'
    if package in KEPT_TO and not path.startswith(KEPT_TO[package] or ('\0',)):
        return f'{package} belongs to {", ".join(KEPT_TO[package]) or "no file of ours"}'
    return ''


def forbidden_of_ours(path: str, name: str) -> str:
    """Return why the file at `path` must not import our own `name`; empty when it may."""
    source, target = room_of(Path(path).with_suffix('').parts), room_of(tuple(name.split('.')))
    if source == TRAINING:
        return f'training must not need {CORE}/{EDGE}' if target == EDGE else ''
    if target == TRAINING:
        return f'the vehicle runs without {TRAINING}'
    if source == target or target == '' or source in ('', EDGE):
        return ''
    for room in (source, target):
        if room not in GROUND | MIDDLE | TOP | {EDGE}:
            return f'{room} has no row in the table: give it one'
    if source in TOP:
        return '' if target != EDGE else 'the core runs without ROS'
    if target not in GROUND | (MIDDLE if source in MIDDLE else frozenset()):
        return f'{source} lies below {target}'
    inside = target in MIDDLE and name.count('.') > 1
    return f'{target} is used through its __init__, not its insides' if inside else ''


def room_of(parts: tuple[str, ...]) -> str:
    """Return the room of a module: the part below the core package, or the training package."""
    if parts[0] == TRAINING:
        return TRAINING
    return parts[1] if len(parts) > 1 and parts[1] != '__init__' else ''


SOURCES = sorted(p for package in (CORE, TRAINING) for p in (ROOT / package).rglob('*.py'))


@pytest.mark.parametrize('path', SOURCES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_import_is_allowed(path: Path) -> None:
    assert breaches(path.relative_to(ROOT).as_posix(), path.read_text(encoding='utf-8')) == []


def test_every_room_of_the_core_has_a_row() -> None:
    rooms = {room_of(p.relative_to(ROOT).with_suffix('').parts) for p in SOURCES}
    assert rooms - {'', TRAINING, EDGE} <= GROUND | MIDDLE | TOP


@pytest.mark.parametrize(
    ('path', 'source'),
    [
        ('mot_compress_ros/boxes.py', 'import mot_compress_ros.tracking'),
        ('mot_compress_ros/boxes.py', 'import torch'),
        ('mot_compress_ros/tracking/tracker.py', 'from mot_compress_ros.pipeline import Pipeline'),
        ('mot_compress_ros/tracking/tracker.py', 'from mot_compress_ros import pipeline'),
        ('mot_compress_ros/tracking/tracker.py', 'from ..pipeline import Pipeline'),
        ('mot_compress_ros/tracking/tracker.py', 'from .. import pipeline'),
        ('mot_compress_ros/tracking/tracker.py', 'import mot_compress_ros.inference.decode'),
        ('mot_compress_ros/tracking/tracker.py', 'def f():\n    import torch.nn'),
        ('mot_compress_ros/inference/backends/onnx_runtime.py', 'import torch'),
        ('mot_compress_ros/inference/backends/torch_eager.py', 'import onnxruntime'),
        ('mot_compress_ros/inference/checkpoint.py', 'import pickle'),
        ('mot_compress_ros/pipeline.py', 'import mot_compress_ros.ros.node'),
        ('mot_compress_ros/replay.py', 'import rclpy'),
        ('mot_compress_ros/recording/mcap.py', 'from vision_msgs.msg import Detection2DArray'),
        ('mot_compress_ros/sources/bag.py', 'import importlib\nimportlib.import_module("rclpy")'),
        ('mot_compress_ros/sources/bag.py', 'from mot_compress_ros.ros import conversions'),
        ('mot_compress_ros/ros/node.py', 'import offline_training'),
        ('mot_compress_ros/ros/node.py', 'import torch'),
        ('mot_compress_ros/attic.py', 'import mot_compress_ros.tracking'),
        ('mot_compress_ros/tracking/tracker.py', 'import mot_compress_ros.attic'),
        ('offline_training/engine.py', 'from mot_compress_ros.ros.conversions import to_tracks'),
        ('offline_training/engine.py', 'import sensor_msgs.msg'),
    ],
)
def test_a_breach_is_found(path: str, source: str) -> None:
    assert len(breaches(path, source)) == 1


@pytest.mark.parametrize(
    ('path', 'source'),
    [
        ('mot_compress_ros/boxes.py', 'import numpy as np'),
        ('mot_compress_ros/tracking/tracker.py', 'from mot_compress_ros import boxes'),
        ('mot_compress_ros/tracking/tracker.py', 'from mot_compress_ros.tracking import store'),
        ('mot_compress_ros/tracking/tracker.py', 'from . import store'),
        ('mot_compress_ros/inference/detector.py', 'from mot_compress_ros.networks import build'),
        ('mot_compress_ros/networks/heads.py', 'import torch.nn.functional as F'),
        ('mot_compress_ros/pipeline.py', 'from mot_compress_ros.inference.checkpoint import x'),
        ('mot_compress_ros/replay.py', 'from mot_compress_ros.pipeline import Pipeline'),
        ('mot_compress_ros/ros/node.py', 'import rclpy, mot_compress_ros.pipeline'),
        ('offline_training/engine.py', 'import torch, mot_compress_ros.networks.heads'),
    ],
)
def test_what_is_allowed_is_not_reported(path: str, source: str) -> None:
    assert breaches(path, source) == []


def test_the_core_imports_where_no_ros_is_installed() -> None:
    """Import every module outside the edge in a Python that cannot find any ROS package."""
    program = f"""
        import importlib, importlib.abc, pkgutil, sys

        class NoRos(importlib.abc.MetaPathFinder):
            def find_spec(self, name, path=None, target=None):
                package = name.partition('.')[0]
                if package in {sorted(ROS_PACKAGES)!r} or package.endswith('_msgs'):
                    raise ModuleNotFoundError(f'no ROS here: {{name}}', name=name)

        sys.meta_path.insert(0, NoRos())
        names = []
        for package in ('{CORE}', '{TRAINING}'):
            path = importlib.import_module(package).__path__
            names += [m.name for m in pkgutil.walk_packages(path, package + '.')
                      if not m.name.startswith('{CORE}.{EDGE}') and '__main__' not in m.name]
        for name in names:
            importlib.import_module(name)
        sys.stdout.write(str(len(names)))
    """
    finished = subprocess.run(
        [sys.executable, '-c', textwrap.dedent(program)],
        cwd=ROOT,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert finished.returncode == 0, finished.stderr
    assert int(finished.stdout) > len(GROUND)
