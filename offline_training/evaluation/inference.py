"""Run a pipeline over a sequence, or a detector over images, and keep what is to be scored.

Tracking uses the detections above the configured score; average precision wants weak ones too. So
the network runs once with a low threshold, everything is kept, and the tracker gets the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.assembly import simulated_teacher
from mot_compress_ros.datatypes import Detections, Frame, Tracks
from mot_compress_ros.errors import BundleError, InputError
from mot_compress_ros.health import Health
from mot_compress_ros.image_decoding import read_image
from mot_compress_ros.inference import build_detector, Detector, load_bundle, Observation, Prior
from mot_compress_ros.inference.backends import Backend, NetworkOutput
from mot_compress_ros.pipeline import Pipeline, PipelineConfig
from mot_compress_ros.preprocess import letterbox_transform, STRIDE
from mot_compress_ros.sources import open_source
from mot_compress_ros.sources.source import stamp_of_index
from offline_training.datasets.classes import CLASS_NAMES
from offline_training.datasets.records import FrameTruth, LabelledSequence

CAMERA = 'camera'
AP_MIN_SCORE = 0.01
Progress = Callable[[int], None]


class BackendTap:
    """A backend that remembers what the network said last."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.name = backend.name
        self.latest: NetworkOutput | None = None

    @property
    def prior_planes(self) -> int:
        """As the backend's."""
        return self._backend.prior_planes

    def run(
        self, images_rgb: NDArray[np.uint8], prior: NDArray[np.float32] | None = None
    ) -> NetworkOutput:
        """As `Backend.run`."""
        self.latest = self._backend.run(images_rgb, prior)
        return self.latest


class RecordingDetector(Detector):
    """A detector that keeps all its detections and passes on those above `min_score`.

    Embeddings can be read at cells of its latest batch through `tap`.
    """

    def __init__(self, detector: Detector) -> None:
        low = replace(detector.config, min_score=min(AP_MIN_SCORE, detector.config.min_score))
        self.tap = BackendTap(detector.backend)
        super().__init__(detector.manifest, self.tap, low)
        self._min_score = detector.config.min_score
        self.recorded: list[Detections] = []

    def observe(
        self,
        frames: Sequence[Frame],
        health: Health | None = None,
        *,
        priors: Sequence[Prior | None] = (),
    ) -> list[Observation]:
        """As `Detector.observe`; what it dropped is in `recorded`."""
        seen = super().observe(frames, health, priors=priors)
        self.recorded += [one.detections for one in seen]
        return [
            replace(one, detections=one.detections[one.detections.scores >= self._min_score])
            for one in seen
        ]


@dataclass(frozen=True, eq=False, kw_only=True)
class LabelledEmbeddings:
    """The student's embeddings at the centres of N labelled boxes of a sequence.

    Attributes:
        embeddings: (N, D) float32, unit length.
        ids: (N,) int64.
        class_ids: (N,) int64.
        frames: (N,) int64.
    """

    embeddings: NDArray[np.float32]
    ids: NDArray[np.int64]
    class_ids: NDArray[np.int64]
    frames: NDArray[np.int64]


@dataclass(frozen=True, eq=False, kw_only=True)
class SequenceResult:
    """One entry per frame; `detections` go down to `AP_MIN_SCORE`.

    `embeddings` are of the frames that the student saw; None where the network has none.
    """

    tracks: tuple[Tracks, ...]
    detections: tuple[Detections, ...]
    embeddings: LabelledEmbeddings | None = None


def open_detector(
    bundle: str, config: PipelineConfig, *, input_size_wh: tuple[int, int] | None = None
) -> Detector:
    """The detector of a bundle, warm; `input_size_wh` takes the place of the bundle's own.

    Raises:
        BundleError: the bundle cannot be used, or its classes are not those of the ground truth,
            or the first of them (a model of pedestrians alone).
    """
    loaded = load_bundle(bundle)
    names = loaded.manifest.class_names
    if not names or names != CLASS_NAMES[: len(names)]:
        raise BundleError(
            f'{bundle}: has the classes {", ".join(loaded.manifest.class_names)}; '
            f'the ground truth has {", ".join(CLASS_NAMES)}'
        )
    if input_size_wh:
        loaded = replace(loaded, manifest=replace(loaded.manifest, input_size_wh=input_size_wh))
    detector = build_detector(loaded, options=config.runtime, decode=config.decode)
    detector.warm_up()
    return detector


