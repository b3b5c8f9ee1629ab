"""Options: one frozen dataclass per stage is the only source of its defaults.

ROS parameters, YAML files and command lines all load into such a dataclass through `from_mapping`,
which refuses unknown keys and values out of range. Descriptions, units and limits live in the
field's metadata, so the parameter table in `docs/` can be generated from the same source.
A nested dataclass becomes a dotted name: `tracker.match_threshold`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, Field, field, fields, is_dataclass, MISSING
import typing
from typing import Any, get_type_hints, TypeVar

from mot_compress_ros.errors import InvalidOptionError

T = TypeVar('T')
Value = bool | int | float | str | tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class OptionInfo:
    """One leaf option, flattened: its dotted name, type, default and limits."""

    name: str
    type: type
    default: Value
    description: str
    minimum: float | None
    maximum: float | None
    choices: tuple[str, ...]
    unit: str
    read_only: bool


def option(
    default: Any,
    description: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: Sequence[str] = (),
    unit: str = '',
    read_only: bool = True,
) -> Any:
    """A dataclass field with a description, limits (both inclusive) and a unit.

    `read_only=False` marks an option that may be changed while the node runs.
    """
    metadata = {
        'description': description,
        'minimum': minimum,
        'maximum': maximum,
        'choices': tuple(choices),
        'unit': unit,
        'read_only': read_only,
    }
    return field(default=default, metadata=metadata)


def describe(
    config_type: type, prefix: str = '', base: object | None = None
) -> Iterator[OptionInfo]:
    """Every leaf option of a dataclass and of the dataclasses in it, in order of definition.

    The defaults are those of `base`, an instance of `config_type`, where one is given.
    """
    hints = get_type_hints(config_type)
    for f in fields(config_type):
        name, kind = prefix + f.name, hints[f.name]
        default = _default(f, base)
        if is_dataclass(kind):
            yield from describe(typing.cast(type, kind), prefix=f'{name}.', base=default)
            continue
        yield OptionInfo(
            name=name,
            type=typing.get_origin(kind) or kind,
            default=typing.cast(Value, default),
            **f.metadata,
        )


def from_mapping(config_type: type[T], values: Mapping[str, object]) -> T:
    """Build `config_type` from dotted names and values; what is not named keeps its default.

    Raises:
        InvalidOptionError: an unknown name, a wrong type or a value out of its range.
    """
    known = {info.name: info for info in describe(config_type)}
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise InvalidOptionError(
            f'unknown option {", ".join(unknown)}; legal ones: {", ".join(sorted(known))}'
        )
    checked = {name: _checked(known[name], value) for name, value in values.items()}
    return _build(config_type, checked, prefix='')


def to_mapping(config: object, prefix: str = '') -> dict[str, Value]:
    """The inverse of `from_mapping`: every leaf option of `config` by its dotted name."""
    result: dict[str, Value] = {}
    for f in fields(config):  # type: ignore[arg-type]
        value = getattr(config, f.name)
        if is_dataclass(value):
            result.update(to_mapping(value, prefix=f'{prefix}{f.name}.'))
        else:
            result[prefix + f.name] = value
    return result


def _default(f: Field[Any], base: object | None) -> object:
    """The value of field `f` in `base`, else its own default; None for a group without one."""
    if base is not None:
        return getattr(base, f.name)
    if f.default_factory is not MISSING:
        return f.default_factory()
    return None if f.default is MISSING else f.default


def _build(
    config_type: type[T], values: Mapping[str, Value], prefix: str, base: object | None = None
) -> T:
    hints = get_type_hints(config_type)
    base = _base_of_choice(config_type, values, prefix) or base
    arguments: dict[str, object] = {}
    for f in fields(config_type):  # type: ignore[arg-type]
        name = prefix + f.name
        if is_dataclass(hints[f.name]):
            arguments[f.name] = _build(
                hints[f.name], values, prefix=f'{name}.', base=_default(f, base)
            )
        elif name in values:
            arguments[f.name] = values[name]
        elif base is not None:
            arguments[f.name] = getattr(base, f.name)
    return config_type(**arguments)


def _base_of_choice(config_type: type, values: Mapping[str, Value], prefix: str) -> object | None:
    """What a group whose options follow from one of them, such as a preset, builds on.

    Such a dataclass has `base_of(values)`, which gets the group's own named values.
    """
    choose = getattr(config_type, 'base_of', None)
    if choose is None:
        return None
    own = {name.removeprefix(prefix): v for name, v in values.items() if name.startswith(prefix)}
    chosen: object | None = choose(own)
    return chosen


def _checked(info: OptionInfo, value: object) -> Value:
    if info.type is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if isinstance(value, bool) and info.type is str and ('off', 'on')[value] in info.choices:
        value = ('off', 'on')[value]  # what YAML makes of the bare word
    if info.type is tuple and isinstance(value, (list, tuple)):
        value = tuple(value)
    if not isinstance(value, info.type) or (info.type is not bool and isinstance(value, bool)):
        raise InvalidOptionError(
            f'{info.name}: expected {info.type.__name__}, got {value!r} ({type(value).__name__})'
        )
    if isinstance(value, tuple) and not all(isinstance(item, str) for item in value):
        raise InvalidOptionError(f'{info.name}: expected strings, got {value!r}')
    chosen = value if isinstance(value, tuple) else (value,)
    if info.choices and any(item not in info.choices for item in chosen):
        raise InvalidOptionError(f'{info.name}: got {value!r}, legal: {", ".join(info.choices)}')
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        # Written so that NaN, which compares false with everything, is refused too.
        above = info.minimum is None or value >= info.minimum
        below = info.maximum is None or value <= info.maximum
        if not (above and below) or value != value:
            raise InvalidOptionError(
                f'{info.name}: got {value}, legal range {info.minimum} to {info.maximum}'
            )
    return typing.cast(Value, value)
