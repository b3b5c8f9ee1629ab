"""The training loop: it learns, goes on to the bit, and keeps zeros zero."""

import numpy as np
import pytest
import torch

from mot_compress_ros.errors import InputError
from offline_training.classification.images import rendered_images
from offline_training.classification.lessons import LessonOptions
from offline_training.classification.networks import NetworkShape, SmallConvNet
from offline_training.classification.sparsity import (
    iterative,
    PRUNED,
    SCHEDULES,
    share_of_zeros,
    TrainingMasks,
)
from offline_training.classification.training import (
    accuracy,
    ClassifierOptions,
    logits_of,
    mirrored_and_shifted,
    normalised,
    train_classifier,
)

TINY = NetworkShape(pairs=((8, 8),), hidden=16)
IMAGES = rendered_images(120, seed=0)


def tiny():
    torch.manual_seed(0)
    return SmallConvNet(TINY)


def trained(run, network=None, **values):
    settings = {'learning_rate': 3e-3, 'batch_size': 20, **values}
    options = ClassifierOptions(**settings)
    return train_classifier(network or tiny(), IMAGES, options, run)


def test_it_learns_what_it_is_shown(tmp_path):
    network = trained(tmp_path, epochs=12)
    assert accuracy(network, IMAGES) > 80
    assert not network.training


def test_bf16_learns_as_well_and_leaves_plain_weights(tmp_path):
    network = trained(tmp_path, epochs=12, precision='bf16')
    assert accuracy(network, IMAGES) > 80
    assert all(p.dtype == torch.float32 and p.is_contiguous() for p in network.parameters())


@pytest.mark.parametrize('schedule', sorted(SCHEDULES))
def test_an_interrupted_training_ends_as_one_that_was_not(tmp_path, monkeypatch, schedule):
    values = {
        'epochs': 4, 'augment': True, 'ema_decay': 0.9, 'schedule': 'cosine', 'pruned': 0.4,
        'pruning': schedule,
    }  # fmt: skip
    whole = trained(tmp_path / 'whole', **values)

    from offline_training.classification import training

    before = training._Training._epoch

    def stops(self, epoch, signals):
        if epoch == 2:
            raise KeyboardInterrupt
        return before(self, epoch, signals)

    monkeypatch.setattr(training._Training, '_epoch', stops)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / 'parts', **values)
    monkeypatch.setattr(training._Training, '_epoch', before)
    resumed = trained(tmp_path / 'parts', **values)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    assert share_of_zeros(resumed) == pytest.approx(0.4, abs=1e-3)


def test_a_checkpoint_of_another_experiment_is_refused(tmp_path):
    trained(tmp_path, epochs=1)
    with pytest.raises(InputError, match='of another experiment'):
        train_classifier(tiny(), IMAGES, ClassifierOptions(epochs=2), tmp_path, digest='other')


def test_a_student_comes_closer_to_what_its_teacher_says(tmp_path):
    teacher = trained(tmp_path / 'teacher', epochs=8)
    levels = torch.from_numpy(IMAGES.images)
    wanted = logits_of(teacher, levels)
    torch.manual_seed(1)
    student = SmallConvNet(TINY)
    before = (logits_of(student.eval(), levels) - wanted).square().mean()
    options = ClassifierOptions(
        epochs=6, batch_size=20, learning_rate=3e-3, lesson=LessonOptions(kind='logits', alpha=1.0)
    )
    state = {k: v.clone() for k, v in teacher.state_dict().items()}
    taught = train_classifier(student, IMAGES, options, tmp_path / 'student', teacher=teacher)
    after = (logits_of(taught, levels) - wanted).square().mean()
    assert after < 0.5 * before
    assert all(torch.equal(v, teacher.state_dict()[k]) for k, v in state.items())


def test_masks_are_those_of_torch_over_all_layers():
    from torch.nn.utils import prune

    ours, theirs = tiny(), tiny()
    masks = TrainingMasks(ours, schedule='one_shot', amount=0.35)
    masks.before_epoch(0, 5)
    layers = [(m, 'weight') for m in theirs.modules() if isinstance(m, PRUNED)]
    prune.global_unstructured(layers, pruning_method=prune.L1Unstructured, amount=0.35)
    for mine, (layer, _) in zip(
        (m for m in ours.modules() if isinstance(m, PRUNED)), layers, strict=True
    ):
        assert torch.equal(mine.weight, layer.weight)
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter += 1.0
    masks.after_step()
    assert share_of_zeros(ours) == pytest.approx(0.35, abs=1e-3)


def test_iterative_pruning_has_five_rounds_of_equal_length():
    found = [iterative(0.5, epoch / 10) for epoch in range(10)]
    assert found == pytest.approx([0.1, 0.1, 0.2, 0.2, 0.3, 0.3, 0.4, 0.4, 0.5, 0.5])


def test_augmentation_moves_whole_images_by_at_most_four_px():
    levels = torch.arange(32, dtype=torch.uint8).repeat(200, 3, 32, 1)  # columns 0..31
    found = mirrored_and_shifted(levels, torch.Generator().manual_seed(0))
    middle = found[:, 0, 0, 10:22].int()
    steps = middle.diff(dim=1)
    assert set(steps.flatten().tolist()) == {-1, 1}
    mirrored = steps[:, 0] == -1
    assert 60 < int(mirrored.sum()) < 140
    shifts = (middle[~mirrored, 0] - 10).tolist()
    assert set(shifts) == set(range(-4, 5))
    assert found.shape == levels.shape and found.dtype == torch.uint8


def test_levels_become_minus_one_to_one():
    assert normalised(torch.tensor([0, 255], dtype=torch.uint8)).tolist() == [-1.0, 1.0]


def test_accuracy_counts_the_largest_logits():
    class Says(torch.nn.Module):
        def forward(self, images):
            return torch.eye(3)[torch.zeros(len(images), dtype=torch.long)]

    assert accuracy(Says(), IMAGES) == pytest.approx(100 * np.mean(IMAGES.labels == 0))