def run_sequence(
    sequence: LabelledSequence,
    *,
    student: Detector,
    teacher: Detector | None,
    config: PipelineConfig,
    progress: Progress = lambda done: None,
) -> SequenceResult:
    """Track a sequence frame by frame with a new tracker; every frame, no drops.

    Raises:
        BundleError: the teacher failed; the student's frames in its place would pass for its own.
    """
    students, recorded = RecordingDetector(student), []
    teachers = RecordingDetector(teacher) if teacher else None
    pipeline = Pipeline(
        cameras=[CAMERA],
        student=students,
        teacher=simulated_teacher(teachers, config.keyframe) if teachers else None,
        config=config,
    )
    tracks, embeddings = [], []
    for index, frame in enumerate(sequence_frames(sequence)):
        (found,) = pipeline.step([frame])
        assert found is not None, 'the frames of a sequence come in order'
        tracks.append(found)
        if students.recorded:
            embeddings.append(embeddings_at_truth(students, frame, sequence.truth[index], index))
        for detector in (students, teachers):
            if detector is not None and detector.recorded:
                recorded += detector.recorded
                detector.recorded = []
        progress(index + 1)
    if pipeline.teacher is not None and pipeline.teacher.failures:
        raise BundleError(
            f'teacher {pipeline.teacher.name} failed on {sequence.name}: '
            f'{pipeline.teacher.reason or "it came back, but frames are without it"}'
        )
    return SequenceResult(
        tracks=tuple(tracks),
        detections=tuple(recorded),
        embeddings=_joined(embeddings) if student.manifest.embedding_dim else None,
    )


def embeddings_at_truth(
    detector: RecordingDetector, frame: Frame, truth: FrameTruth, frame_index: int
) -> LabelledEmbeddings:
    """Embeddings of the latest image at the cells that training puts the boxes' centres in.

    Boxes whose centre lies outside the image and regions to ignore are left out.
    """
    output = detector.tap.latest
    assert output is not None, 'the detector has run'
    width, height = frame.size_wh
    centres = (truth.boxes_xyxy_px[:, :2] + truth.boxes_xyxy_px[:, 2:]) / 2  # (N, 2)
    inside = ((centres >= 0) & (centres < [width, height])).all(axis=1) & ~truth.ignore
    transform = letterbox_transform(frame.size_wh, size_wh=detector.manifest.input_size_wh)
    cells = transform.apply(np.concatenate([centres, centres], axis=1))[inside, :2] / STRIDE
    last = np.array(output.heatmap.shape[:-3:-1]) - 1  # width, height
    xs, ys = np.clip(np.floor(cells), 0, last).astype(np.int64).T
    return LabelledEmbeddings(
        embeddings=output.gather(0, ys, xs).embeddings,
        ids=truth.ids[inside],
        class_ids=truth.class_ids[inside],
        frames=np.full(int(inside.sum()), frame_index, np.int64),
    )


def _joined(parts: Sequence[LabelledEmbeddings]) -> LabelledEmbeddings | None:
    """The rows of all frames; None where there was no frame."""
    if not parts:
        return None
    return LabelledEmbeddings(
        embeddings=np.concatenate([p.embeddings for p in parts]),
        ids=np.concatenate([p.ids for p in parts]),
        class_ids=np.concatenate([p.class_ids for p in parts]),
        frames=np.concatenate([p.frames for p in parts]),
    )


def sequence_frames(sequence: LabelledSequence) -> Iterable[Frame]:
    """The frames of a sequence as the vehicle's own source reads and stamps them.

    Where only some images of a folder belong to the sequence, they are read one by one.

    Raises:
        InputError: there are no images, one cannot be decoded, or the source sees images of
            another kind than the labels.
    """
    if not sequence.image_paths:
        raise InputError(
            f'{sequence.name}: a sequence without images; a tracker cannot run on it, but `score` '
            'judges result files by its labels'
        )
    folder = sequence.image_paths[0].parent
    if _is_part_of_folder(sequence):
        yield from _single_frames(sequence)
        return
    source = open_source(folder, camera=CAMERA, fps_hz=sequence.fps)
    if len(source) != len(sequence):
        raise InputError(
            f'{folder}: {len(source)} images, but {len(sequence)} are labelled; '
            'remove images of another kind'
        )
    n = 0
    for frame in source:
        if frame.frame_index != n:
            break  # the source skips what it cannot decode, and the labels would slip
        yield frame
        n += 1
    if n < len(sequence):
        raise InputError(f'{sequence.image_paths[n]}: not an image that can be read')


def _is_part_of_folder(sequence: LabelledSequence) -> bool:
    """Whether its images lie in several folders, or others of their kind lie beside them."""
    folders = {path.parent for path in sequence.image_paths}
    suffixes = {path.suffix for path in sequence.image_paths}
    beside = sum(path.suffix in suffixes for path in sequence.image_paths[0].parent.iterdir())
    return len(folders) > 1 or beside != len(sequence)


def _single_frames(sequence: LabelledSequence) -> Iterable[Frame]:
    for index, path in enumerate(sequence.image_paths):
        stamp_ns = stamp_of_index(index, sequence.fps)
        yield replace(read_frame(path), stamp_ns=stamp_ns, frame_index=index)


def read_frame(path: Path) -> Frame:
    """An image file as a frame.

    Raises:
        InputError: it cannot be decoded.
    """
    image = read_image(path)
    if image is None:
        raise InputError(f'{path}: not an image that can be read')
    return Frame(
        image=image,
        stamp_ns=0,
        camera=CAMERA,
        frame_index=0,
    )


def detect_images(
    paths: Sequence[Path], detector: Detector, *, progress: Progress = lambda done: None
) -> list[Detections]:
    """Detections of single images, down to `AP_MIN_SCORE`."""
    recorder = RecordingDetector(detector)
    for index, path in enumerate(paths):
        recorder.detect([read_frame(path)])
        progress(index + 1)
    return recorder.recorded
