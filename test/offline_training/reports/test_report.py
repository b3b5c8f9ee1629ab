"""The page is parsed, its numbers are looked up, and its charts are measured."""

from __future__ import annotations

import copy
from dataclasses import replace
from html.parser import HTMLParser
import json
from pathlib import Path
import re
import shutil
import subprocess

import cv2
import numpy as np
import pytest

from mot_compress_ros.errors import InputError
from mot_compress_ros.inference.backends.scripted import write_scripted_bundle
from offline_training.__main__ import main
from offline_training.reports.cells import plain, score_cell, signed
from offline_training.reports.content import Chart
from offline_training.reports.figures import svg, write_png
from offline_training.reports.page import render_page, sections_of
from offline_training.reports.plots import grouped_bars, legend_label, Series
from offline_training.reports.runs import read_run, read_runs
from offline_training.reports.sections.other import flat
from offline_training.reports.sections.training import smoothed

VOID = {'meta', 'img', 'br', 'link', 'input'}


class Page(HTMLParser):
    """Checks that tags close in order, and collects what tests ask for."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.references = [], [], []
        self.headings, self.tables, self.text = [], [], ''
        self.charts = 0
        self.feed(text)
        self.close()
        assert not self.open, f'never closed: {self.open}'

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if tag not in VOID:
            self.open.append(tag)
        self._note(tag, values)
        if tag == 'table':
            self.tables.append([])
        elif tag == 'tr':
            self.tables[-1].append([])
        elif tag in ('td', 'th'):
            self.tables[-1][-1].append('')
        elif tag == 'svg':
            self.charts += 1
            assert values['aria-label']

    def handle_startendtag(self, tag, attributes):
        self._note(tag, dict(attributes))

    def _note(self, tag, values):
        self.ids += [values['id']] if 'id' in values else []
        assert tag not in ('script', 'link', 'iframe', 'img')
        for name, value in values.items():
            if name in ('src', 'href', 'xlink:href', 'clip-path') or 'url(' in (value or ''):
                self.references.append(value)

    def handle_endtag(self, tag):
        assert self.open, f'</{tag}> without a beginning'
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data
        if self.open and self.open[-1] in ('h1', 'h2'):
            self.headings.append(data)
        if 'table' in self.open and ('td' in self.open or 'th' in self.open):
            self.tables[-1][-1][-1] += data

    def row(self, *beginning):
        """The first row of any table whose cells begin like this."""
        rows = (row for table in self.tables for row in table)
        return next(row for row in rows if row[: len(beginning)] == list(beginning))


def report(paths, tmp_path, *more):
    out = tmp_path / 'out' / 'report.html'
    given = [str(p) for p in paths]
    assert main(['report', *given, '--output', str(out), *(str(m) for m in more)]) == 0
    return out


@pytest.fixture(scope='module')
def written(every_kind, tmp_path_factory):
    """The page of all kinds of runs, and its charts in the folder `png` beside it."""
    folder = tmp_path_factory.mktemp('report')
    return report(every_kind, folder, '--png', folder / 'out' / 'png')


@pytest.fixture(scope='module')
def page(written):
    return Page(written.read_text(encoding='utf-8'))


def test_the_page_has_a_section_for_each_kind(page):
    assert page.headings == [
        'Comparison of runs',
        *('Runs', 'Tracking', 'Sequences', 'Detection', 'Re-identification'),
        *('Speed and accuracy', 'Latency', 'Size', 'Streaming', 'Training', 'Experiments'),
        'Other measurements',
    ]
    assert page.charts == 7
    assert len(set(page.ids)) == len(page.ids)


def test_the_page_needs_nothing_but_itself(page, written):
    text = written.read_text(encoding='utf-8')
    inside = {f'#{name}' for name in page.ids}
    for reference in page.references:
        found = re.search(r'#[^)"]+', reference)
        assert found, reference
        assert found[0] in inside
    without_namespaces = re.sub(r'xmlns(:xlink)?="[^"]*"', '', text)
    assert '//' not in re.sub(r'</?[a-z]', '', without_namespaces)
    assert not re.search(r'@import|src=', text)


def test_numbers_differences_and_signs(page, written):
    """First 40.0, second 45.0; fewer switches are better."""
    first = page.row('first', '40.0[35.0, 44.0]')
    assert (first[4], first[8], first[10]) == ('30.0', '3', '30')  # MOTA, switches, misses
    second = page.row('second', '45.0[40.0, 49.0] +5.0')
    assert second[8] == '1-2'
    assert '<span class="better">-2</span>' in written.read_text(encoding='utf-8')
    assert page.row('one, second')[1] == '45.0+5.0'
    assert page.row('vehicle, second')[1] == '55.0+5.0'
    assert page.row('set dev, pedestrian')[3:] == ['40.0', '45.0+5.0']
    assert page.row('real, pedestrian', '20.0')[3:] == ['40.0', '45.0+5.0']
    assert page.row('real, pedestrian, first')[4:] == ['60.0', '90.0', '–', '70']


def test_colours_of_better_and_worse():
    better = score_cell('hota', 0.5, first=0.4)
    assert (better.text, better.note, better.tone) == ('50.0', '+10.0', 'better')
    worse = score_cell('id_switches', 5, first=3)
    assert (worse.text, worse.note, worse.tone) == ('5', '+2', 'worse')
    assert score_cell('misses', 1, first=3).tone == 'better'
    same = score_cell('hota', 0.40001, first=0.4)
    assert (same.note, same.tone) == ('0.0', '')
    assert score_cell('hota', None, first=0.4).text == '–'
    assert score_cell('hota', float('nan')).text == '–'
    assert (signed(-0.04), signed(0), signed(-3)) == ('0.0', '0', '-3')
    assert (plain(3), plain(3.14159, 2), plain('x')) == ('3', '3.14', '–')


def test_other_sections_say_their_numbers(page):
    assert page.row('net', '20.0', '30.0', '40.0')[-1] == f'{1000 / 22:.1f}'
    assert page.row('first', 'speed', 'real') == [
        *('first', 'speed', 'real', '40.0', '22.0', '30.0', '1.25'),
    ]
    assert page.row('net', '832x480') == [
        *('net', '832x480', '317705', '0.77', '1.27', '0.64', '0.32', '0.68', '11.3'),
    ]
    assert page.row('stream, real', '0.5') == [
        *('stream, real', '0.5', '20.0[10.0, 30.0]', '10.0', '30.0', '10.0', '30.0'),
        *('140', '200', '90.0', '7', '25.0', '2'),
    ]
    assert 'student 50 ms, eta 0.0, forecast' in page.text
    assert page.row('training')[1:2] == ['training']
    trained = page.row('training', '1190')
    assert float(trained[2]) == pytest.approx(3 - 119 / 60 + 9 / 60, abs=0.01)  # 9 entries behind
    assert trained[3:] == ['1.000', '40.0']
    assert page.row('giou', '1 - GIoU on the box')[2:] == [
        *('33.0+3.0', '39.0-1.0', '+1.0± 0.2', '2', 'yes'),
    ]
    assert page.row('rates.images_per_s') == ['rates.images_per_s', '123.4560']
    assert page.row('list[0]') == ['list[0]', '1']


def test_pngs_have_the_size_of_their_charts(written):
    folder = written.parent / 'png'
    sizes = {p.stem: cv2.imread(str(p)).shape for p in folder.iterdir()}
    assert sizes['hota-real'] == (510, 1440, 3)  # 9.6 x 3.4 inches at 150 dots
    assert sizes['loss'] == (480, 1440, 3)
    assert set(sizes) == {
        *('hota-real', 'hota-sequences', 'latency', 'loss', 'loss-parts'),
        *('speed-accuracy', 'streaming'),
    }
    for path in folder.iterdir():
        image = cv2.imread(str(path))
        assert (image[0, 0] == 255).all()  # white, not transparent
        assert len(np.unique(image[::3, ::3].reshape(-1, 3), axis=0)) > 20


def test_a_chart_is_the_same_each_time_and_follows_the_page():
    chart = grouped_bars(
        'bars',
        'a "chart" <b>',
        groups=['a', 'b'],
        series=[Series(label='one', color='#4c8df6', y=[1.0, None], low=[0.5], high=[1.5])],
        unit='%',
    )
    text = svg(chart)
    assert text == svg(chart)
    assert 'var(--ink)' in text
    assert 'var(--line)' in text
    assert '#4c8df6' in text
    assert '#0' not in text  # the signal colours are gone
    assert 'aria-label="a &quot;chart&quot; &lt;b&gt;"' in text
    assert 'id="bars-' in text


def test_strings_are_escaped(write, tmp_path, kinds):
    evil = '<script>alert("1")</script> & $x$ _{'
    content = kinds['evaluation'](0.4, name=evil)
    content['command'] = f'python {evil}'
    real = content['combined'].pop('real')
    content['combined'][f'real{evil}'] = real
    real['classes'][evil] = real['classes'].pop('vehicle')
    content['sequences'][0]['name'] = evil
    paths = [write('_$hidden$ <i>', content), write('b', kinds['evaluation'](0.4))]
    out = report(paths, tmp_path, '--title', evil, '--png', tmp_path / 'png')
    text = out.read_text(encoding='utf-8')
    assert '<script' not in text
    assert '<i>' not in text
    page = Page(text)
    assert page.headings[0] == evil
    assert '_$hidden$ <i>' in page.text
    assert all(p.parent == tmp_path / 'png' for p in (tmp_path / 'png').iterdir())
    assert legend_label('_x') == ' _x'


def test_a_run_that_lacks_fields_gets_dashes(write, tmp_path, kinds):
    bare = {'kind': 'evaluation', 'command': 'c', 'environment': {}}
    thin = kinds['evaluation'](0.4)
    del thin['combined']['real']['all']['hota'], thin['combined']['real']['bootstrap']
    paths = [write('full', kinds['evaluation'](0.4)), write('bare', bare), write('thin', thin)]
    page = Page(report(paths, tmp_path).read_text(encoding='utf-8'))
    assert page.row('bare') == ['bare', 'evaluation', '–']
    assert page.row('bare', 'c') == ['bare', 'c']
    assert page.row('thin', '–')[2] == '40.00.0'
    for kind in ('benchmark pipeline', 'streaming', 'sizes', 'experiment_recipe', 'score', 'new'):
        alone = write(kind, {**bare, 'kind': kind})
        page = Page(report([alone], tmp_path).read_text(encoding='utf-8'))
        assert page.headings[:2] == ['Comparison of runs', 'Runs']


def test_any_field_may_be_missing_or_strange(write, kinds):
    """Each field in turn is taken out, or replaced by something of another type."""
    made = {
        'evaluation': kinds['evaluation'](0.4),
        'benchmark': kinds['benchmark'](9.0),
        'streaming': kinds['streaming']({1.0: 0.4}),
        'sizes': kinds['sizes'](),
        'recipe': kinds['recipe'](),
    }
    runs = [read_run(write(name, content)) for name, content in made.items()]
    for k, run in enumerate(runs):
        for path in paths_of(run.content, depth=3 if run.kind == 'evaluation' else 4):
            for value in (None, 'text', 5, [5], {'a': 5}):
                content = copy.deepcopy(run.content)
                replace_at(content, path, value)
                assert sections_of([*runs[:k], replace(run, content=content), *runs[k + 1 :]])


def paths_of(content, *, depth):
    if not depth or not isinstance(content, (dict, list)):
        return
    for key, value in content.items() if isinstance(content, dict) else enumerate(content):
        yield (key,)
        yield from ((key, *rest) for rest in paths_of(value, depth=depth - 1))


def replace_at(content, path, value):
    """None takes the field out of a dictionary."""
    for key in path[:-1]:
        content = content[key]
    if value is None and isinstance(content, dict):
        del content[path[-1]]
    else:
        content[path[-1]] = value


def test_what_is_no_run(tmp_path, write_log, capsys):
    broken, foreign, listed = (tmp_path / n for n in ('broken.json', 'foreign.json', 'list.json'))
    broken.write_text('{"kind": ')
    foreign.write_text('{"kind": "evaluation", "scores": 3}')
    listed.write_text('[1]')
    (tmp_path / 'empty').mkdir()
    for path, message in (
        (broken, 'not a readable JSON file'),
        (foreign, 'not written by one of our commands'),
        (listed, 'not written by one of our commands'),
        (tmp_path / 'gone.json', 'no such file'),
        (tmp_path / 'empty', 'not a training run'),
        (write_log('nothing', []), 'no step is logged'),
        (write_log('middle', ['{"step": 1}', '{"st', '{"step": 3}']), r'log.jsonl:2'),
        (write_log('stepless', ['{"total": 1}', '{"step": 3}']), r'log.jsonl:1'),
    ):
        with pytest.raises(InputError, match=message):
            read_run(path)
    assert main(['report', str(broken), '--output', str(tmp_path / 'r.html')]) == 2
    assert not (tmp_path / 'r.html').exists()
    assert 'broken.json' in capsys.readouterr().err


def test_logs_of_runs_that_were_killed_and_resumed(write_log):
    lines = [
        *('{"step": 0, "total": 5}', '{"step": 10, "total": 4}', '{"step": 20, "total": NaN}'),
        *('{"step": 10, "total": 3.5, "note": "again"}', '{"step": 30, "tot'),
    ]
    log = read_run(write_log('run', lines)).content['log']
    assert log == [{'step': 0, 'total': 5}, {'step': 10, 'total': 3.5}, {'step': 20}]


def test_the_running_mean_has_no_bias_at_its_start():
    assert smoothed([4.0], 0.9) == [4.0]
    assert smoothed([4.0, 4.0, 4.0], 0.9) == pytest.approx([4.0] * 3)
    assert smoothed([0.0, 1.0], 0.5) == pytest.approx([0.0, 1 / 1.5])


def test_labels_are_as_short_as_they_can_be(write, kinds):
    one, two = kinds['evaluation'](0.4), kinds['benchmark'](9.0)
    paths = [write('a/score', one), write('b/score', one), write('speed', two)]
    runs = read_runs(paths)
    assert [r.label for r in runs[:2]] == ['a/score', 'b/score']
    assert runs[2].label.endswith('/speed')
    assert [r.number for r in runs] == [0, 1, 0]  # counted by kind, so that colours differ
    assert runs[0].color != runs[1].color
    assert [r.label for r in read_runs([paths[0], paths[2]])] == ['score', 'speed']
    with pytest.raises(InputError, match='given twice'):
        read_runs([paths[0], paths[0].parent / '..' / 'a' / 'score.json'])


def test_scores_of_other_sequences_are_not_compared(write, tmp_path, kinds):
    other = kinds['evaluation'](0.5)
    other['combined']['real']['sequences'] = ['one', 'three']
    paths = [write('first', kinds['evaluation'](0.4)), write('other', other)]
    page = Page(report(paths, tmp_path).read_text(encoding='utf-8'))
    assert page.row('other', '50.0[45.0, 54.0]')
    assert 'of different sequences' in page.text


def test_what_is_not_alike_is_not_compared(write, tmp_path, kinds):
    """Other rules, other classes, other boxes: the numbers stand there without a difference."""
    rules, classes, boxes = (kinds['evaluation'](0.5) for _ in range(3))
    rules['protocol'] = 'mot_challenge'
    del classes['combined']['real']['classes']['vehicle']
    boxes['combined_detection']['real']['classes']['pedestrian']['boxes'] = 51
    boxes['combined_reid']['real']['pedestrian']['embeddings'] = 71
    paths = [write('first', kinds['evaluation'](0.4)), write('rules', rules)]
    paths += [write('classes', classes), write('boxes', boxes)]
    page = Page(report(paths, tmp_path).read_text(encoding='utf-8'))
    assert page.row('rules', '50.0[45.0, 54.0]')
    assert page.row('classes', '50.0[45.0, 54.0]')
    assert page.row('boxes', '50.0[45.0, 54.0] +10.0')
    assert page.row('pedestrian, classes')[1] == '50.0+10.0'  # one class can be
    assert 'first by product, rules by mot_challenge' in page.text
    assert page.row('real, pedestrian', '20.0')[1:5] == ['20.0', '25.0+5.0', '25.0+5.0', '25.0']
    assert page.row('real, pedestrian, rules')[4] == '60.00.0'
    assert page.row('real, pedestrian, boxes')[4] == '60.0'


def test_what_could_not_be_scored_is_said(write, tmp_path, kinds):
    content = {**kinds['evaluation'](0.5), 'failed': {'third': 'no image'}}
    page = Page(report([write('part', content)], tmp_path).read_text(encoding='utf-8'))
    assert 'part is without third, which could not be scored.' in page.text


def test_flat_names_every_leaf():
    found = dict(flat({'a': {'b': [1, {'c': 2}]}, 'd': None}))
    assert found == {'a.b[0]': 1, 'a.b[1].c': 2, 'd': None}


def test_files_of_the_real_commands(tmp_path, painted_sequence):
    """What `evaluate` and `stream-evaluate` write today is understood: names have not moved."""
    model = str(write_scripted_bundle(tmp_path / 'scripted', input_size_wh=(320, 192)))
    data = labelled_copies(painted_sequence, tmp_path / 'data')
    files = [tmp_path / name for name in ('strict.json', 'lax.json', 'stream.json')]
    common = ['--model', model, '--data', str(data)]
    for file, more in zip(files, ([], ['--set', 'tracker.confirm_hits=1']), strict=False):
        given = ['evaluate', *common, *more, '--resamples', '20', '--json', str(file)]
        assert main(given) == 0
    given = ['stream-evaluate', *common, '--latency', '60', '--json', str(files[2])]
    assert main([*given, '--speed-factor', '0.5', '2']) == 0
    page = Page(report(files, tmp_path).read_text(encoding='utf-8'))
    measured = json.loads(files[0].read_text())['combined']['real']['all']
    assert page.row('strict')[0] == 'strict'
    row = next(r for t in page.tables for r in t if r[0] == 'strict' and '[' in r[1])
    assert row[1].startswith(f'{100 * measured["hota"]:.1f}[')
    assert page.row('lax, real', '2')  # paired differences on two common sequences
    assert page.row('stream, real', '2')[2] != '–'


def labelled_copies(sequence: Path, folder: Path) -> Path:
    """The painted clip twice, with the truth of its vehicle."""
    for name in ('one', 'two'):
        shutil.copytree(sequence, folder / name)
        rows = [f'{i + 1},1,{10 + 8 * i},120,48,32,1,3,1' for i in range(12)]
        (folder / name / 'gt').mkdir()
        (folder / name / 'gt' / 'gt.txt').write_text('\n'.join(rows) + '\n')
        info = (folder / name / 'seqinfo.ini').read_text()
        (folder / name / 'seqinfo.ini').write_text(
            info.replace('name=painted', f'name={name}') + 'labelledClasses=vehicle\n'
        )
    return folder


CHROMIUM = next(filter(shutil.which, ('chromium', 'chromium-browser', 'google-chrome')), None)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason='no chromium in PATH')
@pytest.mark.parametrize(('scheme', 'background'), [(1, '#f6f7f9'), (0, '#14171b')])
def test_a_browser_shows_the_page(written, tmp_path, scheme, background):
    """In light and in dark: the page's colour, the runs' colours, and ink that can be read."""
    picture = tmp_path / 'page.png'
    subprocess.run(
        [
            *(CHROMIUM, '--headless', '--no-sandbox', '--disable-gpu', '--hide-scrollbars'),
            *(f'--user-data-dir={tmp_path / "profile"}', '--window-size=1240,5000'),
            f'--blink-settings=preferredColorScheme={scheme}',
            *(f'--screenshot={picture}', written.as_uri()),
        ],
        check=True,
        capture_output=True,
        timeout=100,
    )
    image = cv2.imread(str(picture))
    assert image.shape == (5000, 1240, 3)
    assert image[2, 2].tolist() == bgr(background)
    for color in ('#4c8df6', '#f08c2e'):
        assert (image == bgr(color)).all(axis=-1).sum() > 500
    ink = '#e8ebef' if background == '#14171b' else '#1b1f24'
    assert (image == bgr(ink)).all(axis=-1).sum() > 500


def bgr(color):
    return [int(color[k : k + 2], 16) for k in (5, 3, 1)]


def test_a_chart_of_many_runs_is_drawn(tmp_path):
    """More runs than colours, long names, one group: nothing warns, and all are in the legend."""
    series = [
        Series(label=f'a rather long name of run number {k}', color='#4c8df6', y=[float(k)])
        for k in range(14)
    ]
    chart = grouped_bars('many', 'many', groups=['only'], series=series, unit='%')
    assert isinstance(chart, Chart)
    write_png(chart, tmp_path / 'many.png')
    text = svg(chart)
    assert all(f'number {k}' in text for k in range(14))
    assert render_page([], title='nothing').count('<section>') == 0
