"""Hand-made detections for the tracking tests, and the way to the module of plain trackers."""

from collections.abc import Callable, Sequence
from pathlib import Path
import sys

import numpy as np
import pytest

from mot_compress_ros.datatypes import Detections

sys.path.insert(0, str(Path(__file__).parent))  # lets tests import `plain_*`


def detect(
    boxes: Sequence[Sequence[float]],
    *,
    scores: float | Sequence[float] = 0.9,
    classes: int | Sequence[int] = 0,
    looks: Sequence[int] | np.ndarray | None = None,
    space: str = 'student',
) -> Detections:
    """Boxes as (x1, y1, x2, y2). `looks`: unit vectors (N, D), or numbers of one-hot vectors."""
    n = len(boxes)
    if looks is None:
        embeddings = np.zeros((n, 0), np.float32)
    elif isinstance(looks, np.ndarray):
        embeddings = looks
    else:
        embeddings = np.eye(16, dtype=np.float32)[list(looks)].reshape(n, 16)
    return Detections(
        boxes_xyxy_px=np.asarray(boxes, np.float32).reshape(n, 4),
        scores=np.broadcast_to(np.float32(scores), n),
        class_ids=np.broadcast_to(classes, n),
        embeddings=embeddings,
        embedding_space=space,
    )


@pytest.fixture(name='detect')
def detect_fixture() -> Callable[..., Detections]:
    return detect
