"""The launch files: read as source everywhere, run where `launch` is installed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted((ROOT / 'launch').glob('*.launch.py'))
ARGUMENTS = {
    'tracker.launch.py': {
        'model',
        'teacher',
        'cameras',
        'params_file',
        'use_sim_time',
        'namespace',
        'log_level',
        'autostart',
    },
    'replay.launch.py': {
        'bag',
        'loop',
        'rate',
        'delay',
        'image_topic',
        'model',
        'teacher',
        'params_file',
        'namespace',
        'log_level',
    },
}


def calls(tree: ast.Module, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
            yield node


def first_string(call: ast.Call) -> str:
    return str(ast.literal_eval(call.args[0])) if isinstance(call.args[0], ast.Constant) else ''


def keyword(call: ast.Call, name: str) -> str:
    values = [k.value for k in call.keywords if k.arg == name]
    return str(ast.literal_eval(values[0])) if values else ''


@pytest.fixture(params=FILES, ids=lambda path: path.name)
def path(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding='utf-8'))


def test_both_files_are_here():
    assert {path.name for path in FILES} == set(ARGUMENTS)


def test_arguments_are_declared_with_a_description(path: Path, tree: ast.Module):
    declared = {first_string(call): call for call in calls(tree, 'DeclareLaunchArgument')}
    assert set(declared) == ARGUMENTS[path.name]
    for name, call in declared.items():
        assert len(keyword(call, 'description')) > 20, name


def test_only_declared_arguments_are_used(path: Path, tree: ast.Module):
    used = {first_string(c) for f in ('LaunchConfiguration', 'value') for c in calls(tree, f)}
    passed_on = {
        name
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == 'PASSED_ON'
        for name in ast.literal_eval(node.value)
    }
    assert (used | passed_on) - {''} <= ARGUMENTS[path.name]
    assert passed_on <= ARGUMENTS['tracker.launch.py']


def test_files_that_are_referred_to_exist(tree: ast.Module):
    referred = []
    for call in calls(tree, 'PathJoinSubstitution'):
        assert isinstance(call.args[0], ast.List)
        parts = [part.value for part in call.args[0].elts if isinstance(part, ast.Constant)]
        referred.append(ROOT.joinpath(*(str(part) for part in parts)))
    assert referred
    assert [file for file in referred if not file.is_file()] == []


def test_the_node_is_the_one_that_setup_installs():
    source = (ROOT / 'launch' / 'tracker.launch.py').read_text(encoding='utf-8')
    (node,) = calls(ast.parse(source), 'LifecycleNode')
    assert keyword(node, 'executable') == keyword(node, 'name') == 'mot_tracker'
    assert "f'mot_tracker = {PACKAGE}.ros.node:main'" in (ROOT / 'setup.py').read_text()


def load(path: Path):
    """Import a launch file, or skip: the packages it needs come with a ROS distribution only."""
    # `launch` alone would find this repository's folder of that name.
    for name in ('launch.actions', 'launch_ros.actions'):
        pytest.importorskip(
            name, reason='launch is not on PyPI; run this where ROS 2 is installed'
        )
    spec = importlib.util.spec_from_file_location(path.name.partition('.')[0], path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_description_is_generated(path: Path):
    description = load(path).generate_launch_description()
    arguments = {argument.name: argument for argument in description.get_launch_arguments()}
    assert set(arguments) == ARGUMENTS[path.name]
    required = {name for name, argument in arguments.items() if not argument.default_value}
    assert required - {'bag'} == set()


def test_arguments_reach_the_node():
    module = load(ROOT / 'launch' / 'tracker.launch.py')
    from launch import LaunchContext

    context = LaunchContext()
    context.launch_configurations.update(
        {
            'model': '2026',
            'teacher': '',
            'cameras': '[front, rear]',
            'params_file': str(ROOT / 'config' / 'vehicle' / 'tracker.yaml'),
            'use_sim_time': 'true',
            'namespace': 'roof',
            'log_level': 'debug',
            'autostart': 'false',
        }
    )
    (node,) = module._start_node(context)
    assert node.node_package == 'mot_compress_ros'
    assert node.node_executable == 'mot_tracker'


def test_a_bag_is_played_with_its_clock():
    module = load(ROOT / 'launch' / 'replay.launch.py')
    from launch import LaunchContext
    from launch.utilities import perform_substitutions

    context = LaunchContext()
    context.launch_configurations.update(
        {
            'bag': '/bags/one',
            'loop': 'true',
            'rate': '0.5',
            'delay': '2.0',
            'image_topic': '/kitti/image/compressed',
            'namespace': '/roof/',
        }
    )
    (process,) = module._play_bag(context)
    command = [perform_substitutions(context, part) for part in process.cmd]
    assert command == [
        *('ros2', 'bag', 'play', '/bags/one', '--clock', '--rate', '0.5', '--delay', '2.0'),
        *('--loop', '--remap', '/kitti/image/compressed:=/roof/camera/image_raw/compressed'),
    ]
