"""What the commands share: options given as NAME=VALUE, and sizes as WIDTHxHEIGHT."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import yaml

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.options import describe


def parse_settings(
    config_type: type, pairs: Sequence[str], *, flag: str = '--set'
) -> dict[str, object]:
    """`['tracker.lost_buffer_s=2']` to names and values of the types that `config_type` wants.

    Raises:
        InvalidOptionError: no equals sign, or a value that its type cannot be made from; unknown
            names and ranges are left to `options.from_mapping`.
    """
    texts: dict[str, object] = {}
    for pair in pairs:
        name, equals, text = pair.partition('=')
        if not equals:
            raise InvalidOptionError(f'{flag} {pair}: write it as NAME=VALUE')
        texts[name] = text
    return typed(config_type, texts)


def typed(config_type: type, values: Mapping[str, object]) -> dict[str, object]:
    """`values` with every text made what its option is; other values stay as they are.

    YAML 1.1 reads `5e-4` as text, so the option has to say that a number is meant.

    Raises:
        InvalidOptionError: a text that is not what its option wants.
    """
    types = {info.name: info.type for info in describe(config_type)}
    return {
        name: _read(name, value, types.get(name, str)) if isinstance(value, str) else value
        for name, value in values.items()
    }


def _read(name: str, text: str, wanted: type) -> object:
    if wanted is str:
        return text
    try:
        # int() and float() know forms that YAML does not; of bool() and tuple() YAML knows better.
        return wanted(text) if wanted in (int, float) else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError):
        raise InvalidOptionError(f'{name}: expected {wanted.__name__}, got {text!r}') from None


def parse_size(text: str, *, multiple: int = 1) -> tuple[int, int]:
    """`1088x608` to (1088, 608).

    Raises:
        InvalidOptionError: it is not two numbers, or they are not multiples of `multiple`.
    """
    width, _, height = text.lower().partition('x')
    whole = width.isdigit() and height.isdigit() and int(width) > 0 and int(height) > 0
    if not whole or int(width) % multiple or int(height) % multiple:
        raise InvalidOptionError(
            f'{text!r}: expected WIDTHxHEIGHT such as 1088x608, multiples of {multiple}'
        )
    return int(width), int(height)
