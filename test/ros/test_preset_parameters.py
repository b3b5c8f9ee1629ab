"""`tracker.preset` gives the other parameters of the tracker their defaults, once."""

import contextlib

import pytest

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.options import to_mapping
from mot_compress_ros.pipeline import PipelineConfig
from mot_compress_ros.ros.parameters import build_options, parameter_options, PRESET, refusal
from mot_compress_ros.tracking import PRESETS, TrackerConfig

every_preset = pytest.mark.parametrize('name', PRESETS)


def tracker_defaults(preset=''):
    return {
        name.removeprefix('tracker.'): info.default
        for name, info in parameter_options(preset).items()
        if name.startswith('tracker.')
    }


@every_preset
def test_the_defaults_are_those_of_the_preset(name):
    assert tracker_defaults(name) == to_mapping(TrackerConfig.of(name))
    others = {k: i for k, i in parameter_options(name).items() if not k.startswith('tracker.')}
    plain = {k: i for k, i in parameter_options().items() if not k.startswith('tracker.')}
    assert others == plain


def test_without_a_preset_they_are_the_vehicles():
    assert tracker_defaults() == tracker_defaults('vehicle') == to_mapping(TrackerConfig())


def test_an_unknown_preset_is_refused():
    with pytest.raises(InvalidOptionError, match=r"tracker\.preset: got 'deepsort', legal:"):
        parameter_options('deepsort')


@every_preset
def test_the_declared_values_build_the_preset(name):
    declared = {k: info.default for k, info in parameter_options(name).items()}
    _, config = build_options({**declared, 'tracker.lost_buffer_s': 2.0})
    assert config.tracker == TrackerConfig.of(name, lost_buffer_s=2.0)


@pytest.mark.parametrize('is_configured', [False, True])
def test_another_preset_is_refused_later(is_configured):
    current = {k: info.default for k, info in parameter_options('byte').items()}
    said = refusal({PRESET: 'sort'}, current=current, is_configured=is_configured)
    assert said.startswith('tracker.preset: ')
    assert 'only at the start of the node' in said
    both = {PRESET: 'sort', 'tracker.min_score': 0.2}
    assert refusal(both, current=current, is_configured=is_configured) == said
    assert refusal({PRESET: 'byte'}, current=current, is_configured=False) == ''
    assert refusal({'tracker.min_score': 0.2}, current=current, is_configured=False) == ''


@contextlib.contextmanager
def started(*parameters):
    """A bare node whose parameters are declared and guarded, as the tracker's node does it."""
    rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')
    from mot_compress_ros.ros.parameter_declaration import declare_parameters, guard_parameters

    given = [word for pair in parameters for word in ('-p', pair)]
    context = rclpy.Context()
    rclpy.init(args=['--ros-args', *given] if given else [], context=context)
    node = rclpy.create_node('presets', context=context)
    try:
        declare_parameters(node)
        guard_parameters(node, is_configured=lambda: False)
        yield node
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)


def declared_tracker(node):
    from mot_compress_ros.ros.parameter_declaration import read_parameters

    _, config = build_options(read_parameters(node))
    return config.tracker


@pytest.mark.ros
def test_a_node_declares_the_values_of_its_preset():
    with started('tracker.preset:=byte') as node:
        assert declared_tracker(node) == TrackerConfig.of('byte')
        for name, value in to_mapping(PRESETS['byte'].DEFAULTS).items():
            assert node.get_parameter(f'tracker.{name}').value == value


@pytest.mark.ros
def test_a_node_without_a_preset_has_the_vehicles():
    with started() as node:
        assert declared_tracker(node) == PipelineConfig().tracker


@pytest.mark.ros
def test_what_is_given_beside_the_preset_wins():
    with started('tracker.preset:=ocsort', 'tracker.lost_buffer_s:=3.5') as node:
        assert declared_tracker(node) == TrackerConfig.of('ocsort', lost_buffer_s=3.5)


@pytest.mark.ros
def test_a_node_refuses_another_preset_with_the_reason():
    with started('tracker.preset:=byte') as node:
        from rclpy.parameter import Parameter

        (result,) = node.set_parameters([Parameter('tracker.preset', value='sort')])
        assert not result.successful
        assert 'only at the start of the node' in result.reason
        assert declared_tracker(node) == TrackerConfig.of('byte')
        (result,) = node.set_parameters([Parameter('tracker.min_score', value=0.3)])
        assert result.successful, result.reason
        assert declared_tracker(node) == TrackerConfig.of('byte', min_score=0.3)


@pytest.mark.ros
def test_a_node_does_not_start_with_an_unknown_preset():
    with pytest.raises(InvalidOptionError, match='deepsort'), started('tracker.preset:=deepsort'):
        pass
