import contextlib
import io
from pathlib import Path

import numpy as np
import pytest
import trackeval

from mot_compress_ros.boxes import xyxy_to_xywh
from mot_compress_ros.errors import InvalidDataError
from offline_training.datasets.mot_layout import read_ground_truth
from offline_training.evaluation import tracking_scores
from offline_training.evaluation.protocols.product import matches_ignored
from offline_training.evaluation.tracking_scores import (
    average_classes,
    combine_classes,
    combine_sequences,
    score_class,
    TrackingScores,
)

PEDESTRIAN, CYCLIST, VEHICLE = 0, 1, 2
N = 10


def box(x: float, width: float = 20.0) -> tuple[float, float, float, float]:
    return x, 10.0, x + width, 60.0


def two_walkers(a: int = 1, b: int = 2) -> list[list[tuple]]:
    """Two pedestrians, far apart, moving a pixel a frame."""
    return [[(a, PEDESTRIAN, *box(t)), (b, PEDESTRIAN, *box(200 + t))] for t in range(N)]


def test_perfect_tracks_score_one(make_truth, make_tracks):
    truth = [make_truth(rows) for rows in two_walkers()]
    tracks = [make_tracks(rows) for rows in two_walkers(a=7, b=5)]  # other ids: no matter
    scores = score_class(truth, tracks, PEDESTRIAN).summary()
    for name in ('hota', 'det_a', 'ass_a', 'mota', 'idf1', 'recall', 'precision', 'id_recall'):
        assert getattr(scores, name) == pytest.approx(1.0), name
    assert (scores.id_switches, scores.false_positives, scores.misses) == (0, 0, 0)
    assert (scores.mostly_tracked, scores.mostly_lost) == (2, 0)
    assert (scores.objects, scores.boxes) == (2, 2 * N)


