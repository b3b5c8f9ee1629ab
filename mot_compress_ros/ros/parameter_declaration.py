"""Parameters of a node: declared with descriptions and ranges, read, and guarded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
import sys

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.options import OptionInfo
from mot_compress_ros.ros.parameters import build_options, parameter_options, PRESET, refusal

_INT_LIMIT = 2**63 - 1


def declare_parameters(node: Node) -> None:
    """Declare every parameter, and refuse now what configure would refuse later.

    Raises:
        rclpy.exceptions.ParameterException: a value given at start has the wrong type or range.
        InvalidOptionError: a value given at start is not legal, or its name is unknown.
    """
    # rclpy has no public name for what the command line and parameter files say.
    given: dict[str, Parameter] = node._parameter_overrides
    given.update({p.name: p for p in _as_meant(list(given.values()))})
    info = parameter_options()[PRESET]
    preset = node.declare_parameter(PRESET, info.default, _descriptor(info)).value
    for info in parameter_options(preset).values():
        if info.name != PRESET:
            default = list(info.default) if isinstance(info.default, tuple) else info.default
            node.declare_parameter(info.name, default, _descriptor(info))
    _refuse_unknown(node, given)
    build_options(read_parameters(node))


def read_parameters(node: Node) -> dict[str, object]:
    """Values of every parameter by name."""
    return {name: node.get_parameter(name).value for name in parameter_options()}


def guard_parameters(node: Node, *, is_configured: Callable[[], bool]) -> None:
    """From now on refuse, with the reason, changes that are not legal."""

    def check(changes: Sequence[Parameter]) -> SetParametersResult:
        reason = refusal(
            {change.name: change.value for change in changes},
            current=read_parameters(node),
            is_configured=is_configured(),
        )
        return SetParametersResult(successful=not reason, reason=reason)

    node.add_pre_set_parameters_callback(_as_meant)
    node.add_on_set_parameters_callback(check)


def _as_meant(parameters: Sequence[Parameter]) -> list[Parameter]:
    """The same, with `on` and `off` where YAML, of files or `ros2 param set`, made bools."""
    known = parameter_options()
    meant = []
    for p in parameters:
        word = {True: 'on', False: 'off'}.get(p.value) if isinstance(p.value, bool) else None
        is_word = p.name in known and word in known[p.name].choices
        meant.append(Parameter(p.name, value=word) if is_word else p)
    return meant


def _refuse_unknown(node: Node, given: Mapping[str, Parameter]) -> None:
    """ROS drops a value nobody declares without a word, so a typo would pass for a setting."""
    for name in given:
        # Those of QoS are declared with their topics, when the node is configured.
        if not node.has_parameter(name) and not name.startswith('qos_overrides.'):
            alike = get_close_matches(name, parameter_options(), n=1)
            hint = f'; did you mean {alike[0]}?' if alike else ''
            raise InvalidOptionError(f'unknown parameter {name}{hint}')


def _descriptor(info: OptionInfo) -> ParameterDescriptor:
    # `read_only` stays false: ROS would then refuse the change before configure too, and a model
    # path that failed could never be mended.
    descriptor = ParameterDescriptor(description=info.description)
    notes = [f'unit: {info.unit}'] if info.unit else []
    if info.choices:
        notes.append(f'one of: {", ".join(info.choices)}')
    if info.read_only:
        notes.append('read when the node is configured')
    descriptor.additional_constraints = '; '.join(notes)
    if info.type is float and (info.minimum, info.maximum) != (None, None):
        low = -sys.float_info.max if info.minimum is None else float(info.minimum)
        high = sys.float_info.max if info.maximum is None else float(info.maximum)
        descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
    if info.type is int and (info.minimum, info.maximum) != (None, None):
        least = -_INT_LIMIT if info.minimum is None else int(info.minimum)
        most = _INT_LIMIT if info.maximum is None else int(info.maximum)
        descriptor.integer_range = [IntegerRange(from_value=least, to_value=most)]
    return descriptor
