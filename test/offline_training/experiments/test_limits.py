"""What limits a model, on a bundle whose truth is known."""

import json
import shutil

import pytest

from offline_training.__main__ import main
from offline_training.evaluation.results_page import results_page


@pytest.fixture
def sets(tmp_path, painted_sequence):
    """The painted clip twice, under two names, with its truth."""
    for name in ('seen', 'unseen'):
        shutil.copytree(painted_sequence, tmp_path / name)
        (tmp_path / name / 'gt').mkdir()
        rows = [f'{k + 1},1,{10 + 8 * k},120,48,32,1,3,1.0\n' for k in range(12)]
        if name == 'seen':  # here a second vehicle is labelled that is not in the images
            rows += [f'{k + 1},2,200,10,40,40,1,3,1.0\n' for k in range(12)]
        (tmp_path / name / 'gt' / 'gt.txt').write_text(''.join(rows))
        info = tmp_path / name / 'seqinfo.ini'
        info.write_text(info.read_text().replace('name=painted', f'name={name}'))
    return tmp_path


def arguments(sets, bundle):
    return [
        *('experiments', 'limits', '--model', str(bundle)),
        *('--seen', str(sets / 'seen'), '--unseen', str(sets / 'unseen')),
        *('--sizes', '320x192', '--others', str(bundle), '--threads', '1'),
        *('--output', str(sets / 'scores'), '--json', str(sets / 'limits.json')),
    ]


def test_each_question_has_its_rows_and_commands(sets, scripted_bundle, capsys):
    words = arguments(sets, scripted_bundle)
    assert main(words) == 0
    report = json.loads((sets / 'limits.json').read_text())
    questions = [row['question'] for row in report['rows']]
    assert questions == ['data', 'data', 'resolution', 'size and time', 'size and time']
    seen, unseen = report['rows'][:2]
    # Half of what is labelled as seen is not there; of the other set everything is.
    assert seen['scores']['idf1']['real'] < unseen['scores']['idf1']['real']
    assert '--input-size 320x192' in report['rows'][2]['command']
    assert 'What limits' in results_page([report])
    assert 'never seen' in capsys.readouterr().out
    files = {p: p.stat().st_mtime_ns for p in (sets / 'scores').glob('*.json')}
    assert len(files) == 3  # evaluated once for several questions
    assert main(words) == 0
    assert {p: p.stat().st_mtime_ns for p in files} == files
