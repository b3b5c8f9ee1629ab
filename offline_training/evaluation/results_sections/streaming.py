"""Streaming scores over a ladder of machines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from offline_training.evaluation.results_sections.origin import origin_lines
from offline_training.evaluation.streaming_tables import streaming_table


def section(report: Mapping[str, Any]) -> str:
    """The table, and by which rules ground truth met the outputs."""
    options = report['options']
    title = f'## Streaming scores of {report["model"]["name"]}'
    if report['teacher']:
        mode = options.get('keyframe.mode', 'fixed')
        how = f'on one frame in {options["keyframe.interval"]}' if mode == 'fixed' else mode
        title += f', with {report["teacher"]["name"]} {how}'
    note = (
        'Ground truth meets the latest output that is ready at its time; a node with one worker '
        'takes the newest frame and drops the others. A speed factor of 2 is a machine twice as '
        f'fast. Runtime of a frame: {report["latency"]}; eta {options["streaming.eta"]:g}, '
        f'forecast {_on(options["streaming.forecast"])}, shrinking tail '
        f'{_on(options["streaming.shrinking_tail"])}. `missed`: frames, in per cent, whose '
        'output was not ready when the next one came, dropped ones too; `stale`: mean age of the '
        'output in use, and its 95th percentile. sAP is the average precision of the tracks in '
        'use, mean over classes.'
    )
    return '\n'.join([title, '', *origin_lines(report), note, '', streaming_table(report), ''])


def _on(value: object) -> str:
    return 'on' if value else 'off'
