"""What makes the repository installable: manifests, data files, pins, licences."""

from __future__ import annotations

import ast
from collections.abc import Iterator
import importlib.metadata
import os
from pathlib import Path
import re
import shlex
import shutil
import subprocess
import sys

from catkin_pkg.package import parse_package
import pytest
from setuptools import Distribution

import mot_compress_ros

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ('mot_compress_ros', 'offline_training')
ROS_PACKAGES = {
    'rclpy',
    'rcl_interfaces',
    'builtin_interfaces',
    'launch',
    'launch_ros',
    'cv_bridge',
    'tf2_ros',
}
# What is imported by another name than it is installed by.
DISTRIBUTIONS = {
    'cv2': 'opencv-python-headless',
    'yaml': 'pyyaml',
    'PIL': 'pillow',
    'torch_pruning': 'torch-pruning',
}
MAX_BYTES = 4 * 2**20
# Docutils' only GPL file is an Emacs mode, which its wheel does not contain.
LICENCE_EXCEPTIONS = {'docutils'}


@pytest.fixture(scope='module')
def distribution() -> Distribution:
    """What setup.py tells setuptools."""
    from distutils.core import run_setup

    before = Path.cwd()
    os.chdir(ROOT)
    try:
        return run_setup('setup.py', stop_after='init')
    finally:
        os.chdir(before)


def sources(*packages: str) -> Iterator[tuple[Path, ast.Module]]:
    for package in packages:
        for path in sorted((ROOT / package).rglob('*.py')):
            yield path, ast.parse(path.read_text(encoding='utf-8'))


