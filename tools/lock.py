"""Write the exact versions of everything pip installed here to requirements/locked*.txt.

The files of requirements/ name what the project asks for; the locked files, which pip reads as
constraints, fix what those packages ask for in turn. Run by `make lock` after a pin has changed.
"""

from __future__ import annotations

import argparse
import importlib.metadata
from pathlib import Path
import re
import sys

REQUIREMENTS = Path(__file__).resolve().parent.parent / 'requirements'
# Interfaces are built here, pip comes with Python, and opencv-python must not be here at all.
SKIPPED = {'pip', 'opencv-python', 'mot-compress-ros'}


def main(arguments: list[str] | None = None) -> int:
    """Write both files and return 0."""
    parser = argparse.ArgumentParser(description='Write requirements/locked*.txt.')
    parser.add_argument('distro', help='the ROS distribution whose wheels are installed here')
    distro = parser.parse_args(arguments).distro
    pins = installed_pins()
    ros = {name: version for name, version in pins.items() if name.startswith('ros-')}
    rest = {name: version for name, version in pins.items() if name not in ros}
    write_pins(REQUIREMENTS / f'locked-{distro}.txt', ros)
    write_pins(REQUIREMENTS / 'locked.txt', rest)
    return 0


def installed_pins() -> dict[str, str]:
    """Return {normalised name: public version} of what pip installed, sorted by name.

    The ROS wheels carry further metadata (`rclpy`, `std_msgs`) that belongs to no wheel of its
    own; pip did not write it, which is how it is told apart. A local version (`2.13.0+cpu`) is
    the choice of a package index, so only its public part is kept.
    """
    pins = {}
    for distribution in importlib.metadata.distributions():
        name = re.sub(r'[-_.]+', '-', distribution.name).lower()
        if (distribution.read_text('INSTALLER') or '').strip() == 'pip' and name not in SKIPPED:
            pins[name] = distribution.version.partition('+')[0]
    return dict(sorted(pins.items()))


def write_pins(path: Path, pins: dict[str, str]) -> None:
    """Write one `name==version` per line below a line that says where they come from."""
    lines = ['# Written by `make lock`; read by pip as constraints.']
    lines += [f'{name}=={version}' for name, version in pins.items()]
    path.write_text('\n'.join(lines) + '\n')


if __name__ == '__main__':
    sys.exit(main())
