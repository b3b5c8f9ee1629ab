"""Our `score` against TrackEval run by hand: its own classes, on files laid out for it."""

import argparse
from collections.abc import Callable
import contextlib
import io
import json
import os
from pathlib import Path
import shutil

import numpy as np
import pytest
import trackeval

from mot_compress_ros.boxes import iou_matrix
from mot_compress_ros.errors import InputError
from offline_training.__main__ import main
from offline_training.commands import score
from offline_training.evaluation.tracking_scores import combine_sequences, RawScores

REPORTED = {
    'hota': ('HOTA', 'HOTA'),
    'det_a': ('HOTA', 'DetA'),
    'ass_a': ('HOTA', 'AssA'),
    'loc_a': ('HOTA', 'LocA'),
    'mota': ('CLEAR', 'MOTA'),
    'recall': ('CLEAR', 'CLR_Re'),
    'precision': ('CLEAR', 'CLR_Pr'),
    'id_switches': ('CLEAR', 'IDSW'),
    'fragments': ('CLEAR', 'Frag'),
    'mostly_tracked': ('CLEAR', 'MT'),
    'partly_tracked': ('CLEAR', 'PT'),
    'mostly_lost': ('CLEAR', 'ML'),
    'false_positives': ('CLEAR', 'CLR_FP'),
    'misses': ('CLEAR', 'CLR_FN'),
    'idf1': ('Identity', 'IDF1'),
    'id_recall': ('Identity', 'IDR'),
    'boxes': ('Count', 'GT_Dets'),
    'objects': ('Count', 'GT_IDs'),
}
N = 30


