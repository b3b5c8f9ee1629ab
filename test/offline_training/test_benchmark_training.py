import argparse
import json

import numpy as np
import pytest

from mot_compress_ros.errors import InvalidOptionError
from offline_training.benchmarks import MEMBERS
from offline_training.benchmarks.training import measure
from offline_training.commands import benchmark, results
from offline_training.evaluation.results_sections.benchmark_training import COLUMNS

TINY = (
    *('--widths', 0.0625, '--steps', 2, '--warm-up', 1, '--repeats', 3, '--threads', 1),
    *('--images', 2, '--source-size', '192x128', '--set', 'train.batch_size=2'),
    *('--set', 'augment.width_px=96', '--set', 'augment.height_px=64'),
)


def arguments(*given: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    benchmark.add_arguments(parser)
    return parser.parse_args(['training', *(str(v) for v in given)])


@pytest.fixture(scope='module')
def written(tmp_path_factory):
    """The JSON file of one run: fp32 with and without a cache."""
    path = tmp_path_factory.mktemp('reports') / 'speed.json'
    assert benchmark.run(arguments(*TINY, '--precisions', 'fp32', '--json', path)) == 0
    return path


def test_every_contestant_is_measured_on_images_of_its_own(written):
    report = json.loads(written.read_text())
    assert report['kind'] == 'benchmark training'
    assert report['input'] == '2 rendered images of 192x128, seed 0'
    assert report['environment']['threads'] == 1
    names = [c['name'] for c in report['contestants']]
    plain = 'defaults, width 0.0625, fp32'
    assert names == [plain, f'{plain}, cached frames']
    for contestant in report['contestants']:
        assert (contestant['batch_size'], contestant['window_wh']) == (2, [96, 64])
        assert len(contestant['turns']) == 3
        for turn in contestant['turns']:
            assert turn['data_ms'] + turn['compute_ms'] <= 1.5 * turn['step_ms']
            assert turn['compute_ms'] > turn['data_ms'] >= 0
            assert turn['batch_ms'] > 0
            assert 50 < turn['peak_memory_mib'] < 10_000
        for key, _ in COLUMNS:
            assert contestant[key] == np.median([turn[key] for turn in contestant['turns']])


def test_a_ratio_is_the_median_over_the_rounds(written):
    report = json.loads(written.read_text())
    off, on = report['contestants']
    pairs = zip(on['turns'], off['turns'], strict=True)
    wanted = sorted(a['images_per_s'] / b['images_per_s'] for a, b in pairs)[1]
    assert report['ratios'] == [
        {'name': on['name'], 'to': off['name'], 'images_per_s': pytest.approx(wanted)}
    ]


def test_the_page_of_results_shows_it(written, tmp_path):
    page = tmp_path / 'results.md'
    parser = argparse.ArgumentParser()
    results.add_arguments(parser)
    assert results.run(parser.parse_args(['--json', str(written), '--output', str(page)])) == 0
    text = page.read_text()
    assert '## Speed of training' in text
    assert 'batches of 2 windows of 96 x 64; 2 steps after 1 of warm-up' in text
    assert '| defaults, width 0.0625, fp32, cached frames |' in text


@pytest.mark.parametrize(
    ('wrong', 'message'),
    [
        (('--steps', 0), 'at least 1'),
        (('--precisions', 'fp16'), 'fp16 on cpu'),
        (('--set', 'train.speed=3'), r'unknown option train\.speed'),
    ],
)
def test_what_cannot_be_measured_is_refused(wrong, message):
    with pytest.raises(InvalidOptionError, match=message):
        measure(arguments(*TINY, *wrong))


def test_it_is_a_member():
    assert MEMBERS['training'] == 'offline_training.benchmarks.training'
