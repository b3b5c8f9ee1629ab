"""The work of `experiments keyframe`: every mode in every cell, each once and kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import json
from pathlib import Path
import statistics
from typing import Any

from mot_compress_ros import keyframe, pipeline, stream, tracking
from mot_compress_ros.inference import Detector
from mot_compress_ros.options import to_mapping
from mot_compress_ros.pipeline import PipelineConfig
from offline_training import evaluation
from offline_training.evaluation.inference import sequence_frames
from offline_training.evaluation.streaming_ladder import Ladder, play_ladder
from offline_training.evaluation.streaming_latency import LatencyChoice
from offline_training.evaluation.streaming_networks import OnceDetector
from offline_training.evaluation.streaming_scores import StreamingConfig
from offline_training.experiments.keyframe_plan import Row
from offline_training.experiments.keyframe_scenes import Cell
from offline_training.experiments.runs import announce
from offline_training.experiments.tracking_code import content_hash, source_hash
from offline_training.report_files import write_report

LATENCY_FILE = 'latency.json'
_LOOKS = 12


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What is the same in all cells.

    Attributes:
        student: warm, at the input size of the experiment.
        teacher: the same.
        config: of the pipeline; the modes change its keyframes.
        latency_ms: of a whole frame, by role, at speed factor 1.
        factors: speeds of the machine.
        streaming: how outputs meet ground truth.
        folder: of what is kept.
    """

    student: Detector
    teacher: Detector
    config: PipelineConfig
    latency_ms: Mapping[str, float]
    factors: Sequence[float]
    streaming: StreamingConfig
    folder: Path

    def options(self, row: Row, cell: Cell) -> PipelineConfig:
        """Those of a mode in a cell."""
        return row.config(
            self.config,
            fps=cell.fps,
            seconds=cell.seconds,
            teacher_ms=self.latency_ms['teacher'],
        )

    def file(self, row: Row, cell: Cell) -> Path:
        """Where the result of a mode in a cell is kept; another one where anything changed."""
        sequences = [
            (s.name, s.fps, len(s), [(p.name, p.stat().st_size) for p in s.image_paths])
            for s in cell.sequences
        ]
        made_of = content_hash(
            [
                repr(sorted(to_mapping(self.options(row, cell)).items())),
                repr(self.streaming),
                repr(sorted(self.latency_ms.items())),
                repr(sorted(self.factors)),
                [(d.manifest.weights_sha256, d.manifest.input_size_wh) for d in self._networks],
                source_hash(tracking, keyframe, pipeline, stream, evaluation),
                sequences,
            ]
        )
        name = ''.join(letter if letter.isalnum() else '-' for letter in f'{cell.name} {row.name}')
        return self.folder / 'results' / f'{name}-{made_of[:12]}.json'

    @property
    def _networks(self) -> tuple[Detector, Detector]:
        return self.student, self.teacher


def measured_latency(
    folder: Path, cell: Cell, *, student: Detector, teacher: Detector
) -> dict[str, float]:
    """Median runtime (ms) of each network on this machine; kept, so that it is always the same.

    Tracker and painting of the prior are not in it; they are small beside it.
    """
    path = folder / LATENCY_FILE
    networks = {'student': student, 'teacher': teacher}
    version = {
        role: [d.manifest.weights_sha256, *map(str, d.manifest.input_size_wh), d.backend.name]
        for role, d in networks.items()
    }
    if path.exists():
        known = json.loads(path.read_text(encoding='utf-8'))
        if known['networks'] == version:
            return {role: float(ms) for role, ms in known['latency_ms'].items()}
    frames = iter(sequence_frames(cell.sequences[0]))
    some = [frame for frame, _ in zip(frames, range(_LOOKS), strict=False)]
    found = {}
    for role, detector in networks.items():
        once = OnceDetector(detector)
        found[role] = round(statistics.median(once.look(f).needed_ns for f in some) / 1e6, 1)
    write_report(path, {'networks': version, 'latency_ms': found})
    return found


def complete(setting: Setting, cells: Sequence[Cell], rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The results of all modes in all cells; what is there already is read."""
    found = []
    for done, cell in enumerate(cells):
        missing = [row for row in rows if not setting.file(row, cell).exists()]
        if missing:
            announce(done, len(cells), f'{cell.name}: {len(missing)} modes')
            _play(setting, cell, missing)
        for row in rows:
            kept = json.loads(setting.file(row, cell).read_text(encoding='utf-8'))
            found.append({'cell': cell.name, 'group': cell.group, **_row_json(row), **kept})
    return found


def _play(setting: Setting, cell: Cell, rows: Sequence[Row]) -> None:
    ladder = Ladder(
        modes={row.name: setting.options(row, cell) for row in rows},
        factors=setting.factors,
        latency=LatencyChoice(
            description='', samples_ms={role: (ms,) for role, ms in setting.latency_ms.items()}
        ),
        streaming=setting.streaming,
    )
    played = play_ladder(cell.sequences, ladder, student=setting.student, teacher=setting.teacher)
    for row in rows:
        write_report(setting.file(row, cell), _shortened(played[row.name]))


def _shortened(mode: Mapping[str, Any]) -> dict[str, object]:
    """Scores of the cell's sequences together; they have one origin."""
    rungs = [{'speed_factor': rung['speed_factor'], **_scores(rung)} for rung in mode['rungs']]
    return {'offline': _scores(mode['offline']), 'rungs': rungs}


def _scores(part: Mapping[str, Any]) -> dict[str, object]:
    (pooled,) = part['combined'].values()
    keys = ('hota', 'det_a', 'ass_a', 'mota', 'idf1', 'id_switches', 'boxes')
    return {**{key: pooled['all'][key] for key in keys}, 'timing': pooled['timing']}


def _row_json(row: Row) -> dict[str, object]:
    return {'row': row.name, 'mode': row.mode, 'interval': row.interval, 'share': row.share}