def imported_packages(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition('.')[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition('.')[0])
    return names


def pins(*files: str) -> dict[str, str]:
    """Return {name: version} of requirement files, with names as package indices spell them."""
    found = {}
    for file in files:
        for line in (ROOT / 'requirements' / file).read_text().splitlines():
            if line and not line.startswith('#'):
                match = re.fullmatch(r'([A-Za-z0-9._-]+)(\[\w+\])?==([0-9][\w.]*)', line)
                assert match, f'{file}: not an exact version: {line}'
                found[re.sub(r'[-_.]+', '-', match[1]).lower()] = match[3]
    return found


def test_versions_agree(distribution: Distribution) -> None:
    changelog = (ROOT / 'CHANGELOG.rst').read_text()
    newest = re.search(r'^(\d+\.\d+\.\d+) \(\d{4}-\d{2}-\d{2}\)\n-+\n', changelog, re.MULTILINE)
    assert newest
    versions = {
        newest[1],
        mot_compress_ros.__version__,
        parse_package(str(ROOT / 'package.xml')).version,
        distribution.get_version(),
    }
    assert len(versions) == 1, versions


@pytest.mark.parametrize(
    'folder', ['.', 'interfaces/vision_msgs', 'interfaces/autoware_perception_msgs']
)
def test_manifest_passes_the_checks_of_ros(folder: str) -> None:
    warnings: list[str] = []
    package = parse_package(str(ROOT / folder / 'package.xml'), warnings=warnings)
    package.validate(warnings=warnings)
    assert warnings == []
    assert package.package_format == 3
    assert package.licenses == ['Apache-2.0']


def test_manifest_names_every_ros_package_that_is_imported() -> None:
    package = parse_package(str(ROOT / 'package.xml'))
    declared = {dependency.name for dependency in package.exec_depends}
    for path, tree in sources('mot_compress_ros', 'launch'):
        used = {n for n in imported_packages(tree) if n.endswith('_msgs') or n in ROS_PACKAGES}
        assert used <= declared, path


def test_package_is_found_and_built_as_ament_python() -> None:
    package = parse_package(str(ROOT / 'package.xml'))
    assert package.get_build_type() == 'ament_python'
    assert (ROOT / 'resource' / package.name).is_file()
    # colcon must leave the copies of the distribution's packages alone.
    assert (ROOT / 'interfaces' / 'COLCON_IGNORE').is_file()


def test_every_data_file_exists(distribution: Distribution) -> None:
    targets = {target for target, _ in distribution.data_files}
    assert 'share/ament_index/resource_index/packages' in targets
    for folder in ('launch', 'config/vehicle'):
        assert f'share/mot_compress_ros/{folder}' in targets
    for _, files in distribution.data_files:
        assert files
        assert [file for file in files if not (ROOT / file).is_file()] == []


def test_every_shipped_model_is_installed(distribution: Distribution) -> None:
    installed = {file for _, files in distribution.data_files for file in files}
    shipped = {p.relative_to(ROOT).as_posix() for p in ROOT.glob('models/*/*') if p.is_file()}
    assert shipped <= installed


def test_every_folder_of_code_is_a_package(distribution: Distribution) -> None:
    folders = {
        '.'.join(path.parent.relative_to(ROOT).parts)
        for package in PACKAGES
        for path in (ROOT / package).rglob('*.py')
    }
    assert folders == set(distribution.packages)


def test_tests_are_no_package() -> None:
    # The standard library owns the name `test`.
    assert list((ROOT / 'test').rglob('__init__.py')) == []


def test_console_scripts_exist(distribution: Distribution) -> None:
    scripts = distribution.entry_points['console_scripts']
    assert {script.split(' = ')[0] for script in scripts} == {'mot_tracker', 'mot_replay'}
    for script in scripts:
        module, function = script.split(' = ')[1].split(':')
        tree = ast.parse((ROOT / Path(*module.split('.'))).with_suffix('.py').read_text())
        assert function in {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}


def test_licence_is_whole() -> None:
    text = (ROOT / 'LICENSE').read_text()
    assert 'Apache License' in text.splitlines()[1]
    assert 'Version 2.0, January 2004' in text
    assert text.rstrip().endswith('limitations under the License.')


def test_no_file_is_large_but_models() -> None:
    if shutil.which('git') is None or not (ROOT / '.git').exists():
        pytest.skip('no git checkout, so there is no list of files')
    command = ['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard']
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    files = [ROOT / name for name in listed.stdout.split('\0') if name]
    large = [p for p in files if p.is_file() and p.stat().st_size > MAX_BYTES]
    assert [p for p in large if p.relative_to(ROOT).parts[0] != 'models'] == []


def test_nothing_is_printed() -> None:
    for path, tree in sources(*PACKAGES, 'interfaces', 'tools', 'launch'):
        calls = (n.func for n in ast.walk(tree) if isinstance(n, ast.Call))
        assert 'print' not in {f.id for f in calls if isinstance(f, ast.Name)}, path


def test_pins_are_exact_and_agree() -> None:
    asked = pins(
        *('base.txt', 'runtimes.txt', 'train.txt', 'no-deps.txt', 'dev.txt', 'build.txt'),
        'no-rosdep.txt',
    )
    locked = pins('locked.txt')
    assert {name: locked.get(name) for name in asked} == asked
    for distro in ('jazzy', 'kilted'):
        ros, ros_locked = pins(f'{distro}.txt'), pins(f'locked-{distro}.txt')
        assert {name: ros_locked.get(name) for name in ros} == ros
    # It would overwrite files of opencv-python-headless.
    assert 'opencv-python' not in locked


@pytest.mark.parametrize(
    ('package', 'files'),
    [
        ('mot_compress_ros', ['base.txt', 'runtimes.txt']),
        ('offline_training', ['base.txt', 'runtimes.txt', 'train.txt', 'no-deps.txt', 'ray.txt']),
    ],
)
def test_every_package_that_is_imported_is_pinned(package: str, files: list[str]) -> None:
    pinned = pins(*files)
    ours = {*PACKAGES, *sys.stdlib_module_names}
    for path, tree in sources(package):
        for name in imported_packages(tree) - ours:
            is_ros = name in ROS_PACKAGES or name.endswith('_msgs')
            assert is_ros or DISTRIBUTIONS.get(name, name) in pinned, f'{path}: {name}'


def test_no_pinned_package_has_a_copyleft_licence() -> None:
    for name in pins('locked.txt'):
        try:
            metadata = importlib.metadata.metadata(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        texts = [metadata.get('License-Expression') or '', metadata.get('License') or '']
        texts += metadata.get_all('Classifier') or []
        named = ' '.join(text.splitlines()[0] for text in texts if text)
        is_copyleft = re.search(r'(?<!L)GPL|Affero|General Public License', named)
        assert not is_copyleft or name in LICENCE_EXCEPTIONS, f'{name}: {named}'


@pytest.fixture
def bare_path(tmp_path: Path) -> Path:
    """A folder for PATH with nothing in it but what preflight.sh itself calls."""
    (tmp_path / 'uname').symlink_to(shutil.which('uname') or '')
    return tmp_path


def preflight(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    shell = shutil.which('sh') or '/bin/sh'
    command = [shell, str(ROOT / 'tools' / 'preflight.sh'), *arguments]
    return subprocess.run(
        command, env={'PATH': str(path)}, capture_output=True, text=True, check=False
    )


@pytest.mark.skipif(sys.platform != 'linux', reason='the ROS wheels are for Linux')
def test_preflight_says_what_to_install(bare_path: Path) -> None:
    finished = preflight(bare_path)
    assert finished.returncode == 1
    assert 'sudo apt install python3 python3-venv python3-dev' in finished.stderr

    wrapper = bare_path / 'python3'
    wrapper.write_text(f'#!{shutil.which("sh")}\nexec {sys.executable} "$@"\n')
    wrapper.chmod(0o755)
    finished = preflight(bare_path)
    assert finished.returncode == 1
    assert finished.stderr.splitlines() == ['preflight: no C compiler found: sudo apt install gcc']

    for name in ('cc', 'c++'):
        (bare_path / name).symlink_to(shutil.which('true') or '')
    finished = preflight(bare_path)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.strip() == str(wrapper)


def make(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run make in the repository as from a user's shell, not from a make around the tests."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(('MAKE', 'MFLAGS'))}
    kept.pop('ROS_DISTRO', None)
    return subprocess.run(
        ['make', *arguments],
        cwd=ROOT,
        env=kept | environment,
        capture_output=True,
        text=True,
        check=False,
    )


needs_make = pytest.mark.skipif(shutil.which('make') is None, reason='make is not installed')


@needs_make
@pytest.mark.parametrize(
    ('given', 'passed'),
    [
        ([], []),
        (
            ['BAG=a bag', 'MODEL=models/x', 'TEACHER=models/y', 'TOPIC=/front image', 'RATE=2'],
            [
                *('--bag', 'a bag', '--model', 'models/x', '--teacher', 'models/y'),
                *('--topic', '/front image', '--rate', '2'),
            ],
        ),
        (
            ['SEQUENCE=a folder', 'FPS=10', 'ARGS=--no-video --set tracker.confirm_hits=3'],
            [
                *('--sequence', 'a folder', '--fps', '10'),
                *('--no-video', '--set', 'tracker.confirm_hits=3'),
            ],
        ),
        (['VIDEO=a file.mp4'], ['--video', 'a file.mp4']),
        (['TEACHER='], ['--teacher', '']),  # the student alone
    ],
)
def test_make_passes_the_input_on(given: list[str], passed: list[str]) -> None:
    finished = make('-n', 'demo', *given, 'OUT=out there')
    assert finished.returncode == 0, finished.stderr
    words = shlex.split(finished.stdout.splitlines()[-1])
    arguments = words[words.index('mot_compress_ros.ros.demo') + 1 :]
    output = arguments.index('--output')
    assert arguments[output : output + 2] == ['--output', 'out there']
    assert arguments[:output] + arguments[output + 2 :] == passed
    pytest.importorskip('rclpy', reason='rclpy is not installed')
    from mot_compress_ros.ros import demo

    parsed = demo._parser().parse_args(arguments)
    assert parsed.output == Path('out there')
    assert parsed.no_video is ('--no-video' in passed)


@needs_make
def test_make_knows_its_distributions() -> None:
    assert 'wheels for jazzy kilted' in make('-n', 'env', 'ROS_DISTRO=foxy').stderr
    kilted = make('-n', '-B', 'env', 'ROS_DISTRO=kilted').stdout
    assert 'requirements/kilted.txt' in kilted
    assert 'requirements/locked-kilted.txt' in kilted
    # A sourced distribution without wheels is no reason to refuse.
    assert make('-n', 'env', ROS_DISTRO='humble').returncode == 0


@needs_make
def test_a_sourced_ros_does_not_reach_the_environment(tmp_path: Path) -> None:
    probe = tmp_path / 'probe.mk'
    probe.write_text('probe:\n\t@env\n')
    sourced = {
        'ROS_DISTRO': 'humble',
        'RMW_IMPLEMENTATION': 'rmw_cyclonedds_cpp',
        'AMENT_PREFIX_PATH': '/opt/ros/humble',
        'CMAKE_PREFIX_PATH': '/opt/ros/humble',
        'PYTHONPATH': '/opt/ros/humble/lib/python3.10/site-packages',
        'LD_LIBRARY_PATH': '/opt/ros/humble/lib',
    }
    finished = make('-s', '-f', 'Makefile', '-f', str(probe), 'probe', **sourced)
    assert finished.returncode == 0, finished.stderr
    seen = dict(line.split('=', 1) for line in finished.stdout.splitlines() if '=' in line)
    assert {name: seen.get(name) for name in sourced} == {
        **dict.fromkeys(sourced),
        'ROS_DISTRO': 'jazzy',
        'RMW_IMPLEMENTATION': 'rmw_fastrtps_cpp',
    }
