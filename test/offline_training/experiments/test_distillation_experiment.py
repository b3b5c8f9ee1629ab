"""The experiment on two tiny rendered sequences: plan, trainings, scores, resuming, page."""

import json

import numpy as np
import pytest
import yaml

from mot_compress_ros.errors import InputError
from mot_compress_ros.inference import load_bundle
from offline_training.__main__ import main
from offline_training.evaluation.bootstrap import BootstrapConfig
from offline_training.experiments.distillation import PARTS
from offline_training.experiments.distillation_plan import (
    ALL,
    PLAIN,
    RIVALS,
    THESIS,
    trainings_of,
    VARIANTS,
)
from offline_training.experiments.distillation_presets import PRESETS, read_preset
from offline_training.experiments.distillation_tables import differences, tracked_bounds
from offline_training.experiments.distillation_work import Result, result_of
from offline_training.losses.config import TAUGHT
from offline_training.recipes import read_recipe
from offline_training.synthetic import generate, SceneConfig
from offline_training.synthetic.writers import WriteOptions, WRITERS

BEGIN, END = (f'<!-- {PARTS[False]}: {edge} -->' for edge in ('begin', 'end'))
CHOSEN = ('responses', 'all', 'crosskd')


@pytest.fixture(scope='module')
def sequences(tmp_path_factory):
    """Two of 14 frames."""
    folder, (write, _) = tmp_path_factory.mktemp('rendered'), WRITERS['mot']
    for seed in (5, 6):
        scene = SceneConfig(
            size_wh=(160, 96), fps=10.0, duration_s=1.4, seed=seed, light='day',
            n_pedestrians=(8, 8), n_vehicles=(0, 0), n_parked=(0, 0), n_cyclists=(0, 0),
        )  # fmt: skip
        write(generate(scene), folder / f'scene-{seed}', WriteOptions(fps=10.0))
    return folder


@pytest.fixture(scope='module')
def tiny(tmp_path_factory):
    """The small preset, smaller still; the teacher's embeddings are longer than the student's."""
    content = yaml.safe_load(PRESETS['small'].read_text())
    content['input_size'] = '160x96'
    for network in content['networks'].values():
        network |= {'head_channels': 8, 'embedding_dim': 8}
        network['width'] /= 4
    content['networks']['teacher'] |= {'head_channels': 12, 'embedding_dim': 10}
    content['length'] = {stage: {'steps': 2} for stage in content['length']}
    content['recipe']['train'] |= {'batch_size': 2, 'warmup_steps': 0, 'precision': 'fp32'}
    path = tmp_path_factory.mktemp('preset') / 'tiny.yaml'
    path.write_text(yaml.safe_dump(content))
    return path


def command(sequences, tiny, run, *more):
    return [
        *('experiments', 'distillation', '--data', str(sequences), '--preset', str(tiny)),
        *('--run', str(run), '--threads', '1', '--resamples', '20', *more),
    ]


def test_each_alone_all_pairs_all_three_and_rivals():
    thesis = ('response_consistency', 'key_features', 'prediction_difference')
    sets = [set(v.parts) for v in VARIANTS.values() if v.name not in RIVALS]
    for mask in range(8):
        assert sets.count({part for k, part in enumerate(thesis) if mask >> k & 1}) == 1
    assert VARIANTS[PLAIN].parts == () and set(VARIANTS[ALL].parts) == set(thesis)
    assert all(set(v.parts) <= set(TAUGHT) for v in VARIANTS.values())
    assert {n: THESIS[ALL][n] - THESIS[PLAIN][n] for n in THESIS[ALL]} == {
        'idf1': pytest.approx(3.9), 'mota': pytest.approx(2.5), 'mt': pytest.approx(5.9)
    }  # fmt: skip


@pytest.mark.parametrize('name', PRESETS)
def test_all_students_begin_alike_and_have_equal_steps(name):
    preset = read_preset(name)
    trainings = trainings_of(preset.weights)
    students = [t for t in trainings.values() if t.stage == 'more']
    assert len(students) == len(VARIANTS)
    assert {(t.start, t.network) for t in students} == {('student', 'student')}
    assert {t.teacher for t in students} == {'', 'teacher'}
    assert preset.sizes.more['sampler'] == 'epochs'
    assert preset.anchors == name.startswith('cstrack')
    assert list(trainings_of(preset.weights, ['fgd'])) == [
        *('teacher', 'student', 'student-plain', 'student-fgd')
    ]


