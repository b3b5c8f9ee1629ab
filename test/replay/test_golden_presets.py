"""Each preset has a reference of its own, which shows its rules and notices when one changes."""

from dataclasses import replace
from itertools import combinations

from golden_clips import CASES
from golden_detections import blank, CAR, CYCLIST, PEDESTRIAN, tremble, turn_seen, yaw_rad
from golden_run import differences, read_reference, replay_case
import numpy as np
import pytest

from mot_compress_ros.tracking import PRESETS


def with_options(case, **tracker):
    """The case with other options of the tracker."""
    changed = {f'tracker.{name}': value for name, value in tracker.items()}
    return replace(case, options={**case.options, **changed})


def noticed(name, **tracker):
    """What the replay test of a case says of a tracker with these options."""
    case = CASES[name]
    return differences(case, read_reference(case), replay_case(with_options(case, **tracker)))


def ids_at(name, *, near):
    """(frame, id) of the published tracks near (class, x, y): 60 px along x, 30 px along y."""
    class_id, x, y = near
    found = []
    for row in read_reference(CASES[name]):
        for track in row['tracks']:
            left, top, right, bottom = track['box']
            close = abs((left + right) / 2 - x) < 60 and abs((top + bottom) / 2 - y) < 30
            if close and track['class'] == class_id:
                found.append((frame_of(row), track['id']))
    return found


def frame_of(row):
    return round((row['stamp_ns'] - blank(0).stamp_ns) / (blank(1).stamp_ns - blank(0).stamp_ns))


def ids_of(name, class_id, *, frames):
    """Ids of a class that are published in some frames."""
    return {
        track['id']
        for row in read_reference(CASES[name])
        for track in row['tracks']
        if track['class'] == class_id and frame_of(row) in frames
    }


# --- Each has a reference of its own ----------------------------------------------------------


def test_every_preset_has_a_reference():
    named = {case.options.get('tracker.preset') for case in CASES.values()}
    assert named - {None} == set(PRESETS)


@pytest.mark.parametrize(('one', 'other'), combinations(PRESETS, 2))
def test_no_two_presets_have_the_same_reference(one, other):
    """They differ in ids, or in boxes by more pixels than a filter is off by."""
    case = replace(CASES[f'junction_{one}'], box_tolerance_px=10.0, score_tolerance=1.0)
    references = [read_reference(CASES[f'junction_{name}']) for name in (one, other)]
    assert differences(case, *references) != []


def test_the_default_is_the_preset_vehicle():
    for name in ('junction_vehicle', 'rivals_vehicle'):
        case = replace(CASES[name], options={})
        assert differences(case, read_reference(case), replay_case(case)) == []


# --- It shows the rules of the preset ---------------------------------------------------------


@pytest.mark.parametrize(
    ('preset', 'weak', 'weaker'),
    [
        ('vehicle', True, True),
        ('sort', True, True),  # all scores are alike to it
        ('fairmot', True, True),
        ('byte', True, True),
        ('botsort', True, True),
        ('ocsort', False, False),
    ],
)
def test_junction_weak_detections(preset, weak, weaker):
    """The car's scores are 0.38 in frames 5 to 7 and 0.18 in frames 10 and 11."""
    ids = {k: ids_of(f'junction_{preset}', CAR, frames=[k]) for k in range(18)}
    assert [k for k in (5, 6, 7) if ids[k]] == [5, 6, 7] * weak
    assert [k for k in (10, 11) if ids[k]] == [10, 11] * weaker
    assert set().union(*ids.values()) == {1}


@pytest.mark.parametrize(
    ('preset', 'new'), [('vehicle', 3), ('sort', 4), ('fairmot', 3), ('byte', 1), ('botsort', 1)]
)
def test_junction_scores_that_begin_a_track(preset, new):
    """The newcomers score 0.78, 0.66, 0.50 and 0.24."""
    begun = [bool(ids_at(f'junction_{preset}', near=(CAR, 900 + 92 * i, 190))) for i in range(4)]
    assert begun == [True] * new + [False] * (4 - new)


def test_junction_ocsort_begins_at_six_tenths():
    begun = [bool(ids_at('junction_ocsort', near=(CAR, 900 + 92 * i, 190))) for i in range(4)]
    assert begun == [True, True, False, False]


