"""Tables of the paper, what they need, and what is claimed: by hand-made numbers."""

import re

import cv2
import numpy as np
import pytest
import yaml

from mot_compress_ros.errors import InputError, InvalidOptionError
from offline_training.benchmarks.association_plot import standalone_svg
from offline_training.experiments.atttrack import chosen_tables
from offline_training.experiments.atttrack_claims import (
    Claim,
    claims_of,
    difference,
    judge,
    sign_of,
)
from offline_training.experiments.atttrack_figure import fitted, interval_chart
from offline_training.experiments.atttrack_paper import (
    Arm,
    BEYOND,
    CAPTIONS,
    DLA34,
    FIGURE,
    FIGURE_INTERVALS,
    SCHEMES,
    SECOND_SET,
    TABLES,
    YOLOV5,
)
from offline_training.experiments.atttrack_plan import (
    all_trainings,
    arms_of,
    contestant_of,
    trainings_for,
)
from offline_training.experiments.atttrack_presets import NETWORKS, PRESETS, read_preset, STAGES
from offline_training.experiments.atttrack_report import PART
from offline_training.experiments.atttrack_scoring import Judging, Result, whole_periods
from offline_training.experiments.atttrack_tables import (
    all_tables,
    claims_table,
    paper_table,
    summary_text,
)
from offline_training.experiments.atttrack_time import duration, Job, plan_text
from offline_training.marked_page import between_markers
from offline_training.reports.figures import write_png

BEGIN, END = f'<!-- {PART}: begin -->', f'<!-- {PART}: end -->'


def paper(table, family, scheme, k=0):
    return TABLES[table][Arm(family, scheme, k)]


def made_up(tables, value=lambda table, arm: 50.0):
    """A result for every arm, with 25 FPS."""
    return {
        (table, arm): Result(
            figures={
                'mota': value(table, arm),
                'idf1': 40.0,
                'hota': 30.0,
                'fps': 25.0,
                'parameters_m': 1.0,
            },
            turns_fps=[25.0],
            report={},
        )
        for table in tables
        for arm in arms_of(table)
    }


# ---- the paper


def test_differences_that_the_text_states_follow_from_the_tables():
    """Sentences of sections 3.3, 5.4 and 5.6; an independent reading of the same figures."""
    teacher, mid, small = (paper('1', YOLOV5, s) for s in ('teacher', 'mid', 'student'))
    assert teacher['mota'] - mid['mota'] == pytest.approx(5.5)
    assert teacher['mota'] - small['mota'] == pytest.approx(23.5)
    assert small['fps'] / teacher['fps'] == pytest.approx(1.35, abs=0.005)
    alone = paper('2', DLA34, 'teacher')
    naive = paper('3', DLA34, 'naive', 6)
    assert naive['fps'] / alone['fps'] == pytest.approx(1.52, abs=0.005)
    assert alone['mota'] - naive['mota'] == pytest.approx(6.9)
    for family, gain in ((DLA34, 1.6), (YOLOV5, 5.0)):
        told, mix = paper('3', family, 'ifm', 6), paper('3', family, 'naive', 6)
        assert told['mota'] - mix['mota'] == pytest.approx(gain)
    efm, none = paper('6', YOLOV5, 'efm', 4), paper('6', YOLOV5, 'none', 4)
    assert efm['mota'] - none['mota'] == pytest.approx(3.7)
    efm, ifm = paper('6', DLA34, 'efm', 2), paper('6', DLA34, 'ifm', 2)
    assert ifm['fps'] - efm['fps'] == pytest.approx(0.84)


def test_the_paper_disagrees_with_itself_where_we_say_so():
    assert paper('1', YOLOV5, 'teacher')['fps'] != paper('2', YOLOV5, 'teacher')['fps']
    assert paper('4', DLA34, 'ifm', 6)['mota'] == 63.0 != paper('6', DLA34, 'ifm', 6)['mota']
    assert paper('3', YOLOV5, 'ifm', 6)['fps'] != paper('4', YOLOV5, 'ifm', 6)['fps']
    gaps = [
        paper('8', f, 'efm', k)['mota'] - paper('8', f, 'layerwise', k)['mota']
        for f in (DLA34, YOLOV5)
        for k in (2, 4, 6)
    ]
    assert max(gaps) == pytest.approx(1.7)


