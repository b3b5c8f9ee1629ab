"""A detector looks at a frame, and whatever it raises becomes a sentence."""

from __future__ import annotations

from pathlib import Path
import traceback

from mot_compress_ros.datatypes import Frame
from mot_compress_ros.errors import MotCompressError
from mot_compress_ros.health import Health
from mot_compress_ros.inference import DecodeConfig, Detector
from mot_compress_ros.keyframe.workers.contract import Answer, Failure


def look(detector: Detector, frame: Frame, decode: DecodeConfig | None) -> Answer:
    """The answer of `detector` to `frame`; `decode` is taken over where it is given."""
    health, seen, error_text = Health(), None, ''
    try:
        with health.stage('look'):
            if decode is not None:
                detector.config = decode
            (seen,) = detector.observe([frame])
    except Exception as error:  # whatever a runtime raises must not end the worker
        error_text = failure_of(error).reason
    return Answer(
        camera=frame.camera,
        stamp_ns=frame.stamp_ns,
        observation=seen,
        error=error_text,
        duration_ms=health.samples_ms('look')[-1],
    )


def failure_of(error: Exception) -> Failure:
    """What was raised, in words; ours say all themselves, others say where they come from."""
    if isinstance(error, MotCompressError):
        return Failure(reason=str(error), lasting=True)
    place = traceback.extract_tb(error.__traceback__)[-1:]
    where = ''.join(f' ({Path(p.filename).name}, line {p.lineno})' for p in place)
    return Failure(reason=f'{type(error).__name__}: {error}{where}')
