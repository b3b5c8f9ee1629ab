"""The page of results from JSON files of every kind, new and old."""

import argparse
import copy
import json
from pathlib import Path

import numpy as np
import pytest

from mot_compress_ros.errors import InputError
from mot_compress_ros.inference.backends.scripted import write_scripted_bundle
from offline_training.commands import evaluate, score, sizes, stream_evaluate
from offline_training.datasets.mot_writing import GroundTruthRow, SequenceWriter
from offline_training.evaluation.results_page import results_page
from offline_training.evaluation.results_sections import SECTIONS
from offline_training.experiments.comparison import compare, read_scores

SIZE_WH = (160, 96)
N = 4


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> Path:
    """Two short sequences of grey images with one labelled vehicle, in JPEG."""
    root = tmp_path_factory.mktemp('data')
    for name in ('first', 'second'):
        writer = SequenceWriter(root / name, fps=10)
        for _ in range(N):
            writer.add_image(np.full((SIZE_WH[1], SIZE_WH[0], 3), 90, np.uint8))
        box = np.array([20.0, 20, 60, 60])
        writer.finish(
            GroundTruthRow(frame_index=t, track_id=1, xyxy_px=box, class_id=2) for t in range(N)
        )
    return root


@pytest.fixture(scope='module')
def model(tmp_path_factory) -> Path:
    return write_scripted_bundle(tmp_path_factory.mktemp('m') / 'fake', input_size_wh=SIZE_WH)


