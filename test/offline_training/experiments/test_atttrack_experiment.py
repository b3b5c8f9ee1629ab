"""The experiment on two tiny rendered sequences: plan, trainings, scores, resuming, page."""

import argparse
from dataclasses import replace
import json
import shutil

import numpy as np
import pytest
import yaml

from mot_compress_ros.datatypes import Detections
from mot_compress_ros.errors import InputError
from mot_compress_ros.inference import Observation
from mot_compress_ros.keyframe import Attention, PriorObjects
from mot_compress_ros.options import from_mapping
from mot_compress_ros.pipeline import PipelineConfig
from mot_compress_ros.preprocess import LetterboxTransform
from offline_training.__main__ import main
from offline_training.command_options import typed
from offline_training.commands import train
from offline_training.datasets.sampler import KeyframeSampler
from offline_training.experiments import atttrack_scoring
from offline_training.experiments.atttrack_halves import cut_halves
from offline_training.experiments.atttrack_paper import Arm, BEYOND, YOLOV5
from offline_training.experiments.atttrack_plan import all_trainings, arms_of
from offline_training.experiments.atttrack_presets import PRESETS, read_preset
from offline_training.experiments.atttrack_report import _origin_text, PART
from offline_training.experiments.atttrack_scoring import _key, evaluate_words, Judging
from offline_training.experiments.atttrack_training import (
    complete,
    Site,
    train_words,
    TrainingStoppedError,
)
from offline_training.recipes import read_recipe
from offline_training.synthetic import generate, SceneConfig
from offline_training.synthetic.writers import WriteOptions, WRITERS

BEGIN, END = f'<!-- {PART}: begin -->', f'<!-- {PART}: end -->'

FRAMES = 14
TURN_FRAMES = 36  # of the halves of two sequences, 33 are a turn at K = 11


def rendered(folder, n_frames):
    """Two rendered sequences."""
    write, _ = WRITERS['mot']
    for seed in (5, 6):
        scene = SceneConfig(
            size_wh=(160, 96), fps=10.0, duration_s=n_frames / 10, seed=seed, light='day',
            n_pedestrians=(8, 8), n_vehicles=(0, 0), n_parked=(0, 0), n_cyclists=(0, 0),
        )  # fmt: skip
        write(generate(scene), folder / f'scene-{seed}', WriteOptions(fps=10.0))
    return folder


@pytest.fixture(scope='session')
def sequences(tmp_path_factory):
    """Short ones, for what has no keyframes."""
    return rendered(tmp_path_factory.mktemp('rendered'), FRAMES)


@pytest.fixture(scope='session')
def tiny(tmp_path_factory):
    """The small preset, smaller still: 160 x 96, two steps, the narrowest networks."""
    content = yaml.safe_load(PRESETS['small'].read_text())
    content |= {'input_size': '160x96', 'speed': {'frames': 24, 'repeats': 1}}
    for network in content['networks'].values():
        network |= {'head_channels': 8, 'embedding_dim': 8}
        network['width'] /= 4
    content['length'] = {stage: {'steps': 2} for stage in content['length']}
    content['longer'] = {}
    content['recipe']['train'] |= {'batch_size': 2, 'warmup_steps': 0, 'precision': 'fp32'}
    path = tmp_path_factory.mktemp('preset') / 'tiny.yaml'
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture
def site(sequences, tiny, tmp_path):
    return make_site(sequences, tiny, tmp_path)


def make_site(sequences, tiny, run, **options):
    return Site(
        run=run,
        halves=cut_halves([sequences], run, sequences=0, n_class=1),
        preset=read_preset(str(tiny)),
        n_class=1,
        **{'settings': {}, 'init': {}, **options},
    )


def command(sequences, tiny, run, *more):
    return [
        *('experiments', 'atttrack', '--data', str(sequences), '--preset', str(tiny)),
        *('--run', str(run), '--threads', '1', '--resamples', '20', *more),
    ]


