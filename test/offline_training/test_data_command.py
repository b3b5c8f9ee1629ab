"""`data inspect`, `data convert` and `data split` as a user types them."""

import json
from pathlib import Path
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest

from offline_training.__main__ import main
from offline_training.datasets import LAYOUTS
from offline_training.datasets.mot_layout import read_sequence

GT = ''.join(f'{k},1,{10 + k},5,20,30,1,1,1\n{k},2,30,20,9,9,1,3,0.5\n' for k in range(1, 6))
SEQINFO = '[Sequence]\nname=street\nimDir=img1\nframeRate=10\nseqLength=5\nimExt=.jpg\n'


@pytest.fixture
def street(tmp_path):
    """A MOTChallenge folder with one sequence."""
    folder = tmp_path / 'set' / 'street'
    (folder / 'gt').mkdir(parents=True)
    (folder / 'img1').mkdir()
    (folder / 'gt' / 'gt.txt').write_text(GT)
    (folder / 'seqinfo.ini').write_text(SEQINFO)
    for k in range(5):
        pixels = np.random.default_rng(k).integers(0, 256, (48, 64, 3), np.uint8)
        cv2.imwrite(str(folder / 'img1' / f'{k + 1:06d}.jpg'), pixels)
    return folder


def data(*words: object) -> int:
    return main(['data', *map(str, words)])


def test_inspect_prints_draws_and_writes(street, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert data('inspect', street.parent, '--json', 'found.json', '--threads', 1) == 0
    text = capsys.readouterr().out
    assert 'layout mot' in text
    for name in ('contact_sheet.png', 'sizes.png'):
        assert cv2.imread(str(Path('out') / 'inspect' / 'set' / name)) is not None
    found = json.loads(Path('found.json').read_text())
    assert (found['kind'], found['frames'], found['boxes']) == ('data_inspection', 5, 10)
    assert found['command'].startswith('python -m offline_training')
    assert found['environment']['cores'] > 0
    assert [c['boxes'] for c in found['classes']] == [5, 0, 5]
    assert found['sequence_list'][0]['labelled_classes'] == ['pedestrian', 'vehicle']


def test_the_folder_of_the_json_is_made(street, tmp_path):
    found = tmp_path / 'new' / 'found.json'
    assert data('inspect', street, '--output', tmp_path / 'out', '--json', found) == 0
    assert json.loads(found.read_text())['frames'] == 5


def test_a_reader_that_goes_away_is_no_error(street, tmp_path):
    words = [sys.executable, '-m', 'offline_training', 'data', 'inspect', street]
    process = subprocess.Popen(
        [*words, '--output', tmp_path / 'out'], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout and process.stderr
    process.stdout.close()
    error = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait() == 0, error
    assert 'Traceback' not in error and 'BrokenPipe' not in error
    assert (tmp_path / 'out' / 'contact_sheet.png').is_file()


def test_two_sequences_of_one_name_are_refused(street, capsys):
    shutil.copytree(street, street.with_name('copy'))
    assert data('inspect', street.parent) == 2
    assert 'two sequences are called street' in capsys.readouterr().err


def test_broken_files_are_listed_and_end_with_1(street, tmp_path, capsys):
    image = street / 'img1' / '000003.jpg'
    image.write_bytes(image.read_bytes()[:100])
    assert data('inspect', street, '--output', tmp_path / 'out') == 1
    captured = capsys.readouterr()
    assert 'img1/000003.jpg: JPEG truncated' in captured.out
    assert '1 images are damaged' in captured.err


def test_half_a_download_ends_with_2_and_names_the_frames(street, capsys):
    for k in (2, 3, 5):
        (street / 'img1' / f'00000{k}.jpg').unlink()
    assert data('inspect', street) == 2
    assert '3 missing, frame 2-3, 5' in capsys.readouterr().err


def test_an_unknown_folder_lists_the_layouts_and_what_is_below(street, tmp_path, capsys):
    assert data('inspect', tmp_path) == 2
    error = capsys.readouterr().err
    assert f'{street.parent} (mot)' in error
    for name in LAYOUTS:
        assert f'\n  {name} ' in error
    assert 'seqinfo.ini' in error
    assert data('inspect', street / 'gt') == 2
    assert 'Below' not in capsys.readouterr().err
    assert data('inspect', tmp_path / 'nowhere') == 2
    assert 'no such file or folder' in capsys.readouterr().err


def test_the_layout_can_be_named(street, capsys):
    assert data('inspect', street, '--layout', 'pennfudan') == 2
    assert 'expected the Penn-Fudan layout' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--split', 'dev'], 'split means nothing in the layout mot; legal there'),
        (['--topic', '/a'], 'topic means nothing'),
        (['--set', 'colour=red'], 'unknown option colour'),
        (['--images', '0'], 'images: got 0'),
        (['--threads', '-1'], '--threads -1: expected at least 1'),
    ],
)
def test_options_that_mean_nothing_are_refused(street, capsys, words, message):
    assert data('inspect', street, *words) == 2
    assert message in capsys.readouterr().err


def test_options_of_a_layout_are_passed_on(street, tmp_path, capsys):
    out = tmp_path / 'shifted'
    assert data('convert', street, out, '--to', 'mot', '--set', 'origin_px=1') == 0
    shifted, plain = read_sequence(out / 'street'), read_sequence(street)
    assert (plain.truth[0].boxes_xyxy_px - shifted.truth[0].boxes_xyxy_px == 1).all()


def test_convert_there_and_back(street, tmp_path, capsys):
    kitti, back = tmp_path / 'kitti', tmp_path / 'back'
    assert data('convert', street, kitti, '--to', 'kitti_tracking') == 0
    captured = capsys.readouterr()
    assert '5 images and frames, 1 sequences, from mot to kitti_tracking' in captured.out
    assert 'not kept: only some classes are labelled' in captured.err
    assert data('convert', kitti, back, '--to', 'mot') == 0
    first, second = read_sequence(street), read_sequence(back / 'street')
    for a, b in zip(first.truth, second.truth, strict=True):
        assert a.boxes_xyxy_px.tolist() == b.boxes_xyxy_px.tolist()
        assert a.ids.tolist() == b.ids.tolist()
        assert a.class_ids.tolist() == b.class_ids.tolist()
    assert second.image_paths[0].samefile(first.image_paths[0])
    assert data('convert', street, kitti, '--to', 'mot') == 2
    assert 'already there' in capsys.readouterr().err


def test_split_writes_both_halves(street, tmp_path, capsys):
    assert data('split', street.parent, tmp_path / 'halves') == 0
    assert '| street' in capsys.readouterr().out
    lengths = [len(read_sequence(tmp_path / 'halves' / p / 'street')) for p in ('train', 'val')]
    assert lengths == [3, 2]
    assert data('split', street, tmp_path / 'again', '--fraction', '1.5') == 2
    assert not (tmp_path / 'again').exists()