def test_tables_that_share_arms_agree_but_for_what_is_listed():
    seen = {}
    for table in ('1', '2', '3', '4', '5', '6'):
        for arm, figures in TABLES[table].items():
            for measure, value in figures.items():
                seen.setdefault((arm, measure), set()).add(value)
    twice = {key: values for key, values in seen.items() if len(values) > 1}
    assert twice == {
        (Arm(YOLOV5, 'teacher'), 'fps'): {43.93, 40.46},
        (Arm(DLA34, 'ifm', 6), 'mota'): {63.0, 63.1},
        (Arm(YOLOV5, 'ifm', 6), 'fps'): {50.9, 50.91},
    }


# ---- the plan


def test_every_arm_has_a_pipeline_of_trainings_that_exist():
    known = all_trainings()
    for table in CAPTIONS:
        for arm in arms_of(table):
            contestant = contestant_of(arm)
            assert arm.scheme in SCHEMES
            assert set(contestant.trainings) <= set(known)
            assert contestant.interval == arm.interval
            assert bool(contestant.teacher) == bool(arm.interval)
            assert (contestant.update == 'off') == (
                arm.scheme in ('teacher', 'mid', 'student', 'naive', 'layerwise')
            )
            assert (contestant.update == 'off') == (not known[contestant.student].told)


def test_what_is_trained_stands_behind_what_it_needs():
    done = set()
    for training in all_trainings().values():
        assert {training.start, training.teacher} - {''} <= done
        assert training.network in NETWORKS and training.stage in STAGES
        done.add(training.name)


def test_variants_differ_from_the_plain_student_by_what_they_are_called_for():
    known = all_trainings()
    for family in (DLA34, YOLOV5):
        variants = [t for t in known.values() if t.start == f'{family}_small']
        assert {t.stage for t in variants} == {'more'}
        assert known[f'{family}_small-plain'].settings == {}
        none = known[f'{family}_small-none'].settings
        ifm = known[f'{family}_small-ifm'].settings
        assert ifm == {**none, 'loss.ifm': 1.0}
    assert known['yolov5_small-cross'].teacher == DLA34
    assert known['yolov5_small-cross'].settings == known['yolov5_small-efm'].settings


def test_a_table_asks_for_its_own_trainings_alone():
    names = [t.name for t in trainings_for(arms_of('1'))]
    assert names == ['yolov5', 'yolov5_mid', 'yolov5_small', 'yolov5_small-plain']
    crossed = {t.name for t in trainings_for(arms_of('5'))}
    assert crossed == {
        *('dla34', 'yolov5', 'yolov5_small', 'yolov5_small-efm', 'yolov5_small-cross'),
    }
    assert len(trainings_for([a for table in CAPTIONS for a in arms_of(table)])) == len(
        all_trainings()
    )


def test_figure_7_has_eleven_intervals_of_two_schemes_and_students():
    assert len(FIGURE_INTERVALS) == 11 and len(arms_of(FIGURE)) == 44


def test_tables_are_chosen_in_order_and_by_their_names():
    assert chosen_tables(['7f', '1']) == ['1', '7f']
    assert chosen_tables([]) == list(CAPTIONS)
    with pytest.raises(InvalidOptionError, match='legal: 1 2 3'):
        chosen_tables(['9'])


@pytest.mark.parametrize('name', PRESETS)
def test_presets_can_be_read_and_keep_the_ratios_of_the_paper(name):
    preset = read_preset(name)
    yolov5, mid, small = (preset.networks[n] for n in ('yolov5', 'yolov5_mid', 'yolov5_small'))
    assert yolov5['width'] == 2 * mid['width'] == 4 * small['width']
    assert {n['embedding_dim'] for n in preset.networks.values()} == {64}
    assert preset.steps('more', images=120) <= preset.steps('base', images=120)