def arguments(*given: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    score.add_arguments(parser)
    return parser.parse_args([str(v) for v in given])


def write(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(''.join(f'{line}\n' for line in lines))


def by_hand(dataset: Callable[[], object]) -> dict:
    """Everything that TrackEval's own evaluator says: by sequence, class, metric, field."""
    quiet = ('PRINT_RESULTS', 'PRINT_CONFIG', 'TIME_PROGRESS', 'OUTPUT_SUMMARY')
    options = dict.fromkeys((*quiet, 'OUTPUT_DETAILED', 'PLOT_CURVES'), False)
    metrics = [
        trackeval.metrics.HOTA(),
        trackeval.metrics.CLEAR({'PRINT_CONFIG': False}),
        trackeval.metrics.Identity({'PRINT_CONFIG': False}),
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        results, _ = trackeval.Evaluator(options).evaluate([dataset()], metrics)
    return next(iter(results.values()))['ours']


def mot_by_hand(folder: Path, lengths: dict[str, int], benchmark: str) -> dict:
    """TrackEval's MotChallenge2DBox on `folder/gt` and `folder/trackers/ours/data`."""
    return by_hand(
        lambda: trackeval.datasets.MotChallenge2DBox(
            {
                'GT_FOLDER': str(folder / 'gt'),
                'TRACKERS_FOLDER': str(folder / 'trackers'),
                'BENCHMARK': benchmark,
                'SKIP_SPLIT_FOL': True,
                'SEQ_INFO': lengths,
                'PRINT_CONFIG': False,
            }
        )
    )


def kitti_by_hand(folder: Path, lengths: dict[str, int]) -> dict:
    """TrackEval's Kitti2DBox on `folder/gt/label_02` and `folder/trackers/ours/data`."""
    lines = [f'{name} empty 000000 {n:06d}' for name, n in lengths.items()]
    write(folder / 'gt' / 'evaluate_tracking.seqmap.training', lines)
    return by_hand(
        lambda: trackeval.datasets.Kitti2DBox(
            {
                'GT_FOLDER': str(folder / 'gt'),
                'TRACKERS_FOLDER': str(folder / 'trackers'),
                'PRINT_CONFIG': False,
            }
        )
    )


def assert_equal(report: dict, expected: dict) -> None:
    """Every number of the report, and every field of the three metrics, to 1e-9."""
    sequences = {s['name']: s for s in report['sequences']}
    assert set(sequences) == set(expected) - {'COMBINED_SEQ'}
    for name, of_class in expected.items():
        ours = report['combined']['real'] if name == 'COMBINED_SEQ' else sequences[name]
        assert set(ours['classes']) == set(of_class)
        for class_name, metrics in of_class.items():
            for field, (metric, theirs) in REPORTED.items():
                value = ours['classes'][class_name][field]
                wanted = float(np.mean(metrics[metric][theirs]))
                assert value == pytest.approx(wanted, abs=1e-9), (name, class_name, field)
    for class_name, metrics in expected['COMBINED_SEQ'].items():
        raw = {n: RawScores.from_json(s['raw'][class_name]) for n, s in sequences.items()}
        pooled = combine_sequences(raw).by_metric
        for metric in ('HOTA', 'CLEAR', 'Identity'):
            assert set(pooled[metric]) == set(metrics[metric])
            for field, value in metrics[metric].items():
                np.testing.assert_allclose(pooled[metric][field], value, rtol=0, atol=1e-9)


# (frame from 0, id, class or type, left, top, width, height, anything)
def moving(rng: np.random.Generator, kinds: list, *, first_id: int = 1) -> list[tuple]:
    """Objects on lines, each there for a part of the sequence; frames 10 to 12 are empty."""
    rows = []
    for number, kind in enumerate(kinds, start=first_id):
        x, y = rng.uniform(0, 900), rng.uniform(0, 200)
        speed, (w, h) = rng.uniform(-8, 8), (rng.uniform(20, 90), rng.uniform(15, 120))
        begin, end = rng.integers(0, 10), rng.integers(18, N)
        for t in range(begin, end):
            if not 10 <= t <= 12:
                rows.append((t, number, kind, x + speed * t, y, w, h))
    return rows


def tracked(rng: np.random.Generator, rows: list[tuple]) -> list[tuple]:
    """What a bad tracker makes of them: jitter, misses, swaps, inventions; frame 20 is empty."""
    found = []
    for t, number, kind, x, y, w, h in rows:
        if rng.uniform() < 0.85 and t != 20:
            dx, dy, dw, dh = rng.normal(0, 0.08, 4) * (w, h, w, h)
            shown = number + (200 if rng.uniform() < 0.1 else 0)
            found.append((t, shown, kind, x + dx, y + dy, w + dw, h + dh))
    for t in range(N):
        if t != 20 and rng.uniform() < 0.4:
            box = rng.uniform([0, 0, 10, 10], [1000, 250, 90, 90])
            found.append((t, 500 + t % 3, kinds_of(rows)[0], *box))
    return found


def kinds_of(rows: list[tuple]) -> list:
    return sorted({row[2] for row in rows}, key=str)


def mot_line(row: tuple, tail: str) -> str:
    t, number, _, *xywh = row
    return f'{t + 1},{number},{",".join(repr(float(v)) for v in xywh)},{tail}'


def write_mot(folder: Path, seed: int, names: list[str], columns: int) -> dict[str, int]:
    """Made-up MOT sequences with every class, rows that are not active, and results."""
    rng = np.random.default_rng(seed)
    for name in names:
        rows = moving(rng, [1, 1, 1, 1, 1, 1, 2, 3, 4, 6, 6, 7, 8, 8, 12, 13])
        gt = []
        for row in rows:
            # Every ninth object is not active for a while.
            active = int(not (row[1] % 5 == 0 and row[0] < 15))
            tail = f'{active},{row[2]},0.7' if columns == 9 else f'{active},4.48,5.5,0'
            gt.append(mot_line(row, tail))
        found = [mot_line(row, '0.9,-1,-1,-1') for row in tracked(rng, rows)]
        write(folder / 'gt' / name / 'gt' / 'gt.txt', gt)
        info = ['[Sequence]', f'name={name}', f'seqLength={N}']
        write(folder / 'gt' / name / 'seqinfo.ini', info)
        write(folder / 'trackers' / 'ours' / 'data' / f'{name}.txt', found)
    return dict.fromkeys(names, N)


def score_ours(folder: Path, protocol: str, *more: object) -> dict:
    results = folder / 'trackers' / 'ours'
    return score.score(
        arguments(
            *('--truth', folder / 'gt', '--results', results, '--protocol', protocol),
            *('--resamples', '20', *more),
        )
    )


@pytest.mark.parametrize('seed', [0, 1, 2])
@pytest.mark.parametrize(
    ('benchmark', 'prefix', 'columns'),
    [('MOT15', 'TUD', 10), ('MOT17', 'MOT17', 9), ('MOT20', 'MOT20', 9)],
)
def test_mot_as_trackeval_by_hand(tmp_path, seed, benchmark, prefix, columns):
    lengths = write_mot(tmp_path, seed, [f'{prefix}-01', f'{prefix}-02'], columns)
    report = score_ours(tmp_path, 'mot_challenge')
    expected = mot_by_hand(tmp_path, lengths, benchmark)
    scores = report['combined']['real']['classes']['pedestrian']
    assert 0.1 < scores['hota'] < 0.9  # neither trivial
    assert min(scores['id_switches'], scores['fragments'], scores['false_positives']) > 0
    assert_equal(report, expected)


def test_the_benchmark_matters(tmp_path):
    """Distractors are forgiven in MOT17, non-motorised vehicles in MOT20 too, nothing in MOT15."""
    write_mot(tmp_path, 0, ['walk'], 9)
    false_positives = [
        score_ours(tmp_path, 'mot_challenge', '--benchmark', benchmark)['combined']['real'][
            'classes'
        ]['pedestrian']['false_positives']
        for benchmark in ('MOT20', 'MOT17')
    ]
    assert false_positives[0] < false_positives[1]
    for benchmark in ('MOT15', 'MOT16', 'MOT20'):
        report = score_ours(tmp_path, 'mot_challenge', '--benchmark', benchmark)
        assert_equal(report, mot_by_hand(tmp_path, {'walk': N}, benchmark))


def test_nothing_found_in_a_sequence_and_nothing_to_find(tmp_path):
    lengths = write_mot(tmp_path, 3, ['MOT17-01', 'MOT17-02', 'MOT17-03'], 9)
    (tmp_path / 'trackers' / 'ours' / 'data' / 'MOT17-02.txt').write_text('')
    (tmp_path / 'gt' / 'MOT17-03' / 'gt' / 'gt.txt').write_text('')
    report = score_ours(tmp_path, 'mot_challenge')
    assert_equal(report, mot_by_hand(tmp_path, lengths, 'MOT17'))


def kitti_line(row: tuple, *, truncation: int = 0, occlusion: int = 0, score: str = '') -> str:
    t, number, kind, x, y, w, h = row
    box = ' '.join(repr(float(v)) for v in (x, y, x + w, y + h))
    metric = '-1000 -1000 -1000 -10 -1 -1 -1'
    return f'{t} {number} {kind} {truncation} {occlusion} -10 {box} {metric} {score}'.rstrip()


def write_kitti(folder: Path, seed: int, names: list[str]) -> dict[str, int]:
    """Made-up KITTI sequences: vans, sitting persons, hidden and truncated boxes, DontCare."""
    rng = np.random.default_rng(seed)
    kinds = ['Car', 'Pedestrian', 'Car', 'Car', 'Pedestrian', 'Car', 'Van', 'Van', 'Person']
    kinds += ['Person', 'Cyclist', 'Truck', 'Tram', 'Misc', 'Car', 'Pedestrian', 'Car']
    for name in names:
        rows = moving(rng, kinds, first_id=0)
        labels = [
            kitti_line(
                row,
                truncation=int(rng.choice([0, 0, 0, 1, 2])),
                occlusion=int(rng.choice([0, 1, 2, 3])),
            )
            for row in rows
        ]
        for t in range(N):
            regions = rng.uniform([0, 0, 50, 50], [900, 150, 300, 150], (2, 4))
            labels += [
                kitti_line((t, -1, 'DontCare', *box), truncation=-1, occlusion=-1)
                for box in regions
            ]
        seen_as = {'Van': 'Car', 'Person': 'Pedestrian', 'Truck': 'Car'}
        found = [(*r[:2], seen_as.get(r[2], r[2]), *r[3:]) for r in tracked(rng, rows)]
        far = [
            (t, 700 + k, kind, *rng.uniform([0, 0, 10, 10], [1000, 200, 60, 60]))
            for t in range(N)
            for k, kind in enumerate(('Car', 'Car', 'Pedestrian', 'Cyclist'))
            if t != 20
        ]
        found += [*far, (3, -1, 'Car', 0, 0, 50, 50), (3, -1, 'Car', 0, 0, 50, 50)]
        write(folder / 'gt' / 'label_02' / f'{name}.txt', labels)
        write(
            folder / 'trackers' / 'ours' / 'data' / f'{name}.txt',
            [kitti_line(row, score='0.5') for row in found],
        )
    return dict.fromkeys(names, N)


@pytest.mark.parametrize('seed', [0, 1, 2, 3])
def test_kitti_as_trackeval_by_hand(tmp_path, seed):
    lengths = write_kitti(tmp_path, seed, ['0000', '0001'])
    expected = kitti_by_hand(tmp_path, lengths)
    report = score_ours(tmp_path, 'kitti')
    for class_name in ('car', 'pedestrian'):
        scores = report['combined']['real']['classes'][class_name]
        assert 0.02 < scores['hota'] < 0.9
        assert min(scores['false_positives'], scores['misses'], scores['id_switches']) > 0
    assert_equal(report, expected)


@pytest.mark.parametrize('old', ['Van', 'Person', 'DontCare'])
def test_each_rule_of_kitti_takes_something_out(tmp_path, old):
    """With the rows of a distractor or of the regions gone there are more false alarms."""
    lengths = write_kitti(tmp_path, 0, ['0000'])
    before = score_ours(tmp_path, 'kitti')['combined']['real']['all']['false_positives']
    labels = tmp_path / 'gt' / 'label_02' / '0000.txt'
    lines = [line for line in labels.read_text().splitlines() if f' {old} ' not in line]
    write(labels, lines)
    expected = kitti_by_hand(tmp_path, lengths)
    report = score_ours(tmp_path, 'kitti')
    assert report['combined']['real']['all']['false_positives'] > before
    assert_equal(report, expected)


def test_small_and_hidden_by_hand(tmp_path):
    """Six results: right, on a hidden car, 25 px high, 26 px high, 51 % and 49 % in DontCare."""
    car = (0, 1, 'Car', 0, 0, 60, 60)
    labels = [
        kitti_line(car),
        kitti_line((0, 2, 'Car', 100, 0, 60, 60), occlusion=3),
        kitti_line((0, -1, 'DontCare', 300, 0, 100, 100), truncation=-1, occlusion=-1),
    ]
    found = [
        car,
        (0, 2, 'Car', 100, 0, 60, 60),
        (0, 3, 'Car', 200, 0, 60, 25),
        (0, 4, 'Car', 200, 100, 60, 26),
        (0, 5, 'Car', 251, 0, 100, 60),
        (0, 6, 'Car', 351, 40, 100, 60),
    ]
    write(tmp_path / 'gt' / 'label_02' / '0000.txt', labels)
    write(tmp_path / 'trackers' / 'ours' / '0000.txt', [kitti_line(row) for row in found])
    scores = score_ours(tmp_path, 'kitti')['sequences'][0]['classes']['car']
    assert (scores['boxes'], scores['misses'], scores['false_positives']) == (1, 0, 2)


def test_the_product_protocol_reads_result_files_too(tmp_path):
    """All classes of our own MOT text (the last but two column), on sequences without images."""
    folder = tmp_path / 'gt' / 'drive'
    gt = [f'{t},{k},{100 * k},10,40,60,1,{k},1' for t in range(1, 6) for k in (1, 2, 3)]
    write(folder / 'gt' / 'gt.txt', gt)
    info = ['[Sequence]', 'name=drive', 'seqLength=5', 'imWidth=640', 'imHeight=480']
    write(folder / 'seqinfo.ini', info)
    found = [f'{t},{k + 7},{100 * k},10,40,60,0.9,{k},-1,-1' for t in range(1, 6) for k in (1, 3)]
    write(tmp_path / 'tracks.txt', found)
    report = score.score(arguments('--truth', folder, '--results', tmp_path / 'tracks.txt'))
    (scores,) = report['sequences']
    assert scores['classes']['vehicle']['hota'] == pytest.approx(1.0)
    assert scores['classes']['cyclist']['misses'] == 5
    assert scores['all']['recall'] == pytest.approx(2 / 3)
    assert report['protocol'] == 'product'


def test_the_command_prints_and_writes(tmp_path, capsys):
    write_kitti(tmp_path, 1, ['0000', '0001'])
    out = tmp_path / 'new' / 'scores.json'
    given = ['--truth', tmp_path / 'gt' / 'label_02', '--results', tmp_path / 'trackers' / 'ours']
    more = ['--protocol', 'kitti', '--sequences', '0001', '--json', out]
    assert main(['score', *(str(v) for v in (*given, *more))]) == 0
    report = json.loads(out.read_text())
    assert [s['name'] for s in report['sequences']] == ['0001']
    assert report['combined']['real']['bootstrap']['why_not'].startswith('one sequence only')
    table = capsys.readouterr().out
    assert '0001, pedestrian' in table
    assert 'PT' in table
    assert 'no interval can be given' in table


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda f: (f / 'trackers/ours/data/MOT17-02.txt').unlink(), r'no result file MOT17-02'),
        (lambda f: shutil.rmtree(f / 'gt'), r'no gt/gt.txt'),
        (lambda f: append(f, '31,1,0,0,9,9,1,-1,-1,-1'), r'go on to frame 31'),
        (lambda f: append(f, '0,1,0,0,9,9,1,-1,-1,-1'), r'before the first frame'),
        (lambda f: append(f, '5,900,0,0,9,9,1\n5,900,3,0,9,9,1'), r'stands twice in frame 5'),
        (lambda f: append(f, '5,900,0,0,9'), r'expected at least 6 columns, got 5'),
        (lambda f: append(f, '5,900,0,0,9,nan'), r'expected numbers in columns 1 to 6'),
        (lambda f: append(f, '5,900,0,0,9,9,1,3,-1,-1'), r"class '3'.*--skip-other-classes"),
        (
            lambda f: write(f / 'gt/MOT17-01/gt/gt.txt', ['1,1,0,0,9,9,1,14,1']),
            r'expected 1 to 13',
        ),
        (lambda f: write(f / 'gt/MOT17-01/gt/gt.txt', ['31,1,0,0,9,9,1,1,1']), r'1 to 30'),
    ],
)
def test_damaged_files(tmp_path, change, message):
    write_mot(tmp_path, 0, ['MOT17-01', 'MOT17-02'], 9)
    change(tmp_path)
    with pytest.raises(InputError, match=message):
        score_ours(tmp_path, 'mot_challenge')


