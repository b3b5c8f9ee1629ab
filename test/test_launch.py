"""The launch files: read as source everywhere, run where `launch` is installed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
import importlib.util
from pathlib import Path

import pytest

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.ros.launch_arguments import (
    node_parameters,
    play_command,
    play_environment,
    replay_transport,
)
from mot_compress_ros.ros.parameters import build_options, parameter_options

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted((ROOT / 'launch').glob('*.launch.py'))
ARGUMENTS = {
    'tracker.launch.py': {
        'model',
        'teacher',
        'backend',
        'precision',
        'keyframe_mode',
        'keyframe_interval',
        'cameras',
        'image_transport',
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
        'image_transport',
        'model',
        'teacher',
        'backend',
        'precision',
        'keyframe_mode',
        'keyframe_interval',
        'params_file',
        'namespace',
        'log_level',
    },
}

PARAMETERS = {
    'backend': 'runtime.backend',
    'precision': 'runtime.precision',
    'keyframe_mode': 'keyframe.mode',
    'keyframe_interval': 'keyframe.interval',
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
    used = {
        node.slice.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript)
        and ast.unparse(node.value) == 'arguments'
        and isinstance(node.slice, ast.Constant)
    }
    passed_on = {
        name
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == 'PASSED_ON'
        for name in ast.literal_eval(node.value)
    }
    assert used | passed_on <= ARGUMENTS[path.name]
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


def given(file: str, **values: str) -> dict[str, str]:
    """The arguments of a launch file; those that are not named are empty."""
    assert set(values) <= ARGUMENTS[file]
    return {**dict.fromkeys(ARGUMENTS[file], ''), **values}


def test_arguments_left_empty_leave_the_parameter_file_alone():
    assert node_parameters(given('tracker.launch.py')) == {}


@pytest.mark.parametrize(
    ('argument', 'text', 'value'),
    [
        ('model', '2026', '2026'),
        ('teacher', 'models/teacher', 'models/teacher'),
        ('image_transport', 'compressed', 'compressed'),
        ('backend', 'auto', 'auto'),
        ('precision', 'int8', 'int8'),
        ('keyframe_mode', 'off', 'off'),
        ('keyframe_interval', '12', 12),
        ('use_sim_time', 'true', True),
        ('use_sim_time', 'false', False),
        ('autostart', 'false', False),
        ('cameras', 'front', ['front']),
        ('cameras', '[front, left/wide]', ['front', 'left/wide']),
    ],
)
def test_an_argument_becomes_a_parameter(argument: str, text: str, value: object):
    arguments = given('tracker.launch.py', **{argument: text})
    name = PARAMETERS.get(argument, argument)
    assert node_parameters(arguments) == {name: value}
    legal = {} if argument == 'use_sim_time' else {name: value}
    build_options(legal)  # ROS's own parameter aside, the node knows it


@pytest.mark.parametrize('text', ['often', '-3', '2.5', '1e1', ' 6'])
def test_an_interval_that_is_no_whole_number_is_refused(text: str):
    with pytest.raises(InvalidOptionError, match=r'keyframe_interval:=.*whole number of frames'):
        node_parameters(given('tracker.launch.py', keyframe_interval=text))


@pytest.mark.parametrize('argument', ['backend', 'precision', 'keyframe_mode'])
def test_the_choices_of_the_launch_files_are_those_of_the_parameter(
    tree: ast.Module, argument: str
):
    (declared,) = (
        call for call in calls(tree, 'DeclareLaunchArgument') if first_string(call) == argument
    )
    (choices,) = (k.value for k in declared.keywords if k.arg == 'choices')
    legal = parameter_options()[PARAMETERS[argument]].choices
    assert sorted(ast.literal_eval(choices)) == sorted(['', *legal])


@pytest.mark.parametrize('text', ['5', '[1, 2]', '{front: 1}', '[front', 'true', ' '])
def test_cameras_that_are_no_names_are_refused(text: str):
    with pytest.raises(InvalidOptionError, match='YAML list of names'):
        node_parameters(given('tracker.launch.py', cameras=text))


@pytest.mark.parametrize(
    ('image_topic', 'image_transport', 'expected'),
    [
        ('', '', ''),
        ('', 'compressed', 'compressed'),
        ('/kitti/image', '', 'raw'),
        ('/kitti/image/compressed', '', 'compressed'),
        ('/kitti/odd', 'compressed', 'compressed'),
    ],
)
def test_transport_follows_the_topic_of_the_bag(image_topic, image_transport, expected):
    arguments = given('replay.launch.py', image_topic=image_topic, image_transport=image_transport)
    assert replay_transport(arguments) == expected


def test_a_bag_is_played_with_its_clock():
    arguments = given(
        'replay.launch.py',
        bag='/bags/one',
        loop='true',
        rate='0.5',
        delay='2.0',
        image_topic='/kitti/image/compressed',
        namespace='/roof/',
    )
    played = ['ros2', 'bag', 'play', '/bags/one', '--clock', '--rate', '0.5', '--delay', '2.0']
    assert play_command(arguments) == [
        *played,
        *('--loop', '--remap', '/kitti/image/compressed:=/roof/camera/image_raw/compressed'),
    ]
    arguments.update(loop='false', image_topic='/kitti/image', namespace='')
    assert play_command(arguments) == [*played, '--remap', '/kitti/image:=/camera/image_raw']
    arguments.update(image_topic='/kitti/odd', image_transport='compressed')
    assert play_command(arguments)[-1] == '/kitti/odd:=/camera/image_raw/compressed'
    arguments.update(image_topic='')
    assert play_command(arguments) == played


def test_the_player_gets_the_profile_for_large_images_unless_the_user_has_one():
    assert play_environment({}, profile='/p.xml') == {'FASTRTPS_DEFAULT_PROFILES_FILE': '/p.xml'}
    assert play_environment({'FASTRTPS_DEFAULT_PROFILES_FILE': 'mine'}, profile='/p.xml') == {}


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


def run_in_launch(file: str, function: str, **values: str):
    """What a function of a launch file makes of its arguments."""
    module = load(ROOT / 'launch' / file)
    from launch import LaunchContext

    context = LaunchContext()
    context.launch_configurations.update(given(file, **values))
    (made,) = getattr(module, function)(context)
    return made


def test_the_node_is_started():
    parameters = str(ROOT / 'config' / 'vehicle' / 'tracker.yaml')
    node = run_in_launch(
        'tracker.launch.py', '_start_node', cameras='front', params_file=parameters
    )
    assert node.node_package == 'mot_compress_ros'
    assert node.node_executable == 'mot_tracker'


def test_the_tracker_listens_to_what_the_bag_holds():
    included = run_in_launch('replay.launch.py', '_start_tracker', image_topic='/a/compressed')
    passed_on = dict(included.launch_arguments)
    assert passed_on['image_transport'] == 'compressed'
    assert passed_on['use_sim_time'] == passed_on['autostart'] == 'true'
