"""From the arguments of the launch files to parameters and command lines.

Plain Python, so that it is tested where the package `launch` is not installed. An argument left
empty leaves its value to the parameter file.
"""

from __future__ import annotations

from collections.abc import Mapping

import yaml

from mot_compress_ros.errors import InvalidOptionError

PROFILE_VARIABLE = 'FASTRTPS_DEFAULT_PROFILES_FILE'
_TEXTS = ('model', 'teacher', 'image_transport')
# Arguments that take a word -> parameter.
_CHOICES = {
    'backend': 'runtime.backend',
    'precision': 'runtime.precision',
    'keyframe_mode': 'keyframe.mode',
}
_SWITCHES = ('use_sim_time', 'autostart')
_COMPRESSED = '/compressed'


def node_parameters(arguments: Mapping[str, str]) -> dict[str, str | bool | int | list[str]]:
    """Parameters of the node that the arguments set.

    Raises:
        InvalidOptionError: `cameras` is neither a name nor a YAML list of names, or
            `keyframe_interval` no whole number.
    """
    parameters: dict[str, str | bool | int | list[str]] = {}
    for name in _TEXTS:
        if arguments[name]:
            parameters[name] = arguments[name]
    for name in _SWITCHES:
        if arguments[name]:
            parameters[name] = arguments[name] == 'true'
    if arguments['cameras']:
        parameters['cameras'] = _cameras(arguments['cameras'])
    for name, parameter in _CHOICES.items():
        if arguments[name]:
            parameters[parameter] = arguments[name]
    if arguments['keyframe_interval']:
        parameters['keyframe.interval'] = _whole('keyframe_interval', arguments)
    return parameters


def replay_transport(arguments: Mapping[str, str]) -> str:
    """What the node has to listen to: as the user says, else by the name of the bag's topic."""
    topic, transport = arguments['image_topic'], arguments['image_transport']
    if transport or not topic:
        return transport
    return 'compressed' if topic.endswith(_COMPRESSED) else 'raw'


def play_command(arguments: Mapping[str, str]) -> list[str]:
    """The command that plays the bag, its image topic remapped to the node's."""
    command = ['ros2', 'bag', 'play', arguments['bag'], '--clock']
    command += ['--rate', arguments['rate'], '--delay', arguments['delay']]
    if arguments['loop'] == 'true':
        command.append('--loop')
    if topic := arguments['image_topic']:
        parts = [arguments['namespace'].strip('/'), 'camera', 'image_raw']
        target = '/' + '/'.join(part for part in parts if part)
        target += _COMPRESSED if replay_transport(arguments) == 'compressed' else ''
        command += ['--remap', f'{topic}:={target}']
    return command


def play_environment(present: Mapping[str, str], *, profile: str) -> dict[str, str]:
    """Variables to add for the player: its large images are lost in Fast DDS's default memory."""
    return {} if PROFILE_VARIABLE in present else {PROFILE_VARIABLE: profile}


def _whole(name: str, arguments: Mapping[str, str]) -> int:
    text = arguments[name]
    if not text.isdecimal():
        raise InvalidOptionError(f'{name}:={text}: expected a whole number of frames, such as 6')
    return int(text)


def _cameras(text: str) -> list[str]:
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        value = None
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InvalidOptionError(
            f'cameras:={text}: expected a name, or a YAML list of names such as "[front, rear]"'
        )
    return names
