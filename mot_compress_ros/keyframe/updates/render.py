"""A gaussian for each object, where it is now (AttTrack, section 4.2 and figure 4)."""

from __future__ import annotations

import numpy as np

from mot_compress_ros.keyframe.gaussians import bells, windows
from mot_compress_ros.keyframe.updates.painting import (
    Canvas,
    Carried,
    paintable,
    painted,
    Painting,
    placed,
    uncertainties,
)


def render(carried: Carried, canvas: Canvas) -> Painting:
    """The gaussians that training draws, as high as the teacher was sure of the object.

    A gaussian stays as wide as the object makes it, however uncertain its place is: that is said
    by the uncertainty.
    """
    now = carried.objects[paintable(carried.objects, canvas)]
    at = placed(now, canvas.transform)
    strokes = windows(at.centres, at.radii, shape_hw=canvas.shape_hw)
    heights = np.clip(now.scores, 0, 1)[strokes.owner]
    values = heights * bells(strokes, at.centres, at.radii)  # (T,)
    return painted(
        strokes,
        values.astype(np.float32),
        class_ids=now.class_ids,
        uncertain=uncertainties(now, canvas.transform),
        canvas=canvas,
    )
