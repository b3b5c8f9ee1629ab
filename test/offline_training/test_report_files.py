"""Outputs that cannot be written are refused before the work, and no half file is left."""

import json

import pytest

from mot_compress_ros.errors import InputError
from offline_training.__main__ import main
from offline_training.report_files import check_writable, write_report, write_text


def test_a_file_is_written_whole_with_its_folders(tmp_path):
    path = tmp_path / 'new' / 'deep' / 'scores.json'
    check_writable(path, None)
    assert path.parent.is_dir() and not list(path.parent.iterdir())
    write_report(path, {'a': [1, None]})
    assert json.loads(path.read_text()) == {'a': [1, None]}
    write_text(path, 'newer')
    assert [p.name for p in path.parent.iterdir()] == ['scores.json']
    check_writable(path)
    assert path.read_text() == 'newer'  # looking does not change it


def test_what_cannot_be_written_is_named(tmp_path):
    (tmp_path / 'file').write_text('')
    below = tmp_path / 'file' / 'scores.json'
    for act in (check_writable, lambda path: write_text(path, '')):
        with pytest.raises(InputError, match=r'file/scores.json: cannot be written'):
            act(below)
    with pytest.raises(InputError, match='is a folder'):
        check_writable(tmp_path)


@pytest.mark.parametrize(
    'words',
    [
        ('evaluate', '--model', 'none', '--data', 'none', '--json'),
        ('score', '--truth', 'none', '--results', 'none', '--json'),
        ('stream-evaluate', '--model', 'none', '--data', 'none', '--json'),
        ('stream-evaluate', '--model', 'none', '--data', 'none', '--plot'),
        ('sizes', 'none', '--json'),
        ('data', 'inspect', 'none', '--json'),
        ('pseudo-label', 'none', 'none', '--detector', 'none', '--json'),
        ('replay', 'none', '--model', 'none', '--output', 'none', '--json'),
        ('results', '--json', 'none', '--output'),
        ('report', 'none', '--output'),
        ('report', 'none', '--output', 'page.html', '--png'),
        ('benchmark', 'pipeline', '--models', 'none', '--json'),
        ('benchmark', 'training', '--recipes', 'none', '--json'),
    ],
)
def test_commands_look_at_their_outputs_first(words, tmp_path, monkeypatch, capsys):
    """Before anything of their inputs, none of which exists here."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'file').write_text('')
    assert main([*words, str(tmp_path / 'file' / 'out')]) == 2
    error = capsys.readouterr().err
    assert 'file/out: cannot be written' in error
    assert error.count('\n') == 1
