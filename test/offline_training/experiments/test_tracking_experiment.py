"""Presets beside each other: options, kept results, tables and the command."""

from dataclasses import replace
import json
import pickle

import numpy as np
import pytest

from mot_compress_ros.errors import InputError, InvalidOptionError
from mot_compress_ros.tracking import PRESETS, TrackerConfig
from offline_training.__main__ import main
from offline_training.evaluation.tracking_scores import TrackingScores
from offline_training.experiments import tracking_results
from offline_training.experiments.tracking import PART
from offline_training.experiments.tracking_ablation import ablation_table
from offline_training.experiments.tracking_cases import DROPPED, FULL, load_cases
from offline_training.experiments.tracking_code import content_hash
from offline_training.experiments.tracking_presets import preset_configs
from offline_training.experiments.tracking_results import (
    _sources,
    code_version,
    GroupJob,
    PresetRow,
    score_group,
    score_presets,
)
from offline_training.experiments.tracking_scoring import PooledRow
from offline_training.experiments.tracking_tables import all_tables, grid_of, verdict
from offline_training.marked_page import between_markers

BEGIN, END = f'<!-- {PART}: begin -->', f'<!-- {PART}: end -->'

N_FRAMES = 12


@pytest.fixture
def data(tmp_path):
    """Two KITTI sequences of a car that drives to the right."""
    folder = tmp_path / 'data' / 'kitti_tracking' / 'label_02'
    folder.mkdir(parents=True)
    for name, speed in (('0000', 5), ('0001', 8)):
        rows = [
            f'{k} 1 Car 0 0 0 {10 + speed * k} 100 {90 + speed * k} 160 0 0 0 0 0 0 0\n'
            for k in range(N_FRAMES)
        ]
        (folder / f'{name}.txt').write_text(''.join(rows))
    return tmp_path / 'data'


def test_presets_run_at_the_operating_point_of_the_detectors():
    configs = preset_configs()
    assert list(configs) == list(PRESETS)
    assert configs['vehicle'] == PRESETS['vehicle'].DEFAULTS
    for name in ('byte', 'ocsort', 'botsort'):
        assert (configs[name].high_score, configs[name].new_track_score) == (0.3, 0.4)
    published = preset_configs(published_scores=True)
    assert published == {name: TrackerConfig.of(name) for name in PRESETS}


def test_settings_of_all_presets_and_of_one():
    configs = preset_configs(
        ['byte', 'sort'], settings=['lost_buffer_s=2', 'byte.new_track_score=0.55']
    )
    assert configs['byte'].lost_buffer_s == configs['sort'].lost_buffer_s == 2.0
    assert configs['byte'].new_track_score == 0.55
    assert configs['sort'].new_track_score == 0.2
    with pytest.raises(InputError, match='preset nosort; legal: vehicle'):
        preset_configs(['nosort'])
    for setting, message in (
        ('lost_buffer_s', 'NAME=VALUE'),
        ('nosort.min_score=0.1', 'legal: vehicle'),
        ('no_option=1', 'no_option'),
        ('lost_buffer_s=soon', 'expected float'),
    ):
        with pytest.raises(InvalidOptionError, match=message):
            preset_configs(['byte'], settings=[setting])


def test_ours_is_changed_in_one_thing_at_a_time(monkeypatch):
    parts = {'short memory': {'lost_buffer_s': 0.1}, 'no weak ones': {'min_score': 0.4}}
    module = 'mot_compress_ros.tracking.presets.vehicle.CHANGES'
    monkeypatch.setattr(module, parts, raising=False)
    configs = preset_configs(['vehicle', 'sort'], ablate=True)
    assert list(configs) == [
        'vehicle',
        'vehicle, short memory',
        'vehicle, no weak ones',
        'sort',
    ]
    ours = configs['vehicle']
    assert configs['vehicle, short memory'] == replace(ours, lost_buffer_s=0.1)
    assert configs['vehicle, no weak ones'] == replace(ours, min_score=0.4)
    monkeypatch.setattr(module, {}, raising=False)
    with pytest.raises(InputError, match='nothing to measure'):
        preset_configs(['vehicle'], ablate=True)