def test_the_first_halves_train_and_the_second_are_scored(sequences, tmp_path):
    halves = cut_halves([sequences], tmp_path, sequences=0, n_class=1)
    assert (halves.images, halves.frames) == (2 * (FRAMES // 2 + 1), 2 * (FRAMES // 2 - 1))
    assert halves.origin == 'synthetic' and halves.identities >= 3
    before = sorted(tmp_path.rglob('*'))
    assert cut_halves([sequences], tmp_path, sequences=0, n_class=1) == halves
    assert sorted(tmp_path.rglob('*')) == before
    one = cut_halves([sequences], tmp_path, sequences=1, n_class=1)
    assert one.names == ('scene-5',) and one.folder != halves.folder


def test_two_sequences_of_one_name_are_refused(sequences, tmp_path):
    with pytest.raises(InputError, match='two sequences are called scene-5, scene-6'):
        cut_halves([sequences, sequences], tmp_path, sequences=0, n_class=1)


def test_every_training_has_a_recipe_that_train_takes(site, tmp_path):
    from offline_training.experiments.atttrack_training import write_recipe

    for training in all_trainings().values():
        write_recipe(tmp_path / 'recipe.yaml', site.options(training))
        recipe = read_recipe(tmp_path / 'recipe.yaml')
        assert recipe.config.train.steps == 2
        assert recipe.config.needs_teacher == bool(training.teacher)
        assert (recipe.config.architecture.fusion != 'none') == training.told
        assert (recipe.config.mapping == 'efm') == training.shares_pivots


def test_a_folder_is_named_by_all_that_a_training_depends_on(sequences, tiny, tmp_path, site):
    known = all_trainings()
    plain, teacher = known['yolov5_small-plain'], known['yolov5']
    other = make_site(sequences, tiny, site.run, settings={'train.seed': 5})
    longer = make_site(sequences, tiny, site.run, share=2.0)
    assert site.folder(plain) != other.folder(plain) != longer.folder(plain)
    assert site.folder(teacher) == make_site(sequences, tiny, site.run).folder(teacher)
    # What a teacher is changes who learns from it, and nobody else.
    begun = make_site(sequences, tiny, site.run, init={'yolov5': 'road_teacher'})
    assert site.folder(known['yolov5_small-ifm']) != begun.folder(known['yolov5_small-ifm'])
    assert site.folder(plain) == begun.folder(plain)


def test_other_samples_are_other_trainings(site, monkeypatch):
    """Of those alone that draw them."""
    known = all_trainings()
    names = ('yolov5', 'yolov5_small', 'yolov5_small-plain', 'yolov5_small-ifm')
    before = [site.digest(known[name]) for name in names]
    monkeypatch.setattr(KeyframeSampler, 'edition', KeyframeSampler.edition + 1)
    after = [site.digest(known[name]) for name in names]
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, True, False, False]


def test_the_student_is_told_until_the_next_keyframe_however_slow_the_frames():
    """PETS of MOT15 has 7 frames a second: the last of 12 is 1.6 s after the keyframe."""
    judging = Judging(protocol='product', pipeline={})
    values = typed(PipelineConfig, judging.options(Arm(YOLOV5, 'efm', 12)))
    attention = Attention(from_mapping(PipelineConfig, values).keyframe)
    seen = Observation(
        detections=Detections.empty(),
        heatmap=np.zeros((1, 8, 8), np.float32),
        transform=LetterboxTransform(scale_x=1.0, scale_y=1.0, left_px=0, top_px=0),
    )
    attention.renew(seen, PriorObjects.empty(), stamp_ns=0)
    assert attention.prior(stamp_ns=round(11e9 / 7)) is not None


def test_results_are_of_the_code_that_was_loaded(site, monkeypatch):
    """Trainings take hours, in which a file may change; what runs is the old one."""
    judging, arm = Judging(protocol='product', pipeline={}), Arm(YOLOV5, 'efm', 2)
    before = _key(site, arm, judging)
    assert judging.code == atttrack_scoring._code() != ''
    monkeypatch.setattr(atttrack_scoring, '_code', lambda: 'of files that have changed')
    assert _key(site, arm, judging) == before
    assert _key(site, arm, replace(judging, code='other')) != before


def test_commands_name_the_bundles_of_other_trainings(site):
    efm = all_trainings()['yolov5_small-efm']
    words = train_words(site, efm)
    assert words[words.index('--init') + 1].endswith('/yolov5_small')
    assert words[words.index('--teacher') + 1].endswith('/yolov5')
    shared = words[words.index('--teacher-output') + 1]
    judging = Judging(protocol='product', pipeline={'tracker.preset': 'fairmot'})
    scored = evaluate_words(site, Arm(YOLOV5, 'efm', 4), judging)
    assert scored[scored.index('--teacher') + 1] == shared
    assert {'keyframe.interval=4', 'keyframe.update=render', 'tracker.preset=fairmot'} <= set(
        scored
    )
    crossed = evaluate_words(site, Arm(YOLOV5, 'ifm', 2), judging)
    assert crossed[crossed.index('--teacher') + 1].endswith('/yolov5')


def test_a_plan_trains_nothing(sequences, tiny, tmp_path, capsys):
    assert main(command(sequences, tiny, tmp_path, '--tables', '1', '--plan')) == 0
    said = capsys.readouterr().out
    assert 'train yolov5_mid, 2 steps' in said and 'together' in said
    assert 'dla34' not in said
    assert not (tmp_path / 'trainings').exists()


def test_a_stopped_training_is_told_apart_from_a_done_one(site, monkeypatch):
    mid = all_trainings()['yolov5_mid']
    monkeypatch.setattr(train, 'run', lambda args: 130)
    with pytest.raises(TrainingStoppedError, match='goes on from there') as stop:
        complete(site, mid)
    assert stop.value.exit_code == 130 and not site.is_done(mid)


def test_table_1_from_sequences_to_page(sequences, tiny, tmp_path, monkeypatch):
    page = tmp_path / 'docs' / 'page.md'
    page.parent.mkdir()
    page.write_text(f'# Page\n\n{BEGIN}\n{END}\n\nend\n')
    report = tmp_path / 'report.json'
    words = command(sequences, tiny, tmp_path / 'run', '--tables', '1')
    words += ['--json', str(report), '--update', str(page)]
    assert main(words) == 0
    content = json.loads(report.read_text())
    assert [t['name'] for t in content['trainings']] == [
        *('yolov5', 'yolov5_mid', 'yolov5_small', 'yolov5_small-plain'),
    ]
    rows = {row['scheme']: row for row in content['rows']}
    assert rows['teacher']['paper']['mota'] == 62.4
    sizes = [rows[s]['figures']['parameters_m'] for s in ('teacher', 'mid', 'student')]
    assert sizes == sorted(sizes, reverse=True) and sizes[2] > 0
    assert all(row['figures']['fps'] > 0 for row in rows.values())
    text = page.read_text()
    assert text.count('| YOLOv5') == 3 + len(content['claims']) and text.endswith('end\n')

    # Nothing is done twice.
    trained = []
    monkeypatch.setattr(train, 'run', lambda args: trained.append(args) or 0)
    monkeypatch.setattr('offline_training.commands.evaluate.evaluate', trained.append)
    again = tmp_path / 'again.json'
    assert main([*words[: words.index('--json')], '--json', str(again)]) == 0
    assert trained == []
    assert json.loads(again.read_text())['rows'] == content['rows']


def test_a_lost_bundle_is_trained_again(sequences, tiny, tmp_path):
    site = make_site(sequences, tiny, tmp_path, threads=1)
    small = all_trainings()['yolov5_small']
    complete(site, small)
    bundle = site.bundle(small)
    weights = (bundle / 'weights.safetensors').read_bytes()
    shutil.rmtree(bundle)
    complete(site, small)  # from the last checkpoint
    assert (bundle / 'weights.safetensors').read_bytes() == weights
    manifest = json.loads((bundle / 'model.json').read_text())
    assert manifest['training']['command'].split()[:4] == [
        *('python', '-m', 'offline_training', 'train'),
    ]
    # A default that has changed since makes it another training, which is not taken for this one.
    assert site.is_done(small)
    manifest['training']['options']['loss.circle_margin'] = 0.5
    (bundle / 'model.json').write_text(json.dumps(manifest))
    assert not site.is_done(small)


def test_the_page_says_which_networks_began_with_other_weights(sequences, tiny, tmp_path):
    begun = make_site(sequences, tiny, tmp_path, init={'yolov5': 'models/road_teacher'})
    text = _origin_text(argparse.Namespace(), {'1': begun, '2': begun})
    assert 'than random ones: yolov5 with road_teacher; the others were not.' in text
    bare = make_site(sequences, tiny, tmp_path)
    assert 'random' not in _origin_text(argparse.Namespace(), {'1': bare})


@pytest.mark.slow
def test_every_kind_of_pipeline(tiny, tmp_path):
    """All trainings but one, all schemes; the tables that are left out only have more of them."""
    report, tables = tmp_path / 'report.json', ['3', '5', '8', BEYOND]
    sequences = rendered(tmp_path / 'rendered', TURN_FRAMES)
    words = command(sequences, tiny, tmp_path / 'run', '--tables', *tables)
    assert main([*words, '--json', str(report)]) == 0
    content = json.loads(report.read_text())
    trained = {t['name'] for t in content['trainings']}
    alone = {'yolov5_mid', 'dla34_small-none', 'yolov5_small-none'}
    assert trained == set(all_trainings()) - alone
    assert len(content['rows']) == sum(len(arms_of(table)) for table in tables)
    assert len([c for c in content['claims'] if c['table'] == '8']) == 12
    shared = list((tmp_path / 'run' / 'trainings').glob('*/*-teacher/model.json'))
    assert len(shared) == 3  # EFM twice, and the crossed pair