def test_steps_come_from_epochs_or_steps_and_the_share_of_them():
    full, small = read_preset('full'), read_preset('small')
    assert full.steps('whole', images=1200) == 35 * 1200 // 12
    assert small.steps('base', images=1200) == small.length['base']['steps']
    assert small.steps('base', images=7, share=0.1) == small.length['base']['steps'] // 10
    whole = small.length['whole']['steps']
    assert small.steps('whole', images=7, network='yolov5') == whole
    assert small.steps('whole', images=7, network='dla34') == small.longer['dla34'] * whole


@pytest.mark.parametrize('longer', [{'dla3': 2}, {'dla34': 0}])
def test_a_factor_that_fits_no_network_is_refused(longer, tmp_path):
    content = yaml.safe_load(PRESETS['small'].read_text()) | {'longer': longer}
    path = tmp_path / 'sizes.yaml'
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(InvalidOptionError, match='longer: expected factors above 0'):
        read_preset(str(path))


def test_a_preset_with_a_missing_key_is_refused(tmp_path):
    content = yaml.safe_load(PRESETS['small'].read_text())
    del content['speed']
    path = tmp_path / 'sizes.yaml'
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match='missing: speed, unknown: none'):
        read_preset(str(path))
    with pytest.raises(InputError, match='presets: small, full'):
        read_preset('medium')


def test_speed_is_measured_over_whole_periods():
    assert whole_periods(70, 0) == (10, 60)
    assert whole_periods(70, 7) == (14, 56)
    assert whole_periods(70, 12) == (12, 48)
    with pytest.raises(InputError, match='expected 24'):
        whole_periods(23, 12)


def test_times_for_people():
    assert [duration(s) for s in (12.4, 600, 7200)] == ['12 s', '10 min', '2.0 h']
    jobs = [Job(name='a', seconds=60, is_done=False), Job(name='b', seconds=0, is_done=True)]
    assert plan_text(jobs, title='two').splitlines() == [
        'two:',
        '      60 s  a',
        '      done  b',
        '      60 s  together',
    ]


# ---- the claims


def test_differences_of_mota_are_points_and_of_fps_per_cent():
    assert difference([(10.0, 8.0), (8.0, 5.0)], 'mota') == pytest.approx(2.5)
    assert difference([(10.0, 8.0)], 'fps') == pytest.approx(25.0)


def test_a_difference_below_the_printed_digits_is_none():
    assert [sign_of(v) for v in (0.1, -0.1, 0.004, -0.004, 0.0)] == [1, -1, 0, 0, 0]


def test_the_signs_of_the_papers_own_figures_are_the_claimed_ones_but_for_two():
    tables = list(CAPTIONS)
    verdicts = judge(claims_of(tables), made_up(tables), resamples=0)
    wrong = [v.claim.what for v in verdicts if v.paper_holds is False]
    assert wrong == ['DLA34: IFM over none, K = 4', 'DLA34: IFM over none, K = 6']
    assert not any(v.holds for v in verdicts)  # all of ours are alike
    assert {v.claim.table for v in verdicts} == {*CAPTIONS}


def test_a_claim_holds_where_ours_has_its_sign():
    def value(table, arm):
        return {'ifm': 3.0, 'still': 2.0, 'naive': 2.5}.get(arm.scheme, 0.0)

    verdicts = judge(claims_of(['3']), made_up(['3'], value), resamples=0)
    mota = {v.claim.what: v for v in verdicts if v.claim.measure == 'mota'}
    update = mota['YOLOv5: update over no update, K = 6']
    assert (update.paper, update.ours, update.holds) == (
        pytest.approx(0.2),
        pytest.approx(1.0),
        True,
    )
    assert mota['DLA34: AttTrack over naive mix, K = 6'].ours == pytest.approx(0.5)
    assert all(v.ours == 0 and not v.holds for v in verdicts if v.claim.measure == 'fps')


def test_claims_name_arms_of_their_table():
    for claim in claims_of(list(CAPTIONS)):
        first, second = ({pair[k] for pair in claim.pairs} for k in (0, 1))
        assert first <= set(arms_of(claim.table)) and second <= set(arms_of(claim.second_table))
        assert claim.sign in (1, -1)