def test_one_identity_switch(make_truth, make_tracks):
    """Half way one walker gets a new id: by hand, MOTA = 1 - 1/20 and IDF1 = 2*15/40."""
    truth = [make_truth(rows) for rows in two_walkers()]
    tracks = [make_tracks(rows) for rows in two_walkers()[: N // 2] + two_walkers(a=9)[N // 2 :]]
    scores = score_class(truth, tracks, PEDESTRIAN).summary()
    assert scores.id_switches == 1
    assert scores.mota == pytest.approx(1 - 1 / 20)
    assert scores.idf1 == pytest.approx(2 * 15 / (20 + 20))
    assert scores.det_a == pytest.approx(1.0)
    # Each of the walker's 10 matches shares its id pair with 5 of 10: A = 0.5; the other's is 1.
    assert scores.ass_a == pytest.approx((10 * 0.5 + 10 * 1.0) / 20)
    assert scores.hota == pytest.approx(np.sqrt(0.75))


def test_one_miss_and_one_false_alarm(make_truth, make_tracks):
    truth = [make_truth(rows) for rows in two_walkers()]
    found = two_walkers()
    found[3] = found[3][:1]
    found[4] = [*found[4], (8, PEDESTRIAN, *box(500))]
    scores = score_class(truth, [make_tracks(rows) for rows in found], PEDESTRIAN).summary()
    assert (scores.misses, scores.false_positives, scores.id_switches) == (1, 1, 0)
    assert scores.mota == pytest.approx(1 - 2 / 20)
    assert scores.recall == pytest.approx(19 / 20)
    assert scores.fragments == 1


def test_nothing_found_and_nothing_to_find(make_truth, make_tracks):
    truth = [make_truth(rows) for rows in two_walkers()]
    empty = [make_tracks([]) for _ in range(N)]
    missed = score_class(truth, empty, PEDESTRIAN).summary()
    assert (missed.hota, missed.misses, missed.mostly_lost) == (0.0, 2 * N, 2)
    alone = score_class(
        [make_truth([]) for _ in range(N)], [make_tracks(r) for r in two_walkers()], PEDESTRIAN
    ).summary()
    assert (alone.false_positives, alone.boxes) == (2 * N, 0)
    silent = score_class([make_truth([])], [make_tracks([])], PEDESTRIAN).summary()
    assert (silent.false_positives, silent.misses) == (0, 0)


def test_classes_are_scored_apart(make_truth, make_tracks):
    """A vehicle found as a cyclist is a miss of one class and a false alarm of the other."""
    truth = [make_truth([(1, VEHICLE, *box(0))]) for _ in range(N)]
    tracks = [make_tracks([(1, CYCLIST, *box(0))]) for _ in range(N)]
    by_class = {str(c): score_class(truth, tracks, c) for c in (CYCLIST, VEHICLE)}
    assert by_class[str(VEHICLE)].summary().misses == N
    assert by_class[str(CYCLIST)].summary().false_positives == N
    everything = combine_classes(by_class).summary()
    assert (everything.misses, everything.false_positives) == (N, N)


def test_class_average_is_over_classes_with_objects(make_truth, make_tracks):
    """Pedestrians perfect, vehicles never found, no cyclist anywhere: the mean of 1 and 0."""
    rows = [[(1, PEDESTRIAN, *box(t)), (2, VEHICLE, *box(200))] for t in range(N)]
    truth = [make_truth(r) for r in rows]
    tracks = [make_tracks(r[:1]) for r in rows]
    raw = {str(c): score_class(truth, tracks, c) for c in (PEDESTRIAN, CYCLIST, VEHICLE)}
    mean = average_classes(raw).summary()
    assert mean.hota == pytest.approx(0.5)
    assert mean.idf1 == pytest.approx(0.5)
    assert combine_classes(raw).summary().recall == pytest.approx(0.5)


def test_sequences_are_pooled_by_their_counts(make_truth, make_tracks):
    rows = two_walkers()
    truth = [make_truth(r) for r in rows]
    good = score_class(truth, [make_tracks(r) for r in rows], PEDESTRIAN)
    bad = score_class(truth[:5], [make_tracks([]) for _ in range(5)], PEDESTRIAN)
    pooled = combine_sequences({'good': good, 'bad': bad}).summary()
    assert pooled.mota == pytest.approx(20 / 30)
    assert (pooled.boxes, pooled.objects) == (30, 4)


def test_predictions_on_ignored_regions_do_not_count(make_truth, make_tracks):
    ignored = (9, PEDESTRIAN, *box(500))
    truth = [make_truth([*rows, ignored], [False, False, True]) for rows in two_walkers()]
    tracks = [make_tracks([*rows, (4, PEDESTRIAN, *box(503))]) for rows in two_walkers()]
    scores = score_class(truth, tracks, PEDESTRIAN).summary()
    assert (scores.mota, scores.hota) == (pytest.approx(1.0), pytest.approx(1.0))
    assert (scores.boxes, scores.objects) == (2 * N, 2)


def test_ignored_regions_need_not_be_found_and_forgive_their_class_only(make_truth, make_tracks):
    ignored = (9, CYCLIST, *box(500))
    truth = [make_truth([*rows, ignored], [False, False, True]) for rows in two_walkers()]
    unseen = score_class(truth, [make_tracks(r) for r in two_walkers()], PEDESTRIAN).summary()
    assert unseen.mota == pytest.approx(1.0)
    extra = [make_tracks([*r, (4, PEDESTRIAN, *box(500))]) for r in two_walkers()]
    assert score_class(truth, extra, PEDESTRIAN).summary().false_positives == N


def test_an_object_keeps_its_match_beside_an_ignored_region():
    iou = np.array([[0.9, 0.0], [0.6, 0.3]])  # an object and an ignored region, two predictions
    taken = matches_ignored(iou, np.array([False, True]))
    assert taken.tolist() == [False, False]  # 0.3 is no match; the object has the first


def test_lengths_must_agree(make_truth, make_tracks):
    with pytest.raises(InvalidDataError, match='1 frames of tracks for 2'):
        score_class([make_truth([]), make_truth([])], [make_tracks([])], PEDESTRIAN)
    with pytest.raises(InvalidDataError, match='at least one'):
        combine_sequences({})


def random_sequence(rng: np.random.Generator) -> tuple[list[list], list[list]]:
    """Six objects on lines, and a tracker that jitters, misses, swaps and invents."""
    truth, found = [], []
    start, speed = rng.uniform(0, 400, 6), rng.uniform(-3, 3, 6)
    for t in range(40):
        here = [(i + 1, PEDESTRIAN, *box(start[i] + speed[i] * t)) for i in range(6)]
        truth.append(here)
        seen = []
        for number, class_id, x1, y1, x2, y2 in here:
            if rng.uniform() < 0.85:
                dx, dy = rng.normal(0, 2, 2)
                shown = number + 10 * int(rng.uniform() < 0.1)
                seen.append((shown, class_id, x1 + dx, y1 + dy, x2 + dx, y2 + dy))
        if rng.uniform() < 0.3:
            seen.append((99, PEDESTRIAN, *box(float(rng.uniform(500, 600)))))
        found.append(seen)
    return truth, found


def file_rows(frames: list[list], tail: str) -> list[str]:
    """Lines of a MOTChallenge file; `tail` are the columns after the box."""
    lines = []
    for t, rows in enumerate(frames, start=1):
        for number, _, *xyxy in rows:
            xywh = xyxy_to_xywh(np.array([xyxy]))[0]
            lines.append(f'{t},{number},{",".join(repr(float(v)) for v in xywh)},{tail}')
    return lines


def beside(frames: list[list], *, x: float, number: int) -> list[list]:
    """A box in every second frame, away from the six objects and the tracker's inventions."""
    return [[(number, PEDESTRIAN, *box(x + t))] if t % 2 else [] for t in range(len(frames))]


def judged_by_trackeval(folder: Path, gt: list[str], found: list[list], benchmark: str) -> dict:
    """The pedestrian scores of TrackEval's own command on files."""
    for path, lines in (
        (folder / 'gt' / 'seq' / 'gt' / 'gt.txt', gt),
        (folder / 'trackers' / 'ours' / 'data' / 'seq.txt', file_rows(found, '1,-1,-1,-1')),
    ):
        path.parent.mkdir(parents=True)
        path.write_text('\n'.join(lines) + '\n')
    quiet = {'PRINT_RESULTS': False, 'PRINT_CONFIG': False, 'TIME_PROGRESS': False}
    with contextlib.redirect_stdout(io.StringIO()):
        dataset = trackeval.datasets.MotChallenge2DBox(
            {
                'GT_FOLDER': str(folder / 'gt'),
                'TRACKERS_FOLDER': str(folder / 'trackers'),
                'BENCHMARK': benchmark,
                'SKIP_SPLIT_FOL': True,
                'SEQ_INFO': {'seq': len(found)},
                'PRINT_CONFIG': False,
            }
        )
        judge = trackeval.Evaluator({**quiet, 'OUTPUT_SUMMARY': False, 'OUTPUT_DETAILED': False,
                                     'PLOT_CURVES': False})  # fmt: skip
        results, _ = judge.evaluate([dataset], list(tracking_scores.metrics()))
    return results['MotChallenge2DBox']['ours']['COMBINED_SEQ']['pedestrian']


def ours(folder: Path, gt: list[str], tracks: list) -> TrackingScores:
    """Our scores of the same file."""
    folder.mkdir()
    (folder / 'gt.txt').write_text('\n'.join(gt) + '\n')
    truth = read_ground_truth(folder / 'gt.txt', n_frames=len(tracks))
    return score_class(truth, tracks, PEDESTRIAN).summary()


def assert_same(scores: TrackingScores, expected: dict) -> None:
    # Tracks hold float32 boxes; the files hold doubles.
    assert scores.hota == pytest.approx(np.mean(expected['HOTA']['HOTA']), abs=1e-5)
    assert scores.ass_a == pytest.approx(np.mean(expected['HOTA']['AssA']), abs=1e-5)
    assert scores.mota == pytest.approx(expected['CLEAR']['MOTA'])
    assert scores.idf1 == pytest.approx(expected['Identity']['IDF1'])
    assert scores.id_switches == expected['CLEAR']['IDSW']
    assert scores.mostly_tracked == expected['CLEAR']['MT']
    assert scores.false_positives == expected['CLEAR']['CLR_FP']


@pytest.fixture(params=[0, 1, 2])
def judged(request, make_tracks) -> tuple[list[list], list[list], list, list[list]]:
    """Truth, what was found, the same as tracks, and boxes (20 of them) that were found beside."""
    truth, found = random_sequence(np.random.default_rng(request.param))
    extra = beside(truth, x=800, number=50)
    found = [rows + more for rows, more in zip(found, extra, strict=True)]
    return truth, found, [make_tracks(rows) for rows in found], extra


def test_same_numbers_as_trackeval_on_files_with_distractors(tmp_path, judged):
    """The judge's own command, fed with files, agrees; distractors (class 8) are forgiven."""
    truth, found, tracks, extra = judged
    gt = [*file_rows(truth, '1,1,1'), *file_rows(extra, '0,8,1')]
    expected = judged_by_trackeval(tmp_path, gt, found, 'MOT17')
    scores = ours(tmp_path / 'ours', gt, tracks)
    assert 0 < scores.hota < 1
    assert scores.id_switches > 0
    assert_same(scores, expected)
    without = ours(tmp_path / 'without', file_rows(truth, '1,1,1'), tracks)
    assert without.false_positives == scores.false_positives + 20


def test_inactive_rows_are_forgiven_where_trackeval_counts_them(tmp_path, judged):
    """The first deviation that the package names: a row with active 0 is like a distractor."""
    truth, found, tracks, extra = judged
    objects = file_rows(truth, '1,1,1')
    gt = [*objects, *file_rows(extra, '0,1,1')]
    scores = ours(tmp_path / 'ours', gt, tracks)
    strict = judged_by_trackeval(tmp_path / 'a', gt, found, 'MOT17')
    assert strict['CLEAR']['CLR_FP'] == scores.false_positives + 20
    as_distractor = [*objects, *file_rows(extra, '0,8,1')]
    assert_same(scores, judged_by_trackeval(tmp_path / 'b', as_distractor, found, 'MOT17'))


def test_mot15_is_preprocessed_too(tmp_path, judged):
    """The second deviation: TrackEval takes nothing out in MOT15, whose rows have no class."""
    truth, found, tracks, extra = judged
    objects = file_rows(truth, '1,-1,-1,-1')
    alone = ours(tmp_path / 'alone', objects, tracks)
    assert_same(alone, judged_by_trackeval(tmp_path / 'a', objects, found, 'MOT15'))
    gt = [*objects, *file_rows(extra, '0,-1,-1,-1')]
    scores = ours(tmp_path / 'ours', gt, tracks)
    strict = judged_by_trackeval(tmp_path / 'b', gt, found, 'MOT15')
    assert strict['CLEAR']['CLR_FP'] == scores.false_positives + 20
    assert (strict['CLEAR']['CLR_FN'], strict['CLEAR']['IDSW']) == (
        scores.misses,
        scores.id_switches,
    )


def test_nothing_is_printed(make_truth, make_tracks, capsys):
    rows = two_walkers()
    score_class([make_truth(r) for r in rows], [make_tracks(r) for r in rows], PEDESTRIAN)
    assert capsys.readouterr().out == ''