def test_it_trains_scores_and_writes_and_does_nothing_twice(sequences, tiny, tmp_path, capsys):
    run, page, out = tmp_path / 'run', tmp_path / 'page.md', tmp_path / 'all.json'
    page.write_text(f'before\n{BEGIN}\nold\n{END}\nafter\n')
    words = command(sequences, tiny, run, '--variants', *CHOSEN)
    assert main([*words, '--plan']) == 0
    said = capsys.readouterr().out
    assert 'student-crosskd, 2 steps: CrossKD' in said and '5 networks to score' in said
    assert not (run / 'trainings').exists()
    assert main([*words, '--json', str(out), '--update', str(page)]) == 0
    report, text = json.loads(out.read_text()), page.read_text()
    assert report['kind'] == 'experiment_distillation' and {'command', 'environment'} <= set(
        report
    )
    names = ['teacher', 'student-plain', *(f'student-{name}' for name in CHOSEN)]
    assert [row['name'] for row in report['rows']] == names
    for row in report['rows']:
        assert set(row['figures']) == {'idf1', 'mota', 'hota', 'mt'}
        assert row['command'].startswith('python -m offline_training evaluate --model ')
    assert {d['variant'] for d in report['differences']} == set(CHOSEN)
    assert report['rows'][1]['thesis'] == THESIS[PLAIN]
    assert text.startswith('before\n') and text.endswith('after\n') and 'old' not in text
    assert '+3.9 IDF1, +2.5 MOTA, +5.9 MT' in text
    first = {path: path.stat().st_mtime_ns for path in run.rglob('*') if path.is_file()}
    assert main([*words, '--json', str(out)]) == 0
    assert {path: path.stat().st_mtime_ns for path in run.rglob('*') if path.is_file()} == first
    taught_as_the_plan_says(run)


def taught_as_the_plan_says(run):
    """Options, start and teacher of the bundles; adapters are in none of them."""
    found = {path.parent.name: load_bundle(path.parent) for path in run.rglob('*/model.json')}
    plain, every = found['student-plain'], found['student-all']
    assert every.tensors.keys() == plain.tensors.keys() == found['student'].tensors.keys()
    assert every.manifest.training['started_from'] == 'student'
    assert every.manifest.teacher['name'] == 'teacher' and not plain.manifest.teacher
    assert every.manifest.embedding_dim == 8 and found['teacher'].manifest.embedding_dim == 10
    for name, parts in (('all', VARIANTS[ALL].parts), ('crosskd', ('crosskd',)), ('plain', ())):
        options = found[f'student-{name}'].manifest.training['options']
        weights = {part: options[f'loss.{part}'] for part in TAUGHT}
        assert weights == {part: float(part in parts) for part in TAUGHT}
        same = {key: v for key, v in options.items() if not key.startswith('loss.')}
        other = plain.manifest.training['options']
        assert same == {key: v for key, v in other.items() if not key.startswith('loss.')}
    different = [
        k for k in plain.tensors if not np.array_equal(plain.tensors[k], every.tensors[k])
    ]
    assert different, 'teaching has moved the weights'


@pytest.mark.slow
def test_cstrack_teaches_cstrack(sequences, tmp_path, capsys):
    content = yaml.safe_load(PRESETS['cstrack_small'].read_text())
    content['input_size'] = '160x96'
    content['networks']['teacher'] |= {'width': 0.125, 'depth': 0.33, 'embedding_dim': 10}
    content['networks']['student'] |= {'width': 0.0625, 'embedding_dim': 8, 'id_channels': 8}
    content['length'] = {stage: {'steps': 1} for stage in content['length']}
    content['recipe']['train'] |= {'batch_size': 2, 'warmup_steps': 0, 'precision': 'fp32'}
    path, out = tmp_path / 'tiny.yaml', tmp_path / 'all.json'
    path.write_text(yaml.safe_dump(content))
    words = command(sequences, path, tmp_path / 'run', '--variants', 'all')
    assert main([*words, '--json', str(out)]) == 0
    report = json.loads(out.read_text())
    assert [row['name'] for row in report['rows']] == ['teacher', 'student-plain', 'student-all']
    options = report['trainings'][-1]['options']
    assert options['loss.anchor_difference'] == 1.0 and 'loss.prediction_difference' not in options
    found = {
        p.parent.name: load_bundle(p.parent) for p in (tmp_path / 'run').rglob('*/model.json')
    }
    assert found['student-all'].manifest.architecture['name'] == 'cstrack'
    assert found['student-all'].manifest.teacher['name'] == 'teacher'
    assert found['student-all'].tensors.keys() == found['student-plain'].tensors.keys()
    assert main([*words, 'crosskd']) == 2
    assert '--variants crosskd: legal with these networks: plain' in capsys.readouterr().err


@pytest.mark.slow
def test_every_variant_trains(sequences, tiny, tmp_path):
    content = yaml.safe_load(tiny.read_text())
    content['networks']['teacher']['embedding_dim'] = 8  # for IFM
    path = tmp_path / 'tiny.yaml'
    path.write_text(yaml.safe_dump(content))
    out = tmp_path / 'all.json'
    assert main(command(sequences, path, tmp_path / 'run', '--json', str(out))) == 0
    assert len(json.loads(out.read_text())['rows']) == 1 + len(VARIANTS)


