"""A cache for images that a set holds inside of something else: archives, bags, binary batches.

What is read needs files that can be opened one by one and in any order, so such a set is unpacked
once. The folder belongs to one state of its source: where the source's path, size or time of
change differ, it is another folder. It appears under its name only when it is whole, so a kill
halfway leaves nothing that looks complete, and two processes may unpack at the same time.

`$MOT_COMPRESS_CACHE` says where; without it `~/.cache/mot_compress_ros`. Whatever is in there may
be deleted at any time: it is made again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
import hashlib
import json
import os
from pathlib import Path
import shutil
import tempfile
import time

from mot_compress_ros.errors import InputError

CACHE_VARIABLE = 'MOT_COMPRESS_CACHE'
COMPLETE_MARKER = 'complete.json'
_ABANDONED_S = 24 * 3600.0


def cache_root() -> Path:
    """Where unpacked sets are kept; need not exist yet."""
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named) if named else Path.home() / '.cache' / 'mot_compress_ros'


def extracted_folder(source: Path, variant: str = '') -> Path:
    """Where the images of `source` belong, whether they are there yet or not.

    Args:
        source: a file, or a folder of which every file counts.
        variant: tells apart what is taken from one source: a split, a topic.

    Raises:
        InputError: the source cannot be read.
    """
    state = [variant, str(source.resolve())]
    try:
        for path in _files(source):
            info = path.stat()
            state.append(f'{path.relative_to(source)} {info.st_size} {info.st_mtime_ns}')
    except OSError as error:
        raise InputError(f'{source}: cannot be read: {error.strerror}') from None
    digest = hashlib.sha256('\n'.join(state).encode('utf-8', 'surrogateescape')).hexdigest()
    return cache_root() / digest[:32]


def extracted(source: Path, write: Callable[[Path], None], variant: str = '') -> Path:
    """The folder with what `write` takes from `source`; `write` runs only where it is not there.

    Args:
        source: a file or folder.
        write: fills an empty folder, which is moved into place when it returns.
        variant: tells apart what is taken from one source.

    Raises:
        InputError: the source cannot be read, or the cache cannot be written. What `write`
            raises passes through, and nothing is kept.
    """
    folder = extracted_folder(source, variant)
    if is_complete(folder):
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(folder)
        temporary = Path(tempfile.mkdtemp(prefix=f'{folder.name}.', dir=folder.parent))
    except OSError as error:
        raise InputError(
            f'{folder.parent}: cannot be written: {error.strerror}; let {CACHE_VARIABLE} name '
            'another folder'
        ) from None
    try:
        write(temporary)
        _mark_complete(temporary, source)
        _move(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _remove_abandoned(folder: Path) -> None:
    """What killed processes left of the same source; a younger one may still be at work."""
    for path in folder.parent.glob(f'{folder.name}.*'):
        if path.stat().st_mtime < time.time() - _ABANDONED_S:
            shutil.rmtree(path, ignore_errors=True)


def is_complete(folder: Path) -> bool:
    """Whether everything that was unpacked into it is still there."""
    try:
        marked = json.loads((folder / COMPLETE_MARKER).read_text(encoding='utf-8'))
        return bool(marked['files'] == _count(folder))
    except (OSError, ValueError, TypeError, KeyError):
        return False


def _mark_complete(folder: Path, source: Path) -> None:
    marked = {'files': _count(folder), 'source': str(source.resolve())}
    (folder / COMPLETE_MARKER).write_text(json.dumps(marked), encoding='utf-8')


def _count(folder: Path) -> int:
    """Files in it and below, without the marker."""
    return sum(path != folder / COMPLETE_MARKER for path in _files(folder))


def _move(temporary: Path, folder: Path) -> None:
    """Renames, which shows the folder whole or not at all."""
    try:
        temporary.rename(folder)
    except OSError:
        if is_complete(folder):  # another process was faster, with the same content
            return
        shutil.rmtree(folder, ignore_errors=True)  # files were deleted from it
        temporary.rename(folder)


def _files(path: Path) -> Iterator[Path]:
    """The file itself, or all files below a folder in order of their names."""
    if not path.is_dir():
        yield path
        return
    for folder, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            yield Path(folder) / name
