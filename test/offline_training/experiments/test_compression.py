"""The three tables end to end on tiny rendered data: they run, and go on where they stopped."""

import json

import numpy as np
import pytest
import yaml

from mot_compress_ros.errors import InputError, InvalidOptionError
from offline_training.__main__ import main
from offline_training.classification.networks import NetworkShape, SHAPES
from offline_training.experiments import compression_table1
from offline_training.experiments.compression import PART, TABLES
from offline_training.experiments.compression_classifiers import classifiers
from offline_training.experiments.compression_paper import TABLE_1, TABLE_2, TABLE_3
from offline_training.experiments.compression_presets import KEYS, PRESETS, read_preset
from offline_training.experiments.compression_table2 import published_sizes
from offline_training.experiments.compression_table3 import detectors
from offline_training.synthetic import generate, SceneConfig
from offline_training.synthetic.writers import WriteOptions, WRITERS

OURS = {
    'epochs': 1, 'fine_tune_epochs': 1, 'learning_rate': 1e-3, 'weight_decay': 1e-4,
    'schedule': 'cosine', 'ema_decay': 0.9, 'augment': True, 'pruned': 0.4, 'temperature': 4,
    'alpha': 0.9, 'student': {},
}  # fmt: skip
TINY = {
    'table1': {
        'images_per_class': 12, 'epochs': 1, 'fine_tune_epochs': 1, 'sweep_epochs': 1,
        'amounts': [0.4], 'temperatures': [2], 'alphas': [0.3, 0.9], 'ours': OURS, 'repeats': 1,
        'precision': 'fp32',
    },
    'table2': {
        'input_size': '160x96', 'sequences': 1, 'amount': 0.2,
        'networks': {
            'dla34': {'name': 'dla34_conv', 'width': 0.0625, 'embedding_dim': 8,
                      'head_channels': 8},
            'yolov5s': {'name': 'yolov5_light', 'width': 0.125, 'embedding_dim': 8,
                        'head_channels': 8},
        },
        'recipe': {
            'sampler': 'epochs', 'augment': {'geometry': 'letterbox'},
            'train': {'steps': 4, 'batch_size': 2, 'warmup_steps': 0, 'precision': 'fp32'},
            'loss': {'reid': 0.0, 'identity_ce': 1.0},
        },
        'speed': {'frames': 2, 'repeats': 1},
    },
    'table3': {
        'side_px': 96, 'teacher_width': 0.1, 'teacher_norm': True, 'student_width': 0.1,
        'teacher': {'epochs': 1, 'batch_size': 4}, 'student': {'epochs': 1, 'batch_size': 4},
        'fine_tune': {'epochs': 1}, 'amount': 0.4, 'images': 5,
    },
}  # fmt: skip


@pytest.fixture(scope='module')
def tiny(tmp_path_factory):
    path = tmp_path_factory.mktemp('preset') / 'tiny.yaml'
    path.write_text(yaml.safe_dump(TINY))
    return path


@pytest.fixture(scope='module')
def sequences(tmp_path_factory):
    """Two rendered ones."""
    folder = tmp_path_factory.mktemp('rendered')
    write, _ = WRITERS['mot']
    for seed in (5, 6):
        scene = SceneConfig(
            size_wh=(160, 96), fps=10.0, duration_s=1.2, seed=seed, light='day',
            n_pedestrians=(8, 8), n_vehicles=(0, 0), n_parked=(0, 0), n_cyclists=(0, 0),
        )  # fmt: skip
        write(generate(scene), folder / f'scene-{seed}', WriteOptions(fps=10.0))
    return folder


def words(table, data, tiny, run, *more):
    return [
        *('experiments', 'compression', '--table', table, '--data', *map(str, data)),
        *('--run', str(run), '--preset', str(tiny), '--threads', '1', *more),
    ]


def page_of(tmp_path, table):
    page, part = tmp_path / 'page.md', PART.format(table)
    page.write_text(f'before\n<!-- {part}: begin -->\nold\n<!-- {part}: end -->\nafter\n')
    return page