def test_the_recipe_of_a_training_is_a_recipe(sequences, tiny, tmp_path, capsys):
    """What `--plan` names could be typed; other options are another folder."""
    from offline_training.experiments.atttrack_halves import cut_halves
    from offline_training.experiments.atttrack_training import Site, write_recipe

    preset = read_preset(str(tiny))

    def site_of(weights):
        return Site(
            run=tmp_path,
            halves=cut_halves([sequences], tmp_path, sequences=0, n_class=1),
            preset=preset.sizes, n_class=1, settings={}, init={}, known=trainings_of(weights),
        )  # fmt: skip

    site = site_of(preset.weights)
    for training in site.known.values():
        write_recipe(tmp_path / 'recipe.yaml', site.options(training))
        config = read_recipe(tmp_path / 'recipe.yaml').config
        assert config.needs_teacher == bool(training.teacher) and config.train.steps == 2
    other = site_of({**preset.weights, 'fgd': 2.0})
    changed = [n for n, t in site.known.items() if site.folder(t) != other.folder(other.known[n])]
    assert changed == ['student-fgd']


def report_of(tracked, boxes=10):
    """What `evaluate` leaves of sequences with so many mostly, partly and hardly tracked."""

    def raw(mt, pt, ml):
        count = {'MT': mt, 'PT': pt, 'ML': ml, 'CLR_TP': mt, 'CLR_FN': ml, 'CLR_FP': 0}
        clear = {**count, 'IDSW': 0, 'Frag': 0, 'CLR_Frames': 5, 'MOTP_sum': float(mt)}
        alphas = [float(mt)] * 19
        hota = dict.fromkeys(('HOTA_TP', 'HOTA_FN', 'HOTA_FP', 'AssA', 'AssRe', 'AssPr'), alphas)
        identity = {'IDTP': mt, 'IDFN': ml, 'IDFP': 0}
        metrics = {'HOTA': {**hota, 'LocA': alphas}, 'CLEAR': clear, 'Identity': identity}
        return {**metrics, 'objects': mt + pt + ml, 'boxes': boxes}

    sequences = [
        {
            'name': f's{k}',
            'origin': 'real',
            'classes': ['pedestrian'],
            'raw': {'pedestrian': raw(*row)},
        }
        for k, row in enumerate(tracked)
    ]
    sums = np.sum(tracked, axis=0).tolist()
    names = ('mostly_tracked', 'partly_tracked', 'mostly_lost')
    pooled = {**dict(zip(names, sums, strict=True)), 'idf1': 0.5, 'mota': 0.25, 'hota': 0.4}
    return {
        'command': 'evaluate', 'protocol': 'product', 'sequences': sequences,
        'combined': {'real': {'all': pooled}},
    }  # fmt: skip


def test_mostly_tracked_is_a_share_with_an_interval_over_sequences():
    before, after = report_of([(1, 1, 2), (2, 1, 1)]), report_of([(2, 1, 1), (4, 0, 0)])
    assert result_of(before).figures == {'idf1': 50.0, 'mota': 25.0, 'hota': 40.0, 'mt': 37.5}
    low, high = tracked_bounds(before, after, BootstrapConfig(resamples=400))
    assert (low, high) == (25.0, 50.0), 'one sequence gained a quarter of its objects, one a half'


def test_differences_are_from_the_plain_student():
    def result(**figures):
        return Result(figures={'idf1': 1, 'mota': 2, 'mt': 3, 'hota': 4, **figures}, report={})

    results = {'student-plain': result(), 'student-all': result(mota=5.5, idf1=0)}
    found = differences(results, resamples=0)
    assert {d.measure: d.ours for d in found} == {'idf1': -1, 'mota': 3.5, 'mt': 0, 'hota': 0}
    assert {d.measure: d.thesis for d in found}['mota'] == pytest.approx(2.5)
    assert {d.measure: d.thesis for d in found}['hota'] is None


@pytest.mark.parametrize(
    ('more', 'message'),
    [
        (('--variants', 'kd'), 'legal with these networks: plain, responses'),
        (('--init', 'yolo=x'), 'expected teacher=BUNDLE'),
        (('--share', '0'), 'expected more than 0'),
    ],
)
def test_wrong_options_are_named(sequences, tiny, tmp_path, capsys, more, message):
    assert main(command(sequences, tiny, tmp_path, *more)) == 2
    assert message in capsys.readouterr().err


def test_a_preset_must_have_every_weight(tiny, tmp_path):
    content = yaml.safe_load(tiny.read_text())
    del content['weights']['pkd']
    path = tmp_path / 'preset.yaml'
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match='weights: missing pkd, unknown none'):
        read_preset(str(path))
    with pytest.raises(InputError, match='presets: small, full'):
        read_preset('none')
