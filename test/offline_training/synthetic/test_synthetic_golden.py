"""Seeds keep their scenes: what was generated once is generated again.

The bytes of an image depend on the processor (OpenCV and numpy choose other instructions), so
quarters of the picture are compared, which any other draw from the generator changes.
"""

import numpy as np
import pytest

from offline_training.synthetic import generate, SceneConfig

# Light, scenario, surroundings; objects, boxes times ids, visibility; mean grey of the quarters.
GOLDEN = {
    93: (
        ('day', 'approach', 'city'),
        (27, 318142.91, 10.564),
        (110.73, 126.46, 90.52, 87.31),
    ),
    24: (
        ('night', 'drive', 'suburb'),
        (38, 409599.18, 10.734),
        (32.95, 31.06, 66.25, 69.29),
    ),
    7: (
        ('fog', 'walk', 'open'),
        (25, 161077.62, 11.451),
        (183.46, 188.88, 99.21, 95.88),
    ),
}  # fmt: skip


@pytest.mark.parametrize('seed', GOLDEN)
def test_a_seed_keeps_its_pictures_and_labels(seed: int):
    (light, scenario, surroundings), labels, grey = GOLDEN[seed]
    config = SceneConfig(
        size_wh=(320, 180),
        fps=10.0,
        duration_s=0.3,
        seed=seed,
        light=light,
        scenario=scenario,
        surroundings=surroundings,
    )
    frame = list(generate(config))[2]
    objects = frame.truth.objects
    boxes = sum(item.track_id * sum(item.box_xyxy_px) for item in objects)
    visible = sum(item.visibility for item in objects)
    assert (len(objects), boxes) == pytest.approx(labels[:2], abs=0.05)
    assert visible == pytest.approx(labels[2], abs=0.05)
    quarters = frame.image_bgr.reshape(2, 90, 2, 160, 3).mean(axis=(1, 3, 4))
    np.testing.assert_allclose(quarters.ravel(), grey, atol=0.1)