def test_table_1_runs_and_goes_on_where_it_was_stopped(tiny, tmp_path, monkeypatch, capsys):
    report, page = tmp_path / 'report.json', page_of(tmp_path, '1')
    calls, stop_at = [], 7
    train = compression_table1.train_classifier

    def counted(*args, **values):
        if len(calls) == stop_at:
            raise KeyboardInterrupt
        calls.append(values['digest'])
        return train(*args, **values)

    monkeypatch.setattr(compression_table1, 'train_classifier', counted)
    # Narrow networks: those of the paper write 26 MB for each of the trainings.
    monkeypatch.setitem(SHAPES, 'base', NetworkShape(pairs=((8, 8), (8, 8)), hidden=16))
    monkeypatch.setitem(SHAPES, 'student', NetworkShape(pairs=((8, 8),), hidden=8))
    command = words('1', ['rendered'], tiny, tmp_path / 'run')
    with pytest.raises(KeyboardInterrupt):
        main(command)
    stop_at = -1
    assert len(list((tmp_path / 'run').rglob('outcome.json'))) == 8
    assert main([*command, '--json', str(report), '--update', str(page)]) == 0
    trained = [c for c in classifiers(TINY['table1']) if not (c.int8 or c.best_of)]
    assert len(calls) == len(set(calls)) == len(trained)  # nothing twice, nothing left out
    content = json.loads(report.read_text())
    assert content['kind'] == 'experiment_compression_table_1' and content['environment']
    rows = {row['name']: row for row in content['rows']}
    assert rows['base']['difference']['test'] == pytest.approx(
        rows['base']['values']['test'][0] - 94.53
    )
    assert rows['one_shot-40']['values']['zeros'][0] == pytest.approx(40, abs=0.1)
    assert rows['one_shot-40']['paper'] == TABLE_1['pruned-40']
    assert rows['int8-without-norm']['paper']['test'] == 85.85
    chosen = content['chosen']['base-kd@317']
    sweep = {
        path.parent.name.partition('@')[0]: json.loads(path.read_text())['val']
        for path in (tmp_path / 'run' / 'table1').glob('base-sweep-*/outcome.json')
    }
    assert len(sweep) == 2
    assert sweep[f'base-sweep-T2-a{chosen["lesson.alpha"]:g}'] == max(sweep.values())
    text = page.read_text()
    assert text.startswith('before') and text.endswith('after\n') and '\nold\n' not in text
    assert '| goal: small network with pruned teacher |' in text and 'no CIFAR' in text
    before = capsys.readouterr()
    assert main([*command, '--plan']) == 0
    plan = capsys.readouterr().out
    assert plan.count(', done') == len(classifiers(TINY['table1'])) and before.out


def test_another_option_is_another_folder(tiny, tmp_path, monkeypatch):
    def study(**values):
        path = tmp_path / 'other.yaml'
        path.write_text(yaml.safe_dump({**TINY, 'table1': {**TINY['table1'], **values}}))
        arguments = Arguments(data=['rendered'], preset=str(path), run=tmp_path / 'run')
        return compression_table1.open_table(arguments).study

    first = study()
    assert study().folder('base@317') == first.folder('base@317')
    longer = study(epochs=2)
    assert longer.folder('base@317') != first.folder('base@317')
    # What is pruned out of the base is another network too, though its own options are the same.
    assert longer.folder('one_shot-40@317') != first.folder('one_shot-40@317')
    assert study(sweep_epochs=3).folder('base@317') == first.folder('base@317')
    fewer = study(images_per_class=10)
    assert fewer.folder('base@317') != first.folder('base@317')


class Arguments:
    """What the command line gives."""

    def __init__(self, **values):
        defaults = {'only': [], 'seeds': 1, 'seed': 317, 'device': 'cpu', 'threads': 1, 'dev': []}
        self.__dict__.update({**defaults, **values})


def test_table_2_trains_scores_and_times_by_our_own_commands(sequences, tiny, tmp_path):
    report = tmp_path / 'report.json'
    data = [sequences / 'scene-5', '--dev', sequences / 'scene-6']
    command = [*words('2', data, tiny, tmp_path / 'run'), '--json', str(report)]
    assert main(command) == 0
    content = json.loads(report.read_text())
    rows = {row['name']: row for row in content['rows']}
    assert rows['yolov5s-pruned']['values']['zeros'][0] == pytest.approx(20, abs=0.5)
    assert rows['yolov5s']['values']['zeros'][0] < 1
    assert all(row['values']['fps'][0] > 0 for row in rows.values())
    assert content['data']['images'] == content['data']['frames'] == 12
    bundles = sorted((tmp_path / 'run' / 'table2').rglob('model.json'))
    states = [path.stat().st_mtime_ns for path in bundles]
    assert len(bundles) == 3
    assert main(command) == 0
    assert [path.stat().st_mtime_ns for path in bundles] == states


def test_sizes_as_published_are_those_of_the_paper():
    by_name = {row.name: row for row in published_sizes()}
    for name, figure in (('dla34', 259.4), ('yolov5s', 68.0), ('yolov5s-bare', 60.0)):
        assert by_name[name].mean('checkpoint_mb') == pytest.approx(figure, abs=0.4)
        assert by_name[name].paper['checkpoint_mb'] == figure


def test_table_3_runs_and_is_not_done_twice(tiny, tmp_path, monkeypatch):
    report = tmp_path / 'report.json'
    command = words('3', ['rendered'], tiny, tmp_path / 'run', '--json', str(report))
    assert main(command) == 0
    content = json.loads(report.read_text())
    rows = {row['name']: row for row in content['rows']}
    assert list(rows) == [one.name for one in detectors(TINY['table3'])]
    for name in ('teacher-pruned', 'teacher-iterative'):
        assert rows[name]['values']['zeros'][0] == pytest.approx(40, abs=0.1)
    assert rows['student-kd']['paper'] == TABLE_3['student-kd']
    assert content['images']['origin'] == 'rendered shapes'

    def refuse(*args, **values):
        raise AssertionError('trained again')

    from offline_training.experiments import compression_table3

    monkeypatch.setattr(compression_table3, 'train_detector', refuse)
    first = report.read_text()
    assert main(command) == 0
    assert json.loads(report.read_text())['rows'] == json.loads(first)['rows']


