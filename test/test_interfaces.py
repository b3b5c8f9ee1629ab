"""The message packages and the script that builds them."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
import re
import shutil
import sys
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ('vision_msgs', 'autoware_perception_msgs')

# Type hashes of the packages a ROS distribution installs. Nodes talk only when these agree.
DISTRIBUTION_HASHES = {
    'vision_msgs/msg/Detection2DArray': (
        'RIHS01_214274120007f4a683866481336b70310268cfa107aebe9d594a6acf75bda968'
    ),
    'vision_msgs/msg/LabelInfo': (
        'RIHS01_3d37df4015cdf660cc851c51897f2acd957e1ca6205ba0a99aebffb9406b0783'
    ),
}


@pytest.fixture
def build() -> ModuleType:
    """The build script as a module of its own, free to be patched."""
    spec = importlib.util.spec_from_file_location('build', ROOT / 'interfaces' / 'build.py')
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_definition_is_complete():
    """Each type a message of ours uses lies beside it or belongs to a package it depends on."""
    for package in PACKAGES:
        folder = ROOT / 'interfaces' / package
        own = {f'{package}/{path.stem}' for path in folder.glob('msg/*.msg')}
        depends = re.findall('<depend>(.*)</depend>', (folder / 'package.xml').read_text())
        assert own
        for path in folder.glob('msg/*.msg'):
            for used in re.findall(r'^(\w+/\w+)(?:\[\])? \w+$', path.read_text(), re.MULTILINE):
                assert used in own or used.partition('/')[0] in depends, f'{path.name}: {used}'


@pytest.mark.ros
@pytest.mark.parametrize('name', DISTRIBUTION_HASHES)
def test_types_are_those_of_a_distribution(name: str):
    description = Path(sys.prefix) / 'share' / f'{name}.json'
    if not description.is_file():
        pytest.skip('vision_msgs comes from a ROS distribution here, not from interfaces/')
    hashes = json.loads(description.read_text())['type_hashes']
    found = {entry['type_name']: entry['hash_string'] for entry in hashes}
    assert found[name] == DISTRIBUTION_HASHES[name]


@pytest.mark.ros
def test_messages_can_be_made():
    from autoware_perception_msgs.msg import TrackedObject, TrackedObjects
    from vision_msgs.msg import BoundingBox2D, Detection2D, Detection2DArray

    box = BoundingBox2D(size_x=4.0, size_y=3.0)
    box.center.position.x = 7.0
    array = Detection2DArray(detections=[Detection2D(bbox=box, id='12')])
    assert array.detections[0].bbox.center.position.x == 7.0
    objects = TrackedObjects(objects=[TrackedObject(existence_probability=0.5)])
    assert objects.objects[0].kinematics.orientation_availability == 0


def test_a_changed_definition_changes_the_fingerprint(build, tmp_path, monkeypatch):
    shutil.copytree(ROOT / 'interfaces', tmp_path, dirs_exist_ok=True)
    before = build.fingerprint()
    monkeypatch.setattr(build, 'HERE', tmp_path)
    assert build.fingerprint() == before
    with (tmp_path / 'vision_msgs' / 'msg' / 'Point2D.msg').open('a') as file:
        file.write('float64 z\n')
    assert build.fingerprint() != before


def test_an_up_to_date_environment_is_left_alone(build, tmp_path, monkeypatch):
    def fail(*args: object, **kwargs: object) -> None:
        raise AssertionError('built although nothing changed')

    monkeypatch.setattr(build, 'build_package', fail)
    monkeypatch.setattr(sys, 'base_prefix', str(tmp_path / 'base'))
    for name in PACKAGES:
        (build.site_packages(tmp_path) / name / 'msg').mkdir(parents=True)
    (tmp_path / build.STAMP_NAME).write_text(build.fingerprint())
    assert build.build(tmp_path) is False
    # A package that is gone, or a wish, is a reason to build all the same.
    shutil.rmtree(build.site_packages(tmp_path) / PACKAGES[1])
    for force in (False, True):
        with pytest.raises(AssertionError, match='nothing changed'):
            build.build(tmp_path, force=force)


def test_only_a_virtual_environment_is_built_into(build, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'base_prefix', sys.prefix)
    assert build.main([]) == 1
    assert capsys.readouterr().err.splitlines() == [
        'interfaces: run this with the Python of a virtual environment (make env makes one)'
    ]


@pytest.mark.parametrize(
    ('present', 'advice'),
    [((), 'no cc found: sudo apt install gcc'), (('cc',), 'no c++ found: sudo apt install g++')],
)
def test_a_missing_compiler_is_named(build, tmp_path, monkeypatch, present, advice):
    for variable in ('CC', 'CXX'):
        monkeypatch.delenv(variable, raising=False)
    for name in present:
        (tmp_path / name).symlink_to(shutil.which('true') or '')
    monkeypatch.setenv('PATH', str(tmp_path))
    with pytest.raises(build.BuildError, match=re.escape(advice)):
        build.check_tools()


def test_a_failing_build_shows_its_end_and_leaves_no_stamp(build, tmp_path, monkeypatch):
    cmake = tmp_path / 'bin' / 'cmake'
    cmake.parent.mkdir()
    cmake.write_text('#!/bin/sh\necho "the reason is $AMENT_PREFIX_PATH"\nexit 3\n')
    cmake.chmod(0o755)
    (tmp_path / 'bin' / 'ninja').symlink_to(cmake)
    monkeypatch.setattr(sys, 'base_prefix', str(tmp_path / 'base'))
    monkeypatch.setattr(sys, 'prefix', str(tmp_path))
    monkeypatch.setattr(build, 'check_tools', lambda: None)
    monkeypatch.setattr(build, 'remove_package', lambda prefix, name: None)
    monkeypatch.setenv('AMENT_PREFIX_PATH', '/opt/ros/humble')
    (tmp_path / build.STAMP_NAME).write_text('of another build')
    with pytest.raises(build.BuildError, match=f'the reason is {tmp_path}'):
        build.build(tmp_path)
    assert not (tmp_path / build.STAMP_NAME).exists()


def test_everything_of_an_earlier_build_is_removed(build, tmp_path):
    site = build.site_packages(tmp_path).relative_to(tmp_path).as_posix()
    assert site.endswith('site-packages')
    old = [
        'share/vision_msgs/msg/Old.msg',
        'include/vision_msgs/old.h',
        'lib/libvision_msgs__rosidl_generator_c.so',
        f'{site}/vision_msgs/msg/_old.py',
        f'{site}/vision_msgs-4.1.1-py3.11.egg-info/top_level.txt',
        'share/ament_index/resource_index/packages/vision_msgs',
    ]
    other = ['share/std_msgs/msg/Header.msg', 'lib/libstd_msgs__rosidl_generator_c.so']
    for name in old + other:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    build.remove_package(tmp_path, 'vision_msgs')
    left = [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob('*') if p.is_file()]
    assert sorted(left) == sorted(other)