def test_results_are_kept_until_something_changes(data, tmp_path, monkeypatch):
    calls = []

    def counted(case, config):
        calls.append((case.name, config.preset))
        return real(case, config)

    real = tracking_results.score_case
    monkeypatch.setattr(tracking_results, 'score_case', counted)
    cases = load_cases(data, ['kitti/oracle'], rates=[FULL, '5'])
    configs = preset_configs(['fairmot', 'sort'])
    store = tmp_path / 'store'
    first = score_presets(cases, configs, store=store)
    assert len(calls) == 2 * 2 * 2  # sequences, rates, presets
    again = score_presets(
        load_cases(data, ['kitti/oracle'], rates=[FULL, '5']), configs, store=store
    )
    assert len(calls) == 8
    assert [replace(r.row, ms=0) for r in again] == [replace(r.row, ms=0) for r in first]
    assert [r.row.ms for r in again] == pytest.approx([r.row.ms for r in first], abs=1e-3)

    changed = preset_configs(['fairmot', 'sort'], settings=['fairmot.lost_buffer_s=3'])
    score_presets(cases, changed, store=store)
    assert calls[8:] == [(name, 'fairmot') for _ in range(2) for name in ('0000', '0001')]
    next(store.iterdir()).write_text('{"cases": [')  # cut short
    score_presets(cases, changed, store=store)
    score_presets(cases, configs, store=store)
    assert len(calls) == 14
    monkeypatch.setattr(tracking_results, 'code_version', lambda preset: f'another {preset}')
    score_presets(cases, configs, store=store)
    assert len(calls) == 22


def test_code_of_a_preset_is_its_own_and_what_it_builds_on():
    names = {p: {m.__name__.rpartition('.')[2] for m in _sources(PRESETS[p])} for p in PRESETS}
    assert names['sort'] == {'sort'}
    assert names['botsort'] == {'botsort', 'byte'}
    assert len({code_version(preset) for preset in PRESETS}) == len(PRESETS)


def test_what_differs_has_another_hash(data):
    (case, _), (again, _) = (load_cases(data, ['kitti/oracle']) for _ in range(2))
    truth = case.judge.frames
    moved = replace(truth[3], boxes_xyxy_px=truth[3].boxes_xyxy_px + 1)
    other = replace(case.judge, frames=(*truth[:3], moved, *truth[4:]))
    assert content_hash(case) == content_hash(again)
    hashes = {content_hash(c) for c in (case, replace(case, judge=other), replace(case, fps=9.0))}
    assert len(hashes) == 3
    values = ([1, 2], [12], [[1], 2], np.array([1, 2]), np.array([1.0, 2.0]), np.array([[1, 2]]))
    assert len({content_hash(value) for value in values}) == len(values)


def test_a_job_can_be_sent_to_another_process(data):
    cases = load_cases(data, ['kitti/oracle'], rates=['5'])
    job = GroupJob(cases=cases, config=TrackerConfig.of('fairmot'))
    here, there = score_group(job), score_group(pickle.loads(pickle.dumps(job)))
    for a, b in zip(here, there, strict=True):
        assert a.to_json()['raw'] == b.to_json()['raw']
        assert len(a.update_ms) == len(b.update_ms) == N_FRAMES // 2


def pooled(group, preset, hota, *, rate=FULL, fps=10.0, id_switches=0, ms=1.0):
    zeros = dict.fromkeys(TrackingScores.__dataclass_fields__, 0)
    scores = TrackingScores(
        **{**zeros, 'hota': hota, 'mota': hota, 'idf1': hota, 'id_switches': id_switches}
    )
    row = PooledRow(group=group, rate=rate, fps=(fps, fps), scores=scores, ms=ms, frames=9)
    return PresetRow(preset=preset, row=row)


def test_tables_mark_the_best_and_the_distance_of_ours():
    rows = [
        pooled('near', 'vehicle', 0.700, id_switches=3, ms=2.0),
        pooled('near', 'sort', 0.702, id_switches=5, ms=0.5),
        pooled('near', 'vehicle', 0.600, rate='5', fps=5.0),
        pooled('near', 'sort', 0.500, rate='5', fps=5.0),
        pooled('far', 'vehicle', 0.500),
        pooled('far', 'sort', 0.550),
        pooled('far', 'vehicle', 0.450, rate=DROPPED, fps=7.96),
        pooled('far', 'sort', 0.440, rate=DROPPED, fps=7.96),
    ]
    text = all_tables(rows)
    cells = [[c.strip() for c in line.split('|')[1:-1]] for line in text.splitlines()]
    assert ['near', '10', '70.0', '**70.2**', '-0.2'] in cells
    assert ['near', '5', '**60.0**', '50.0', '+10.0'] in cells
    assert ['near', '2', '**65.0**', '60.1', '+4.9'] in cells  # the mean of both rates
    assert ['far', '8', '**45.0**', '44.0', '+1.0'] in cells
    assert ['near', 'vehicle', '70.0', '70.0', '70.0', '**3**', '2.00'] in cells
    assert ['', 'sort', '**70.2**', '**70.2**', '**70.2**', '5', '**0.50**'] in cells
    # Over both rates: means, and the sum of the switches.
    assert ['near', 'vehicle', '**65.0**', '**65.0**', '**65.0**', '**3**', '1.50'] in cells
    assert ['', 'sort', '60.1', '60.1', '60.1', '5', '**0.75**'] in cells
    # 0.2 behind is near enough, 5.0 is not.
    assert 'In 3 of 4 rows `vehicle` is the best or at most 0.3 HOTA behind.' in text
    assert '- far, 10 FPS: `sort` leads by 5.0' in text
    assert 'near, 10 FPS: `sort`' not in text


