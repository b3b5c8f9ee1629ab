"""`compress`: commands in order, each done once, judged and timed; the last bundle ships."""

import json
from pathlib import Path
import shutil
import textwrap

import pytest
import yaml

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.inference import load_bundle
from offline_training.__main__ import main
from offline_training.compression.recipe import read_compress_recipe
from offline_training.compression.report import tables
from offline_training.compression.steps import as_words, Call, COMMANDS

GOOD = """
    model: student
    teacher: teacher
    steps:
      - {name: relu, command: train, with: {recipe: a.yaml, set: {train.steps: 5}}}
      - name: int8
        command: quantize
        with: {calibration: [$DATA/a, $DATA/b]}
        runtime: {backend: openvino, precision: int8}
"""


def read(folder, text, *, data=Path('sets')):
    path = folder / 'recipe.yaml'
    path.write_text(textwrap.dedent(text))
    return read_compress_recipe(path, data=data, commands=tuple(COMMANDS))


def call(folder, **options):
    return Call(before=Path('a'), after=folder / 'b', folder=folder, options=options, teacher='t')


def test_a_recipe_is_read_with_its_data(tmp_path):
    recipe = read(tmp_path, GOOD)
    assert [step.name for step in recipe.steps] == ['relu', 'int8']
    assert recipe.steps[1].options == {'calibration': ['sets/a', 'sets/b']}
    assert recipe.steps[1].runtime == {'backend': 'openvino', 'precision': 'int8'}
    assert recipe.speed == {}, 'nothing is timed that nobody asked for'


@pytest.mark.parametrize(
    ('old', 'new', 'words'),
    [
        ('model: student', 'modle: student', 'the recipe: modle: unknown; legal: model'),
        ('model: student', 'model: 3', 'model: expected a text, got 3'),
        ('command: train', 'command: tarin', 'relu: command: expected one of train, prune'),
        ('name: int8', 'name: relu', 'the name relu is there twice'),
        ('name: int8', 'name: start', 'the name start is there twice'),
        ('name: int8', 'name: Int 8', 'small letters'),
        ('precision: int8', 'precision: int3', 'precision'),
        ('runtime:', 'runtimes:', 'a step: runtimes: unknown'),
        ('calibration: [', 'calibration: [', None),
    ],
)
def test_mistakes_are_named_before_anything_is_done(tmp_path, old, new, words):
    text = GOOD.replace(old, new)
    if words is None:
        with pytest.raises(InvalidOptionError, match='folder of the data sets with --data'):
            read(tmp_path, text, data=None)
        return
    with pytest.raises(InvalidOptionError, match=words):
        read(tmp_path, text)


def test_options_become_words():
    options = {
        'max_drop': 0.01,
        'set': {'a.b': 1, 'c': 'x'},
        'calibration': ['p', 'q'],
        'recalibrate': True,
        'off': False,
        'none': None,
        'empty': [],
    }
    assert as_words(options) == [
        *('--max-drop', '0.01', '--set', 'a.b=1', '--set', 'c=x', '--calibration', 'p', 'q'),
        '--recalibrate',
    ]


def test_every_command_has_words_that_it_understands(tmp_path, write_tiny_bundle):
    """Parsed by the command's own parser, so that a renamed option is found here."""
    from offline_training.__main__ import build_parser

    given = {
        'train': {'recipe': 'r.yaml', 'set': {'train.steps': 1}},
        'prune': {'target': 'macs=0.5'},
        'quantize': {'calibration': ['c'], 'method': 'qat'},
        'calibrate': {'like': 'other', 'data': ['sets/a']},
        'export': {'engines': ['onnx']},
        'verify': {'images': 2},
    }
    assert given.keys() == COMMANDS.keys()
    before = write_tiny_bundle(tmp_path / 'before')
    for name, options in given.items():
        folder = tmp_path / name
        one = Call(
            before=before, after=folder / 'after', folder=folder, options=options, teacher='t',
            data=Path('sets'), input_size='96x64', threads=1,
        )  # fmt: skip
        args = build_parser().parse_args(COMMANDS[name](one))
        assert args.command == name
        if hasattr(args, 'teacher'):
            assert args.teacher == 't'


@pytest.fixture
def labelled_clip(tmp_path, painted_sequence):
    """The painted clip with the boxes of its pedestrian and its car."""
    folder = tmp_path / 'clip' / 'painted'
    shutil.copytree(painted_sequence, folder)
    (folder / 'gt').mkdir()
    rows = []
    for index in range(len(list((folder / 'img1').iterdir()))):
        rows.append(f'{index + 1},1,{11 + 8 * index},121,48,32,1,3,1')
        rows.append(f'{index + 1},2,{281 - 4 * index},41,16,48,1,1,1')
    (folder / 'gt' / 'gt.txt').write_text('\n'.join(rows) + '\n')
    return folder


