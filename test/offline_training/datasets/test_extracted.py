import os
from pathlib import Path
import subprocess
import sys

import pytest

from mot_compress_ros.errors import InputError
from offline_training.datasets.extracted import extracted, extracted_folder, is_complete


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('MOT_COMPRESS_CACHE', str(tmp_path / 'cache'))
    return tmp_path / 'cache'


def source_in(folder, content='abc'):
    path = folder / 'source.bin'
    path.write_text(content)
    return path


class Writer:
    """Writes two files and counts how often."""

    def __init__(self):
        self.runs = 0

    def __call__(self, folder):
        self.runs += 1
        (folder / 'deeper').mkdir()
        (folder / 'a.png').write_text('a')
        (folder / 'deeper' / 'b.png').write_text('b')


def test_written_once(tmp_path, cache):
    source, write = source_in(tmp_path), Writer()
    folder = extracted(source, write)
    assert folder == extracted(source, write) == extracted_folder(source)
    assert write.runs == 1
    assert folder.parent == cache
    assert (folder / 'deeper' / 'b.png').read_text() == 'b'


def test_another_state_or_variant_is_another_folder(tmp_path):
    source = source_in(tmp_path)
    first = extracted_folder(source)
    assert extracted_folder(source, 'test') != first
    os.utime(source, ns=(0, 0))
    second = extracted_folder(source)
    source_in(tmp_path, 'abcd')
    assert len({first, second, extracted_folder(source)}) == 3


def test_every_file_of_a_folder_counts(tmp_path):
    folder = tmp_path / 'bag'
    folder.mkdir()
    source_in(folder)
    before = extracted_folder(folder)
    (folder / 'more.bin').write_bytes(b'')
    assert extracted_folder(folder) != before


def test_a_failure_leaves_nothing(tmp_path, cache):
    def half(folder):
        (folder / 'a.png').write_text('a')
        raise InputError('damaged')

    source, write = source_in(tmp_path), Writer()
    with pytest.raises(InputError, match='damaged'):
        extracted(source, half)
    assert list(cache.iterdir()) == []
    extracted(source, write)
    assert write.runs == 1


def test_what_somebody_deleted_is_written_again(tmp_path):
    source, write = source_in(tmp_path), Writer()
    folder = extracted(source, write)
    (folder / 'a.png').unlink()
    assert not is_complete(folder)
    assert extracted(source, write) == folder
    assert write.runs == 2
    assert (folder / 'a.png').is_file()


KILLED_HALFWAY = """
import os, sys
from pathlib import Path
from offline_training.datasets.extracted import extracted

def write(folder):
    (folder / 'a.png').write_text('a')
    os._exit(9)

extracted(Path(sys.argv[1]), write)
"""


def test_a_kill_halfway_is_not_taken_for_the_whole(tmp_path, cache):
    source, write = source_in(tmp_path), Writer()
    killed = subprocess.run([sys.executable, '-c', KILLED_HALFWAY, source], check=False)
    assert killed.returncode == 9
    (left,) = cache.iterdir()
    assert (left / 'a.png').is_file()
    assert not is_complete(extracted_folder(source))
    folder = extracted(source, write)
    assert write.runs == 1
    assert (folder / 'deeper' / 'b.png').is_file()


def test_what_a_kill_left_is_removed_a_day_later(tmp_path, cache):
    source = source_in(tmp_path)
    old, new = (Path(f'{extracted_folder(source)}.{name}') for name in ('old', 'new'))
    other = cache / 'other.old'
    for folder in (old, new, other):
        folder.mkdir(parents=True)
    for folder in (old, other):
        os.utime(folder, (0, 0))
    extracted(source, Writer())
    assert (old.exists(), new.exists(), other.exists()) == (False, True, True)


def test_two_at_once_end_with_one_whole_folder(tmp_path):
    source, inner = source_in(tmp_path), Writer()

    def outer(folder):
        Writer()(folder)
        extracted(source, inner)  # somebody else is faster

    folder = extracted(source, outer)
    assert inner.runs == 1
    assert is_complete(folder)
    assert len(list(folder.parent.iterdir())) == 1


def test_a_missing_source_and_a_cache_that_cannot_be_written(tmp_path, monkeypatch):
    with pytest.raises(InputError, match='nowhere: cannot be read'):
        extracted(tmp_path / 'nowhere', Writer())
    source = source_in(tmp_path)
    monkeypatch.setenv('MOT_COMPRESS_CACHE', str(source / 'below'))
    with pytest.raises(InputError, match='let MOT_COMPRESS_CACHE name another folder'):
        extracted(source, Writer())
