"""FairMOT's augmentation: boxes follow the pixels, and what it learns from is what it keeps."""

import math
from pathlib import Path

import numpy as np
import pytest

from mot_compress_ros.errors import InvalidOptionError
from offline_training.datasets.augment import augment, AugmentConfig
from offline_training.datasets.geometries.letterbox_affine import warp_hulls
from offline_training.datasets.training_images import TrainingImage

STILL = {
    'geometry': 'letterbox',
    'width_px': 320,
    'height_px': 256,
    'min_scale': 1.0,
    'max_scale': 1.0,
    'translate': 0.0,
    'rotation_deg': 0.0,
    'shear_deg': 0.0,
    'saturation_value': 0.0,
    'flip_probability': 0.0,
}


def labels(boxes, **options):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    values = {
        'path': Path('x'),
        'boxes_xyxy_px': boxes,
        'class_ids': np.zeros(len(boxes), np.int64),
        'identities': np.arange(len(boxes)) + 5,
        'ignore_xyxy_px': np.zeros((0, 4), np.float32),
        'ignore_class_ids': np.zeros(0, np.int64),
        'labelled_classes': (0, 1, 2),
        **options,
    }
    return TrainingImage(**values)


def spot(centre_xy, size_wh=(160, 120)):
    """A bright spot on black with its intensity-weighted centroid at `centre_xy`, px."""
    x, y = np.meshgrid(np.arange(size_wh[0]) + 0.5, np.arange(size_wh[1]) + 0.5)
    bell = np.exp(-((x - centre_xy[0]) ** 2 + (y - centre_xy[1]) ** 2) / (2 * 4.0**2))
    return np.dstack([np.round(250 * bell).astype(np.uint8)] * 3)


def centroid(image_rgb, box):
    x1, y1, x2, y2 = box.round().astype(int)
    weight = image_rgb[y1:y2, x1:x2, 1].astype(float)
    ys, xs = np.mgrid[y1:y2, x1:x2] + 0.5
    return np.array([(xs * weight).sum(), (ys * weight).sum()]) / weight.sum()


def test_without_changes_it_is_the_letterbox():
    """160 x 120 to 320 x 256: ratio 2, 8 rows of grey above and below."""
    found = augment(
        np.full((120, 160, 3), 40, np.uint8),
        labels(
            [[10, 20, 50, 60]],
            ignore_xyxy_px=np.array([[0, 0, 10, 10]], np.float32),
            ignore_class_ids=np.array([2]),
        ),
        AugmentConfig(**STILL),
        np.random.default_rng(0),
    )
    np.testing.assert_allclose(found.boxes_xyxy_px, [[20, 48, 100, 128]], atol=1e-4)
    np.testing.assert_allclose(found.ignore_xyxy_px, [[0, 8, 20, 28]], atol=1e-4)
    assert (found.image_rgb[:8] == 128).all() and (found.image_rgb[-8:] == 128).all()
    assert (found.image_rgb[8:-8] == 40).all()


@pytest.mark.parametrize('flip', [0.0, 1.0])
def test_boxes_follow_the_pixels_through_all_of_it(flip):
    """The centroid of a bright spot and the middle of its box move together, to 0.3 px."""
    config = AugmentConfig(
        geometry='letterbox',
        width_px=320,
        height_px=256,
        saturation_value=0.0,
        flip_probability=flip,
    )
    centre, checked = np.array([83.0, 57.0]), 0
    for seed in range(12):
        found = augment(
            spot(centre),
            labels([[*(centre - 18), *(centre + 18)]]),
            config,
            np.random.default_rng(seed),
        )
        (box,) = found.boxes_xyxy_px
        # The border is grey: look only where the box is inside the picture.
        if box.min() < 2 or box[2] > 318 or box[3] > 254:
            continue
        middle = (box[:2] + box[2:]) / 2
        assert np.abs(centroid(found.image_rgb, box) - middle).max() < 0.3
        checked += 1
    assert checked >= 6


def test_a_turned_box_is_the_reduced_hull():
    """A 40 x 20 box by 5 degrees around its centre: the hull is w cos + h sin wide."""
    angle = math.radians(5)
    cos, sin = math.cos(angle), math.sin(angle)
    matrix = np.array([[cos, -sin, 0], [sin, cos, 0]])
    (box,) = warp_hulls(np.array([[-20.0, -10, 20, 10]]), matrix, angle_rad=angle)
    width, height = (40 * cos + 20 * sin) * cos**0.5, (40 * sin + 20 * cos) * cos**0.5
    np.testing.assert_allclose(box, [-width / 2, -height / 2, width / 2, height / 2])


def test_what_is_kept_is_fairmots():
    """Sides above 4 px, side ratio below 10, not wholly outside; the rest is forgotten."""
    boxes = [
        [10, 10, 30, 30],  # kept
        [10, 10, 11.9, 30],  # 3.8 px wide after the letterbox
        [10, 10, 110, 19],  # 11 times as wide as high
        [-40, 10, -5, 40],  # wholly outside
        [-40, 10, 5, 40],  # reaches in: kept whole
    ]
    found = augment(
        np.zeros((120, 160, 3), np.uint8),
        labels(boxes),
        AugmentConfig(**STILL),
        np.random.default_rng(0),
    )
    assert found.identities.tolist() == [5, 9]
    np.testing.assert_allclose(found.boxes_xyxy_px[1], [-80, 28, 10, 88], atol=1e-4)
    assert len(found.ignore_xyxy_px) == 0


def test_a_box_that_shrinks_below_a_tenth_of_its_area_is_forgotten():
    config = AugmentConfig(**{**STILL, 'min_scale': 0.3, 'max_scale': 0.3})
    image, box = np.zeros((120, 160, 3), np.uint8), labels([[40, 40, 100, 100]])
    assert len(augment(image, box, config, np.random.default_rng(0)).identities) == 0
    larger = AugmentConfig(**{**STILL, 'min_scale': 0.33, 'max_scale': 0.33})
    assert len(augment(image, box, larger, np.random.default_rng(0)).identities) == 1


def test_an_image_without_boxes():
    found = augment(
        np.zeros((120, 160, 3), np.uint8),
        labels([]),
        AugmentConfig(geometry='letterbox', width_px=320, height_px=256),
        np.random.default_rng(0),
    )
    assert found.boxes_xyxy_px.shape == (0, 4) and found.nameless_clips.shape == (0,)


@pytest.mark.parametrize(
    'options', [{'min_scale': 2.0}, {'min_full_width_px': 2000.0}, {'translate': 1.5}]
)
def test_ranges_that_cannot_be_are_refused(options):
    from mot_compress_ros.options import from_mapping

    with pytest.raises(InvalidOptionError, match=next(iter(options))):
        from_mapping(AugmentConfig, options)
