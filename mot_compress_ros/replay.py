"""`python -m mot_compress_ros.replay`: a bag, a video or an image sequence in, tracks out.

Every frame is processed, in order and without a ROS graph, so the same input, model and options
give the same bytes in `tracks.txt` on every run. Wall-clock times appear in the report, the
summary and the diagnostics alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
import sys
import time

from mot_compress_ros.assembly import build_pipeline
from mot_compress_ros.camera_motion import parse_mountings
from mot_compress_ros.command_line import (
    add_common_arguments,
    build_config,
    describe_files,
    EXIT_INCOMPLETE,
    EXIT_INTERRUPTED,
    EXIT_USER_ERROR,
    StopSignal,
)
from mot_compress_ros.console import complain, ProgressLine, say
from mot_compress_ros.datatypes import Frame
from mot_compress_ros.errors import MotCompressError
from mot_compress_ros.health import Health
from mot_compress_ros.options import to_mapping
from mot_compress_ros.pipeline import Pipeline, PipelineConfig
from mot_compress_ros.recording import Ending, ModelInfo, Recorder, RunInfo, Step
from mot_compress_ros.recording.summary import Summary
from mot_compress_ros.sources import BagMotion, open_motion, open_source, Source, TurningFeed

# Enough for an hour of video; the report's percentiles are of the whole run, not of its end.
_LATENCY_WINDOW = 100_000
VIDEO_AND_IMAGES = ('annotated.mp4', 'tracks.mcap')


@dataclass(frozen=True, kw_only=True)
class ReplayOptions:
    """What to replay, with what, and where the files go."""

    input: Path
    output: Path
    model: str
    teacher: str = ''
    topic: str = ''
    camera: str = ''
    fps_hz: float = 0.0
    limit: int = 0
    skip: tuple[str, ...] = ()
    motion_topic: str = ''
    camera_info_topic: str = ''


def replay(
    options: ReplayOptions,
    config: PipelineConfig,
    *,
    stop: Callable[[], bool] = bool,
    quiet: bool = False,
) -> tuple[Summary, list[Path]]:
    """Run the pipeline over an input and record everything.

    Args:
        options: what to replay, with what, and where the files go.
        config: options of the pipeline.
        stop: asked before each frame; where it says True, the files cover what was done by then.
        quiet: no progress line.

    Returns:
        The summary and the files that were written.

    Raises:
        MotCompressError: input, model, options or output folder are not usable. What goes wrong
            on the way is raised after the files were written that tell of it.
    """
    source = open_source(
        options.input, topic=options.topic, camera=options.camera, fps_hz=options.fps_hz
    )
    motion = open_motion(
        source,
        motion_source=config.camera_motion.source,
        topic=options.motion_topic,
        info_topic=options.camera_info_topic,
    )
    health = Health(window=_LATENCY_WINDOW)
    pipeline = build_pipeline(
        cameras=[source.camera],
        model=options.model,
        teacher=options.teacher,
        config=config,
        health=health,
    )
    total = min(len(source), options.limit or len(source))
    info = run_info(options.input, source, pipeline, config, expected_frames=total)
    start_s = time.monotonic()
    with Recorder(options.output, info, skip=options.skip) as recorder:
        frames: Iterator[Frame] = islice(source, options.limit or None)
        if motion is not None:
            frames = _with_motion(frames, motion, pipeline, camera=source.camera)

        def ending(*, complete: bool, reason: str) -> Ending:
            wall_s = time.monotonic() - start_s
            return _ending(source, health, complete=complete, reason=reason, wall_s=wall_s)

        try:
            complete = _run(frames, pipeline, recorder, total=total, stop=stop, quiet=quiet)
        except MotCompressError as error:
            with suppress(MotCompressError):  # a full disk again; the first error says it
                recorder.finish(ending(complete=False, reason=str(error)))
            raise
        complete, reason = complete and not source.early_end, source.early_end
        summary = recorder.finish(ending(complete=complete, reason=reason))
    return summary, recorder.written()


def _with_motion(
    frames: Iterator[Frame], motion: BagMotion, pipeline: Pipeline, *, camera: str
) -> Iterator[Frame]:
    """The frames; before each, the pipeline hears what was measured by then and a little later."""
    options, known = pipeline.config.camera_motion, motion.intrinsics
    pipeline.set_intrinsics(camera, known.matrix, size_wh=known.size_wh)
    if motion.mounting is not None and camera not in parse_mountings(options.mounting):
        pipeline.set_mounting(camera, motion.mounting)
    feed = TurningFeed(motion, lead_s=max(options.stamp_offset_s, 0) + options.reach_s)
    for frame in frames:
        for turning in feed.until(frame.stamp_ns):
            pipeline.observe_rotation(
                stamp_ns=turning.stamp_ns, angular_velocity_rad_s=turning.velocity_rad_s
            )
        yield frame


def _ending(
    source: Source, health: Health, *, complete: bool, reason: str, wall_s: float
) -> Ending:
    return Ending(
        complete=complete,
        reason=reason,
        wall_s=wall_s,
        unreadable=source.skipped,
        missing=source.missing,
        latencies_ms={name: p for name in health.stages() if (p := health.percentiles_ms(name))},
        counters=health.counters(),
    )


def run_info(
    path: Path,
    source: Source,
    pipeline: Pipeline,
    config: PipelineConfig,
    *,
    expected_frames: int,
) -> RunInfo:
    """Describe a replay before its first frame."""
    models = [ModelInfo.of(pipeline.student, role='student')]
    if pipeline.teacher is not None:
        models.append(ModelInfo.of(pipeline.teacher, role='teacher'))
    return RunInfo(
        mode='replay',
        input_path=str(path),
        input_kind=source.kind,
        camera=source.camera,
        fps_hz=source.fps,
        expected_frames=expected_frames,
        class_names=pipeline.class_names,
        models=tuple(models),
        options=to_mapping(config),
    )


def _run(
    frames: Iterator[Frame],
    pipeline: Pipeline,
    recorder: Recorder,
    *,
    total: int,
    stop: Callable[[], bool],
    quiet: bool,
) -> bool:
    """Track and record every frame; False where the run was stopped."""
    with nullcontext() if quiet else ProgressLine(total) as line:
        for done, frame in enumerate(frames, start=1):
            if stop():
                return False
            recorder.add(_step(pipeline, frame))
            if line is not None:
                line.update(done, partial(_status, pipeline.health, recorder, done))
    return True


def _step(pipeline: Pipeline, frame: Frame) -> Step:
    start_ns = time.perf_counter_ns()
    (tracks,) = pipeline.step([frame])
    latency_ms = (time.perf_counter_ns() - start_ns) / 1e6
    teacher_age_s = pipeline.prior_age_s(frame.camera)
    return Step(frame=frame, tracks=tracks, latency_ms=latency_ms, teacher_age_s=teacher_age_s)


def _status(health: Health, recorder: Recorder, done: int) -> str:
    total = health.percentiles_ms('total')
    latency = f'  p50 {total.p50:.0f} ms  p95 {total.p95:.0f} ms' if total else ''
    return f'{done} frames  {len(recorder.timeline.lives)} tracks{latency}'


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='python -m mot_compress_ros.replay', description=__doc__.splitlines()[0]
    )
    add_common_arguments(parser)
    parser.add_argument(
        '--input',
        required=True,
        type=Path,
        help='rosbag2 folder or .mcap/.db3 file, video, MOTChallenge folder or folder of images',
    )
    parser.add_argument('--camera', default='', help='name of the camera')
    parser.add_argument(
        '--motion-topic',
        default='',
        help='topic of the IMU or odometry that camera_motion.source asks for, where a bag holds '
        'several',
    )
    parser.add_argument(
        '--camera-info-topic',
        default='',
        help='topic of the camera_info, where it does not stand beside the images',
    )
    parser.add_argument('--quiet', action='store_true', help='no progress line')
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    given = _parser().parse_args(arguments)
    try:
        options = ReplayOptions(
            input=given.input,
            output=given.output,
            model=given.model,
            teacher=given.teacher,
            topic=given.topic,
            camera=given.camera,
            fps_hz=given.fps,
            limit=given.limit,
            skip=VIDEO_AND_IMAGES if given.no_video else (),
            motion_topic=given.motion_topic,
            camera_info_topic=given.camera_info_topic,
        )
        config = build_config(given)
        with StopSignal() as stop:
            summary, files = replay(options, config, stop=stop, quiet=given.quiet)
    except MotCompressError as error:
        complain(f'error: {error}')
        return EXIT_USER_ERROR
    except KeyboardInterrupt:
        complain('interrupted')
        return EXIT_INTERRUPTED
    frames, tracks = summary['frames'], summary['tracks']
    say(
        f'{frames["processed"]} frames, {tracks["total"]} tracks, '
        f'{summary["throughput_fps"]:.1f} frames per second; written:'
    )
    say(describe_files(files))
    if summary['reason']:
        complain(f'warning: {summary["reason"]}')
        return EXIT_INCOMPLETE
    return 0 if summary['complete'] else EXIT_INTERRUPTED


if __name__ == '__main__':
    sys.exit(main())
