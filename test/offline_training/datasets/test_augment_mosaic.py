"""Four pictures in one: pixels and labels stay together, what is cut off is ignored."""

import numpy as np

from offline_training.datasets.augment import AugmentConfig, AugmentedImage
from offline_training.datasets.mosaic import mosaic
from offline_training.datasets.targets import make_batch

CONFIG = AugmentConfig(width_px=128, height_px=96)
COLOURS = ((200, 0, 0), (0, 200, 0), (0, 0, 200), (200, 200, 0))


def picture(number, boxes=(), labelled=(0, 1, 2), clip=-1):
    """One colour with a white block where each box is."""
    image = np.zeros((96, 128, 3), np.uint8) + np.array(COLOURS[number], np.uint8)
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    for x1, y1, x2, y2 in boxes.astype(int):
        image[y1:y2, x1:x2] = 255
    return AugmentedImage(
        image_rgb=image,
        boxes_xyxy_px=boxes,
        class_ids=np.full(len(boxes), number % 3, np.int64),
        identities=np.arange(len(boxes)) + 10 * number,
        nameless_clips=np.full(len(boxes), clip),
        ignore_xyxy_px=np.zeros((0, 4), np.float32),
        ignore_class_ids=np.zeros(0, np.int64),
        labelled_classes=labelled,
    )


def make(images, seed, config=CONFIG):
    return mosaic(images, config, np.random.default_rng(seed), n_class=3)


def test_each_quarter_shows_its_picture():
    for seed in range(5):
        found = make([picture(k) for k in range(4)], seed).image_rgb
        corners = [found[0, 0], found[0, -1], found[-1, 0], found[-1, -1]]
        assert [tuple(c) for c in corners] == list(COLOURS)


def test_boxes_follow_the_pixels_and_end_at_their_quarter():
    """Inside a box that is learned everything is white, outside of all labels nothing is."""
    grid = [(x, y, x + 16, y + 16) for x in (8, 56, 104) for y in (8, 40, 72)]
    learned = 0
    for seed in range(8):
        found = make([picture(k, grid) for k in range(4)], seed)
        assert len(found.boxes_xyxy_px) == len(found.class_ids) == len(found.identities)
        for (x1, y1, x2, y2), identity in zip(found.boxes_xyxy_px, found.identities, strict=True):
            assert 0 <= x1 < x2 <= 128 and 0 <= y1 < y2 <= 96
            inner = found.image_rgb[round(y1) + 1 : round(y2) - 1, round(x1) + 1 : round(x2) - 1]
            assert (inner > 180).all()
            assert found.class_ids[found.identities == identity].tolist() == [identity // 10 % 3]
            learned += 1
        rest = found.image_rgb.min(axis=2) > 240
        for x1, y1, x2, y2 in np.concatenate([found.boxes_xyxy_px, found.ignore_xyxy_px]):
            rest[round(y1) : round(y2) + 1, round(x1) : round(x2) + 1] = False
        assert rest.sum() < 80  # slivers of boxes that end within a pixel of their quarter
    assert learned > 20


def test_a_box_hardly_visible_is_ignored_for_its_class():
    everything = AugmentConfig(width_px=128, height_px=96, min_visible=1.0)
    large = [(0, 0, 128, 96)]  # never whole in a quarter, unless zoomed out to it
    found = make([picture(1, large), *(picture(k) for k in (0, 2, 3))], 3, everything)
    assert len(found.boxes_xyxy_px) == 0
    assert found.ignore_class_ids.tolist() == [1]
    batch = make_batch([found], n_class=3)
    x2, y2 = (found.ignore_xyxy_px[0, 2:] / 4).astype(int)
    assert not batch.learn[0, 1, :y2, :x2].any()
    assert batch.learn[0, 0].all() and batch.learn[0, 1, y2:].all()


def test_a_quarter_does_not_teach_classes_that_its_set_does_not_label():
    images = [picture(0, labelled=(0,)), *(picture(k) for k in (1, 2, 3))]
    found = make(images, 1)
    assert found.labelled_classes == (0, 1, 2)
    batch = make_batch([found], n_class=3)
    corner = found.ignore_xyxy_px[0]
    assert corner[:2].tolist() == [0, 0] and found.ignore_class_ids.tolist() == [1, 2]
    x2, y2 = (corner[2:] / 4).astype(int)
    assert batch.learn[0, 0].all()
    for k in (1, 2):
        assert not batch.learn[0, k, :y2, :x2].any()
        assert batch.learn[0, k, :, x2:].all() and batch.learn[0, k, y2:].all()


def test_boxes_keep_their_nameless_clip():
    whole = [(8, 8, 120, 88)]
    images = [picture(k, whole, clip=k - 1) for k in range(4)]
    found = make(images, 0, AugmentConfig(width_px=128, height_px=96, min_visible=0.05))
    assert len(found.identities) == 4
    assert (found.nameless_clips == found.identities // 10 - 1).all()
