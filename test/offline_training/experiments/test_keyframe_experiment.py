"""The experiment of keyframe modes: equal cost, claims, and what is kept."""

import argparse
import json

import cv2
import numpy as np
import pytest

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.inference.backends.scripted import write_scripted_bundle
from mot_compress_ros.keyframe import KeyframeConfig
from mot_compress_ros.keyframe.budget import Budget
from mot_compress_ros.keyframe.frames import FrameReport, Role
from mot_compress_ros.keyframe.ledger import Ledger
from mot_compress_ros.pipeline import PipelineConfig
from offline_training.commands import experiments
from offline_training.datasets.mot_writing import GroundTruthRow, SequenceWriter
from offline_training.evaluation import streaming_networks
from offline_training.experiments import keyframe
from offline_training.experiments.keyframe_claims import judge, Mean
from offline_training.experiments.keyframe_plan import budget_ms_per_s, INTERVALS, rows_of
from offline_training.experiments.keyframe_scenes import cells_of_ladder
from offline_training.synthetic import SceneConfig

SIZE_WH, N, FPS = (320, 192), 20, 10


@pytest.mark.parametrize(('runs', 'seconds'), [(7, 4.0), (2, 8.0), (1, 5.0), (30, 4.0), (3.5, 9)])
def test_a_budget_pays_for_its_runs_and_no_more(runs, seconds):
    """Who asks in every frame, against the bucket of the vehicle."""
    config = KeyframeConfig(budget_ms_per_s=budget_ms_per_s(runs, seconds, 60.0), teacher_ms=60.0)
    ledger = Ledger(['camera'])
    budget, done = Budget(config, ledger), 0
    for frame in range(round(seconds * 30)):
        stamp_ns = round(frame * 1e9 / 30)
        now_ns = ledger.now_ns('camera', stamp_ns)
        if budget.affords(now_ns):
            budget.charge(60.0, now_ns)
            done += 1
        ledger.served(
            FrameReport(camera='camera', stamp_ns=stamp_ns, role=Role.STUDENT), reason=''
        )
    assert max(1, int(runs) - 1) <= done <= max(1, runs)


def test_rows_of_one_interval_have_one_cost():
    rows = {row.name: row for row in rows_of((6,))}
    assert list(rows) == [
        *('off', 'teacher alone', 'async', 'fixed 6', 'deadline 6', 'adaptive 6'),
        *('adaptive 6, 70%', 'async 6'),
    ]
    configs = {
        name: row.config(PipelineConfig(), fps=15, seconds=11, teacher_ms=100.0).keyframe
        for name, row in rows.items()
    }
    # 28 runs of 100 ms in 11 s and the second's worth that the bucket has at the beginning.
    assert configs['adaptive 6'].budget_ms_per_s == pytest.approx(2800 / 12)
    assert configs['adaptive 6, 70%'].budget_ms_per_s == pytest.approx(0.7 * 2800 / 12)
    assert configs['async 6'].budget_ms_per_s == configs['adaptive 6'].budget_ms_per_s
    assert configs['async'].budget_ms_per_s == configs['fixed 6'].budget_ms_per_s == 0
    assert (configs['adaptive 6'].interval, configs['adaptive 6'].min_interval) == (12, 3)
    assert configs['teacher alone'].interval == 1
    assert len(rows_of()) == 3 + 5 * len(INTERVALS)


def mean(row, offline, streaming, *, runs=1.0, worst=50.0):
    return Mean(
        row=row,
        offline=offline,
        streaming=streaming,
        mota=0.5,
        idf1=0.5,
        runs_per_s=runs,
        streamed_runs_per_s=runs,
        p99_ms=worst,
        worst_ms=worst,
        missed=0.0,
        stale_ms=None,
        late_ms=None,
    )


def test_claims_follow_from_the_numbers():
    modes = {
        'fixed 6': mean('fixed 6', 0.50, 0.40, runs=2.5, worst=200),
        'adaptive 6, 70%': mean('adaptive 6, 70%', 0.50, 0.45, runs=1.75, worst=200),
        'async': mean('async', 0.50, 0.485, worst=30),
    }
    assert [v.met for v in judge(modes, [6])] == [True, True, True]
    said = judge(modes, [6])[0].said
    assert said == '+0.0 points of offline HOTA with 70% of the runs'
    modes['adaptive 6, 70%'] = mean('adaptive 6, 70%', 0.499, 0.45, runs=1.0)
    modes['async'] = mean('async', 0.50, 0.484, worst=30)
    assert [v.met for v in judge(modes, [6])] == [False, False, True]
    modes['adaptive 6, 70%'] = mean('adaptive 6, 70%', 0.6, 0.45, runs=1.8)
    modes['fixed 6'] = mean('fixed 6', 0.50, 0.485, runs=2.5, worst=200)
    assert [v.met for v in judge(modes, [6])] == [False, False, False]
    assert judge({}, [6]) == []


