"""`calibrate`: scores on another model's scale, exactly and without cost."""

import json

import numpy as np
import pytest
from scipy.special import logit

from mot_compress_ros.inference import BackendOptions, build_detector, load_bundle
from mot_compress_ros.inference.pairing import check_pair
from offline_training.__main__ import main

SIZE_WH = (832, 480)
EXACT = BackendOptions(precision='fp32', threads=1)


@pytest.fixture(scope='module')
def street(tmp_path_factory):
    """A rendered sequence with people and cars."""
    folder = tmp_path_factory.mktemp('streets')
    words = ['--sequences', '1', '--frames', '24', '--fps', '2', '--seed', '41']
    size = f'{SIZE_WH[0]}x{SIZE_WH[1]}'
    assert main(['synthesize', '--format', 'mot', *words, '--size', size, str(folder)]) == 0
    return folder


@pytest.fixture(scope='module')
def calibrated(tmp_path_factory, street):
    """The shipped teacher's scores as probabilities."""
    folder = tmp_path_factory.mktemp('calibrated')
    words = ['--model', 'road_teacher', '--data', str(street), '--every', '1', '--threads', '1']
    out = ['--output', str(folder / 'sure'), '--json', str(folder / 'sure.json')]
    assert main(['calibrate', *words, *out]) == 0
    return folder


def test_the_map_lies_in_the_weights(calibrated):
    report = json.loads((calibrated / 'sure.json').read_text())
    score_map = report['maps']['vehicle']
    assert score_map == report['maps']['pedestrian'], 'one map for all, unless asked'
    image = np.random.default_rng(3).integers(0, 255, (1, *SIZE_WH[::-1], 3), np.uint8)
    before, after = (
        build_detector(load_bundle(name), options=EXACT).backend.run(image).heatmap.astype(float)
        for name in ('road_teacher', calibrated / 'sure')
    )
    chosen = after > 1e-4  # float32 knows the logits of these to four digits
    assert chosen.sum() > 100
    expected = score_map['slope'] * logit(before[chosen]) + score_map['offset']
    assert logit(after[chosen]) == pytest.approx(expected, abs=0.02), 'weights are rounded to half'
    assert np.abs(logit(after[chosen]) - logit(before[chosen])).max() > 1


def test_scores_become_probabilities(calibrated):
    rows = json.loads((calibrated / 'sure.json').read_text())['precision_by_score']
    assert rows.keys() == {'before', 'after'}
    for row in rows['after']:
        if row['detections'] > 30:
            assert row['precision'] > row['score'], 'the mean of what lies above a score'


def test_the_bundle_says_what_was_done_and_keeps_its_embeddings(calibrated):
    before, after = (load_bundle(n).manifest for n in ('road_teacher', calibrated / 'sure'))
    assert after.name == 'sure'
    assert after.space == before.space
    assert after.weights_sha256 != before.weights_sha256
    assert after.metrics == {}
    assert after.calibrated_from == (before.calibrated_from or before.weights_sha256)
    said = after.training['score_calibration']
    assert said['command']
    assert set(said['maps']) == set(before.class_names)
    check_pair(load_bundle('road_student').manifest, after)


def test_like_itself_changes_nothing(tmp_path, street):
    words = ['--model', 'road_student', '--like', 'road_student', '--data', str(street)]
    out = tmp_path / 'same'
    assert main(['calibrate', *words, '--every', '1', '--threads', '1', '--output', str(out)]) == 0
    before, after = load_bundle('road_student'), load_bundle(out)
    for key, tensor in before.tensors.items():
        assert np.array_equal(tensor, after.tensors[key]), key


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--every', '0'], 'expected 1 or more'),
        (['--every', '24'], 'give more images'),
        (['--like', 'no_such_model'], 'no such model'),
    ],
)
def test_mistakes_are_said_in_one_line(tmp_path, street, capsys, words, message):
    out = tmp_path / 'new'
    base = ['calibrate', '--model', 'road_student', '--data', str(street), '--output', str(out)]
    assert main([*base, *words]) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_what_has_no_heat_map_or_is_there_already_is_refused(
    tmp_path, street, scripted_bundle, capsys
):
    words = ['--data', str(street), '--output', str(tmp_path / 'new')]
    assert main(['calibrate', '--model', str(scripted_bundle), *words]) == 2
    assert 'no heat map of its own' in capsys.readouterr().err
    words = ['--data', str(street), '--output', str(tmp_path)]
    assert main(['calibrate', '--model', 'road_student', *words]) == 2
    assert 'is there already' in capsys.readouterr().err
