import argparse
import json
import time
from xml.etree import ElementTree

import pytest

from mot_compress_ros.errors import InputError, InvalidOptionError
from offline_training.benchmarks import association
from offline_training.benchmarks.association_rivals import norfair_library
from offline_training.benchmarks.association_scene import crowd_frames, CrowdConfig
from offline_training.benchmarks.association_turn import FEWEST_FRAMES, one_turn
from offline_training.commands import benchmark
from offline_training.evaluation.protocols.judge import FoundBoxes
from offline_training.evaluation.results_page import results_page
from offline_training.evaluation.results_sections.benchmark_association import association_tables

QUICK = ('--objects', 12, 5, '--frames', 8, '--warm-up', 4, '--repeats', 2, '--late', 1, 6)
TWO = ('--contestants', 'vehicle', 'fairmot')


def arguments(*given: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    benchmark.add_arguments(parser)
    return parser.parse_args(['association', *(str(v) for v in given)])


@pytest.fixture(scope='module')
def report() -> dict:
    return json.loads(json.dumps(association.measure(arguments(*QUICK, *TWO))))


class Slow:
    """Sleeps where the clock must not see it, and takes a time of its own for a frame."""

    def __init__(self, update_s: float = 0.0) -> None:
        self.update_s = update_s

    def prepare(self, detections: object) -> object:
        time.sleep(0.02)
        return detections

    def update(self, prepared: object, *, stamp_ns: int) -> object:
        time.sleep(self.update_s)
        return prepared

    def found(self, result: object) -> FoundBoxes:
        time.sleep(0.02)
        return FoundBoxes.empty()


@pytest.fixture(scope='module')
def frames() -> list:
    return list(crowd_frames(CrowdConfig(objects=3, frames=12)))


def test_only_the_update_is_timed(frames):
    turn = one_turn(Slow(), frames, warm_up=4, limit_s=10)
    assert turn.whole
    assert len(turn.samples_ms) == 8
    assert min(turn.samples_ms) < 10
    timed = one_turn(Slow(update_s=0.03), frames[:4], warm_up=0, limit_s=10)
    assert 30 <= min(timed.samples_ms) < 50
    assert min(timed.cpu_ms) < 10, 'who sleeps does not compute'


def test_a_turn_that_takes_too_long_is_cut_short(frames):
    turn = one_turn(Slow(update_s=0.01), frames, warm_up=10, limit_s=0.001)
    assert not turn.whole
    assert len(turn.found) == FEWEST_FRAMES
    assert len(turn.samples_ms) == FEWEST_FRAMES // 2  # the warm-up was not reached


def test_every_contestant_is_measured_at_every_number(report):
    assert report['kind'] == 'benchmark association'
    assert list(report['scenes']) == ['5', '12']
    assert report['environment']['threads'] == 1
    assert report['environment']['blas'], 'no library of linear algebra was found to limit'
    assert report['environment']['load_average_before'] >= 0
    assert set(report['contestants']) == {'vehicle', 'fairmot'}
    for contestant in report['contestants'].values():
        for cell in contestant['objects'].values():
            assert 0 < cell['p50_ms'] <= cell['p95_ms']
            assert 0 < cell['cpu_p50_ms'] < 1.5 * cell['p50_ms']
            assert 0 < cell['cpu_s'] < 1.2 * cell['wall_s']
            assert len(cell['turns']['p50_ms']) == 2
            assert (cell['measured_frames'], cell['whole']) == (8, True)
            assert 0.5 < cell['scores']['hota'] <= 1


def test_tables_say_who_was_how_fast_and_whether_the_goal_is_met(report):
    fake = json.loads(json.dumps(report))
    fake['goals_ms'] = {'5': 2.0, '12': 0.5, '100': 1.0}
    for name, ms in (('vehicle', 1.0), ('fairmot', 3.0)):
        objects = fake['contestants'][name]['objects']
        objects['5'].update(p50_ms=ms, cpu_p50_ms=ms, wall_s=1.0, cpu_s=0.98)
        objects['12'].update(p50_ms=4 * ms, cpu_p50_ms=4.4 * ms, wall_s=1.0, cpu_s=0.98)
    fake['contestants']['fairmot']['objects']['12'].update(whole=False, scores=None)
    text = association_tables(fake)
    assert _cells(text, 'median, ms', 'fairmot') == ['3.00', '12.0*']
    assert _cells(text, 'median of computing, ms', 'fairmot') == ['3.00', '13.2*', '4.4 x']
    assert _cells(text, 'times the computing of vehicle', 'fairmot') == ['3.0', '3.0']
    assert _cells(text, '12 objects', 'fairmot')[2:] == ['–'] * 4
    assert 'at 5 objects: at most 2.0 ms; measured 1.00 ms, 1.00 ms of computing: met.' in text
    assert 'at 12 objects: at most 0.5 ms; measured 4.00 ms, 4.40 ms of computing: missed.' in text
    assert 'at 100 objects' not in text
    assert 'cut short after 20 s' in text
    assert 'Others kept the cores busy' not in text
    fake['contestants']['vehicle']['objects']['5']['wall_s'] = 2.0
    assert 'Others kept the cores busy: 22 % of the time was waiting' in association_tables(fake)


def _cells(text: str, table: str, row: str) -> list[str]:
    """The numbers of a row of the table whose head begins with `table`."""
    lines = text.splitlines()
    start = next(k for k, line in enumerate(lines) if line.startswith(f'| {table} '))
    line = next(line for line in lines[start:] if line.startswith(f'| {row} '))
    return [cell.strip() for cell in line.split('|')[2:-1]]


def test_late_results_are_timed_with_and_without_misses_and_embeddings(report):
    late = report['late']
    asked = {(c['embeddings'], c['misses'], c['frames_late']) for c in late['cases']}
    assert asked == {(e, m, d) for e in (False, True) for m in (0.0, 0.1) for d in (1, 6)}
    assert len(late['cases']) == len(asked)
    for case in late['cases']:
        assert 0 < case['p50_ms'] <= case['p95_ms']
        assert 0 < case['cpu_p50_ms'] < 1.5 * case['p50_ms']
        assert 45 <= case['tracks'] <= 70, 'it is not the scene of 50 tracks'
        # Objects that are new, or that hide each other, are missed without a miss of the detector.
        assert case['found_again'] > 2.5 if case['misses'] else case['found_again'] < 2


def test_the_table_of_late_results_says_whether_their_goal_is_met(report):
    fake = json.loads(json.dumps(report))
    for case in fake['late']['cases']:
        case['p50_ms'] = 0.1 * case['frames_late'] + 2 * case['misses']
        case.update(p95_ms=3.5, cpu_p50_ms=0.5, found_again=4.0)
    text = association_tables(fake)
    head = 'late result for 50 objects, median (95th percentile), ms'
    row = _cells(text, head, 'with embeddings, 10 % missed')
    assert row == ['0.30 (3.50)', '0.80 (3.50)', '4.0']
    assert '6 frames late: at most 1.0 ms; the slowest row took 0.80 ms, 0.50 ms' in text
    assert 'of computing: met.' in text
    fake['late']['goal_ms'] = 0.5
    assert 'of computing: missed.' in association_tables(fake)
    del fake['late']  # a report from before they were measured
    assert 'late result' not in association_tables(fake)


def test_the_page_of_results_has_it(report):
    page = results_page([report])
    assert '## Speed of the association' in page
    assert f'`{report["command"]}`' in page


def test_files_are_written_and_the_plot_names_everybody(tmp_path, capsys):
    out, svg, png = tmp_path / 'a' / 'r.json', tmp_path / 'p.svg', tmp_path / 'p.png'
    small = ('--objects', 5, 9, '--frames', 4, '--warm-up', 2, '--repeats', 1, '--late', 1, *TWO)
    assert benchmark.run(arguments(*small, '--json', out, '--plot', svg)) == 0
    assert association_tables(json.loads(out.read_text())) in capsys.readouterr().out
    text = svg.read_text()
    assert ElementTree.fromstring(text).tag == '{http://www.w3.org/2000/svg}svg'
    assert 'prefers-color-scheme:dark' in text
    for word in ('vehicle', 'fairmot', 'objects in a frame'):
        assert word in text
    assert benchmark.run(arguments(*small, '--plot', png)) == 0
    assert png.read_bytes().startswith(b'\x89PNG')


def test_it_goes_on_without_what_is_not_installed(monkeypatch, capsys):
    why = 'norfair not installed: pip install it'
    monkeypatch.setattr(norfair_library, 'missing', lambda: why)
    given = ('--objects', 4, '--frames', 3, '--repeats', 1, '--contestants', 'sort', 'norfair')
    given = (*given, '--late')
    report = association.measure(arguments(*given))
    assert list(report['contestants']) == ['sort']
    assert report['late'] is None
    assert 'late result' not in association_tables(report)
    assert report['missing'] == {'norfair': why}
    assert f'Without norfair: {why}.' in association_tables(report)
    assert why in capsys.readouterr().err


def test_what_cannot_be_is_refused(tmp_path):
    for wrong in (
        ('--frames', 0),
        ('--repeats', 0),
        ('--threads', 0),
        ('--warm-up', -1),
        ('--late', -1),
    ):
        with pytest.raises(InvalidOptionError, match='at least'):
            association.measure(arguments(*QUICK, *wrong))
    with pytest.raises(InvalidOptionError, match='nobody'):
        association.measure(arguments(*QUICK, '--contestants', 'nobody'))
    with pytest.raises(InvalidOptionError, match='objects'):
        association.measure(arguments(*TWO, '--objects', 0))
    with pytest.raises(InvalidOptionError, match=r'\.svg or \.png'):
        association.run(arguments('--plot', tmp_path / 'p.pdf'))
    with pytest.raises(InputError, match='is a folder'):
        association.run(arguments('--json', tmp_path))


def test_the_profile_names_functions(capsys):
    given = ('--objects', 5, '--frames', 4, '--warm-up', 1, '--profile', 'fairmot')
    assert association.run(arguments(*given)) == 0
    out = capsys.readouterr().out
    assert 'fairmot, 5 objects' in out
    assert 'tracker.py' in out
