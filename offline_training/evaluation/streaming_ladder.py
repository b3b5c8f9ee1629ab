"""Sequences played in several keyframe modes on a ladder of machines, and all that is scored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mot_compress_ros.console import ProgressLine
from mot_compress_ros.inference import Detector
from mot_compress_ros.pipeline import PipelineConfig
from offline_training.datasets.records import LabelledSequence
from offline_training.evaluation.bootstrap import BootstrapConfig
from offline_training.evaluation.streaming_latency import LatencyChoice
from offline_training.evaluation.streaming_run import PlayOptions, StreamedSequence
from offline_training.evaluation.streaming_scores import (
    Json,
    score_played,
    scores_json,
    StreamedScores,
    StreamingConfig,
    with_loss,
)

OFFLINE = None  # in the place of a speed factor
Rung = tuple[str, float | None]  # mode, speed factor


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """What is played.

    Attributes:
        modes: the pipeline's options by the name of the mode; decoding is the same in all.
        factors: speeds of the machine.
        latency: runtimes at speed 1.
        streaming: how outputs meet ground truth.
        seed: of drawn runtimes; each sequence has its own.
    """

    modes: Mapping[str, PipelineConfig]
    factors: Sequence[float]
    latency: LatencyChoice
    streaming: StreamingConfig
    seed: int = 0

    @property
    def rungs(self) -> list[Rung]:
        """All of them, a mode's offline one first."""
        speeds = (OFFLINE, *sorted(self.factors))
        return [(mode, speed) for mode in self.modes for speed in speeds]


def play_ladder(
    sequences: Sequence[LabelledSequence],
    ladder: Ladder,
    *,
    student: Detector,
    teacher: Detector | None,
    bootstrap: BootstrapConfig | None = None,
) -> dict[str, Json]:
    """`offline` and `rungs` of each mode, as they are written to JSON.

    Offline: no frame is dropped and every output counts at its frame, as in `evaluate`. What
    decides by runtimes, or works beside the student, does so at speed factor 1.

    Raises:
        InputError: a sequence cannot be read.
    """
    scores: dict[Rung, list[StreamedScores]] = {rung: [] for rung in ladder.rungs}
    with ProgressLine(sum(map(len, sequences)) * len(ladder.rungs)) as line:
        done = 0
        for number, sequence in enumerate(sequences):
            # What the networks saw of a sequence is kept until the next one.
            for rung, found in _of_sequence(
                sequence, ladder, student=student, teacher=teacher, seed=ladder.seed + number
            ):
                scores[rung].append(found)
                done += len(sequence)
                line.update(done, lambda: sequence.name)  # noqa: B023 (called at once)
    return {mode: _mode_json(mode, ladder, sequences, scores, bootstrap) for mode in ladder.modes}


def _of_sequence(
    sequence: LabelledSequence,
    ladder: Ladder,
    *,
    student: Detector,
    teacher: Detector | None,
    seed: int,
) -> Iterator[tuple[Rung, StreamedScores]]:
    """Every rung of one sequence."""
    first = next(iter(ladder.modes.values()))
    streamed = StreamedSequence(sequence, student=student, teacher=teacher, config=first)
    for mode, speed in ladder.rungs:
        played = streamed.play(
            ladder.latency.source(speed_factor=speed or 1.0, seed=seed),
            PlayOptions(
                offline=speed is OFFLINE,
                shrinking_tail=ladder.streaming.shrinking_tail,
                contention=ladder.streaming.contention,
            ),
            config=ladder.modes[mode],
        )
        rules = StreamingConfig() if speed is OFFLINE else ladder.streaming
        known = streamed.known_classes
        yield (mode, speed), score_played(sequence, played, rules, known_classes=known)


def _mode_json(
    mode: str,
    ladder: Ladder,
    sequences: Sequence[LabelledSequence],
    scores: Mapping[Rung, Sequence[StreamedScores]],
    bootstrap: BootstrapConfig | None,
) -> Json:
    offline = scores_json(sequences, scores[mode, OFFLINE], bootstrap=bootstrap)
    rungs = [
        {
            'speed_factor': factor,
            **with_loss(
                scores_json(sequences, scores[mode, factor], bootstrap=bootstrap), offline
            ),
        }
        for factor in sorted(ladder.factors)
    ]
    return {'offline': offline, 'rungs': rungs}
