"""A recording played through the node in its own process, and what came back on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
import re
import time

from mot_compress_ros.console import complain, ProgressLine
from mot_compress_ros.datatypes import Frame
from mot_compress_ros.errors import InputError, MotCompressError
from mot_compress_ros.health import Percentiles
from mot_compress_ros.inference import load_bundle
from mot_compress_ros.options import to_mapping
from mot_compress_ros.pipeline import PipelineConfig
from mot_compress_ros.recording import Ending, ModelInfo, Recorder, RunInfo, Step
from mot_compress_ros.recording.summary import Summary
from mot_compress_ros.ros.bring_up import bring_up, check_running, last_words, wind_down
from mot_compress_ros.ros.client import TrackerClient
from mot_compress_ros.ros.listener import Exchange, Listener, to_tracks
from mot_compress_ros.ros.outgoing import image_transport, outgoing
from mot_compress_ros.ros.player import Pace, Player
from mot_compress_ros.ros.process import NodeProcess, Value
from mot_compress_ros.sources import open_source, Source

NODE_LOG = 'node.log'
_LATENCY_KEY = re.compile(r'latency_(\w+)_(p50|p95|p99)_ms')


@dataclass(frozen=True, kw_only=True)
class LiveOptions:
    """What to play, through which models, and where the files go."""

    input: Path
    output: Path
    model: str
    teacher: str = ''
    topic: str = ''
    fps_hz: float = 0.0
    limit: int = 0
    rate: float = 1.0
    lockstep: bool = False
    skip: tuple[str, ...] = ()


def run_live(
    options: LiveOptions,
    config: PipelineConfig,
    *,
    settings: Iterable[str] = (),
    stop: Callable[[], bool] = bool,
) -> tuple[Summary, list[Path]]:
    """Play, track, record.

    Args:
        options: what to play and with what.
        config: options of the pipeline.
        settings: names of those options that are set in the node; it has defaults for the others.
        stop: asked between frames; where it says True, the files cover what was played by then.

    Returns:
        The summary and the files that were written.

    Raises:
        MotCompressError: input, model or output are not usable, or the node died.
        TimeoutError: the node does not answer.

    What goes wrong while it plays is raised after the files were written that tell of it.
    """
    source = open_source(options.input, topic=options.topic, fps_hz=options.fps_hz)
    _check_motion(config)
    # Read before a node is started, so that a bad bundle is told at once.
    _models(options)
    total = min(len(source), options.limit or len(source))
    try:
        options.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f'{options.output}: cannot be written ({error})') from error
    listener = Listener()
    parameters = node_parameters(source, options, config, settings)
    with NodeProcess(parameters, log_file=options.output / NODE_LOG) as process:
        with TrackerClient(
            cameras=[source.camera],
            image_transport=image_transport(source),
            listener=listener.hear,
        ) as client:
            with client.watching(lambda: check_running(process, stop)):
                bring_up(client, process)
                if options.teacher:
                    client.watch_inference_info(source.camera)
                class_names = _class_names(client, source.camera)
                start_s = time.monotonic()
                failure = _play(source, client, listener, options=options, total=total)
                wall_s = time.monotonic() - start_s
            ending = _ending(client, listener, source, failure=failure, wall_s=wall_s)
            wind_down(client, process)
        code = process.stop()
        if code:
            complain(f'warning: the node ended with code {code}: {last_words(process)}')
    info = _run_info(source, options, config, class_names=class_names, expected_frames=total)
    recorded = _record(source, listener, info, ending, options, stop=stop)
    if isinstance(failure, Exception):
        complain(f'{options.output} holds what came back by then')
        raise failure
    return recorded


def _check_motion(config: PipelineConfig) -> None:
    """Refuse what the node would wait for in vain: only images are played to it."""
    wanted = config.camera_motion.source
    if wanted not in ('none', 'image'):
        raise InputError(
            f'camera_motion.source={wanted}: only the images of a recording are played; use '
            'image or none, replay the bag with python -m mot_compress_ros.replay, or play it '
            'whole with ros2 bag play'
        )


def _run_info(
    source: Source,
    options: LiveOptions,
    config: PipelineConfig,
    *,
    class_names: tuple[str, ...],
    expected_frames: int,
) -> RunInfo:
    return RunInfo(
        mode='live',
        input_path=str(options.input),
        input_kind=source.kind,
        camera=source.camera,
        fps_hz=source.fps,
        expected_frames=expected_frames,
        class_names=class_names,
        models=_models(options),
        options=to_mapping(config),
    )


def node_parameters(
    source: Source, options: LiveOptions, config: PipelineConfig, settings: Iterable[str]
) -> dict[str, Value]:
    """Parameters of the node: the models, the camera, and what differs from the defaults."""
    transport = image_transport(source)
    parameters: dict[str, Value] = {
        'cameras': [source.camera],
        'model': options.model,
        'teacher': options.teacher,
        'image_transport': transport,
    }
    chosen = to_mapping(config)
    parameters.update({name: chosen[name] for name in settings})
    # Best effort, the node's default, loses most images of more than the 512 KiB that fit into
    # FastDDS's shared memory; what is dropped here shall tell of the node, not of the transport.
    topic = f'/{source.camera}/image_raw' + ('/compressed' if transport == 'compressed' else '')
    parameters[f'qos_overrides.{topic}.subscription.reliability'] = 'reliable'
    return parameters


def _models(options: LiveOptions) -> tuple[ModelInfo, ...]:
    named = {'student': options.model, 'teacher': options.teacher}
    return tuple(
        ModelInfo.of(load_bundle(name), role=role) for role, name in named.items() if name
    )


def _class_names(client: TrackerClient, camera: str) -> tuple[str, ...]:
    classes = sorted(client.label_info[camera].class_map, key=lambda item: item.class_id)
    return tuple(item.class_name for item in classes)


def _play(
    source: Source,
    client: TrackerClient,
    listener: Listener,
    *,
    options: LiveOptions,
    total: int,
) -> BaseException | None:
    """Play the source; what ended it early, if anything did."""
    pace = Pace(rate=options.rate, fps_hz=source.fps, lockstep=options.lockstep)
    player = Player(client, listener, camera=source.camera, pace=pace)
    with ProgressLine(total) as line:

        def show() -> None:
            line.update(len(listener.exchanges), partial(_status, listener))

        try:
            player.play(islice(outgoing(source), options.limit or None), on_frame=show)
        except (KeyboardInterrupt, MotCompressError, TimeoutError) as error:
            return error
    return None


def _status(listener: Listener) -> str:
    latency = listener.latency()
    times = f'  p50 {latency.p50:.0f} ms  p95 {latency.p95:.0f} ms' if latency else ''
    return (
        f'in {len(listener.exchanges)}  processed {listener.answered}  '
        f'dropped {listener.skipped}  tracks {len(listener.track_ids)}{times}'
    )


def _ending(
    client: TrackerClient,
    listener: Listener,
    source: Source,
    *,
    failure: BaseException | None,
    wall_s: float,
) -> Ending:
    """What the node says of itself in its last diagnostics, and what was measured here."""
    reason = str(failure) if isinstance(failure, Exception) else source.early_end
    client.spin(1.1)  # the longest period of diagnostics is one second
    node, camera = client.values('node'), client.values(source.camera)
    latencies = _node_latencies(node)
    total = listener.latency()
    if total is not None:
        latencies['total'] = total
    counters = {key: int(value) for key, value in {**camera, **node}.items() if value.isdecimal()}
    return Ending(
        complete=failure is None and not reason,
        reason=reason,
        wall_s=wall_s,
        unreadable=source.skipped,
        missing=source.missing,
        latencies_ms=latencies,
        counters=counters,
    )


def _node_latencies(values: Mapping[str, str]) -> dict[str, Percentiles]:
    """Stages as the node measured them, by 'node: <stage>'."""
    stages: dict[str, dict[str, float]] = {}
    for key, value in values.items():
        if match := _LATENCY_KEY.fullmatch(key):
            stages.setdefault(match[1], {})[match[2]] = float(value)
    return {
        f'node: {stage}': Percentiles(**found, n=_samples(stage, values))
        for stage, found in stages.items()
    }


def _samples(stage: str, values: Mapping[str, str]) -> int:
    """How often the node has been through a stage, as its counters tell."""

    def count(name: str) -> int:
        return int(values.get(name, 0))

    late = count('late_results') + count('late_results_refused')
    in_turn = count('keyframes') - count('late_results')
    return {
        'teacher': in_turn + late,
        'late_result': late,
        'student': count('frames_processed') - in_turn,
    }.get(stage, count('frames_processed'))


def _record(
    source: Source,
    listener: Listener,
    info: RunInfo,
    ending: Ending,
    options: LiveOptions,
    *,
    stop: Callable[[], bool],
) -> tuple[Summary, list[Path]]:
    """Read the source again and write the files; done after playing, to leave the node its CPU."""
    complain('writing the files ...')
    with Recorder(options.output, info, skip=options.skip) as recorder:
        try:
            complete = _add_steps(recorder, source, listener, info, ending, stop=stop)
        except MotCompressError as error:
            with suppress(MotCompressError):  # a full disk again; the first error says it
                recorder.finish(replace(ending, complete=False, reason=str(error)))
            raise
        summary = recorder.finish(replace(ending, complete=complete))
        return summary, recorder.written()


def _add_steps(
    recorder: Recorder,
    source: Source,
    listener: Listener,
    info: RunInfo,
    ending: Ending,
    *,
    stop: Callable[[], bool],
) -> bool:
    """Record every frame that was sent; whether the run is complete with that."""
    exchanges = listener.exchanges
    stopped_before = stop()
    with ProgressLine(len(exchanges)) as line:
        for done, (exchange, frame) in enumerate(zip(exchanges, source, strict=False), 1):
            if stop() and not stopped_before:
                return False
            recorder.add(_step(frame, exchange, info.class_names))
            line.update(done, str)
    return ending.complete


def _step(frame: Frame, exchange: Exchange, class_names: Sequence[str]) -> Step:
    answer = exchange.answer
    return Step(
        frame=frame,
        tracks=None
        if answer is None
        else to_tracks(answer, class_names, network=exchange.network),
        latency_ms=exchange.latency_ms,
        messages=exchange.messages,
        teacher_age_s=exchange.teacher_age_s,
    )
