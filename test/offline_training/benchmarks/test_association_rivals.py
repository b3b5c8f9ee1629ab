"""Every contestant that is installed follows a scene; the textbook one by hand-made cases."""

import importlib
from types import ModuleType

import numpy as np
import pytest

from mot_compress_ros.datatypes import Detections
from offline_training.benchmarks.association import _scores
from offline_training.benchmarks.association_rivals import contract, MEMBERS, textbook_sort
from offline_training.benchmarks.association_scene import crowd_frames, CrowdConfig
from offline_training.benchmarks.association_turn import one_turn

MODULES = {name: importlib.import_module(path) for name, path in MEMBERS.items()}
CONTESTANTS = [
    pytest.param(
        module,
        name,
        id=name,
        marks=pytest.mark.skipif(bool(module.missing()), reason=module.missing()),
    )
    for module in MODULES.values()
    for name in module.names()
]
FPS = 30.0


@pytest.fixture(scope='module')
def frames() -> list:
    return list(crowd_frames(CrowdConfig(objects=12, frames=60, seed=5)))


@pytest.mark.parametrize(('module', 'name'), CONTESTANTS)
def test_it_follows_a_sparse_scene(frames, module: ModuleType, name: str):
    """Far above chance: a contestant that is fed wrongly would not come near."""
    turn = one_turn(module.make(name, fps=FPS), frames, warm_up=5, limit_s=60)
    assert turn.whole
    assert len(turn.samples_ms) == 55
    assert len(turn.found) == 60
    for found in turn.found:
        assert (found.track_ids > 0).all()
        assert len(set(found.track_ids.tolist())) == len(found)
    scores = _scores(turn, frames)
    assert scores['hota'] > 0.65
    assert scores['mota'] > 0.65


@pytest.mark.parametrize(('module', 'name'), CONTESTANTS)
def test_a_fresh_one_knows_nothing_of_the_last(frames, module: ModuleType, name: str):
    one, two = (
        one_turn(module.make(name, fps=FPS), frames[:20], warm_up=0, limit_s=60) for _ in range(2)
    )
    for a, b in zip(one.found, two.found, strict=True):
        assert np.array_equal(a.boxes_xyxy_px, b.boxes_xyxy_px)
        assert np.array_equal(a.track_ids, b.track_ids)


@pytest.mark.parametrize(('module', 'name'), CONTESTANTS)
def test_an_empty_frame_is_taken(module: ModuleType, name: str):
    contestant = module.make(name, fps=FPS)
    prepared = contestant.prepare(Detections.empty(embedding_dim=4))
    for stamp_ns in (1, 33_333_334):
        assert len(contestant.found(contestant.update(prepared, stamp_ns=stamp_ns))) == 0


def test_names_are_unique_over_all_members():
    names = [name for module in MODULES.values() for name in module.names()]
    assert len(set(names)) == len(names)
    assert {'vehicle', 'trackers-bytetrack', 'norfair', 'filterpy-sort'} <= set(names)


def test_what_is_missing_is_said_with_the_command_that_helps():
    assert contract.missing_packages(['numpy']) == ''
    said = contract.missing_packages(['numpy', 'no_such_package'])
    assert said == f'no_such_package not installed: {contract.HOW_TO_INSTALL}'


# Textbook SORT.
needs_filterpy = pytest.mark.skipif(
    bool(textbook_sort.missing()), reason=textbook_sort.missing() or 'installed'
)


def sort_rows(*per_frame: list) -> list[np.ndarray]:
    """What SORT shows of frames that are lists of boxes."""
    sort = textbook_sort.make(textbook_sort.NAME, fps=FPS)
    return [
        sort.update(np.array(rows, np.float64).reshape(-1, 4), stamp_ns=k)
        for k, rows in enumerate(per_frame)
    ]


def box_at(x: float) -> list[float]:
    return [x, 100.0, x + 40, 200.0]


@needs_filterpy
def test_sort_keeps_an_id_through_one_missed_frame_and_not_through_two():
    seen = [[box_at(5.0 * k)] for k in range(6)]
    once = sort_rows(*seen, [], [box_at(35)], [box_at(40)], [box_at(45)], [box_at(50)])
    assert [rows[:, 4].tolist() for rows in once[:6]] == [[1.0]] * 6
    assert once[6].shape == (0, 5)
    # Its streak begins anew, so it is shown again with the third hit after the gap.
    assert [rows[:, 4].tolist() for rows in once[7:]] == [[], [], [1.0], [1.0]]
    twice = sort_rows(*seen, [], [], *[[box_at(40 + 5 * k)] for k in range(4)])
    assert twice[-1][:, 4].tolist() == [2.0]


@needs_filterpy
def test_sort_predicts_by_the_velocity_it_has_learned():
    """After steps of 10 px a box two steps on overlaps the prediction, not the last box enough."""
    steps = [[box_at(10.0 * k)] for k in range(8)]
    rows = sort_rows(*steps, [], [box_at(90)], [box_at(100)], [box_at(110)])
    assert rows[-1][:, 4].tolist() == [1.0]
    assert rows[7][0, 0] == pytest.approx(70, abs=2)


@needs_filterpy
def test_sort_pairs_for_the_best_sum_and_not_the_best_pair():
    """0-0 overlaps most (0.83) but leaves 0.38 for 1-1; 0-1 (0.6) and 1-0 (0.8) are more."""
    tracks = np.array([[0.0, 0, 100, 10], [20, 0, 120, 10]])
    seen = np.array([[9.0, 0, 109, 10], [-25, 0, 75, 10]])
    assert sorted(textbook_sort._associate(tracks, seen)) == [(0, 1), (1, 0)]
    far = seen + np.array([1000.0, 0, 1000, 0])
    assert textbook_sort._associate(tracks, far) == []


@needs_filterpy
def test_our_sort_and_the_textbook_one_agree_box_by_box(frames):
    """Two codes of one paper: a filter per track there, columns here."""
    ours, textbook = (
        one_turn(MODULES[member].make(name, fps=FPS), frames, warm_up=0, limit_s=60).found
        for member, name in (('ours', 'sort'), ('filterpy', textbook_sort.NAME))
    )
    renamed: dict[int, int] = {}
    for mine, theirs in zip(ours, textbook, strict=True):
        assert len(mine) == len(theirs)
        a, b = (np.lexsort(found.boxes_xyxy_px.round(1).T) for found in (mine, theirs))
        assert np.allclose(mine.boxes_xyxy_px[a], theirs.boxes_xyxy_px[b], atol=0.05)
        for own, other in zip(mine.track_ids[a], theirs.track_ids[b], strict=True):
            assert renamed.setdefault(int(own), int(other)) == other
    assert len(renamed) == len(set(renamed.values())) > 12