def test_junction_only_vehicle_follows_the_tiny_car():
    """Between two frames it overlaps itself by 4 / 14."""
    far = {p: [k for k, _ in ids_at(f'junction_{p}', near=(CAR, 1110, 600))] for p in PRESETS}
    assert far.pop('vehicle') == [25, 26, 27]
    assert set(map(tuple, far.values())) == {()}


def test_junction_only_vehicle_follows_a_jump():
    """The surest newcomer overlaps itself by 25 / 95 and less: times 0.78 that is below 0.2."""
    last = {p: [k for k, _ in ids_at(f'junction_{p}', near=(CAR, 915, 190))][-1] for p in PRESETS}
    assert last.pop('vehicle') == 27
    assert set(last.values()) == {26}


def test_junction_ocsort_finds_the_cyclist_where_it_was_last_seen():
    """It stopped while it was hidden, far from where the filters expect it."""
    assert len(ids_of('junction_ocsort', CYCLIST, frames=range(28))) == 1
    for preset in ('sort', 'byte', 'botsort'):
        before, after = (
            ids_of(f'junction_{preset}', CYCLIST, frames=frames)
            for frames in (range(9), range(13, 28))
        )
        assert before and after and not before & after


@pytest.mark.parametrize(
    ('preset', 'right'),
    [('byte', False), ('fairmot', True), ('botsort', True), ('ocsort', True)],
)
def test_junction_direction_or_looks_tell_the_walkers_apart(preset, right):
    """Before they are hidden the one that came from the left has the smaller x, then the larger.

    FairMOT and BoT-SORT go by looks, OC-SORT by direction; ByteTrack has overlap alone.
    """
    order = []
    for row in read_reference(CASES[f'junction_{preset}']):
        people = [track for track in row['tracks'] if track['class'] == PEDESTRIAN]
        if frame_of(row) in (18, 27):
            order.append([t['id'] for t in sorted(people, key=lambda track: track['box'][0])])
    assert len(order[0]) == 2
    assert order[1] == (order[0][::-1] if right else order[0])


def test_junction_sort_forgets_who_was_hidden():
    before, after = (
        ids_of('junction_sort', PEDESTRIAN, frames=f) for f in (range(19), range(21, 28))
    )
    assert len(before) == len(after) == 2
    assert not before & after


@pytest.mark.parametrize('preset', ['vehicle', 'fairmot', 'byte', 'botsort'])
def test_junction_memory_of_a_second(preset):
    """26 frames of 1/30 s are less, 36 are more."""
    shown = ids_at(f'junction_{preset}', near=(CAR, 60, 600))
    assert [frame for frame, _ in shown] == [26, 52, 89]
    first, after_less, after_more = (id_ for _, id_ in shown)
    assert first == after_less != after_more


@pytest.mark.parametrize('preset', ['vehicle', 'ocsort'])
def test_turn_ids_stay_with_who_stands_there_if_the_turn_is_known(preset):
    case = CASES[f'turn_{preset}']
    known = read_reference(case)
    unknown = replay_case(replace(case, options={**case.options, 'camera_motion.source': 'none'}))
    assert owners(known) == {0: {1}, 1: {2}, 2: {3}}
    assert owners(unknown) != owners(known)


def owners(rows):
    """The ids that each of the three in the turn had; a published box is that of the nearest."""
    found = {}
    for k, row in enumerate(rows):
        seen = turn_seen(k)
        for track in row['tracks']:
            off = np.abs([s.x - (track['box'][0] + track['box'][2]) / 2 for s in seen])
            found.setdefault(seen[off.argmin()].look, set()).add(track['id'])
    return found


# --- It notices when a rule is changed --------------------------------------------------------