def parsed(command: object, *given: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args([str(v) for v in given])


def through_json(report: object) -> dict:
    return json.loads(json.dumps(report))


@pytest.fixture(scope='module')
def evaluation(data, model) -> dict:
    args = parsed(evaluate, '--model', model, '--data', data, '--resamples', '10')
    return through_json(evaluate.evaluate(args))


@pytest.fixture(scope='module')
def reports(data, model, evaluation, tmp_path_factory) -> dict[str, dict]:
    """One report of each kind that is made without a benchmark."""
    results = tmp_path_factory.mktemp('ours') / 'tracker'
    for name in ('first', 'second'):
        results.mkdir(exist_ok=True)
        (results / f'{name}.txt').write_text('1,1,20,20,40,40,0.9,3,-1,-1\n')
    judged = score.score(parsed(score, '--truth', data, '--results', results, '--resamples', '10'))
    given = ('--model', model, '--data', data, '--latency', '20', '--speed-factor', '1')
    streamed = stream_evaluate.stream_evaluate(parsed(stream_evaluate, *given))
    out = results / 'sizes.json'
    sizes.run(parsed(sizes, 'light_small', '--json', out))
    made = {'evaluation': evaluation, 'score': judged, 'streaming': streamed}
    made['experiment_recipe'] = experiment(evaluation)
    return {**through_json(made), 'sizes': json.loads(out.read_text())}


def experiment(evaluation: dict) -> dict:
    """Two variants that scored alike, as `experiments recipe` writes them."""
    rows = compare({name: {0: read_scores(evaluation)} for name in ('fairmot', 'giou')})
    return {
        'kind': 'experiment_recipe',
        'command': 'python -m offline_training experiments recipe --preset small',
        'environment': evaluation['environment'],
        'preset': 'small',
        'settings': {'steps': '10'},
        'seeds': [0],
        'rows': [row.to_json() for row in rows],
        'variants': {row.name: {'what': 'a loss', 'settings': {}} for row in rows},
    }


def cells(page: str, row: str) -> list[str]:
    line = next(line for line in page.splitlines() if line.startswith(f'| {row} '))
    return [cell.strip() for cell in line.strip('|').split('|')]


def header(page: str, title: str) -> list[str]:
    return cells(page, title)


def test_every_kind_has_a_section_with_its_command(reports):
    assert set(reports) | {'benchmark pipeline'} <= set(SECTIONS)
    for kind, report in reports.items():
        page = results_page([report])
        assert f'`{report["command"]}`' in page, kind
        assert report['environment']['cpu'] in page
        assert page.count('\n## ') == 1
        assert page.endswith('\n')
    assert results_page(list(reports.values())).count('\n## ') == len(reports)


def test_numbers_of_an_evaluation(evaluation):
    page = results_page([evaluation])
    columns = header(page, 'tracking')
    assert columns[6:11] == ['MT', 'PT', 'ML', 'IDSW', 'Frag']
    row = dict(zip(columns, cells(page, 'real together, all'), strict=True))
    assert (row['FN'], row['ML'], row['PT'], row['HOTA']) == (str(2 * N), '2', '0', '0.0')
    assert cells(page, 'real together, vehicle')[0] == 'real together, vehicle'
    assert 'percentile bootstrap over sequences, 95%, 10 resamples' in page
    assert '| interval of 95 %' in page
    assert '0.0 to 0.0' in page
    assert 'AP medium' in page
    assert 'AP small' not in page  # no labelled object is small


def test_scores_of_results(reports):
    page = results_page([reports['score']])
    assert '## Scores of tracker by the rules of product' in page
    row = dict(zip(header(page, 'tracking'), cells(page, 'first, vehicle'), strict=True))
    assert (row['FN'], row['MT'], row['PT']) == (str(N - 1), '0', '1')
    assert 'AP is computed' not in page


def older(report: dict) -> dict:
    """The report as the first version wrote it."""
    old = copy.deepcopy(report)
    for key in ('protocol', 'bootstrap', 'sizes', 'combined_reid', 'combined_detection', 'failed'):
        del old[key]
    parts = [*old['sequences'], *old['combined'].values()]
    for part in parts:
        for key in ('raw', 'reid', 'bootstrap'):
            part.pop(key, None)
        for scores in (*part['classes'].values(), part['class_average'], part['all']):
            del scores['partly_tracked']
        for scores in part.get('detection', {}).get('classes', {}).values():
            for size in ('small', 'medium', 'large'):
                del scores[f'ap_{size}']
    for part in old['sequences']:
        part['detection']['class_average'] = {'ap': 0.0, 'ap50': 0.0}
    return old


def test_reports_of_the_first_version_are_read(evaluation):
    page = results_page([older(evaluation)])
    assert 'PT' not in header(page, 'tracking')
    assert cells(page, 'real together, all')[-1] == str(2 * N)
    heads = header(page, 'detection')
    assert heads == ['detection by sequence', 'AP50:95', 'AP50', 'boxes']
    assert 'interval' not in page


def test_an_experiment_names_its_variants(reports):
    page = results_page([reports['experiment_recipe']])
    row = dict(zip(header(page, 'variant'), cells(page, 'giou: a loss'), strict=True))
    assert (row['HOTA'], row['gain'], row['kept']) == ('0.0', '+0.0', 'no')
    assert 'Preset `small`: steps 10; seeds 0.' in page


def test_an_unknown_kind_is_refused(evaluation):
    with pytest.raises(InputError, match="'cake'; legal: evaluation, score"):
        results_page([{**evaluation, 'kind': 'cake'}])
    with pytest.raises(InputError, match='legal: evaluation, score'):
        results_page([{**evaluation, 'kind': ['evaluation']}])


def test_one_sequence_says_why_there_is_no_interval(evaluation):
    one = copy.deepcopy(evaluation)
    one['combined']['real']['bootstrap'] = {'sequences': 1, 'why_not': 'one sequence only'}
    assert 'Interval of real together: one sequence only.' in results_page([one])


def test_single_sequences_are_folded_away(evaluation):
    seen, folded = results_page([evaluation]).split(
        '<details><summary>Each sequence</summary>\n\n'
    )
    assert '| real together, all ' in seen and '| first, ' not in seen
    assert cells(folded, 'first, vehicle')[0] == 'first, vehicle'
    assert {line for line in folded.splitlines() if '</details>' in line} == {'</details>'}
    for title in ('tracking', 'detection'):
        assert f'| {title} ' in seen and f'| {title} by sequence ' in folded


def test_a_single_sequence_is_said_once(evaluation):
    one = copy.deepcopy(evaluation)
    del one['sequences'][1]
    page = results_page([one])
    assert '<details>' not in page
    assert page.count('| first, vehicle ') == 4  # tracking, its interval, detection, re-ID


def test_what_was_not_scored_is_said(evaluation):
    page = results_page([{**evaluation, 'failed': {'third': 'no image'}}])
    assert '**Without third**, which could not be scored.' in page
    assert 'could not be scored' not in results_page([evaluation])


def test_few_sequences_are_warned_of(evaluation):
    assert 'come from 2 sequences' in results_page([evaluation])
    many = copy.deepcopy(evaluation)
    many['combined']['real']['bootstrap']['sequences'] = 10
    assert 'come from' not in results_page([many])


@pytest.mark.parametrize('kind', list(SECTIONS))
def test_a_report_without_its_fields_is_refused_in_one_line(kind, evaluation):
    bare = {'kind': kind, 'command': 'the command', 'environment': evaluation['environment']}
    for environment in ({}, bare['environment']):
        with pytest.raises(InputError, match='the report of `the command` is not as its kind'):
            results_page([{**bare, 'environment': environment}])


def test_before_and_after_a_change(evaluation):
    later = copy.deepcopy(evaluation)
    later['combined']['real']['classes']['vehicle']['hota'] -= 0.25
    page = results_page([], compared=[(evaluation, later)])
    assert f'## {later["model"]["name"]}, before and after' in page
    (row,) = [line for line in page.splitlines() if 'vehicle' in line and 'HOTA' in line]
    before, after, difference = (float(cell) for cell in row.split('|')[3:6])
    assert difference == pytest.approx(-25.0, abs=0.01)
    assert after - before == pytest.approx(-25.0, abs=0.11)  # both are rounded to a tenth


def test_only_like_is_compared_with_like(evaluation, reports):
    with pytest.raises(InputError, match='two files of `evaluate` by one protocol'):
        results_page([], compared=[(evaluation, {**evaluation, 'protocol': 'kitti'})])
    with pytest.raises(InputError, match='share no score'):
        empty = {**evaluation, 'combined': {}, 'sequences': [], 'image_sets': []}
        results_page([], compared=[(empty, evaluation)])
