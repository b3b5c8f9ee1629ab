"""Streaming scores of several keyframe modes over a ladder of machines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from offline_training.evaluation.results_sections.origin import origin_lines
from offline_training.evaluation.streaming_tables import modes_table


def section(report: Mapping[str, Any]) -> str:
    """The table, and what its columns are."""
    options = report['options']
    title = f'## Keyframe modes of {report["model"]["name"]}'
    if report['teacher']:
        title += f' and {report["teacher"]["name"]}'
    note = (
        f'Ground truth meets the latest output that is ready at its time. Runtime of a frame: '
        f'{report["latency"]}; eta {options["streaming.eta"]:g}, the student is '
        f'{options["streaming.contention"]:g} times as slow beside a teacher. `p99` and `worst`: '
        'from the beginning of the work on a frame to its output; `missed`: frames, in per cent, '
        'whose output was not ready when the next one came; `stale`: mean age of the output in '
        'use; `late`: from the coming of a frame to the use of what a teacher beside the student '
        'found in it. Offline, no frame is dropped and each output counts at its frame.'
    )
    return '\n'.join([title, '', *origin_lines(report), note, '', modes_table(report), ''])
