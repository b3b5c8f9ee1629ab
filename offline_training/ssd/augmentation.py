"""Images that are mirrored, cut and of other brightness, with their boxes."""

from __future__ import annotations

import cv2
import numpy as np

from offline_training.ssd.images import BoxedImage

_LEAST_SHARE = 0.5  # of a side, that a cut leaves


def augmented(one: BoxedImage, rng: np.random.Generator) -> BoxedImage:
    """Mirrored in one of two cases, cut in one of two, its levels times 0.7 to 1.3."""
    found = mirrored(one) if rng.random() < 0.5 else one
    if rng.random() < 0.5:
        side = rng.uniform(_LEAST_SHARE, 1.0, 2)
        low = rng.uniform(0.0, 1.0 - side)
        found = cut(found, np.concatenate([low, low + side]).astype(np.float32))
    levels = np.clip(found.image * np.float32(rng.uniform(0.7, 1.3)), 0, 255).astype(np.uint8)
    return BoxedImage(
        image=levels, boxes=found.boxes, classes=found.classes, ignored=found.ignored
    )


def mirrored(one: BoxedImage) -> BoxedImage:
    """Left and right changed."""
    boxes = one.boxes.copy()
    boxes[:, [0, 2]] = 1 - one.boxes[:, [2, 0]]
    return BoxedImage(
        image=np.ascontiguousarray(one.image[..., ::-1]),
        boxes=boxes,
        classes=one.classes,
        ignored=one.ignored,
    )


def cut(one: BoxedImage, window: np.ndarray) -> BoxedImage:
    """The part in a window (4,) of 0..1, as large as the whole; boxes with their centre in it.

    Where no box would be left, all stays as it is.
    """
    low, size = window[:2], window[2:] - window[:2]
    centres = (one.boxes[:, :2] + one.boxes[:, 2:]) / 2
    kept = ((centres > low) & (centres < window[2:])).all(axis=1)
    if not kept.any():
        return one
    boxes = ((one.boxes[kept] - np.tile(low, 2)) / np.tile(size, 2)).clip(0, 1)
    side = one.image.shape[-1]
    x1, y1, x2, y2 = (int(v) for v in np.round(window * side))
    part = one.image[:, y1 : max(y2, y1 + 1), x1 : max(x2, x1 + 1)].transpose(1, 2, 0)
    image = cv2.resize(np.ascontiguousarray(part), (side, side))
    return BoxedImage(
        image=np.ascontiguousarray(image.transpose(2, 0, 1)),
        boxes=boxes.astype(np.float32),
        classes=one.classes[kept],
        ignored=one.ignored[kept],
    )
