"""Comparing variants by hand-made scores, and a whole experiment on a tiny scene."""

import json
from pathlib import Path
from statistics import mean

import cv2
import numpy as np
import pytest

from mot_compress_ros.errors import InputError, InvalidOptionError
from offline_training.__main__ import main
from offline_training.distillation.start import open_start
from offline_training.experiments import MEMBERS
from offline_training.experiments.comparison import (
    compare,
    comparison_table,
    MEASURES,
    read_scores,
    seed_spread,
    sign,
)
from offline_training.experiments.recipe import BASE, PRESETS, STARTS
from offline_training.experiments.runs import complete, RunFailedError, RunPlan
from offline_training.experiments.variants import BASELINE, TOGETHER, together, VARIANTS
from offline_training.recipes import read_recipe

ROOT = Path(__file__).parents[3]


def scores(hota, idf1, ap50, reid, mota=0.0, synthetic=0.0):
    """The same on real data; `synthetic` more on synthetic data."""
    values = {'hota': hota, 'mota': mota, 'idf1': idf1, 'ap50': ap50, 'reid': reid}
    return {m: {'real': v, 'synthetic': v + synthetic} for m, v in values.items()}


def test_differences_are_means_over_origins_and_decide_what_is_kept():
    rows = compare(
        {
            'base': {317: scores(0.30, 0.40, 0.50, 0.60)},
            'up': {317: scores(0.32, 0.40, 0.50, 0.60, mota=-9.0)},
            'mixed': {317: scores(0.30, 0.46, 0.40, 0.60)},
            'half': {317: scores(0.30, 0.40, 0.50, 0.60, synthetic=0.04)},
        }
    )
    base, up, mixed, half = rows
    assert (base.differences, base.gain, base.kept) == ({}, 0.0, False)
    assert up.differences['hota'] == pytest.approx(0.02)
    assert up.differences['mota'] == pytest.approx(-9)
    assert up.gain == pytest.approx(0.02 / 4) and up.kept  # MOTA has no vote
    assert mixed.gain == pytest.approx((0.06 - 0.10) / 4) and not mixed.kept
    assert half.differences == pytest.approx(dict.fromkeys(MEASURES, 0.02))
    assert up.to_json()['signs'] == {
        'hota': '+',
        'mota': '-',
        'idf1': '0',
        'ap50': '0',
        'reid': '0',
    }


def test_several_seeds_ask_for_more_than_the_standard_error():
    """Gains 0.03 and 0.01: mean 0.02, error 0.01. Gains 0.05 and -0.01: error 0.03."""
    base = {1: scores(0.3, 0.3, 0.3, 0.3), 2: scores(0.2, 0.2, 0.2, 0.2)}
    steady = {1: scores(0.33, 0.33, 0.33, 0.33), 2: scores(0.21, 0.21, 0.21, 0.21)}
    shaky = {1: scores(0.35, 0.35, 0.35, 0.35), 2: scores(0.19, 0.19, 0.19, 0.19)}
    _, one, two = compare({'base': base, 'steady': steady, 'shaky': shaky})
    assert (one.gain, one.error, one.kept) == (pytest.approx(0.02), pytest.approx(0.01), True)
    assert (two.gain, two.error, two.kept) == (pytest.approx(0.02), pytest.approx(0.03), False)
    assert one.values['hota'] == pytest.approx(0.27)


def test_what_seeds_alone_move():
    by_seed = {1: scores(0.4, 0.5, 0.3, 0.6), 2: scores(0.4, 0.46, 0.3, 0.6)}
    alike = mean(by_seed[1]['idf1'].values()) - mean(by_seed[2]['idf1'].values())
    assert seed_spread(by_seed) == pytest.approx(alike / 4)  # one of the four that vote
    assert seed_spread({1: by_seed[1]}) is None


def test_runs_that_were_evaluated_differently_are_not_compared():
    other = scores(0.3, 0.3, 0.3, 0.3)
    del other['reid']
    with pytest.raises(InputError, match='not all evaluated alike'):
        compare({'base': {1: scores(0.3, 0.3, 0.3, 0.3)}, 'other': {1: other}})


