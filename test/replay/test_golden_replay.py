"""Golden clips give what they gave before; and what they give is true."""

import copy
from pathlib import Path
import subprocess
import sys

from golden_clips import BLUE, CASES, painted, RED
from golden_run import (
    COMMIT_FILE,
    differences,
    read_reference,
    reference_path,
    REFS,
    replay_case,
)
import numpy as np
import pytest


@pytest.mark.parametrize('case', CASES.values(), ids=CASES)
def test_replay_agrees_with_its_reference(case):
    found = differences(case, read_reference(case), replay_case(case))
    assert found == [], 'meant? then run: python test/replay/update.py --all'


@pytest.mark.parametrize('case', CASES.values(), ids=CASES)
def test_reference_is_not_empty_and_ids_are_never_reused(case):
    rows = read_reference(case)
    assert len(rows) == sum(1 for _ in case.clip())
    assert sum(bool(row['tracks']) for row in rows) > 0.5 * len(rows)
    assert_ids_are_never_reused(rows)


def assert_ids_are_never_reused(rows):
    """New ids are the highest so far, and an id keeps its class and grows older."""
    highest, latest = 0, {}
    for row in rows:
        for track in sorted(row['tracks'], key=lambda track: track['id']):
            before = latest.get(track['id'])
            if before is None:
                assert track['id'] > highest, 'a new id is the highest so far'
            elif row['stamp_ns'] != before[1]:
                assert track['class'] == before[0]['class']
                assert track['age'] > before[0]['age'], 'the same object, not another of its id'
            latest[track['id']] = track, row['stamp_ns']
            highest = max(highest, track['id'])


def test_reuse_of_an_id_would_be_noticed():
    rows = [
        {'stamp_ns': index, 'tracks': [{'id': id_, 'class': class_, 'age': age}]}
        for index, (id_, class_, age) in enumerate([(1, 0, 1), (2, 0, 1), (2, 0, 2), (3, 0, 1)])
    ]
    assert_ids_are_never_reused(rows)
    for change in ({'id': 1}, {'id': 2}, {'id': 2, 'age': 3, 'class': 1}):
        bad = copy.deepcopy(rows)
        bad[-1]['tracks'][0].update(change)
        with pytest.raises(AssertionError):
            assert_ids_are_never_reused(bad)


def test_every_reference_has_a_case():
    assert {p.name for p in REFS.glob('*.jsonl')} == {
        reference_path(c).name for c in CASES.values()
    }
    assert len(COMMIT_FILE.read_text().strip()) == 40


def lives(name):
    """Frames in which each id of a case is published, and the classes it has."""
    frames, classes = {}, {}
    for index, row in enumerate(read_reference(CASES[name])):
        for track in row['tracks']:
            frames.setdefault(track['id'], []).append(index)
            classes.setdefault(track['id'], set()).add(track['class'])
    return frames, classes


@pytest.mark.parametrize('name', ['street', 'street_with_teacher'])
def test_street_has_one_track_per_object(name):
    frames, classes = lives(name)
    assert sorted(c for found in classes.values() for c in found) == [0, 1, 2]
    assert max(len(found) for found in frames.values()) >= 28


def test_teacher_sees_every_fourth_frame():
    roles = [row['role'] for row in read_reference(CASES['street_with_teacher'])]
    assert [i for i, role in enumerate(roles) if role == 'teacher'] == list(range(0, 30, 4))


def test_crossing_pedestrians_keep_their_ids():
    frames, _ = lives('crossing')
    assert len(frames) == 2
    rows = read_reference(CASES['crossing'])
    for track_id in frames:
        boxes = [t['box'] for row in rows for t in row['tracks'] if t['id'] == track_id]
        steps = np.diff([box[0] for box in boxes])
        assert (steps > 0).all() or (steps < 0).all(), 'nobody turns round'


def test_hidden_car_comes_back_with_its_id_unless_memory_is_short():
    frames, _ = lives('occlusion')
    assert len(frames) == 2
    forgetful, _ = lives('short_memory')
    assert len(forgetful) > 2


def test_dropped_frames_cost_no_id():
    frames, _ = lives('dropped_frames')
    assert len(frames) == 2


def test_stamps_that_jump_begin_new_tracks_and_duplicates_do_not():
    frames, _ = lives('broken_clock')
    assert [(found[0], found[-1]) for found in frames.values()] == [
        (0, 11),  # with a duplicate and a late frame in it
        (14, 19),  # the third frame of a bag that loops
        (20, 25),  # ten seconds ahead
        (26, 29),  # back by more than `max_gap_s`
    ]
    rows = read_reference(CASES['broken_clock'])
    assert rows[7] == rows[8], 'the duplicate'
    assert [i for i, row in enumerate(rows) if row['role'] == 'late'] == [9, 12, 13]


def test_resolution_change_begins_new_tracks():
    frames, _ = lives('resolution_change')
    assert [sorted(found)[0] // 8 for found in frames.values()] == [0, 1, 2]


def test_comparison_notices_every_kind_of_change():
    case = CASES['street']
    rows = read_reference(case)
    assert differences(case, rows, rows[:-1]) == ['street: 30 frames in the reference, 29 now']
    changes = {
        'id': lambda row: row['tracks'][0].update(id=99),
        'state': lambda row: row['tracks'][0].update(state=2),
        'class': lambda row: row['tracks'][0].update({'class': 7}),
        'score': lambda row: row['tracks'][0].update(score=0.5),
        'box': lambda row: row['tracks'][0]['box'].__setitem__(2, 0.0),
        'role': lambda row: row.update(role='teacher'),
        'stamp_ns': lambda row: row.update(stamp_ns=0),
    }
    for kind, change in changes.items():
        other = copy.deepcopy(rows)
        change(other[10])
        first, *counts = differences(case, rows, other)
        assert first.startswith(f'street, frame 10: {kind}: was ')
        assert f'{kind}: 1 frames' in counts
    near = copy.deepcopy(rows)
    near[10]['tracks'][0]['box'][0] += 0.005
    assert differences(case, rows, near) == []


def test_painting_clips_to_the_image():
    frame = painted(0, [(RED, -5, -5, 10, 10), (BLUE, 318, 190, 50, 50), (RED, -50, 0, 20, 20)])
    assert frame.image[4, 4].tolist() == list(RED)
    assert frame.image[5, 5].tolist() == [96] * 3
    assert frame.image[191, 319].tolist() == list(BLUE)
    assert (frame.image != 96).any(axis=2).sum() == 5 * 5 + 2 * 2


def test_update_refuses_partial_runs():
    script = Path(__file__).parent / 'update.py'
    done = subprocess.run(
        [sys.executable, str(script)], check=False, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith('refused: pass --all')
