"""How an image becomes a picture of the network's size, and its boxes with it.

A geometry is a function

    (image_bgr, labels, config: AugmentConfig, rng) -> View

that changes colours, warps and cuts; everything random comes from `rng`. `View.repeat` does the
same to another frame, with colours of its own. `GEOMETRIES` names them;
a new one is one new file and one line.
"""

from offline_training.datasets.geometries.letterbox_affine import letterbox_affine
from offline_training.datasets.geometries.window import window

GEOMETRIES = {'window': window, 'letterbox': letterbox_affine}