def test_the_table_shows_points():
    rows = compare(
        {'base': {1: scores(0.3, 0.4, 0.5, 0.6)}, 'up': {1: scores(0.325, 0.4, 0.5, 0.6)}}
    )
    table = comparison_table(rows, {'base': 'as it is', 'up': 'better'}).splitlines()
    assert '| base: as it is | 30.0 |      |' in table[2]
    assert '| up: better     | 32.5 | +2.5 |' in table[3]
    assert table[3].endswith('| +0.6 |  yes |')


def test_signs():
    assert [sign(d) for d in (0.1, -0.1, 0.0)] == ['+', '-', '0']


def test_scores_of_an_evaluation():
    pooled = {'hota': 0.1, 'mota': -0.2, 'idf1': 0.3}
    classes = {'pedestrian': {'tpr_at_far_0.1': 0.5}, 'cyclist': {'tpr_at_far_0.1': None}}
    report = {
        'combined': {'real': {'all': pooled}, 'synthetic': {'all': pooled}},
        'combined_reid': {'real': classes},
        'sequences': [
            {'origin': 'real', 'detection': {'class_average': {'ap50': 0.4}}},
            {'origin': 'synthetic', 'detection': {'class_average': {'ap50': 0.2}}},
            {'origin': 'synthetic', 'detection': {'class_average': {'ap50': 0.6}}},
            {'origin': 'real'},
        ],
        'image_sets': [{'class_average': {'ap50': 0.1}}],
    }
    found = read_scores(report)
    assert found['ap50'] == {'real': pytest.approx(0.25), 'synthetic': pytest.approx(0.4)}
    assert found['reid'] == {'real': 0.5}
    assert found['mota'] == {'real': -0.2, 'synthetic': -0.2}


def test_what_was_kept_goes_together_and_the_best_of_a_group_wins():
    gains = {'giou': 0.02, 'triplet': 0.01, 'circle': 0.03, 'ema': -0.01}
    best = together(['giou', 'triplet', 'circle'], gains)
    assert best.name == TOGETHER and best.what == 'giou + circle'
    assert best.settings['loss.wh_giou'] > 0 and best.settings['loss.circle'] > 0
    assert 'loss.triplet' not in best.settings
    assert together(['triplet', 'circle'], gains) is None
    assert together([], {}) is None


@pytest.mark.parametrize('variant', VARIANTS, ids=lambda v: v.name)
@pytest.mark.parametrize('preset', PRESETS)
def test_every_variant_changes_something_and_is_legal(variant, preset):
    base = read_recipe(ROOT / BASE, PRESETS[preset]).config
    config = read_recipe(ROOT / BASE, {**PRESETS[preset], **variant.settings}).config
    assert (config == base) == (variant.name == BASELINE)


@pytest.mark.parametrize('preset', PRESETS)
def test_every_preset_may_start_from_what_it_names(preset):
    """`--init` refuses a bundle of another architecture."""
    config = read_recipe(ROOT / BASE, PRESETS[preset]).config
    if STARTS[preset]:
        open_start(STARTS[preset], config.architecture)


def test_variants_have_names_of_their_own():
    names = [v.name for v in VARIANTS]
    assert names[0] == BASELINE and len(set(names)) == len(names) and TOGETHER not in names


def write_sequence(folder, n_frames=4):
    (folder / 'img1').mkdir(parents=True)
    (folder / 'gt').mkdir()
    rows = []
    for frame in range(1, n_frames + 1):
        picture = np.full((64, 96, 3), 40, np.uint8)
        for identity in (1, 2, 3):
            x = 5 + 28 * (identity - 1) + frame
            picture[20:40, x : x + 20] = 70 * identity
            rows.append(f'{frame},{identity},{x},20,20,20,1,3,1.0\n')
        cv2.imwrite(str(folder / 'img1' / f'{frame:06d}.png'), picture)
    (folder / 'gt' / 'gt.txt').write_text(''.join(rows))
    (folder / 'seqinfo.ini').write_text(
        f'[Sequence]\nname={folder.name}\nimDir=img1\nframeRate=10\nseqLength={n_frames}\n'
        'imWidth=96\nimHeight=64\nimExt=.png\n'
    )