@pytest.fixture
def recipe_of(tmp_path, write_tiny_bundle, labelled_clip):
    """Writes a recipe that halves a tiny network and makes a graph of it."""
    model = write_tiny_bundle(tmp_path / 'tiny')

    def write(target='parameters=0.6'):
        content = {
            'model': str(model),
            'steps': [
                {'name': 'narrow', 'command': 'prune', 'with': {'target': target}},
                {
                    'name': 'graphs',
                    'command': 'export',
                    'with': {'engines': ['openvino'], 'precision': ['fp32']},
                    'runtime': {'backend': 'openvino', 'precision': 'fp32'},
                },
                {'name': 'checked', 'command': 'verify'},
            ],
            'scores': {'data': [str(labelled_clip)]},
            'speed': {'size': '96x64', 'frames': 3, 'repeats': 1},
        }
        path = tmp_path / 'recipe.yaml'
        path.write_text(yaml.safe_dump(content))
        return path

    return write


def compress(recipe, folder):
    page = folder / 'page.md'
    page.write_text('<!-- compress small: begin -->\n<!-- compress small: end -->\n')
    words = ['--output', str(folder / 'small'), '--run', str(folder / 'run'), '--threads', '1']
    words += ['--update', str(page)]
    assert main(['compress', str(recipe), *words, '--json', str(folder / 'report.json')]) == 0
    return json.loads((folder / 'report.json').read_text())['steps']


def done_at(folder):
    return {p.parent.name: p.stat().st_mtime_ns for p in folder.glob('run/*/outcome.json')}


def test_a_recipe_from_end_to_end_and_again(tmp_path, recipe_of):
    steps = compress(recipe_of(), tmp_path)
    assert [step['step'] for step in steps] == ['start', 'narrow', 'graphs', 'checked']
    assert steps[1]['parameters'] <= 0.6 * steps[0]['parameters']
    assert steps[1]['macs'] < steps[0]['macs']
    assert set(steps[0]['bytes']) == {'weights'}
    assert set(steps[2]['bytes']) == {'weights', 'openvino fp32'}
    assert [step['time']['runtime'].split()[0] for step in steps] == [
        *('torch_eager', 'torch_eager', 'openvino', 'openvino')
    ]
    assert steps[2]['runtime'].startswith('openvino')
    for step in steps:
        assert set(step['scores']['real']) == {'hota', 'mota', 'idf1', 'ap50'}
        assert step['time']['stages']['total']['p99_ms'] > 0
    assert steps[1]['scores'] == steps[3]['scores'] or steps[2]['scores'] == steps[3]['scores']
    shipped = load_bundle(tmp_path / 'small').manifest
    assert shipped.name == 'small'
    assert len(shipped.graphs) == 1
    text = (tmp_path / 'run' / 'report.md').read_text()
    assert '| narrow' in text and '| frames/s' in text
    assert '| narrow' in (tmp_path / 'page.md').read_text()

    before = done_at(tmp_path)
    compress(recipe_of(), tmp_path)
    assert done_at(tmp_path) == before, 'nothing is done twice'
    compress(recipe_of('parameters=0.7'), tmp_path)
    after = done_at(tmp_path)
    assert before.items() < after.items()
    assert not any(name.startswith('start') for name in after.keys() - before.keys())


def test_a_step_that_fails_is_named_and_nothing_ships(tmp_path, recipe_of, capsys):
    recipe = recipe_of('parameters=nonsense')
    words = ['--output', str(tmp_path / 'small'), '--run', str(tmp_path / 'run')]
    assert main(['compress', str(recipe), *words]) == 2
    assert 'prune ended with 2' in capsys.readouterr().err
    assert not (tmp_path / 'small').exists()


def test_tables_say_what_each_step_changed():
    rows = [
        {'step': 'start', 'did': '', 'macs': 4e9, 'parameters': 2e6, 'bytes': {'weights': 4e6},
         'scores': {'real': {'mota': 0.5}}},
        {'step': 'narrow', 'did': 'prune', 'macs': 3e9, 'parameters': 2e6,
         'bytes': {'weights': 4e6, 'openvino int8': 1e6}, 'scores': {'real': {'mota': 0.485}}},
    ]  # fmt: skip
    text = tables(rows)
    assert '3.00 (-1.00)' in text
    assert '48.5 (-1.5)' in text
    assert text.count('2.000') == 2, 'what did not change has no brackets'
