"""Run a pipeline over a sequence, or a detector over images, and keep what is to be scored.

Tracking uses the detections above the configured score; average precision wants weak ones too. So
the network runs once with a low threshold, everything is kept, and the tracker gets the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mot_compress_ros.datatypes import Detections, Frame, Tracks
from mot_compress_ros.errors import BundleError, InputError
from mot_compress_ros.health import Health
from mot_compress_ros.image_decoding import read_image
from mot_compress_ros.inference import build_detector, Detector, load_bundle
from mot_compress_ros.pipeline import Pipeline, PipelineConfig
from mot_compress_ros.sources import open_source
from offline_training.datasets.classes import CLASS_NAMES
from offline_training.datasets.records import LabelledSequence

CAMERA = 'camera'
AP_MIN_SCORE = 0.01
Progress = Callable[[int], None]


class RecordingDetector(Detector):
    """A detector that keeps all its detections and passes on those above `min_score`."""

    def __init__(self, detector: Detector) -> None:
        low = replace(detector.config, min_score=min(AP_MIN_SCORE, detector.config.min_score))
        super().__init__(detector.manifest, detector.backend, low)
        self._min_score = detector.config.min_score
        self.recorded: list[Detections] = []

    def detect(self, frames: Sequence[Frame], health: Health | None = None) -> list[Detections]:
        """As `Detector.detect`; what it dropped is in `recorded`."""
        found = super().detect(frames, health)
        self.recorded += found
        return [d[d.scores >= self._min_score] for d in found]


@dataclass(frozen=True, eq=False, kw_only=True)
class SequenceResult:
    """One entry per frame; `detections` go down to `AP_MIN_SCORE`."""

    tracks: tuple[Tracks, ...]
    detections: tuple[Detections, ...]


def open_detector(bundle: str, config: PipelineConfig) -> Detector:
    """The detector of a bundle, warm.

    Raises:
        BundleError: the bundle cannot be used, or its classes are not those of the ground truth.
    """
    loaded = load_bundle(bundle)
    if loaded.manifest.class_names != CLASS_NAMES:
        raise BundleError(
            f'{bundle}: has the classes {", ".join(loaded.manifest.class_names)}; '
            f'the ground truth has {", ".join(CLASS_NAMES)}'
        )
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
    """Track a sequence frame by frame with a new tracker; every frame, no drops."""
    students, recorded = RecordingDetector(student), []
    teachers = RecordingDetector(teacher) if teacher else None
    pipeline = Pipeline(cameras=[CAMERA], student=students, teacher=teachers, config=config)
    tracks = []
    for index, frame in enumerate(sequence_frames(sequence)):
        (found,) = pipeline.step([frame])
        assert found is not None, 'the frames of a sequence come in order'
        tracks.append(found)
        for detector in (students, teachers):
            if detector is not None and detector.recorded:
                recorded += detector.recorded
                detector.recorded = []
        progress(index + 1)
    return SequenceResult(tracks=tuple(tracks), detections=tuple(recorded))


def sequence_frames(sequence: LabelledSequence) -> Iterable[Frame]:
    """The frames of a sequence as the vehicle's own source reads and stamps them.

    Raises:
        InputError: an image cannot be decoded, or the source sees other images than the labels.
    """
    folder = sequence.image_paths[0].parent
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
