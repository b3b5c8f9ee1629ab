"""summary.json: a run in numbers."""

from __future__ import annotations

from collections import Counter
from importlib import metadata
import json
from pathlib import Path
import platform
from typing import NotRequired, TypedDict

from mot_compress_ros.recording.figures import latency_summary, LatencySummary
from mot_compress_ros.recording.keyframe_summary import KeyframesSummary, summarize_keyframes
from mot_compress_ros.recording.step import Ending, ModelInfo, RunInfo
from mot_compress_ros.recording.timeline import Timeline

# Raised when a key changes its meaning or goes away.
SCHEMA = 1
_REPORTED_PACKAGES = ('numpy', 'opencv-python-headless', 'torch', 'rosbags', 'rclpy')


class InputSummary(TypedDict):
    """What was read."""

    path: str
    kind: str
    camera: str
    fps_hz: float
    expected_frames: int
    missing_frames: int


class ModelSummary(TypedDict):
    """What looked at it."""

    role: str
    name: str
    sha256: str
    architecture: str
    input_size_wh: list[int]


class FramesSummary(TypedDict):
    """Where the frames went."""

    received: int
    processed: int
    dropped: int
    unreadable: int


class TracksSummary(TypedDict):
    """What was found."""

    total: int
    per_class: dict[str, int]
    mean_per_frame: float
    longest_frames: int


class Summary(TypedDict):
    """The whole file; `keyframes` is there where there is a teacher."""

    schema: int
    mode: str
    complete: bool
    reason: str
    input: InputSummary
    models: list[ModelSummary]
    frames: FramesSummary
    tracks: TracksSummary
    wall_s: float
    throughput_fps: float
    latency_ms: dict[str, LatencySummary]
    counters: dict[str, int]
    options: dict[str, object]
    versions: dict[str, str]
    keyframes: NotRequired[KeyframesSummary]


def summarize(info: RunInfo, timeline: Timeline, ending: Ending) -> Summary:
    """Gather the numbers of a run."""
    processed = sum(not moment.dropped for moment in timeline.moments)
    summary: Summary = {
        'schema': SCHEMA,
        'mode': info.mode,
        'complete': ending.complete,
        'reason': ending.reason,
        'input': {
            'path': info.input_path,
            'kind': info.input_kind,
            'camera': info.camera,
            'fps_hz': info.fps_hz,
            'expected_frames': info.expected_frames,
            'missing_frames': ending.missing,
        },
        'models': [_model(model) for model in info.models],
        'frames': {
            'received': len(timeline.moments),
            'processed': processed,
            'dropped': len(timeline.moments) - processed,
            'unreadable': ending.unreadable,
        },
        'tracks': _tracks(info, timeline, processed),
        'wall_s': round(ending.wall_s, 3),
        'throughput_fps': round(processed / ending.wall_s, 2) if ending.wall_s > 0 else 0.0,
        'latency_ms': {name: latency_summary(p) for name, p in ending.latencies_ms.items()},
        'counters': dict(sorted(ending.counters.items())),
        'options': {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in info.options.items()
        },
        'versions': versions(),
    }
    keyframes = summarize_keyframes(info, timeline, ending)
    if keyframes is not None:
        summary['keyframes'] = keyframes
    return summary


def write_summary(path: Path, summary: Summary) -> None:
    """Write the file in one go, so that a reader never sees half of it."""
    part = path.with_name(f'.{path.name}.part')
    part.write_text(json.dumps(summary, indent=2) + '\n', encoding='utf-8')
    part.replace(path)


def versions() -> dict[str, str]:
    """Versions of Python, of this package and of what it runs on, where they are installed."""
    found = {'python': platform.python_version(), 'machine': platform.machine()}
    for name in ('mot_compress_ros', *_REPORTED_PACKAGES):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _model(model: ModelInfo) -> ModelSummary:
    return {
        'role': model.role,
        'name': model.name,
        'sha256': model.sha256,
        'architecture': model.architecture,
        'input_size_wh': list(model.input_size_wh),
    }


def _tracks(info: RunInfo, timeline: Timeline, processed: int) -> TracksSummary:
    lives = timeline.lives.values()
    per_class = Counter(life.class_id for life in lives)
    shown = sum(life.frames for life in lives)
    return {
        'total': len(lives),
        'per_class': {name: per_class[i] for i, name in enumerate(info.class_names)},
        'mean_per_frame': round(shown / processed, 3) if processed else 0.0,
        'longest_frames': max((life.frames for life in lives), default=0),
    }
