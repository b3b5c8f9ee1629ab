from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = 'mot_compress_ros'
HERE = Path(__file__).resolve().parent


def pins(name: str) -> list[str]:
    """Return the packages that a file of requirements/ names."""
    lines = (HERE / 'requirements' / name).read_text(encoding='utf-8').splitlines()
    return [line for line in lines if line and not line.startswith('#')]


def version() -> str:
    """Return `__version__` without importing the package and what it needs."""
    source = (HERE / PACKAGE / '__init__.py').read_text(encoding='utf-8')
    line = next(line for line in source.splitlines() if line.startswith('__version__'))
    return line.split("'")[1]


def shared_files(folder: str, pattern: str = '**/*') -> list[tuple[str, list[str]]]:
    """Return the data_files entries that install a folder as share/mot_compress_ros/<folder>."""
    files: dict[str, list[str]] = {}
    for path in sorted(HERE.joinpath(folder).glob(pattern)):
        if path.is_file() and not path.name.startswith('.'):
            name = path.relative_to(HERE)
            files.setdefault(f'share/{PACKAGE}/{name.parent.as_posix()}', []).append(
                name.as_posix()
            )
    return list(files.items())


setup(
    name=PACKAGE,
    version=version(),
    description='Camera tracking for vehicles: a compressed one-shot network and a ROS 2 node',
    license='Apache-2.0',
    maintainer='mot_compress_ros maintainers',
    maintainer_email='mot-compress-ros@example.com',
    python_requires='>=3.11',
    packages=find_packages(include=[f'{PACKAGE}*', 'offline_training*']),
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{PACKAGE}']),
        (f'share/{PACKAGE}', ['package.xml']),
        *shared_files('launch', '*.launch.py'),
        *shared_files('config'),
        *shared_files('models'),
    ],
    install_requires=['setuptools'],
    zip_safe=False,
    extras_require={
        'test': ['pytest'],
        'ray': pins('ray.txt'),
        'runtimes': pins('runtimes.txt'),
    },
    entry_points={
        'console_scripts': [
            f'mot_tracker = {PACKAGE}.ros.node:main',
            f'mot_replay = {PACKAGE}.replay:main',
        ],
    },
)
