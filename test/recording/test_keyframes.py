"""Keyframes in the video, the report, the summary and the diagnostics of a recording."""

from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
import json
import re
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from rosbags.rosbag2 import Reader
from rosbags.typesys import get_types_from_msg, get_typestore, Stores

from mot_compress_ros.datatypes import Frame, Tracks
from mot_compress_ros.drawing import TEACHER_COLOR
from mot_compress_ros.frame_source import SourceLog
from mot_compress_ros.health import Percentiles
from mot_compress_ros.recording import Ending, ModelInfo, Recorder, RunInfo, Step
from mot_compress_ros.recording.keyframe_charts import (
    Distribution,
    histogram_chart,
    Lane,
    strip_chart,
)
from mot_compress_ros.recording.keyframe_summary import summarize_keyframes
from mot_compress_ros.recording.timeline import Timeline

STUDENT = ModelInfo(
    role='student', name='tiny', sha256='ab' * 32, architecture='x', input_size_wh=(64, 48)
)
TEACHER = replace(STUDENT, role='teacher', name='wise')
INFO = RunInfo(
    mode='replay',
    input_path='clip',
    input_kind='bag',
    camera='front',
    fps_hz=10.0,
    expected_frames=10,
    class_names=('thing',),
    models=(STUDENT, TEACHER),
    options={'keyframe.interval': 6, 'keyframe.mode': 'adaptive', 'tracker.min_score': 0.1},
)
ENDING = Ending(
    complete=True,
    wall_s=1.0,
    unreadable=0,
    latencies_ms={
        'teacher': Percentiles(p50=40.0, p95=41.0, p99=42.0, n=4),
        'track': Percentiles(p50=1.0, p95=2.0, p99=3.0, n=9),
    },
    counters={'keyframes': 4},
)
# One frame each, 100 ms apart: T teacher, s student, - dropped. Keyframes are frames 1, 3, 7, 10.
NETWORKS = 'TsTs-sTssT'
LATENCIES_MS = [50, 10, 52, 11, None, 12, 54, 13, 14, 56]


def make_step(index, network, latency_ms=None, teacher_age_s=None):
    stamp_ns = 10**9 + index * 10**8
    frame = Frame(
        image=np.full((480, 640, 3), 90, np.uint8),
        stamp_ns=stamp_ns,
        camera='front',
        frame_index=index,
    )
    tracks = Tracks.empty(stamp_ns=stamp_ns, source=network) if network is not None else None
    return Step(frame=frame, tracks=tracks, latency_ms=latency_ms, teacher_age_s=teacher_age_s)


def make_steps(networks, latencies_ms):
    names = {'T': 'teacher', 's': 'student', '-': None, '?': ''}
    return [
        make_step(index, names[letter], latency_ms)
        for index, (letter, latency_ms) in enumerate(zip(networks, latencies_ms, strict=True))
    ]


def record(folder, steps, *, info=INFO, ending=ENDING, skip=()):
    with Recorder(folder, info, skip=skip) as recorder:
        for step in steps:
            recorder.add(step)
        return recorder.finish(ending)


@pytest.fixture(scope='module')
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp('keyframes')
    record(folder, make_steps(NETWORKS, LATENCIES_MS))
    return folder


@pytest.fixture(scope='module')
def alone(tmp_path_factory):
    """The same frames of a student without a teacher."""
    folder = tmp_path_factory.mktemp('alone')
    networks = NETWORKS.replace('T', 's')
    info = replace(INFO, models=(STUDENT,), options={'tracker.min_score': 0.1})
    ending = replace(ENDING, counters={'keyframes': 0}, latencies_ms={})
    record(folder, make_steps(networks, LATENCIES_MS), info=info, ending=ending)
    return folder


