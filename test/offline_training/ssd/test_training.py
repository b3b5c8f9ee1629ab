"""Detectors in training: they learn, are taught, go on to the bit; what they say becomes boxes."""

import numpy as np
import pytest
import torch

from mot_compress_ros.errors import InputError
from offline_training.classification.sparsity import pruned_at_once, share_of_zeros
from offline_training.ssd.anchors import offsets_of
from offline_training.ssd.augmentation import augmented, cut, mirrored
from offline_training.ssd.detection import (
    detections,
    mean_average_precision,
    normalised,
    suppressed,
)
from offline_training.ssd.images import BoxedImage, rendered_boxes
from offline_training.ssd.losses import DetectionLesson
from offline_training.ssd.networks import build_detector, SsdOptions, SsdOutput
from offline_training.ssd.training import Criterion, DetectorOptions, Targets, train_detector

SIDE_PX = 96
IMAGES = rendered_boxes(8, side_px=SIDE_PX, seed=0)
VGG = SsdOptions(side_px=SIDE_PX, width=0.1, norm=True)
MOBILENET = SsdOptions(backbone='mobilenetv2', side_px=SIDE_PX, width=0.1)


def detector(options, seed=0):
    torch.manual_seed(seed)
    return build_detector(options, classes=3)


def options(**values):
    return DetectorOptions(**{'batch_size': 4, 'learning_rate': 5e-3, **values})


def test_a_detector_learns_a_few_images(tmp_path):
    images, network = IMAGES[:4], detector(VGG)
    assert mean_average_precision(network, images)['map_area'] < 0.1
    train_detector(network, images, options(epochs=20, augment=False), tmp_path)
    assert mean_average_precision(network, images)['map_area'] > 0.25


def test_an_interrupted_taught_training_ends_as_one_that_was_not(tmp_path, monkeypatch):
    from offline_training.ssd import training

    recipe = options(epochs=2, pruned=0.3, pruning='iterative')
    teacher = detector(VGG, seed=1).eval()
    before = {k: v.clone() for k, v in teacher.state_dict().items()}

    def run(folder):
        return train_detector(
            detector(MOBILENET), IMAGES, recipe, tmp_path / folder, teacher=teacher
        )

    whole = run('whole')
    epoch = training._Training._epoch

    def stops(self, number, signals):
        if number == 1:
            raise KeyboardInterrupt
        return epoch(self, number, signals)

    monkeypatch.setattr(training._Training, '_epoch', stops)
    with pytest.raises(KeyboardInterrupt):
        run('parts')
    monkeypatch.setattr(training._Training, '_epoch', epoch)
    resumed = run('parts')
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    assert share_of_zeros(resumed) == pytest.approx(0.3, abs=1e-3)
    assert all(torch.equal(v, teacher.state_dict()[k]) for k, v in before.items())
    with pytest.raises(InputError, match='of another experiment'):
        train_detector(
            detector(MOBILENET), IMAGES, recipe, tmp_path / 'parts', teacher=teacher, digest='x'
        )


def test_a_student_that_is_its_teacher_loses_only_what_the_labels_say():
    """Same network, same anchors: no hint is left, and no bounded regression beyond the truth."""
    network = detector(VGG).eval()
    with torch.no_grad():
        output = network(normalised(torch.from_numpy(np.stack([IMAGES[0].image]))))
    n = len(network.anchors)
    classes = torch.zeros(1, n, dtype=torch.long)
    classes[0, 5] = 2
    targets = Targets(images=torch.zeros(1), classes=classes, offsets=output.offsets.detach())
    alone = Criterion(network, None, DetectionLesson())(output, targets, None)
    taught = Criterion(network, network, DetectionLesson(mu=1.0, gamma=0.0))
    assert torch.equal(taught._which, torch.arange(n))
    found = taught(output, targets, output).detach()
    assert float(found) == pytest.approx(float(alone), rel=1e-5)


def test_pruning_at_once_makes_the_smallest_weights_of_a_detector_zero():
    network = detector(VGG)
    pruned_at_once(network, 0.4)
    assert share_of_zeros(network) == pytest.approx(0.4, abs=1e-3)


def test_what_a_network_says_becomes_its_best_boxes():
    network = detector(VGG)
    n = len(network.anchors)
    logits = torch.zeros(1, n, 4)
    logits[..., 0] = 12.0  # background
    offsets = torch.zeros(1, n, 4)
    wanted = torch.tensor([[0.2, 0.3, 0.5, 0.6]])
    for anchor, height in ((10, 20.0), (11, 18.0)):  # two anchors mean one object
        logits[0, anchor, 2] = height
        offsets[0, anchor] = offsets_of(wanted, network.anchors[anchor : anchor + 1])[0]
    output = SsdOutput(logits=logits, offsets=offsets, hint=torch.zeros(1))
    (found,) = detections(network, output)
    assert found.classes.tolist() == [1]
    assert np.allclose(found.boxes, wanted.numpy(), atol=1e-5) and found.scores[0] > 0.99


def test_suppression_keeps_the_first_of_those_that_overlap():
    boxes = torch.tensor(
        [[0.0, 0, 0.4, 0.4], [0.05, 0, 0.45, 0.4], [0.6, 0.6, 0.9, 0.9], [0.1, 0, 0.5, 0.4]]
    )
    # The last overlaps the first by 0.6, and the second is gone by then.
    assert suppressed(boxes).tolist() == [0, 2]
    assert suppressed(torch.zeros(0, 4)).tolist() == []


def one_box(box):
    image = np.zeros((3, 20, 20), np.uint8)
    x1, y1, x2, y2 = (int(20 * v) for v in box)
    image[:, y1:y2, x1:x2] = 200
    return BoxedImage(
        image=image,
        boxes=np.array([box], np.float32),
        classes=np.array([0]),
        ignored=np.array([False]),
    )


def bright(one):
    rows, columns = np.nonzero(one.image[0] > 100)
    return [columns.min() / 20, rows.min() / 20, (columns.max() + 1) / 20, (rows.max() + 1) / 20]


def test_boxes_follow_what_happens_to_their_image():
    one = one_box([0.1, 0.2, 0.4, 0.6])
    assert bright(mirrored(one)) == pytest.approx(mirrored(one).boxes[0].tolist(), abs=1e-6)
    part = cut(one, np.array([0.0, 0.1, 0.5, 0.7], np.float32))
    assert part.boxes[0].tolist() == pytest.approx([0.2, 1 / 6, 0.8, 5 / 6], abs=1e-5)
    assert bright(part) == pytest.approx(part.boxes[0].tolist(), abs=0.06)
    assert cut(one, np.array([0.6, 0.6, 1.0, 1.0], np.float32)) is one  # nothing would be left
    rng = np.random.default_rng(0)
    for _ in range(20):
        found = augmented(IMAGES[0], rng)
        assert found.image.shape == IMAGES[0].image.shape and len(found.boxes) >= 1
        assert (found.boxes[:, 2:] > found.boxes[:, :2]).all()
