"""The script that writes requirements/locked*.txt."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def lock(tmp_path: Path) -> ModuleType:
    """The script, writing into a scratch folder."""
    spec = importlib.util.spec_from_file_location('lock', ROOT / 'tools' / 'lock.py')
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.REQUIREMENTS = tmp_path
    return module


def test_ros_and_the_rest_are_kept_apart(lock, tmp_path, monkeypatch):
    pins = {'numpy': '2.4.6', 'ros-rclpy': '7.1.6'}
    monkeypatch.setattr(lock, 'installed_pins', lambda: pins)
    assert lock.main(['jazzy']) == 0
    assert (tmp_path / 'locked-jazzy.txt').read_text().splitlines()[1:] == ['ros-rclpy==7.1.6']
    assert (tmp_path / 'locked.txt').read_text().splitlines()[1:] == ['numpy==2.4.6']


def test_only_what_pip_installed_is_locked(lock, tmp_path, monkeypatch):
    for name, version, installer in (
        ('Some.Thing', '1.2+cpu', 'pip\n'),
        ('std_msgs', '5.3.6', ''),  # metadata that a ROS wheel carries along
        ('opencv-python', '5.0.0.93', 'pip\n'),
    ):
        folder = tmp_path / f'{name}-{version}.dist-info'
        folder.mkdir()
        (folder / 'METADATA').write_text(f'Name: {name}\nVersion: {version}\n')
        (folder / 'INSTALLER').write_text(installer)
    found = list(importlib.metadata.distributions(path=[str(tmp_path)]))
    monkeypatch.setattr(lock.importlib.metadata, 'distributions', lambda: found)
    assert lock.installed_pins() == {'some-thing': '1.2'}