def test_a_claim_without_a_printed_figure_has_no_size():
    claims = [c for c in claims_of([FIGURE]) if c.printed is None]
    assert claims and all(isinstance(c, Claim) for c in claims)
    assert [v.paper for v in judge(claims, made_up([FIGURE]), resamples=0)] == [None, None]


def test_our_own_parts_are_judged_apart_from_the_papers():
    """Their table has no column of the paper, and their signs are not counted as its."""
    results = made_up([BEYOND, '2'], lambda table, arm: 9.0 if arm.scheme == 'gated' else 8.0)
    verdicts = judge(claims_of([BEYOND, '2']), results, resamples=0)
    text = all_tables([BEYOND, '2'], results, verdicts)
    theirs = sum(v.claim.table == '2' for v in verdicts)
    assert '3 of these 5 differences are above 0.' in text
    assert f'0 of {theirs} signs' in text
    header = paper_table(BEYOND, results).splitlines()[0]
    assert 'paper' not in header and header.count('MOTA') == 1
    assert "| YOLOv5: gated over the paper's fusion, K = 6" in text


def test_camera_motion_is_compensated_where_the_arm_says_so():
    judging = Judging(protocol='product', pipeline={})
    motion = {
        scheme: judging.options(Arm(YOLOV5, scheme, 6)).get('camera_motion.source')
        for scheme in ('ego', 'gated', 'follow')
    }
    assert motion == {'ego': 'image', 'gated': None, 'follow': None}


# ---- the page


def test_each_table_has_the_papers_figures_beside_ours():
    lines = paper_table('3', made_up(['3'])).splitlines()
    cells = [[c.strip() for c in line.strip('|').split('|')] for line in lines]
    assert cells[0] == [
        *('student', 'scheme', 'K', 'MOTA, paper', 'ours', 'FPS, paper', 'ours', 'IDF1', 'HOTA')
    ]
    row = next(c for c in cells if c[:2] == ['YOLOv5', 'naive mix'])
    assert row[2:] == ['6', '38.6', '50.0', '53.1', '25.0', '40.0', '30.0']
    shifted = next(c for c in cells if c[:2] == ['DLA34', SCHEMES['shift']])
    assert shifted[3] == shifted[5] == '–'


def test_the_page_is_written_between_its_markers():
    tables = ['1', FIGURE]
    results = made_up(tables)
    verdicts = judge(claims_of(tables), results, resamples=0)
    text = all_tables(tables, results, verdicts, image='images/a.svg')
    assert '](images/a.svg)' in text and '### Table 1' in text
    assert re.search(r'0 of \d+ signs', summary_text(verdicts))
    assert claims_table(verdicts).count('\n') == len(verdicts) + 1
    page = between_markers(f'# A\n{BEGIN}\nto be replaced\n{END}\nrest\n', PART, text)
    assert 'to be replaced' not in page and page.startswith('# A') and page.endswith('rest\n')
    with pytest.raises(InputError, match='needs the lines'):
        between_markers(f'{END}{BEGIN}', PART, text)


def test_the_fit_of_a_parabola_is_the_parabola():
    at = np.array([2.0, 7.5, 12.0])
    ks = list(FIGURE_INTERVALS)
    assert fitted(ks, [3 - k + 0.5 * k * k for k in ks], at) == pytest.approx(
        3 - at + 0.5 * at * at
    )


def test_figure_7_is_drawn(tmp_path):
    chart = interval_chart(made_up([FIGURE], lambda table, arm: 60.0 - arm.interval))
    write_png(chart, tmp_path / 'figure.png')
    image = cv2.imread(str(tmp_path / 'figure.png'))
    assert image.shape[1] > 1000 and image.std() > 5
    text = standalone_svg(chart)
    assert 'DLA34' in text and 'YOLOv5' in text and SCHEMES['layerwise'] in text


def test_the_second_set_is_that_of_the_last_two_tables():
    assert SECOND_SET == ('7', '8')
