"""Time and accuracy of the association, beside trackers of others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from offline_training.evaluation.results_sections.origin import origin_lines
from offline_training.evaluation.tables import markdown_table

_SCORES = (('hota', 'HOTA'), ('mota', 'MOTA'), ('idf1', 'IDF1'))
_DASH = '–'
_BUSY = 1.1  # time on the wall over time of computing


def section(report: Mapping[str, Any]) -> str:
    """How it was measured, then the tables."""
    environment = report['environment']
    width, height = report['size_wh']
    note = (
        f'A crowd on an image of {width} x {height} at {report["fps"]:g} frames a second, seed '
        f'{report["seed"]}; {report["frames"]} frames after {report["warm_up"]} of warm-up, '
        f'median of {report["repeats"]} interleaved turns, {environment["threads"]} BLAS threads '
        f'({", ".join(environment["blas"])}); load average before '
        f'{environment["load_average_before"]:.1f}. Only `update` is timed, with detections in '
        "the contestant's own type; on the wall, and as computing time of the process, which what "
        'else runs on the machine hardly changes.'
    )
    lines = ['## Speed of the association', '', *origin_lines(report), note, '']
    return '\n'.join([*lines, association_tables(report), ''])


def association_tables(report: Mapping[str, Any]) -> str:
    """Times, their growth and ratios, time beside accuracy, the crowd and the goals."""
    parts = [
        _times(report, 'p50_ms', 'median, ms', grows=False),
        _times(report, 'p95_ms', '95th percentile, ms', grows=False),
        _times(report, 'cpu_p50_ms', 'median of computing, ms', grows=len(_objects(report)) > 1),
        _ratios(report),
        *(_beside_accuracy(report, n) for n in _scored(report)),
        _crowd(report),
        _words(report),
        _late(report.get('late')),
    ]
    return '\n\n'.join(part for part in parts if part)


def _objects(report: Mapping[str, Any]) -> list[str]:
    return list(report['scenes'])


def _label(report: Mapping[str, Any], name: str) -> str:
    return f'{name} ({report["contestants"][name]["package"]})'


def _milliseconds(value: float) -> str:
    return f'{value:.2f}' if value < 10 else f'{value:.1f}' if value < 100 else f'{value:.0f}'


def _times(report: Mapping[str, Any], key: str, title: str, *, grows: bool) -> str:
    """A column for each number of objects; where asked, the growth from the first to the last."""
    objects = _objects(report)
    rows = []
    for name, contestant in report['contestants'].items():
        cells = contestant['objects']
        texts = [
            _milliseconds(cells[n][key]) + ('' if cells[n]['whole'] else '*') for n in objects
        ]
        growth = [f'{cells[objects[-1]][key] / cells[objects[0]][key]:.1f} x'] if grows else []
        rows.append([_label(report, name), *texts, *growth])
    head = [title, *(f'{n} objects' for n in objects)]
    return markdown_table([*head, f'{objects[0]} to {objects[-1]}'] if grows else head, rows)


def _ratios(report: Mapping[str, Any]) -> str:
    """Median computing time over that of the reference; '' where it took no part."""
    reference, objects = report['reference'], _objects(report)
    contestants = report['contestants']
    if reference not in contestants:
        return ''
    rows = [
        [
            _label(report, name),
            *(
                f'{_cpu_ms(contestant, n) / _cpu_ms(contestants[reference], n):.1f}'
                for n in objects
            ),
        ]
        for name, contestant in contestants.items()
        if name != reference
    ]
    head = [f'times the computing of {reference}', *(f'{n} objects' for n in objects)]
    return markdown_table(head, rows) if rows else ''


def _cpu_ms(contestant: Mapping[str, Any], n: str) -> float:
    return float(contestant['objects'][n]['cpu_p50_ms'])


def _scored(report: Mapping[str, Any]) -> list[str]:
    contestants = report['contestants'].values()
    return [n for n in _objects(report) if any(c['objects'][n]['scores'] for c in contestants)]


def _beside_accuracy(report: Mapping[str, Any], n: str) -> str:
    rows = []
    for name, contestant in report['contestants'].items():
        cell = contestant['objects'][n]
        scores = cell['scores']
        accuracy = (
            [*(f'{100 * scores[key]:.1f}' for key, _ in _SCORES), str(scores['id_switches'])]
            if scores
            else [_DASH] * (len(_SCORES) + 1)
        )
        load = f'{cell["tracks_per_frame"]:.1f}'
        rows.append([_label(report, name), _milliseconds(cell['cpu_p50_ms']), load, *accuracy])
    head = [
        f'{n} objects',
        'computing, ms',
        'tracks a frame',
        *(label for _, label in _SCORES),
        'IDSW',
    ]
    return markdown_table(head, rows)


def _crowd(report: Mapping[str, Any]) -> str:
    rows = [
        [
            n,
            f'{scene["detections_per_frame"]:.1f}',
            f'{scene["identities"]}',
            f'{scene["median_height_px"]:.0f}',
            f'{100 * scene["boxes_area_per_image_area"]:.0f} %',
            f'{100 * scene["share_half_covered"]:.0f} %',
        ]
        for n, scene in report['scenes'].items()
    ]
    head = ['objects', 'detections a frame', 'identities', 'median height, px']
    return markdown_table([*head, 'area of boxes / image', 'half covered'], rows)


def _words(report: Mapping[str, Any]) -> str:
    """What was cut short, what is not installed, and whether the goals are met."""
    contestants = report['contestants']
    cut = any(not cell['whole'] for c in contestants.values() for cell in c['objects'].values())
    words = []
    if cut:
        words.append(
            f'*: cut short after {report["limit_s"]:g} s of tracking, one turn; no scores.'
        )
    words += [f'Without {label}: {why}.' for label, why in report['missing'].items()]
    reference = contestants.get(report['reference'])
    for n, goal_ms in report['goals_ms'].items():
        if reference and n in reference['objects']:
            ms = float(reference['objects'][n]['p50_ms'])
            verdict = 'met' if ms <= goal_ms else 'missed'
            words.append(
                f'Goal of {report["reference"]} at {n} objects: at most {goal_ms:.1f} ms; '
                f'measured {ms:.2f} ms, {_cpu_ms(reference, n):.2f} ms of computing: {verdict}.'
            )
    return '\n'.join([*words, *_waiting(report)])


def _waiting(report: Mapping[str, Any]) -> list[str]:
    """A warning where the contestants had to wait for a core."""
    cells = [
        c for contestant in report['contestants'].values() for c in contestant['objects'].values()
    ]
    wall_s, cpu_s = (sum(cell[key] for cell in cells) for key in ('wall_s', 'cpu_s'))
    if wall_s < _BUSY * cpu_s:
        return []
    return [
        f'Others kept the cores busy: {100 * (1 - cpu_s / wall_s):.0f} % of the time was waiting. '
        'The times of computing can be compared, the others have to be measured again.'
    ]


def _late(late: Mapping[str, Any] | None) -> str:
    """Times of late results, and whether their goal is met; '' where none were measured."""
    if not late:
        return ''
    by_row: dict[tuple[bool, float], dict[int, Mapping[str, Any]]] = {}
    for case in late['cases']:
        row = by_row.setdefault((case['embeddings'], case['misses']), {})
        row[case['frames_late']] = case
    frames_late = sorted({case['frames_late'] for case in late['cases']})
    rows = [
        [
            f'{"with" if embeddings else "no"} embeddings, {100 * misses:.0f} % missed',
            *(f'{row[d]["p50_ms"]:.2f} ({row[d]["p95_ms"]:.2f})' for d in frames_late),
            f'{np.mean([case["found_again"] for case in row.values()]):.1f}',
        ]
        for (embeddings, misses), row in by_row.items()
    ]
    head = [
        f'late result for {late["objects"]} objects, median (95th percentile), ms',
        *(f'{d} frames late' for d in frames_late),
        'found again',
    ]
    table = markdown_table(head, rows)
    goal_ms, at = late['goal_ms'], late['goal_frames_late']
    at_goal = [case for case in late['cases'] if case['frames_late'] == at]
    if not at_goal:
        return table
    worst, computing = (max(c[key] for c in at_goal) for key in ('p50_ms', 'cpu_p50_ms'))
    return (
        f'{table}\n\nGoal of a result {at} frames late: at most {goal_ms:.1f} ms; the slowest row '
        f'took {worst:.2f} ms, {computing:.2f} ms of computing: '
        f'{"met" if worst <= goal_ms else "missed"}.'
    )
