"""Replays a golden clip, and compares what came out with its reference."""

from collections import Counter
import json
from pathlib import Path
import tempfile

from golden_detections import CAMERA_MATRIX, Recorded, SIZE_WH

from mot_compress_ros.assembly import build_pipeline
from mot_compress_ros.inference.backends.scripted import write_scripted_bundle
from mot_compress_ros.options import from_mapping
from mot_compress_ros.pipeline import Pipeline, PipelineConfig

REFS = Path(__file__).parent / 'refs'
COMMIT_FILE = REFS / 'COMMIT'
EXACT = ('id', 'state', 'class', 'hits', 'age')


def replay_case(case):
    """One dictionary per frame: stamp, model role and tracks; wall time never enters."""
    config = from_mapping(PipelineConfig, case.options)
    pipeline = _recorded(case, config) if case.seen else _painted(case, config)
    return [_row(frame, pipeline.step([frame])[0]) for frame in case.clip()]


def _painted(case, config):
    """The pipeline with the network that sees painted rectangles."""
    with tempfile.TemporaryDirectory() as folder:
        bundles = [str(write_scripted_bundle(Path(folder) / n)) for n in ('student', 'teacher')]
        return build_pipeline(
            cameras=['camera'],
            model=bundles[0],
            teacher=bundles[1] if case.has_teacher else '',
            config=config,
        )


def _recorded(case, config):
    """The pipeline with a network that says what is known beforehand, and a known camera."""
    pipeline = Pipeline(cameras=['camera'], student=Recorded(case.seen), config=config)
    pipeline.set_intrinsics('camera', CAMERA_MATRIX, size_wh=SIZE_WH)
    for stamp_ns, rate_rad_s in case.rotations() if case.rotations else ():
        pipeline.observe_rotation(stamp_ns=stamp_ns, angular_velocity_rad_s=rate_rad_s)
    return pipeline


def _row(frame, tracks):
    if tracks is None:
        return {'stamp_ns': frame.stamp_ns, 'role': 'late', 'tracks': []}
    return {
        'stamp_ns': tracks.stamp_ns,
        'role': tracks.source,
        'tracks': [
            {
                'id': int(tracks.track_ids[i]),
                'state': int(tracks.states[i]),
                'class': int(tracks.class_ids[i]),
                'hits': int(tracks.hits[i]),
                'age': int(tracks.ages[i]),
                'score': round(float(tracks.scores[i]), 6),
                'box': [round(float(v), 4) for v in tracks.boxes_xyxy_px[i]],
            }
            for i in range(len(tracks))
        ],
    }


def reference_path(case):
    return REFS / f'{case.name}.jsonl'


def write_reference(case, rows):
    lines = [json.dumps(row, separators=(',', ':')) + '\n' for row in rows]
    reference_path(case).write_text(''.join(lines), encoding='ascii')


def read_reference(case):
    lines = reference_path(case).read_text(encoding='ascii').splitlines()
    return [json.loads(line) for line in lines]


def differences(case, expected, got):
    """What differs, as lines of text: the first difference, then the number of each kind."""
    if len(expected) != len(got):
        return [f'{case.name}: {len(expected)} frames in the reference, {len(got)} now']
    found = [
        (kind, f'{case.name}, frame {index}: {kind}: was {was}, is {now}')
        for index, (a, b) in enumerate(zip(expected, got, strict=True))
        for kind, was, now in _frame_differences(case, a, b)
    ]
    if not found:
        return []
    counts = Counter(kind for kind, _ in found)
    return [found[0][1], *(f'{kind}: {count} frames' for kind, count in sorted(counts.items()))]


def _frame_differences(case, a, b):
    """Yield (kind, was, now) of one frame; a field of tracks only where the ids agree."""
    for key in ('stamp_ns', 'role'):
        if a[key] != b[key]:
            yield key, a[key], b[key]
    for key in EXACT:
        was, now = ([track[key] for track in row['tracks']] for row in (a, b))
        if was != now:
            yield key, was, now
            if key == 'id':
                return
    for key, tolerance in (('score', case.score_tolerance), ('box', case.box_tolerance_px)):
        for old, new in zip(a['tracks'], b['tracks'], strict=True):
            if _distance(old[key], new[key]) > tolerance:
                yield key, old[key], new[key]
                break


def _distance(a, b):
    if isinstance(a, list):
        return max(abs(x - y) for x, y in zip(a, b, strict=True))
    return abs(a - b)