def test_what_a_change_is_worth_is_the_mean_over_high_and_over_low_rates():
    rows = [
        pooled('a', 'vehicle', 0.7, fps=30.0, id_switches=3),
        pooled('b', 'vehicle', 0.5, fps=15.0, id_switches=1),
        pooled('a', 'vehicle', 0.4, rate='5', fps=5.0),
        pooled('a', 'vehicle, no shape', 0.6, fps=30.0, id_switches=9),
        pooled('b', 'vehicle, no shape', 0.53, fps=15.0, id_switches=0),
        pooled('a', 'vehicle, no shape', 0.45, rate='5', fps=5.0, id_switches=1),
        pooled('a', 'sort', 0.1, fps=30.0),
    ]
    text = ablation_table(rows)
    assert 'over 2 rows above and 1 rows up to 10 FPS' in text
    cells = [[c.strip() for c in line.split('|')[1:-1]] for line in text.splitlines()]
    high, low = ['-3.50'] * 3 + ['+5'], ['+5.00'] * 3 + ['+1']
    assert cells[-1] == ['no shape', *high, *low]
    assert len([line for line in cells if line]) == 3
    # The other tables are about presets alone.
    tables = all_tables(rows)
    assert tables.count('no shape') == 1
    assert text in tables
    assert ablation_table([row for row in rows if ',' not in row.preset]) == ''


def test_without_ours_there_is_no_verdict():
    rows = [pooled('near', 'sort', 0.7), pooled('near', 'byte', 0.6)]
    assert verdict(grid_of(rows)) == ''
    assert 'vehicle' not in all_tables(rows)
    alone = [pooled('near', 'vehicle', 0.7)]
    assert 'minus' not in all_tables(alone)


def test_only_what_is_between_the_markers_is_written():
    page = f'# Head\n\n{BEGIN}\nold\n{END}\n\ntail\n'
    new = between_markers(page, PART, 'new')
    assert new == f'# Head\n\n{BEGIN}\n\nnew\n\n{END}\n\ntail\n'
    assert between_markers(new, PART, 'newer') == new.replace('new', 'newer')
    for broken in ('# Head\n', f'{BEGIN}\n', f'{END}\n{BEGIN}\n'):
        with pytest.raises(InputError, match='needs the lines'):
            between_markers(broken, PART, 'new')


def test_the_command_prints_writes_and_updates(data, tmp_path, capsys):
    page = tmp_path / 'tracking.md'
    page.write_text(f'# Tracking\n\n{BEGIN}\n{END}\n')
    words = [
        *('experiments', 'tracking', '--data', str(data), '--output', str(tmp_path / 'kept')),
        *('--kinds', 'kitti/oracle', '--presets', 'vehicle', 'sort', '--rates', 'full', '5'),
        *('--json', str(tmp_path / 'out.json'), '--update', str(page)),
    ]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert '| KITTI, oracle boxes, car' in printed
    report = json.loads((tmp_path / 'out.json').read_text())
    assert report['kind'] == 'experiment_tracking'
    assert set(report['presets']) == {'vehicle', 'sort'}
    assert {(r['preset'], r['row']['rate']) for r in report['rows']} == {
        (preset, rate) for preset in ('vehicle', 'sort') for rate in ('full', '5')
    }
    text = page.read_text()
    assert text.startswith('# Tracking\n')
    assert 'Made by `python -m offline_training' in text
    assert '### HOTA on the frame-rate ladder' in text
    page.write_text('# Tracking\n')
    assert main(words) == 2
    assert 'needs the lines' in capsys.readouterr().err