def test_a_ladder_is_rendered_once(tmp_path):
    middle = SceneConfig(size_wh=(96, 64), fps=10, duration_s=0.3, light='day', scenario='drive')
    made = [
        cells_of_ladder(tmp_path, middle=middle, drives=2, steps=['middle', 'density: half'])
        for _ in range(2)
    ]
    files = [sorted(p.stat().st_mtime_ns for p in tmp_path.rglob('*.jpg'))]
    assert len(files[0]) == 2 * 2 * 3
    for cells in made:
        assert [cell.name for cell in cells] == ['middle', 'density: half']
        assert {cell.group for cell in cells} == {'ladder'}
        assert {len(cell.sequences) for cell in cells} == {2}
        assert cells[0].seconds == pytest.approx(0.3)
    assert made[0][0].sequences[0].image_paths == made[1][0].sequences[0].image_paths
    assert list(tmp_path.rglob('*.part')) == []


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """A vehicle that drives."""
    folder = tmp_path_factory.mktemp('data') / 'street'
    writer = SequenceWriter(folder, fps=FPS)
    rows, images = [], []
    for frame in range(N):
        image = np.full((*SIZE_WH[::-1], 3), 90, np.uint8)
        x = 10 + 8 * frame
        cv2.rectangle(image, (x, 40), (x + 39, 79), (255, 0, 0), cv2.FILLED)
        box = np.array([x, 40, x + 40, 80], float)
        rows.append(GroundTruthRow(frame_index=frame, track_id=1, xyxy_px=box, class_id=2))
        writer.add_image(image)
        images.append(image)
    writer.finish(rows)
    for path, image in zip(sorted((folder / 'img1').iterdir()), images, strict=True):
        path.unlink()
        cv2.imwrite(str(path.with_suffix('.png')), image)
    info = folder / 'seqinfo.ini'
    info.write_text(info.read_text().replace('.jpg', '.png'))
    return folder


def arguments(*given):
    parser = argparse.ArgumentParser()
    experiments.add_arguments(parser)
    return parser.parse_args(['keyframe', *map(str, given)])


def test_the_command_goes_on_where_it_was(data, tmp_path, capsys, monkeypatch):
    model = write_scripted_bundle(tmp_path / 'scripted', input_size_wh=SIZE_WH)
    page = tmp_path / 'page.md'
    page.write_text('<!-- keyframe modes: begin -->\n<!-- keyframe modes: end -->')
    out = tmp_path / 'modes.json'
    args = arguments(
        *('--model', model, '--teacher', model, '--data', data, '--no-ladder'),
        *('--run', tmp_path / 'run', '--intervals', 4, '--latency', '20,350'),
        *('--json', out, '--update', page),
    )
    assert keyframe.run(args) == 0
    report = json.loads(out.read_text())
    rows = {result['row']: result for result in report['results']}
    assert set(rows) == {row.name for row in rows_of((4,))}
    timing = {name: row['rungs'][0]['timing'] for name, row in rows.items()}
    assert timing['async']['runtime_ms']['max'] == pytest.approx(20)
    assert timing['fixed 4']['runtime_ms']['max'] == pytest.approx(350)
    assert timing['fixed 4']['dropped'] > timing['async']['dropped'] == 0
    assert timing['async']['late_ms']['mean'] == pytest.approx(400)
    assert rows['fixed 4']['offline']['timing']['teacher_runs'] == 5
    assert rows['deadline 4']['offline']['timing']['teacher_runs'] == 2  # and a second look
    assert rows['adaptive 4, 70%']['offline']['timing']['teacher_runs'] <= 3
    assert rows['async']['offline']['hota'] > 0.8
    claims = {c['claim']: c['met'] for c in report['claims']}
    assert claims['async streaming HOTA is within 3% of its offline one']
    assert claims['a keyframe every 4 frames shows its stall: it loses more than async']
    first = page.read_text()
    assert '| fixed 4 ' in first

    def no_look(*args, **kwargs):
        pytest.fail('everything is there')

    monkeypatch.setattr(streaming_networks.OnceDetector, 'look', no_look)
    assert keyframe.run(args) == 0
    assert page.read_text() == first
    assert json.loads(out.read_text())['results'] == report['results']
    capsys.readouterr()


def test_options_that_make_no_sense(tmp_path):
    for given, message in (
        (('--no-ladder',), 'give --data'),
        (('--steps', 'speed: light'), 'legal'),
        (('--intervals', 1), '2 and above'),
        (('--speed-factor', 0), 'above 0'),
    ):
        with pytest.raises(InvalidOptionError, match=message):
            keyframe.run(arguments('--run', tmp_path, *given))