def append(folder: Path, line: str) -> None:
    path = folder / 'trackers' / 'ours' / 'data' / 'MOT17-01.txt'
    path.write_text(f'{path.read_text()}{line}\n')


def test_other_classes_can_be_left_out(tmp_path):
    write_mot(tmp_path, 0, ['MOT17-01'], 9)
    before = score_ours(tmp_path, 'mot_challenge')
    append(tmp_path, '5,900,0,0,9,9,1,3,-1,-1')
    after = score_ours(tmp_path, 'mot_challenge', '--skip-other-classes')
    assert after['sequences'] == before['sequences']


def test_what_cannot_be_scored(tmp_path):
    lengths = write_kitti(tmp_path, 0, ['0000', '0001'])
    assert len(lengths) == 2
    with pytest.raises(InputError, match='no sequence 7; legal: 0000, 0001'):
        score_ours(tmp_path, 'kitti', '--sequences', '7')
    with pytest.raises(InputError, match='one file for 2 sequences'):
        file = tmp_path / 'trackers' / 'ours' / 'data' / '0000.txt'
        truth = ('--truth', tmp_path / 'gt', '--protocol', 'kitti')
        score.score(arguments(*truth, '--results', file))
    write(tmp_path / 'gt' / 'label_02' / '0000.txt', ['0 1 Lorry 0 0 0 1 2 3 4'])
    with pytest.raises(InputError, match=r"0000.txt:1: type 'Lorry'; legal: car"):
        score_ours(tmp_path, 'kitti')
    with pytest.raises(InputError, match='no label_02'):
        score_ours(tmp_path / 'trackers', 'kitti')