@pytest.mark.parametrize('table', sorted(TABLES))
@pytest.mark.parametrize('name', sorted(PRESETS))
def test_presets_have_every_key_and_options_that_are_known(table, name):
    from mot_compress_ros.options import from_mapping
    from offline_training.classification.training import ClassifierOptions
    from offline_training.ssd.training import DetectorOptions

    preset = read_preset(name, f'table{table}')
    assert set(preset) == KEYS[f'table{table}']
    if table == '1':
        for one in classifiers(preset):
            from_mapping(ClassifierOptions, one.options)
    if table == '3':
        for one in detectors(preset):
            from_mapping(DetectorOptions, one.options)


def test_the_recipes_of_table_2_are_those_that_train_takes(sequences, tmp_path):
    from offline_training.experiments.compression_sequences import write_recipe
    from offline_training.experiments.compression_table2 import LABELS, TableTwo
    from offline_training.recipes import read_recipe

    for preset in PRESETS:
        table = TableTwo(Arguments(data=[sequences], preset=preset, run=tmp_path))
        for name in LABELS:
            write_recipe(tmp_path / 'r.yaml', table.options(name, 3), sources=[{'path': 'train'}])
            config = read_recipe(tmp_path / 'r.yaml').config
            assert config.train.seed == 3 and config.architecture.n_class == 1
            assert config.sparsity.schedule == ('repeated' if 'pruned' in name else 'off')


def test_the_full_preset_has_the_widths_of_the_paper():
    networks = read_preset('full', 'table2')['networks']
    assert networks['dla34']['name'] == 'dla34_dcn' and networks['yolov5s']['width'] == 0.5
    assert read_preset('full', 'table1')['amounts'] == [0.1, 0.2, 0.4, 0.45, 0.6]
    assert read_preset('full', 'table1')['epochs'] == 50


@pytest.mark.parametrize(
    ('more', 'said'),
    [
        (['--seeds', '0'], '--seeds 0: expected 1 or more'),
        (['--preset', 'nothing'], 'no preset and no YAML file'),
    ],
)
def test_options_that_cannot_be_used_are_refused(tiny, tmp_path, capsys, more, said):
    assert main([*words('1', ['rendered'], tiny, tmp_path), *more]) != 0
    assert said in capsys.readouterr().err


def test_a_preset_with_a_key_too_many_is_refused(tmp_path):
    path = tmp_path / 'odd.yaml'
    path.write_text(yaml.safe_dump({'table1': {**TINY['table1'], 'rounds': 1}}))
    with pytest.raises(InputError, match='unknown: rounds'):
        read_preset(str(path), 'table1')


def test_one_set_is_wanted(tiny, tmp_path):
    with pytest.raises(InvalidOptionError, match='expected one --data'):
        compression_table1.open_table(
            Arguments(data=['rendered', 'rendered'], preset=str(tiny), run=tmp_path)
        )


def test_only_some_rows_are_made_with_all_that_they_need(tmp_path, tiny):
    values = {'data': ['rendered'], 'preset': str(tiny), 'run': tmp_path}
    study = compression_table1.open_table(Arguments(only=['ours-int8'], **values)).study
    wanted = ['ours-base', 'ours-pruned', 'ours-pruned-kd', 'ours-int8']
    assert list(study.steps) == [f'{name}@317' for name in wanted]
    whole = compression_table1.open_table(Arguments(**values)).study
    assert all(whole.folder(name) == study.folder(name) for name in study.steps)
    with pytest.raises(InvalidOptionError, match='--only nothing: legal: base, student'):
        compression_table1.open_table(Arguments(only=['nothing'], **values))


def test_the_figures_of_the_paper_are_whole():
    assert len(TABLE_1) == 7 and len(TABLE_2) == 3 and len(TABLE_3) == 5
    assert TABLE_1['pruned-kd']['test'] == 93.3 and TABLE_1['base']['seconds'] == 1.15
    gain = TABLE_1['pruned-kd']['test'] - TABLE_1['student']['test']
    claim = next(c for c in compression_table1.CLAIMS if c.text == 'pruned + KD over student')
    assert claim.paper == pytest.approx(gain)
    for claim in compression_table1.CLAIMS:
        if claim.paper is not None:
            first, second = (
                TABLE_1[name.replace('one_shot', 'pruned')]['test']
                for name in (claim.better, claim.worse)
            )
            assert claim.paper == pytest.approx(first - second), claim.text


def test_seeds_give_a_mean_and_a_spread():
    from offline_training.experiments.compression_tables import cell, Column, Row

    row = Row(name='x', label='x', values={'test': [90.0, 92.0]}, paper={'test': 94.53, 'b': 2.0})
    assert cell(row, Column(key='test', title='')) == '91.00 ± 1.41 (94.53: -3.53)'
    assert cell(row, Column(key='b', title='')) == '— (2)'
    assert cell(row, Column(key='c', title='')) == '—'
    assert np.isclose(row.to_json()['difference']['test'], -3.53)
