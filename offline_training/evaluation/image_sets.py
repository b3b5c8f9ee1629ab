"""Score detections on sets of single images; one that fails does not keep the others from it."""

from __future__ import annotations

from collections.abc import Sequence

from mot_compress_ros.console import ProgressLine
from mot_compress_ros.errors import MotCompressError
from mot_compress_ros.inference import Detector
from offline_training.datasets.records import LabelledImage
from offline_training.evaluation.inference import detect_images
from offline_training.evaluation.report import image_set_json, Json


def score_image_sets(
    image_sets: Sequence[tuple[str, tuple[LabelledImage, ...]]],
    student: Detector,
    teacher: Detector | None,
) -> tuple[list[Json], dict[str, str]]:
    """Average precision of each network on each set, and why sets could not be scored, by name.

    Args:
        image_sets: names and images.
        student: warm.
        teacher: warm; scored too where there is one.
    """
    scored: list[Json] = []
    failed: dict[str, str] = {}
    for name, images in image_sets:
        for detector in (student, teacher):
            if detector is None or name in failed:
                continue
            try:
                scored.append(_scored(name, images, detector))
            except MotCompressError as error:
                failed[name] = str(error)
    return scored, failed


def _scored(name: str, images: Sequence[LabelledImage], detector: Detector) -> Json:
    paths = [image.path for image in images]
    with ProgressLine(len(paths)) as line:
        found = detect_images(
            paths, detector, progress=lambda done: line.update(done, lambda: name)
        )
    known = range(len(detector.class_names))
    scores = image_set_json(name, images, found, known_classes=known)
    return {'model': detector.name, **scores}