def test_summary_counts_keyframes_and_what_is_between_them(out):
    found = json.loads((out / 'summary.json').read_text())['keyframes']
    assert found['teacher'] == 'wise'
    assert found['count'] == 4
    assert found['ratio'] == pytest.approx(4 / 9, abs=1e-4)
    assert found['frame_numbers'] == found['known_from'] == [1, 3, 7, 10]
    # From one to the next 2, 4 and 3 frames.
    assert found['interval_frames'] == {'min': 2, 'median': 3, 'max': 4}
    assert found['interval_s'] == {'min': 0.2, 'median': 0.3, 'max': 0.4}
    # Of 50, 52, 54, 56 and of 10, 11, 12, 13, 14, between ranks by linear interpolation.
    assert found['latency_ms'] == {
        'teacher': {'p50': 53.0, 'p95': 55.7, 'p99': 55.94, 'n': 4},
        'student': {'p50': 12.0, 'p95': 13.8, 'p99': 13.96, 'n': 5},
    }
    assert found['late'] == {
        'results': 0,
        'refused': 0,
        'frames_replayed': 0,
        'delay_ms': None,
        'delay_frames': None,
    }


def test_late_results_are_counted_from_their_own_frames(tmp_path):
    # The teacher saw frame 1, which was known at frame 3, and frame 3, known at frame 6.
    ages_frames = [None, None, 2, 3, 4, 3, 4]
    steps = [
        make_step(i, 'student', 10.0 + i, None if age is None else age / 10)
        for i, age in enumerate(ages_frames)
    ]
    counters = {
        'keyframes': 2,
        'late_results': 2,
        'late_results_refused': 1,
        'late_frames_replayed': 5,
    }
    summary = record(tmp_path, steps, ending=replace(ENDING, counters=counters))
    found = summary['keyframes']
    assert (found['count'], found['ratio']) == (2, 0.2857)
    assert (found['frame_numbers'], found['known_from']) == ([1, 3], [3, 6])
    assert found['interval_frames'] == {'min': 2, 'median': 2, 'max': 2}
    assert list(found['latency_ms']) == ['student']
    assert found['late'] == {
        'results': 2,
        'refused': 1,
        'frames_replayed': 5,
        'delay_ms': {'p50': 250.0, 'p95': 295.0, 'p99': 299.0, 'n': 2},
        'delay_frames': {'min': 2, 'median': 2.5, 'max': 3},
    }
    cells = section_of(tmp_path).cells
    assert cells['late results'] == ['2']
    assert cells['late results refused'] == ['1']
    assert cells['frames played again for them'] == ['5']
    assert cells['late by: least, median, most'] == ['2 / 2.5 / 3 frames']
    (strip, _) = section_of(tmp_path).drawings
    bars = strip.findall("./g[@class='late']/rect")
    assert len(bars) == 2
    # Frames 1 to 7 lie on 852 pixels from 46 on: 142 a frame.
    assert [float(b.get('x')) for b in bars] == [46, 330]
    assert [float(b.get('width')) for b in bars] == [282, 424]


def test_node_that_does_not_tell_the_source_still_tells_how_many(tmp_path):
    summary = record(tmp_path, make_steps('????????', range(8)))
    found = summary['keyframes']
    assert (found['count'], found['ratio'], found['frame_numbers']) == (4, 0.5, [])
    assert found['interval_frames'] is None and found['latency_ms'] == {}
    section = section_of(tmp_path)
    assert section.cells['keyframes'] == ['4 of 8 frames, 50.0 %']
    assert section.drawings == []


class Section(HTMLParser):
    """One section of the report, by its title: table cells by their first one, and drawings."""

    def __init__(self, title):
        super().__init__()
        self._title, self._inside, self._in_heading, self._cell = title, False, False, None
        self.cells, self._row, self.found = {}, [], False
        self.tiles = []

    def handle_starttag(self, tag, attrs):
        if tag == 'h2':
            self._in_heading = True
        elif tag == 'tr':
            self._row = []
        elif tag in ('td', 'th'):
            self._cell = ''

    def handle_endtag(self, tag):
        if tag == 'section':
            self._inside = False
        elif tag in ('td', 'th') and self._cell is not None:
            self._row.append(self._cell)
            self._cell = None
        elif tag == 'tr' and self._inside:
            self.cells[self._row[0]] = self._row[1:]

    def handle_data(self, data):
        if self._in_heading:
            self._inside = data.strip() == self._title
            self.found |= self._inside
            self._in_heading = False
        elif self._cell is not None:
            self._cell += data


