"""`evaluate` with a sequence that fails, and on a local Ray."""

import importlib
import json
import shutil

import pytest

from offline_training import parallel
from offline_training.__main__ import main

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec('ray') is None, reason=f'Ray is not installed: {parallel.INSTALL}'
)


@pytest.fixture
def labelled(painted_sequence, tmp_path):
    """The painted clip three times, with the vehicle and the pedestrian it shows."""
    for name in ('one', 'two', 'three'):
        folder = tmp_path / 'data' / name
        shutil.copytree(painted_sequence, folder)
        info = folder / 'seqinfo.ini'
        info.write_text(info.read_text().replace('name=painted', f'name={name}'))
        (folder / 'gt').mkdir()
        rows = [f'{n + 1},1,{10 + 8 * n},120,48,32,1,3,1\n' for n in range(12)]
        rows += [f'{n + 1},2,{280 - 4 * n},40,16,48,1,1,1\n' for n in range(12)]
        (folder / 'gt' / 'gt.txt').write_text(''.join(rows))
    return tmp_path / 'data'


def evaluate(data, model, file, *more):
    words = ['evaluate', '--model', model, '--data', data, '--json', file, '--resamples', 20]
    return main([str(word) for word in (*words, '--threads', 1, *more)])


KEYS = ('sequences', 'combined', 'combined_detection', 'combined_reid', 'failed')


def scores(file):
    report = json.loads(file.read_text())
    return {key: report[key] for key in KEYS}


def test_a_sequence_that_fails_is_named_and_the_others_are_scored(
    labelled, scripted_bundle, tmp_path, capsys
):
    (labelled / 'two' / 'img1' / '000004.png').write_bytes(b'no image')
    file = tmp_path / 'scores.json'
    model = shutil.copytree(scripted_bundle, tmp_path / 'model')
    before = (model / 'model.json').read_bytes()
    assert evaluate(labelled, model, file, '--update-manifest') == 1
    assert 'error: two: ' in capsys.readouterr().err
    found = scores(file)
    assert [s['name'] for s in found['sequences']] == ['one', 'three']
    assert list(found['failed']) == ['two'] and '000004.png' in found['failed']['two']
    # A score of a part must not be taken for that of the whole.
    assert (model / 'model.json').read_bytes() == before


def test_where_all_fail_there_is_no_report(labelled, scripted_bundle, tmp_path, capsys):
    for image in labelled.glob('*/img1/000004.png'):
        image.write_bytes(b'no image')
    assert evaluate(labelled, scripted_bundle, tmp_path / 'scores.json') == 2
    assert 'no sequence could be scored; one: ' in capsys.readouterr().err
    assert not (tmp_path / 'scores.json').exists()


@needs_ray
@pytest.mark.slow
@pytest.mark.filterwarnings('ignore')  # Ray's own, at start and end
def test_scores_on_ray_are_those_of_a_loop(labelled, write_tiny_bundle, tmp_path):
    (labelled / 'two' / 'img1' / '000004.png').write_bytes(b'no image')
    model = write_tiny_bundle(tmp_path / 'tiny')
    more = ['decode.min_score=0.01', 'tracker.new_track_score=0.01', 'runtime.precision=fp32']
    options = [word for pair in more for word in ('--set', pair)]
    assert evaluate(labelled, model, tmp_path / 'one.json', *options) == 1
    assert evaluate(labelled, model, tmp_path / 'two.json', *options, '--workers', 2) == 1
    assert scores(tmp_path / 'one.json') == scores(tmp_path / 'two.json')
    assert len(scores(tmp_path / 'one.json')['sequences']) == 2
