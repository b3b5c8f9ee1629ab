"""Targets of hand-made labels, and that decoding them gives the labels back."""

import numpy as np
import pytest
import torch

from mot_compress_ros.inference.backends import PeakValues
from mot_compress_ros.inference.decode import decode, DecodeConfig
from mot_compress_ros.preprocess import letterbox
from offline_training.datasets.augment import AugmentedImage
from offline_training.datasets.targets import gaussian_radius, make_batch


def sample(
    boxes, class_ids=None, ignore=(), ignored_as=(), labelled=(0, 1, 2), size_wh=(128, 96), clip=-1
):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    class_ids = np.zeros(len(boxes), np.int64) if class_ids is None else np.array(class_ids)
    return AugmentedImage(
        image_rgb=np.zeros((*size_wh[::-1], 3), np.uint8),
        boxes_xyxy_px=boxes,
        class_ids=class_ids,
        identities=np.arange(len(boxes)),
        ignore_xyxy_px=np.array(ignore, np.float32).reshape(-1, 4),
        ignore_class_ids=np.array(ignored_as, np.int64),
        labelled_classes=labelled,
        nameless_clips=np.full(len(boxes), clip),
    )


def test_values_at_the_centre():
    batch = make_batch([sample([[20, 10, 60, 50]], [2])], n_class=3)
    assert (batch.ys.tolist(), batch.xs.tolist()) == ([7], [10])  # centre (40, 30) px
    assert batch.offset.tolist() == [[0.0, 0.5]]
    assert batch.ltrb.tolist() == [[5.0, 5.0, 5.0, 5.0]]
    assert batch.heatmap[0, 2, 7, 10] == 1
    assert (batch.heatmap == 1).sum() == 1
    assert batch.heatmap[0, :2].sum() == 0


def test_gaussian_follows_the_radius():
    batch = make_batch([sample([[16, 8, 112, 88]])], n_class=3)
    radius = int(gaussian_radius(24, 20))
    row = batch.heatmap[0, 0, 12]
    assert row[16] == 1 and row[16 + radius] > 0 and row[16 + radius + 1] == 0
    sigma = (2 * radius + 1) / 6
    assert row[17].item() == pytest.approx(np.exp(-1 / (2 * sigma**2)), rel=1e-5)


@pytest.mark.parametrize(
    ('width', 'height', 'radius'), [(10, 10, 2.7332), (30, 12, 4.7578), (7, 50, 3.5282)]
)
def test_radius_is_the_published_one(width, height, radius):
    """By hand: (-1.4 (w + h) + sqrt(1.96 (w + h)^2 + 3.36 w h)) / 2, the least of the three.

    It is larger than what keeps an overlap of 0.7: a box of which both corners moved inwards by
    it overlaps less.
    """
    assert gaussian_radius(width, height) == pytest.approx(radius, abs=1e-4)
    assert (width - 2 * radius) * (height - 2 * radius) < 0.7 * width * height


def test_near_objects_are_combined_by_maximum():
    batch = make_batch([sample([[20, 10, 60, 50], [28, 10, 68, 50]])], n_class=3)
    assert batch.heatmap.max() == 1
    assert (batch.heatmap == 1).sum() == 2


def test_ignore_regions_and_unlabelled_classes_are_not_learned():
    image = sample([[20, 10, 60, 50]], ignore=[[64, 0, 128, 96]], ignored_as=[0], labelled=(0, 1))
    batch = make_batch([image], n_class=3)
    assert batch.learn[0, 0, :, :16].all() and not batch.learn[0, 0, :, 16:].any()
    assert batch.learn[0, 1].all()  # what is a region to ignore for one class is ground to others
    assert not batch.learn[0, 2].any()


def test_objects_know_their_nameless_clip():
    box = [20, 10, 60, 50]
    batch = make_batch([sample([box], clip=4), sample([]), sample([box, box])], n_class=3)
    assert batch.nameless_clips.tolist() == [4, -1, -1]


def test_no_objects():
    batch = make_batch([sample([]), sample([])], n_class=3)
    assert batch.ltrb.shape == (0, 4) and batch.image_index.shape == (0,)
    assert batch.heatmap.sum() == 0


class TargetOutput:
    """A network that answers with the targets themselves."""

    def __init__(self, batch):
        self.heatmap = batch.heatmap.numpy()
        self.batch = batch

    def gather(self, image_index, ys, xs):
        rows = [
            next(
                k
                for k in range(len(self.batch.ys))
                if (self.batch.image_index[k], self.batch.ys[k], self.batch.xs[k])
                == (image_index, y, x)
            )
            for y, x in zip(ys.tolist(), xs.tolist(), strict=True)
        ]
        return PeakValues(
            ltrb=self.batch.ltrb[rows].numpy(),
            offset=self.batch.offset[rows].numpy(),
            embeddings=torch.ones(len(rows), 1).numpy(),
        )


def test_decoding_the_targets_gives_the_labels_back():
    """Training and the vehicle agree on what the maps mean."""
    rng = np.random.default_rng(3)
    corner = np.stack(np.meshgrid([4, 44, 84], [6, 50]), -1).reshape(-1, 2)
    boxes = np.concatenate([corner, corner + rng.uniform(8, 36, (6, 2))], axis=1)
    classes = [0, 1, 2, 2, 1, 0]
    output = TargetOutput(make_batch([sample(boxes, classes)], n_class=3))
    _, transform = letterbox(np.zeros((96, 128, 3), np.uint8), size_wh=(128, 96))
    found = decode(
        output, 0, transform=transform, config=DecodeConfig(min_score=0.99), embedding_space=''
    )
    order = np.lexsort(found.boxes_xyxy_px[:, :2].round().T)
    expected = np.lexsort(boxes[:, :2].round().T)
    np.testing.assert_allclose(found.boxes_xyxy_px[order], boxes[expected], atol=1e-3)
    assert found.class_ids[order].tolist() == [classes[i] for i in expected]