CHANGES = {
    'sort': [
        {'motion_model': 'xywh'},
        {'min_score': 0.3},
        {'new_track_score': 0.3},
        {'confirm_hits': 3},
        {'warm_up_frames': 1},
        {'iou_threshold': 0.6},
        {'iou_threshold': 0.8},
        {'lost_buffer_s': 0.15},
    ],
    'fairmot': [
        {'motion_model': 'xywh'},
        {'min_score': 0.3},
        {'new_track_score': 0.6},
        {'confirm_hits': 3},
        {'embedding_threshold': 0.3},
        {'motion_weight': 0.2},
        {'iou_threshold': 0.4},
        {'iou_threshold': 0.8},
        {'tentative_iou_threshold': 0.4},
        {'duplicate_iou_distance': 0.3},
        {'lost_buffer_s': 0.5},
        {'lost_buffer_s': 2.0},
    ],
    'byte': [
        {'motion_model': 'xywh'},
        {'min_score': 0.3},
        {'high_score': 0.8},
        {'new_track_score': 0.6},
        {'new_track_score': 0.8},
        {'confirm_hits': 3},
        {'iou_threshold': 0.65},
        {'low_iou_threshold': 0.2},
        {'tentative_iou_threshold': 0.4},
        {'tentative_iou_threshold': 0.9},
        {'lost_buffer_s': 0.5},
        {'lost_buffer_s': 2.0},
    ],
    'ocsort': [
        {'motion_model': 'xywh'},
        {'min_score': 0.9},
        {'min_score': 0.2},
        {'new_track_score': 0.7},
        {'confirm_hits': 3},
        {'sticky': True},
        {'iou_threshold': 0.6},
        {'iou_threshold': 0.8},
        {'direction_weight': 0.0},
        {'publish_detections': False},
        {'lost_buffer_s': 0.12},
    ],
    'botsort': [
        {'motion_model': 'xyah'},
        {'min_score': 0.3},
        {'high_score': 0.8},
        {'new_track_score': 0.6},
        {'confirm_hits': 3},
        {'iou_threshold': 0.65},
        {'low_iou_threshold': 0.1},
        {'tentative_iou_threshold': 0.9},
        {'embedding_threshold': 0.1},
        {'proximity': 0.3},
        {'lost_buffer_s': 0.5},
        {'lost_buffer_s': 2.0},
    ],
    'vehicle': [
        {'high_score': 0.6},
        {'new_track_score': 0.6},
        {'confirm_hits': 3},
        {'iou_threshold': 0.6},
        {'low_iou_threshold': 0.1},
        {'lost_buffer_s': 0.5},
        {'lost_buffer_s': 2.0},
    ],
}


@pytest.mark.parametrize(
    ('preset', 'change'),
    [(preset, change) for preset in CHANGES for change in CHANGES[preset]],
    ids=str,
)
def test_a_changed_threshold_is_noticed(preset, change):
    assert noticed(f'junction_{preset}') == []
    assert noticed(f'junction_{preset}', **change) != []


# Each part of our preset, weakened or taken away.
VEHICLE_PARTS = [
    {'motion_model': 'xyah'},
    {'buffer_growth': 0.0},
    {'buffer_growth': 1.0},
    {'buffer_max': 0.3},
    {'buffer_max': 0.7},
    {'shape_weight': 0.0},
    {'score_share': 0.0},
    {'score_share': 1.0},
    {'absence_weight': 0.0},
    {'iou_threshold': 0.65},
    {'lost_buffer_s': 0.2},
    {'min_area_px2': 100.0},
]


@pytest.mark.parametrize('change', VEHICLE_PARTS, ids=str)
def test_every_part_of_vehicle_is_noticed(change):
    assert noticed('rivals_vehicle') == []
    assert noticed('rivals_vehicle', **change) != []


@pytest.mark.parametrize('preset', PRESETS)
def test_a_round_that_is_left_out_is_noticed(preset, monkeypatch):
    member = PRESETS[preset]
    complete = member.rounds
    for left_out in range(len(complete(member.DEFAULTS))):

        def incomplete(config, left_out=left_out):
            return tuple(r for i, r in enumerate(complete(config)) if i != left_out)

        monkeypatch.setattr(member, 'rounds', incomplete)
        assert noticed(f'junction_{preset}') != [], f'round {left_out}'


# --- The generator ----------------------------------------------------------------------------


def test_trembling_reaches_all_it_may_and_depends_on_every_key():
    assert {tremble(k, 'x', reach=3) for k in range(100)} == set(range(-3, 4))
    assert tremble('anything', reach=0) == 0
    columns = [[tremble(k, i, side, reach=3) for k in range(28)] for i in (0, 1) for side in 'xy']
    assert all(one != other for one, other in combinations(columns, 2))


def test_the_camera_turns_by_the_sum_of_its_rates():
    """The rates are trapezoids: 4 * 1.2 and 3 * 0.9 rad/s for a frame each."""
    assert yaw_rad(7) == pytest.approx(4 * 1.2 / 30, rel=1e-6)
    assert yaw_rad(12) == pytest.approx((4 * 1.2 - 3 * 0.9) / 30, rel=1e-6)
    first, turned = turn_seen(0)[0], turn_seen(7)[0]
    assert turned.x - first.x == pytest.approx(1000 * (np.tan(0) - np.tan(-0.16)), abs=1)
