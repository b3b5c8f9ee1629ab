"""Judging some frames of a sequence is judging a sequence that has these frames only."""

from dataclasses import replace

import numpy as np
import pytest

from mot_compress_ros.errors import InvalidDataError
from offline_training.evaluation.chosen_frames import ChosenFrames
from offline_training.evaluation.protocols import kitti, mot_challenge
from offline_training.evaluation.protocols.judge import FoundBoxes, TruthOptions
from offline_training.evaluation.tracking_scores import score_judged

N_FRAMES = 9


@pytest.fixture
def mot_judge(tmp_path):
    """Two pedestrians, one of them gone for a while, and a distractor."""
    rows = []
    for k in range(N_FRAMES):
        rows.append(f'{k + 1},1,{10 * k},10,40,80,1,1,1\n')
        if not 3 <= k < 6:
            rows.append(f'{k + 1},2,{300 - 10 * k},20,40,80,1,1,1\n')
        rows.append(f'{k + 1},3,500,20,40,80,1,12,1\n')
    (tmp_path / 'gt.txt').write_text(''.join(rows))
    (judge,) = mot_challenge.read_truth(tmp_path, TruthOptions())
    return judge


@pytest.fixture
def kitti_judge(tmp_path):
    """A car and a van."""
    folder = tmp_path / 'label_02'
    folder.mkdir()
    rest = '0 0 0 0 0 0 0'
    rows = [
        f'{k} {identity} {kind} 0 0 0 {x + 9 * k} 100 {x + 9 * k + 80} 160 {rest}\n'
        for k in range(N_FRAMES)
        for identity, kind, x in ((1, 'Car', 10), (2, 'Van', 400))
    ]
    (folder / '0000.txt').write_text(''.join(rows))
    (judge,) = kitti.read_truth(tmp_path, TruthOptions())
    return judge


def found_near(judge, seed):
    """Every labelled box, a little off, under ids that change half way."""
    rng = np.random.default_rng(seed)
    return [
        FoundBoxes(
            boxes_xyxy_px=frame.boxes_xyxy_px + rng.normal(0, 3, (len(frame.ids), 4)),
            track_ids=frame.ids + (10 if k >= N_FRAMES // 2 else 0),
            class_ids=np.zeros(len(frame.ids), np.int64),
        )
        for k, frame in enumerate(judge.frames)
    ]


@pytest.mark.parametrize('which', ['mot_judge', 'kitti_judge'])
@pytest.mark.parametrize('rows', [[0, 2, 4, 6, 8], [1, 5, 6], list(range(N_FRAMES)), [3]])
def test_same_scores_as_a_shorter_sequence(request, which, rows):
    judge = request.getfixturevalue(which)
    found = [here for k, here in enumerate(found_near(judge, 1)) if k in rows]
    chosen = ChosenFrames(judge, np.array(rows))
    shorter = replace(judge, frames=tuple(judge.frames[k] for k in rows))
    assert chosen.n_frames == len(rows)
    assert (chosen.name, chosen.origin, chosen.class_ids) == (
        judge.name,
        judge.origin,
        judge.class_ids,
    )
    a, b = score_judged(chosen, found, 0), score_judged(shorter, found, 0)
    assert a.boxes == b.boxes > 0
    assert a.summary() == b.summary()


def test_wrong_rows_and_lengths(mot_judge):
    for rows in ([0, N_FRAMES], [-1, 2], [3, 2], [2, 2]):
        with pytest.raises(InvalidDataError, match='ascending indices of its 9 frames'):
            ChosenFrames(mot_judge, np.array(rows))
    with pytest.raises(InvalidDataError, match='1 frames of results for 2 chosen ones'):
        ChosenFrames(mot_judge, np.array([0, 1])).prepare([FoundBoxes.empty()], 0)
