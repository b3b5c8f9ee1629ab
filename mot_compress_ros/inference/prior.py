"""What a network is told beside the image: Φ of AttTrack, the teacher's heat map carried to now.

Planes lie at the network's stride. The first `n_class` are heat maps in 0..1. Two more say how far
to trust them, at the same cells: `age`, the time since the teacher saw its frame divided by
`AGE_S`, and `uncertainty`, the standard deviation of an object's place in cells, divided by
`UNCERTAINTY_CELLS`. Both are at most 1 and are multiplied by the heat (the largest over the
classes), so that every plane is zero where nothing is painted.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.preprocess import LetterboxTransform

TRUST_PLANES = ('age', 'uncertainty')
AGE_S = 1.0  # what `age` is divided by
UNCERTAINTY_CELLS = 8.0


class Prior(Protocol):
    """Φ for one frame."""

    def planes(
        self, transform: LetterboxTransform, *, n_class: int, shape_hw: tuple[int, int]
    ) -> NDArray[np.float32]:
        """The planes (n_class + 2, h, w) at stride 4, as the module says.

        Args:
            transform: where the frame lies in the network's input.
            n_class: classes of the network.
            shape_hw: rows and columns of its maps.
        """