def section_of(folder, title='Keyframes'):
    text = (folder / 'report.html').read_text(encoding='utf-8')
    section = Section(title)
    section.feed(text)
    body = text.partition(f'<h2>{title}')[2].partition('</section>')[0]
    svgs = re.findall(r'<svg.*?</svg>', body, re.DOTALL)
    section.drawings = [ElementTree.fromstring(svg) for svg in svgs]
    return section


def test_report_has_the_numbers_of_the_summary(out):
    cells = section_of(out).cells
    assert cells['keyframes'] == ['4 of 9 frames, 44.4 %']
    assert cells['from one to the next: least, median, most'] == [
        '2 / 3 / 4 frames; 0.2 / 0.3 / 0.4 s'
    ]
    assert cells['late results'] == ['0']
    assert 'late results refused' not in cells
    assert cells['teacher frames'] == ['53.00', '55.70', '55.94', '4']
    assert cells['student frames'] == ['12.00', '13.80', '13.96', '5']
    assert cells['stage teacher'] == ['40.00', '41.00', '42.00', '4']
    assert 'stage track' not in cells
    assert cells['keyframe.interval'] == ['6'] and cells['keyframe.mode'] == ['adaptive']
    assert 'tracker.min_score' not in cells


def frames_of(group, *, first=1, last=10):
    """Frame numbers under the rectangles of a lane; its columns lie around x(frame)."""
    per_frame = (960 - 46 - 62) / (last - first)
    found = []
    for rect in group.findall('rect'):
        left = float(rect.get('x'))
        right = left + float(rect.get('width'))
        found += [
            frame
            for frame in range(first, last + 1)
            if left - 0.2 <= 46 + (frame - first) * per_frame <= right + 0.2
        ]
    return found


def test_strip_shows_which_network_saw_which_frame(out):
    strip, histogram = section_of(out).drawings
    lanes = {group.findtext('title'): group for group in strip.findall('g')}
    assert frames_of(lanes['teacher']) == [1, 3, 7, 10]
    assert frames_of(lanes['student']) == [2, 4, 6, 8, 9]
    heights = {name: float(lanes[name].find('rect').get('height')) for name in lanes if name}
    assert heights['teacher'] > 2 * heights['student'], 'told apart without colours'
    marks = [line.findtext('title') for line in strip.findall("line[@class='mark']")]
    assert marks == ['frame 5 dropped']
    told = [rect.findtext('title') for rect in histogram.iter('rect')]
    counts = [re.match(r'(\w+): (\d+) of (\d+) frames', text).groups() for text in told]
    assert sum(int(n) for name, n, _ in counts if name == 'teacher') == 4
    assert sum(int(n) for name, n, _ in counts if name == 'student') == 5
    assert {(name, whole) for name, _, whole in counts} == {('teacher', '4'), ('student', '5')}


def test_video_marks_keyframes_and_only_those(out):
    pictures = pictures_of(out / 'annotated.mp4')
    assert len(pictures) == len(NETWORKS)
    # The corner of the tag is filled on a keyframe; the codec blurs colours a little.
    corners = [picture[470:478, 630:638].astype(int).mean(axis=(0, 1)) for picture in pictures]
    marked = [bool(np.abs(c - TEACHER_COLOR).max() < 40) for c in corners]
    assert marked == [letter == 'T' for letter in NETWORKS]


def pictures_of(path):
    capture = cv2.VideoCapture(str(path))
    pictures = []
    while (read := capture.read())[0]:
        pictures.append(read[1])
    return pictures


def diagnoses(path):
    store = get_typestore(Stores.ROS2_JAZZY)
    with Reader(path) as reader:
        for connection in reader.connections:
            if connection.msgtype not in store.fielddefs:
                store.register(get_types_from_msg(connection.msgdef.data, connection.msgtype))
        wanted = [c for c in reader.connections if c.topic == '/diagnostics']
        return [
            {v.key: v.value for v in store.deserialize_cdr(data, c.msgtype).status[0].values}
            for c, _, data in reader.messages(connections=wanted)
        ]


