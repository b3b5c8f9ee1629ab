"""Parameters: what is legal, what is refused, the generated table, the shipped files."""

from pathlib import Path

import pytest
import yaml

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.options import to_mapping
from mot_compress_ros.pipeline import PipelineConfig
from mot_compress_ros.ros.parameters import (
    build_options,
    main,
    markdown_table,
    NodeOptions,
    parameter_options,
    refusal,
    updated,
)

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / 'docs' / 'node.md'
DEFAULTS = {name: info.default for name, info in parameter_options().items()}


def test_defaults_build_the_default_options():
    assert build_options(DEFAULTS) == (NodeOptions(), PipelineConfig())
    assert build_options({}) == (NodeOptions(), PipelineConfig())


def test_values_reach_the_node_and_the_nested_stages():
    options, config = build_options(
        {'cameras': ['front', 'left/wide'], 'keyframe.interval': 3, 'decode.min_score': 0.6}
    )
    assert options.cameras == ('front', 'left/wide')
    assert config.keyframe.interval == 3
    assert config.decode.min_score == 0.6


def test_every_parameter_has_a_description():
    assert [info.name for info in parameter_options().values() if not info.description] == []


@pytest.mark.parametrize(
    'cameras', [[], [''], ['/front'], ['front/'], ['a', 'a'], ['1st'], ['a b'], ['a//b'], ['ä']]
)
def test_camera_names_that_make_no_topic_are_refused(cameras):
    with pytest.raises(InvalidOptionError, match='cameras'):
        build_options({'cameras': cameras})


@pytest.mark.parametrize(
    ('change', 'reason'),
    [
        ({'stale_after_s': -1.0}, 'legal range'),
        ({'stale_after_s': float('nan')}, 'legal range'),
        ({'stale_after_s': 'soon'}, 'expected float'),
        ({'model': None}, 'expected str'),
        ({'image_transport': 'theora'}, 'legal: raw, compressed'),
        ({'cameras': []}, 'one or more'),
        ({'decode.min_score': 2.0}, 'legal range 0.0 to 1.0'),
    ],
)
@pytest.mark.parametrize('is_configured', [False, True])
def test_illegal_values_are_refused_with_the_reason(change, reason, is_configured):
    said = refusal(change, current=DEFAULTS, is_configured=is_configured)
    if is_configured and parameter_options()[next(iter(change))].read_only:
        reason = 'read when the node is configured'
    assert reason in said


def test_a_legal_change_is_taken_live_or_before_configure():
    live, fixed = {'decode.min_score': 0.5}, {'model': 'other'}
    assert refusal(live, current=DEFAULTS, is_configured=True) == ''
    assert refusal(fixed, current=DEFAULTS, is_configured=False) == ''
    assert 'model: read when' in refusal({**live, **fixed}, current=DEFAULTS, is_configured=True)


def test_the_options_of_keyframes_that_change_while_running():
    live = {
        name
        for name, info in parameter_options().items()
        if name.startswith('keyframe.') and not info.read_only
    }
    assert {'keyframe.mode', 'keyframe.interval', 'keyframe.update'} <= live
    # Read where the worker is made, or by a teacher that is there already.
    made_once = ('teacher_ms', 'worker', 'teacher_cores', 'timeout_s', 'retry_s')
    assert not live & {f'keyframe.{name}' for name in made_once}
    changes = {name: DEFAULTS[name] for name in live}
    assert refusal(changes, current=DEFAULTS, is_configured=True) == ''
    changes['keyframe.mode'] = 'often'
    assert 'legal: fixed' in refusal(changes, current=DEFAULTS, is_configured=True)


def test_parameters_of_others_pass():
    assert refusal({'use_sim_time': True}, current=DEFAULTS, is_configured=True) == ''


def test_the_table_in_the_reference_is_up_to_date():
    document = REFERENCE.read_text('utf-8')
    assert updated(document) == document, (
        'run: python -m mot_compress_ros.ros.parameters --update docs/node.md'
    )


def test_the_table_names_every_parameter_once(capsys):
    assert main(['--markdown']) == 0
    rows = capsys.readouterr().out.splitlines()[2:]
    assert [row.split('`')[1] for row in rows] == list(parameter_options())
    assert {row.replace('\\|', '').count('|') for row in rows} == {7}


def test_update_replaces_what_stands_between_the_markers(tmp_path):
    document = tmp_path / 'node.md'
    document.write_text(
        'a\n<!-- parameter table: begin -->\nstale rows\n<!-- parameter table: end -->\nz\n',
        'utf-8',
    )
    assert main(['--update', str(document)]) == 0
    text = document.read_text('utf-8')
    assert markdown_table() in text
    assert 'stale rows' not in text
    assert text.startswith('a\n')
    assert text.endswith('\nz\n')
    with pytest.raises(InvalidOptionError, match='expected the lines'):
        updated('no markers')


@pytest.mark.parametrize(
    'path', sorted((ROOT / 'config' / 'vehicle').glob('*.yaml')), ids=lambda path: path.name
)
def test_every_shipped_parameter_file_loads(path):
    content = yaml.safe_load(path.read_text('utf-8'))
    assert list(content) == ['/**']
    values = content['/**']['ros__parameters']
    values.pop('use_sim_time', None)
    flat = {}
    for key, value in values.items():
        entries = value.items() if isinstance(value, dict) else [('', value)]
        flat.update({f'{key}.{name}'.rstrip('.'): entry for name, entry in entries})
    options, config = build_options({k: v for k, v in flat.items() if 'qos_overrides' not in k})
    for name, value in flat.items():
        if 'qos_overrides' in name:
            continue
        read = {**to_mapping(options), **to_mapping(config)}[name]
        assert read == (tuple(value) if isinstance(value, list) else value)
