from collections.abc import Callable, Sequence

import numpy as np
import pytest

from mot_compress_ros.datatypes import Detections, Tracks
from offline_training.datasets.records import FrameTruth

# (id, class id, x1, y1, x2, y2)
Row = tuple[int, int, float, float, float, float]


@pytest.fixture
def make_tracks() -> Callable[[Sequence[Row]], Tracks]:
    def make(rows: Sequence[Row]) -> Tracks:
        n = len(rows)
        ones = np.ones(n, np.int64)
        return Tracks(
            stamp_ns=0,
            boxes_xyxy_px=np.array([r[2:] for r in rows], np.float32).reshape(-1, 4),
            scores=np.full(n, 0.9, np.float32),
            class_ids=np.array([r[1] for r in rows], np.int64),
            track_ids=np.array([r[0] for r in rows], np.int64),
            velocities_px_s=np.zeros((n, 2), np.float32),
            states=ones,
            ages=ones,
            hits=ones,
            frames_since_update=ones * 0,
        )

    return make


@pytest.fixture
def make_truth() -> Callable[..., FrameTruth]:
    def make(rows: Sequence[Row], ignore: Sequence[bool] | None = None) -> FrameTruth:
        return FrameTruth(
            boxes_xyxy_px=np.array([r[2:] for r in rows], np.float64).reshape(-1, 4),
            ids=np.array([r[0] for r in rows], np.int64),
            class_ids=np.array([r[1] for r in rows], np.int64),
            ignore=np.array(ignore if ignore is not None else [False] * len(rows), np.bool_),
            visibility=np.ones(len(rows)),
        )

    return make


@pytest.fixture
def make_detections() -> Callable[..., Detections]:
    def make(rows: Sequence[tuple[float, int, float, float, float, float]]) -> Detections:
        return Detections(
            boxes_xyxy_px=np.array([r[2:] for r in rows], np.float32).reshape(-1, 4),
            scores=np.array([r[0] for r in rows], np.float32),
            class_ids=np.array([r[1] for r in rows], np.int64),
            embeddings=np.zeros((len(rows), 0), np.float32),
        )

    return make