TINY = (
    'architecture.width=0.0625',
    'architecture.embedding_dim=8',
    'augment.width_px=96',
    'augment.height_px=64',
    'train.steps=2',
    'train.batch_size=2',
)


def write_recipe(path):
    text = (ROOT / BASE).read_text().split('sources:')[0]
    path.write_text(text + 'sources:\n  - {layout: mot, path: road}\n')
    return path


@pytest.mark.slow
def test_a_whole_experiment_and_what_a_second_start_does(tmp_path, capsys):
    write_sequence(tmp_path / 'road')
    words = ['experiments', 'recipe', '--data', str(tmp_path), '--output', str(tmp_path / 'out')]
    words += ['--recipe', str(write_recipe(tmp_path / 'r.yaml')), '--preset', 'full']
    words += ['--only', 'giou', '--dev', 'road', '--bdd', '', '--threads', '1']
    words += ['--json', str(tmp_path / 'out.json')]
    words += [w for setting in TINY for w in ('--set', setting)]
    assert main(words) == 0
    report = json.loads((tmp_path / 'out.json').read_text())
    assert report['kind'] == 'experiment_recipe' and report['seeds'] == [317]
    assert [row['name'] for row in report['rows']] == ['fairmot', 'giou']
    assert set(report['rows'][1]['differences']) == set(MEASURES)
    assert report['environment'] and report['command'].startswith('python -m offline_training')
    table = (tmp_path / 'out' / 'comparison.md').read_text()
    assert table.startswith('| variant') and 'giou' in table
    bundle = tmp_path / 'out' / 'giou-317' / 'giou-317' / 'model.json'
    options = json.loads(bundle.read_text())['training']['options']
    assert options['loss.wh_giou'] == 2.0 and options['loss.identity_ce'] == 0.1
    stamp = bundle.stat().st_mtime_ns
    capsys.readouterr()
    assert main(words) == 0  # everything is there already
    assert bundle.stat().st_mtime_ns == stamp
    assert capsys.readouterr().out.strip() == table.strip()
    assert main([*words, '--set', 'train.steps=3']) == 2
    assert 'holds a run of other settings' in capsys.readouterr().err


def plan(tmp_path, **options):
    values = {
        'folder': tmp_path / 'a-317',
        'recipe': write_recipe(tmp_path / 'r.yaml'),
        'data': tmp_path,
        'settings': {'train.steps': 2},
        'input_size_wh': (96, 64),
        'dev': [tmp_path / 'road'],
        'bdd': None,
        **options,
    }
    return RunPlan(**values)


def test_a_failed_training_says_where_to_look(tmp_path):
    with pytest.raises(RunFailedError, match=r'train ended with 2: train: .*road.*train\.log'):
        complete(plan(tmp_path))


def test_commands_are_those_that_a_user_would_type(tmp_path):
    one = plan(tmp_path, bdd=tmp_path / 'bdd100k', threads=1)
    train = ' '.join(one.train_command())
    assert f'--output {one.folder}/a-317 ' in train and train.endswith('--set train.steps=2')
    assert '--input-size 96x64' in train
    assert '--init' not in train
    started = plan(tmp_path, init='road_student').train_command()
    assert started[started.index('--init') + 1] == 'road_student'
    assert '--bdd' in one.evaluate_command() and '--data' in one.evaluate_command()


def test_every_member_keeps_the_contract():
    import importlib

    for path in MEMBERS.values():
        module = importlib.import_module(path)
        assert module.HELP and callable(module.add_arguments) and callable(module.run)


def test_a_wrong_option_is_refused_before_anything_is_trained(tmp_path):
    words = ['experiments', 'recipe', '--data', str(tmp_path), '--output', str(tmp_path / 'o')]
    words += ['--recipe', str(write_recipe(tmp_path / 'r.yaml')), '--set', 'train.speed=1']
    assert main(words) == 2
    assert not (tmp_path / 'o').exists()
    with pytest.raises(InvalidOptionError):
        read_recipe(tmp_path / 'r.yaml', {'train.speed': 1})
