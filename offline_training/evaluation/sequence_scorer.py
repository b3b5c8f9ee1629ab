"""Run a model over one sequence and score it: one call, whose arguments and result can be pickled.

So the sequences of an evaluation can be shared out to processes or machines.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from mot_compress_ros.inference import Detector
from mot_compress_ros.pipeline import PipelineConfig
from offline_training.datasets.classes import ALL_CLASSES, CLASS_NAMES
from offline_training.datasets.records import LabelledSequence
from offline_training.evaluation.detection_scores import (
    DetectionEvidence,
    LabelledBoxes,
    score_pooled,
    Scored,
    without_embeddings,
)
from offline_training.evaluation.inference import (
    LabelledEmbeddings,
    open_detector,
    Progress,
    run_sequence,
    SequenceResult,
)
from offline_training.evaluation.protocols.judge import (
    found_of_tracks,
    open_protocol,
    SequenceJudge,
)
from offline_training.evaluation.reid_scores import (
    collect_evidence,
    EmbeddedBoxes,
    reid_json,
    ReidEvidence,
)
from offline_training.evaluation.report import detection_json, Json, sequence_head, sequence_json
from offline_training.evaluation.tracking_scores import RawScores, score_judged


@dataclass(frozen=True, eq=False, kw_only=True)
class SequenceJob:
    """A sequence to run on, and the ground truth that judges its tracks."""

    sequence: LabelledSequence
    judge: SequenceJudge
    partly_labelled: bool = False


@dataclass(frozen=True, eq=False, kw_only=True)
class SequenceOutcome:
    """Scores of one sequence.

    Attributes:
        name: of the sequence.
        origin: of the sequence.
        raw: TrackEval's results by class id of the protocol; empty where they are not to be
            pooled: only some objects are labelled, or ids mean nothing over frames.
        reid: pairs of embeddings by class name of the product.
        detection: labels and detections; None where only some objects are labelled.
        json: what stands in the report.
    """

    name: str
    origin: str
    raw: Mapping[int, RawScores]
    reid: Mapping[str, ReidEvidence]
    json: Json
    detection: DetectionEvidence | None = None


@dataclass(kw_only=True)
class SequenceScorer:
    """Scores sequences with a student and perhaps a teacher.

    The networks are opened where it is first used; only their names travel to other processes.
    """

    model: str
    teacher: str
    config: PipelineConfig
    protocol: str
    input_size_wh: tuple[int, int] | None = None  # None: as the bundles say
    _detectors: dict[str, Detector] = field(default_factory=dict, repr=False)

    @property
    def student_detector(self) -> Detector:
        """The student, warm."""
        return self._opened(self.model)

    @property
    def teacher_detector(self) -> Detector | None:
        """The teacher, warm; None where there is none."""
        return self._opened(self.teacher) if self.teacher else None

    def __call__(
        self, job: SequenceJob, progress: Progress = lambda done: None
    ) -> SequenceOutcome:
        """Run and score one sequence.

        Raises:
            BundleError: a network cannot be used.
            InputError: an image cannot be read.
        """
        student = self.student_detector
        result = run_sequence(
            job.sequence,
            student=student,
            teacher=self.teacher_detector,
            config=self.config,
            progress=progress,
        )
        known = range(len(student.class_names))
        return score_result(job, result, protocol=self.protocol, known_classes=known)

    def __getstate__(self) -> dict[str, object]:
        """Everything but the networks."""
        return {**self.__dict__, '_detectors': {}}

    def _opened(self, bundle: str) -> Detector:
        if bundle not in self._detectors:
            self._detectors[bundle] = open_detector(
                bundle, self.config, input_size_wh=self.input_size_wh
            )
        return self._detectors[bundle]


def score_result(
    job: SequenceJob,
    result: SequenceResult,
    *,
    protocol: str,
    known_classes: Collection[int] = ALL_CLASSES,
) -> SequenceOutcome:
    """Score what a run left behind.

    Args:
        job: the sequence and its judge.
        result: what was found in it.
        protocol: the judge's.
        known_classes: ids of the product's classes that the model can find; no other is scored.
    """
    sequence, rules = job.sequence, open_protocol(protocol)
    found = found_of_tracks(result.tracks, rules.CLASS_OF_PRODUCT)
    judged = {rules.CLASS_OF_PRODUCT.get(class_id) for class_id in known_classes}
    class_ids = [k for k in job.judge.class_ids if k in judged] if sequence.has_identities else []
    raw = {class_id: score_judged(job.judge, found, class_id) for class_id in class_ids}
    report = sequence_json(
        sequence_head(sequence),
        raw,
        partly_labelled=job.partly_labelled,
        class_names=rules.CLASS_NAMES,
    )
    if job.partly_labelled:
        return SequenceOutcome(
            name=sequence.name, origin=sequence.origin, raw={}, reid={}, json=report
        )
    detected = [k for k in sequence.labelled_class_ids if k in known_classes]
    reid = _reid_evidence(sequence, result.embeddings, detected)
    detection = detection_evidence(sequence, result.detections, detected)
    return SequenceOutcome(
        name=sequence.name,
        origin=sequence.origin,
        raw=raw,
        reid=reid,
        detection=detection,
        json={
            **report,
            'detection': detection_json(score_pooled([detection])),
            'reid': reid_json(reid),
        },
    )


def detection_evidence(
    sequence: LabelledSequence, found: Sequence[Scored], class_ids: Sequence[int]
) -> DetectionEvidence:
    """What average precision needs, one entry of `found` per frame."""
    truth = [
        LabelledBoxes(boxes_xyxy_px=t.boxes_xyxy_px, class_ids=t.class_ids, ignore=t.ignore)
        for t in sequence.truth
    ]
    return DetectionEvidence(
        truth=truth, found=without_embeddings(found), class_ids=tuple(class_ids)
    )


def _reid_evidence(
    sequence: LabelledSequence, found: LabelledEmbeddings | None, class_ids: Sequence[int]
) -> dict[str, ReidEvidence]:
    """Pairs of each class; none where ids mean nothing over frames."""
    if found is None or not sequence.has_identities:
        return {}
    evidence = {}
    for class_id in class_ids:
        rows = found.class_ids == class_id
        boxes = EmbeddedBoxes(
            embeddings=found.embeddings[rows], ids=found.ids[rows], frames=found.frames[rows]
        )
        evidence[CLASS_NAMES[class_id]] = collect_evidence(boxes, fps=sequence.fps)
    return evidence
