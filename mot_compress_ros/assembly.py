"""From names of model bundles to a pipeline that is warm."""

from __future__ import annotations

from collections.abc import Sequence

from mot_compress_ros.health import Health
from mot_compress_ros.inference import build_detector, Detector, load_bundle
from mot_compress_ros.keyframe import (
    build_teacher,
    KeyframeConfig,
    START_LIMIT_S,
    start_simulated,
    Teacher,
    WorkerSetup,
)
from mot_compress_ros.pipeline import Pipeline, PipelineConfig

# A teacher from a slow disk is there by then; a live node does not wait longer to be configured.
LIVE_WAIT_S = 10.0


def build_pipeline(
    *,
    cameras: Sequence[str],
    model: str,
    teacher: str = '',
    config: PipelineConfig | None = None,
    health: Health | None = None,
    live: bool = False,
) -> Pipeline:
    """Load the bundles, check that they fit each other, and warm up.

    Args:
        cameras: names of the cameras; each has a tracker of its own.
        model: bundle of the student, a folder or a name.
        teacher: bundle of the teacher; '' for none.
        config: options of every stage.
        health: where timings and counters go.
        live: whether frames come as time passes. Then the teacher works on a thread or in a
            process of its own; else in turn with the student, and its late results come when
            the stamps say so.

    Raises:
        BundleError: a bundle is missing, damaged, or the two do not fit each other.
        InvalidOptionError: the runtime cannot be had.
    """
    config = config or PipelineConfig()
    student = build_detector(load_bundle(model), options=config.runtime, decode=config.decode)
    supervised = teacher and build_teacher(
        teacher,
        config=config.keyframe,
        runtime=config.runtime,
        decode=config.decode,
        simulated=not live,
    )
    try:
        pipeline = Pipeline(
            cameras=cameras,
            student=student,
            teacher=supervised or None,
            config=config,
            health=health,
        )
        if live and supervised:  # in every mode: it may become async while running
            student.work_apart(urgent=True)
        pipeline.warm_up(teacher_wait_s=LIVE_WAIT_S if live else START_LIMIT_S)
    except BaseException:
        if supervised:
            supervised.close()
        raise
    return pipeline


def simulated_teacher(detector: Detector, config: KeyframeConfig) -> Teacher:
    """A teacher that works in turn with the student, over a detector that is there already."""
    setup = WorkerSetup(load=lambda: detector, latency_ms=config.teacher_ms)
    return Teacher(detector.manifest, start_simulated(setup), config)