needs_data = pytest.mark.skipif('MOT_DATA' not in os.environ, reason='MOT_DATA names no folder')


def linked(frames: list[np.ndarray], *, min_iou: float = 0.3) -> list[tuple[int, int, np.ndarray]]:
    """Boxes (K, 4) of each frame linked to those of the frame before by IoU: frame, id, box."""
    rows, next_id = [], 1
    before, ids_before = np.zeros((0, 4)), np.zeros(0, np.int64)
    for t, boxes in enumerate(frames):
        ids = np.zeros(len(boxes), np.int64)
        iou = iou_matrix(before, boxes)
        for _ in range(min(iou.shape)):
            i, j = np.unravel_index(iou.argmax(), iou.shape)
            if iou[i, j] < min_iou:
                break
            ids[j] = ids_before[i]
            iou[i], iou[:, j] = 0, 0
        for j in np.flatnonzero(ids == 0):
            ids[j], next_id = next_id, next_id + 1
        rows += [(t, int(k), box) for k, box in zip(ids, boxes, strict=True)]
        before, ids_before = boxes, ids
    return rows


def boxes_by_frame(table: np.ndarray, n: int, columns: slice) -> list[np.ndarray]:
    return [table[table[:, 0] == t][:, columns] for t in range(n)]


@pytest.mark.data
@needs_data
def test_mot15_as_trackeval_by_hand_on_real_tracks(tmp_path):
    """TUD-Stadtmitte: its public detections, linked."""
    real = Path(os.environ['MOT_DATA']) / 'mot15' / 'dev' / 'TUD-Stadtmitte'
    (tmp_path / 'gt' / real.name / 'gt').mkdir(parents=True)
    for name in ('seqinfo.ini', 'gt/gt.txt'):
        shutil.copy(real / name, tmp_path / 'gt' / real.name / name)
    detections = np.loadtxt(real / 'det' / 'det.txt', delimiter=',')
    detections[:, 4:6] += detections[:, 2:4]
    rows = linked(boxes_by_frame(detections - np.eye(10)[0], 179, slice(2, 6)))
    lines = [
        mot_line((t, number, 0, *box[:2], *(box[2:] - box[:2])), '1,-1,-1,-1')
        for t, number, box in rows
    ]
    write(tmp_path / 'trackers' / 'ours' / 'data' / f'{real.name}.txt', lines)
    report = score_ours(tmp_path, 'mot_challenge')
    assert report['sequences'][0]['frames'] == 179
    assert 0.2 < report['sequences'][0]['classes']['pedestrian']['hota'] < 0.8
    assert_equal(report, mot_by_hand(tmp_path, {real.name: 179}, 'MOT15'))


