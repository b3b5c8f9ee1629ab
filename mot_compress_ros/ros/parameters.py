"""The node's parameters: its own options and the pipeline's, flattened to dotted names.

Nothing here imports rclpy, so the table in `docs/node.md` can be made and tested anywhere:

    python -m mot_compress_ros.ros.parameters --markdown          # print it
    python -m mot_compress_ros.ros.parameters --update docs/node.md
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
import re
import sys

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.options import describe, from_mapping, option, OptionInfo
from mot_compress_ros.pipeline import PipelineConfig

# A relative ROS name: parts of letters, digits and underscores, none beginning with a digit.
_CAMERA = re.compile(r'[A-Za-z_]\w*(/[A-Za-z_]\w*)*', re.ASCII)
PRESET = 'tracker.preset'
_BEGIN, _END = '<!-- parameter table: begin -->', '<!-- parameter table: end -->'


@dataclass(frozen=True, kw_only=True)
class NodeOptions:
    """What the node itself needs to know; the pipeline's options stand beside these."""

    cameras: tuple[str, ...] = option(
        ('camera',), 'names of the cameras; each is the namespace of its topics'
    )
    model: str = option(
        '', 'model bundle that runs on every frame: a folder, or the name of one in models/'
    )
    teacher: str = option(
        '', 'model bundle that runs on keyframes instead; empty: the model runs on every frame'
    )
    image_transport: str = option(
        'raw',
        'raw subscribes <camera>/image_raw, compressed <camera>/image_raw/compressed',
        choices=('raw', 'compressed'),
    )
    autostart: bool = option(
        False, 'configure and activate at start, for use without a lifecycle manager'
    )
    diagnostics_period_s: float = option(
        0.5, 'time between two messages on /diagnostics', minimum=0.1, maximum=1.0, unit='s'
    )
    stale_after_s: float = option(
        2.0,
        'silence of a camera, or time without a tracked frame, that diagnostics complain of',
        minimum=0.1,
        maximum=60.0,
        unit='s',
        read_only=False,
    )

    def __post_init__(self) -> None:
        bad = [name for name in self.cameras if not _CAMERA.fullmatch(name)]
        if bad or not self.cameras or len(set(self.cameras)) != len(self.cameras):
            raise InvalidOptionError(
                f'cameras: got {list(self.cameras)}, expected one or more different names made of '
                'letters, digits, underscores and slashes, without a slash in front'
            )


def parameter_options(preset: str = '') -> dict[str, OptionInfo]:
    """Every parameter by its name, the node's own first.

    Args:
        preset: of the tracker, whose options have its values as their defaults.

    Raises:
        InvalidOptionError: an unknown preset.
    """
    base = from_mapping(PipelineConfig, {PRESET: preset} if preset else {})
    described = (*describe(NodeOptions), *describe(PipelineConfig, base=base))
    return {info.name: info for info in described}


def build_options(values: Mapping[str, object]) -> tuple[NodeOptions, PipelineConfig]:
    """The two option objects from parameter values.

    Raises:
        InvalidOptionError: an unknown name, a wrong type or a value out of its range.
    """
    own = {info.name for info in describe(NodeOptions)}
    return (
        from_mapping(NodeOptions, {k: v for k, v in values.items() if k in own}),
        from_mapping(PipelineConfig, {k: v for k, v in values.items() if k not in own}),
    )


def refusal(
    changes: Mapping[str, object], *, current: Mapping[str, object], is_configured: bool
) -> str:
    """Why a change of parameters is refused; empty where it is legal.

    Options that are read at configure may change only before it or after cleanup.
    """
    known = parameter_options()
    ours = {name: value for name, value in changes.items() if name in known}
    if ours.get(PRESET, current.get(PRESET)) != current.get(PRESET):
        return f'{PRESET}: gives other parameters their defaults, so only at the start of the node'
    fixed = [name for name in ours if known[name].read_only and is_configured]
    if fixed:
        return (
            f'{", ".join(fixed)}: read when the node is configured; deactivate and clean the node '
            'up, set it, then configure again'
        )
    try:
        build_options({**current, **ours})
    except InvalidOptionError as error:
        return str(error)
    return ''


def markdown_table() -> str:
    """The parameter table of the node reference."""
    rows = [
        '| parameter | type | default | legal | changes while running | description |',
        '|---|---|---|---|---|---|',
    ]
    rows += [_row(info) for info in parameter_options().values()]
    return '\n'.join(rows) + '\n'


def updated(document: str) -> str:
    """`document` with the table between its two markers renewed."""
    before, _, rest = document.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not end:
        raise InvalidOptionError(f'expected the lines {_BEGIN} and {_END} in the document')
    return f'{before}{_BEGIN}\n\n{markdown_table()}\n{_END}{after}'


def _row(info: OptionInfo) -> str:
    names = {tuple: 'string[]', str: 'string', float: 'double'}
    if info.choices:
        legal = ', '.join(f'`{choice}`' for choice in info.choices)
    elif info.minimum is None and info.maximum is None:
        legal = ''
    else:
        low = '-∞' if info.minimum is None else f'{info.minimum:g}'
        high = '∞' if info.maximum is None else f'{info.maximum:g}'
        legal = f'{low} to {high}'
    default = list(info.default) if isinstance(info.default, tuple) else info.default
    shown = str(default).lower() if isinstance(default, bool) else repr(default)
    unit = f' {info.unit}' if info.unit else ''
    live = 'no' if info.read_only else 'yes'
    description = info.description[0].upper() + info.description[1:].removesuffix('.')
    for sign, escaped in (('<', '&lt;'), ('|', '\\|')):
        description = description.replace(sign, escaped)
    return (
        f'| `{info.name}` | {names.get(info.type, info.type.__name__)} | `{shown}`{unit} | '
        f'{legal} | {live} | {description} |'
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, or renew it in a document."""
    parser = argparse.ArgumentParser(description='Make the parameter table of the node reference.')
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument('--markdown', action='store_true', help='print the table')
    what.add_argument('--update', type=Path, metavar='FILE', help='renew it between its markers')
    options = parser.parse_args(arguments)
    if options.markdown:
        sys.stdout.write(markdown_table())
    else:
        options.update.write_text(updated(options.update.read_text('utf-8')), 'utf-8')
    return 0


if __name__ == '__main__':
    sys.exit(main())
