"""Time of `Tracker.update_late`: a result for every frame, each of them some frames late."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
import gc
import itertools
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.datatypes import Detections
from mot_compress_ros.options import from_mapping
from mot_compress_ros.tracking import Tracker, TrackerConfig
from offline_training.benchmarks.association_scene import crowd_frames, CrowdConfig, CrowdFrame

OBJECTS = 50
FRAMES_LATE = (1, 3, 6, 12)
MISSES = (0.0, 0.1)  # share of the objects that a frame's own detections leave out
GOAL_MS, GOAL_FRAMES_LATE = 1.0, 6
JITTER = 0.02  # of an edge between both looks at a frame, standard deviation as share of the side


def measure_late(
    preset: str,
    frames_late: Sequence[int],
    *,
    frames: int,
    warm_up: int,
    repeats: int,
    fps: float,
    seed: int,
) -> dict[str, Any]:
    """Times for each number of frames late, with and without embeddings and misses.

    Args:
        preset: of the tracker.
        frames_late: from the frame of a result to the latest one.
        frames: with a late result that is measured.
        warm_up: frames before, in which all objects are seen.
        repeats: turns, which are interleaved; medians are taken over them.
        fps: frame rate of the scene.
        seed: of the scene.
    """
    length = max([warm_up, *frames_late]) + frames
    crowd = from_mapping(
        CrowdConfig,
        {
            'objects': OBJECTS,
            'frames': length,
            'fps': fps,
            'seed': seed,
            'vanish_rate': 0.0,
            'hidden_share': 1.0,
            'false_positives': 0.0,
        },
    )
    scene = list(crowd_frames(crowd))
    cases = list(itertools.product((False, True), MISSES, frames_late))
    turns: dict[tuple[bool, float, int], list[dict[str, float]]] = {case: [] for case in cases}
    for _, case in itertools.product(range(repeats), cases):
        embeddings, misses, late = case
        own = _own_looks(scene, misses=misses, since=length - frames - late, seed=seed)
        tracker = Tracker(TrackerConfig.of(preset, late_frames=max(late, 1)))
        turns[case].append(_turn(tracker, scene, own, late, embeddings=embeddings, frames=frames))
    return {
        'preset': preset,
        'objects': OBJECTS,
        'goal_ms': GOAL_MS,
        'goal_frames_late': GOAL_FRAMES_LATE,
        'cases': [
            {
                'embeddings': embeddings,
                'misses': misses,
                'frames_late': late,
                **{key: float(np.median([turn[key] for turn in of_case])) for key in of_case[0]},
            }
            for (embeddings, misses, late), of_case in turns.items()
        ],
    }


def _own_looks(
    scene: Sequence[CrowdFrame], *, misses: float, since: int, seed: int
) -> list[Detections]:
    """What the frames show at once: other edges than the late result, and misses `since` then."""
    rng = np.random.default_rng(seed)
    looks = []
    for index, frame in enumerate(scene):
        seen = frame.detections
        sides = np.tile(seen.boxes_xyxy_px[:, 2:] - seen.boxes_xyxy_px[:, :2], 2)
        noise = np.clip(rng.normal(0, JITTER, sides.shape), -0.2, 0.2)
        shaken = (seen.boxes_xyxy_px + noise * sides).astype(np.float32)
        shown = rng.random(len(seen)) >= (misses if index >= since else 0.0)
        looks.append(_chosen(replace(seen, boxes_xyxy_px=shaken), shown))
    return looks


def _chosen(seen: Detections, rows: NDArray[np.bool_]) -> Detections:
    return replace(
        seen,
        boxes_xyxy_px=seen.boxes_xyxy_px[rows],
        scores=seen.scores[rows],
        class_ids=seen.class_ids[rows],
        embeddings=seen.embeddings[rows],
    )


def _turn(
    tracker: Tracker,
    scene: Sequence[CrowdFrame],
    own: Sequence[Detections],
    late: int,
    *,
    embeddings: bool,
    frames: int,
) -> dict[str, float]:
    """One tracker over the scene; in each of the last `frames` a late result is timed."""
    dim = None if embeddings else 0

    def given(seen: Detections) -> Detections:
        return replace(seen, embeddings=np.ascontiguousarray(seen.embeddings[:, :dim]))

    wall_ms, cpu_ms, found, tracks = [], [], [], []
    gc.collect()
    gc.freeze()
    try:
        for index, frame in enumerate(scene):
            tracker.update(given(own[index]), stamp_ns=frame.stamp_ns)
            if index < len(scene) - frames:
                continue
            past = scene[index - late]
            seen = given(past.detections)
            cpu_start_ns, start_ns = time.process_time_ns(), time.perf_counter_ns()
            outcome = tracker.update_late(seen, stamp_ns=past.stamp_ns)
            end_ns, cpu_end_ns = time.perf_counter_ns(), time.process_time_ns()
            wall_ms.append((end_ns - start_ns) / 1e6)
            cpu_ms.append((cpu_end_ns - cpu_start_ns) / 1e6)
            found.append(outcome.found_again)
            tracks.append(len(tracker.store))
    finally:
        gc.unfreeze()
    return {
        'p50_ms': round(float(np.percentile(wall_ms, 50)), 4),
        'p95_ms': round(float(np.percentile(wall_ms, 95)), 4),
        'cpu_p50_ms': round(float(np.percentile(cpu_ms, 50)), 4),
        'found_again': float(np.mean(found)),
        'tracks': float(np.mean(tracks)),
    }