def test_diagnostics_of_the_recording_count_keyframes(tmp_path):
    record(tmp_path, make_steps('TsTs-sTssTs', range(11)), skip=('annotated.mp4',))
    first, last = diagnoses(tmp_path / 'tracks.mcap')
    assert (first['keyframes'], first['keyframe_ratio']) == ('1', '1.00')
    assert (last['keyframes'], last['keyframe_ratio']) == ('4', '0.40')


def test_nothing_of_it_is_there_without_a_teacher(alone):
    assert 'keyframes' not in json.loads((alone / 'summary.json').read_text())
    text = (alone / 'report.html').read_text(encoding='utf-8')
    assert not section_of(alone).found and section_of(alone, 'Details').found
    assert 'teacher' not in re.sub(r'<style>.*</style>', '', text, flags=re.DOTALL)
    assert 'keyframes' not in diagnoses(alone / 'tracks.mcap')[0]


def test_pictures_without_a_teacher_say_nothing_of_networks(alone, tmp_path):
    told = pictures_of(alone / 'annotated.mp4')
    info = replace(INFO, models=(STUDENT,))
    record(tmp_path, make_steps(NETWORKS, LATENCIES_MS), info=info)
    untold = pictures_of(tmp_path / 'annotated.mp4')
    for one, other in zip(told, untold, strict=True):
        np.testing.assert_array_equal(one, other)


def test_run_without_frames_has_a_section_that_says_so(tmp_path):
    ending = replace(ENDING, counters={}, latencies_ms={})
    summary = record(tmp_path, [], ending=ending, skip=('annotated.mp4', 'tracks.mcap'))
    assert summary['keyframes']['count'] == 0 and summary['keyframes']['ratio'] == 0
    assert section_of(tmp_path).cells['keyframes'] == ['0 of 0 frames, 0.0 %']


def test_stream_that_begins_anew_counts_no_interval_across():
    """Two passes over the same stamps, as a bag that loops."""
    timeline, log = Timeline(('thing',)), SourceLog()
    for index, network in enumerate(['teacher', 'student', 'student'] * 2):
        step = make_step(index % 3, network)
        source = log.note(stamp_ns=step.frame.stamp_ns, network=network)
        timeline.add(replace(step, source=source), step.image_bgr)
    found = summarize_keyframes(INFO, timeline, ENDING)
    assert found['frame_numbers'] == [1, 1]
    assert found['interval_frames'] is None


def test_long_run_is_drawn_as_shares_in_few_rectangles():
    frames = range(1, 9001)
    lanes = [
        Lane(name='student', color='grey', frames=[f for f in frames if f % 6], share=0.4),
        Lane(name='teacher', color='orange', frames=[f for f in frames if f % 6 == 0]),
    ]
    drawing = ElementTree.fromstring(strip_chart(lanes, frames=(1, 9000)))
    rects = drawing.findall('./g/rect')
    assert 0 < len(rects) <= 2 * 900
    teacher = drawing.findall('./g')[1].findall('rect')
    full = 96 - 20 - 34
    area = sum(float(r.get('width')) * float(r.get('height')) for r in teacher)
    assert area == pytest.approx(full * 852 / 6, rel=0.02)


def test_histogram_keeps_all_values_and_its_bars_apart():
    kinds = [
        Distribution(name='a', color='red', values=[1.0] * 99 + [1e6]),
        Distribution(name='b', color='blue', values=[2.0, 3.0]),
    ]
    drawing = ElementTree.fromstring(histogram_chart(kinds, unit='ms', bins=10))
    bars = [(rect.findtext('title'), rect) for rect in drawing.iter('rect')]
    assert len(bars) == 4
    assert any('a: 1 of 100' in text and text.endswith('and more') for text, _ in bars)
    spans = sorted((float(r.get('x')), float(r.get('width'))) for _, r in bars)
    for (left, width), (following, _) in pairwise(spans):
        assert left + width <= following + 0.2


@pytest.mark.parametrize('values', [[], [0.0], [1e-9]])
def test_histogram_of_little_is_a_drawing(values):
    kinds = [Distribution(name='a', color='red', values=values)] if values else []
    assert ElementTree.fromstring(histogram_chart(kinds, unit='ms')).tag == 'svg'