@pytest.mark.data
@needs_data
def test_kitti_as_trackeval_by_hand_on_real_tracks(tmp_path):
    """Four sequences with all kinds of labels, and PointRCNN's detections, linked."""
    real = Path(os.environ['MOT_DATA']) / 'kitti_tracking'
    lengths = {'0000': 154, '0001': 447, '0004': 314, '0011': 373}
    for name, n in lengths.items():
        (tmp_path / 'gt' / 'label_02').mkdir(parents=True, exist_ok=True)
        shutil.copy(real / 'label_02' / f'{name}.txt', tmp_path / 'gt' / 'label_02')
        lines = []
        for kind in ('Car', 'Pedestrian', 'Cyclist'):
            file = real / f'pointrcnn_{kind}' / f'{name}.txt'
            table = np.loadtxt(file, delimiter=',', ndmin=2) if file.stat().st_size else None
            if table is not None:
                rows = linked(boxes_by_frame(table[table[:, 6] > 0], n, slice(2, 6)))
                lines += [
                    kitti_line((t, k, kind, *box[:2], *(box[2:] - box[:2]))) for t, k, box in rows
                ]
        write(tmp_path / 'trackers' / 'ours' / 'data' / f'{name}.txt', lines)
    expected = kitti_by_hand(tmp_path, lengths)
    report = score_ours(tmp_path, 'kitti')
    assert report['combined']['real']['classes']['car']['hota'] > 0.5
    assert_equal(report, expected)
