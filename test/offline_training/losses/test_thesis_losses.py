"""The three losses of the thesis and their rivals, by hand and by what must not matter to them."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.networks import ArchitectureConfig, JointDetector
from offline_training.datasets.targets import Batch
from offline_training.distillation.levels import (
    channels_of,
    FEATURES,
    INSIDE,
    LEVELS,
    shared_channels,
)
from offline_training.distillation.tutor import Curriculum, Lesson, Tutor
from offline_training.losses import fgd, PARTS
from offline_training.losses.config import LossConfig
from offline_training.losses.distillation_config import DistillationConfig
from offline_training.losses.joint import JointCriterion
from offline_training.losses.key_features import most_differing
from offline_training.losses.overlaps import Overlaps
from offline_training.losses.part import Predicted, Sizes
from offline_training.losses.prediction_difference import divergence, normalised, peaks
from offline_training.losses.taught import spatial_attention, standardised

NEW = (
    *('response_consistency', 'key_features', 'prediction_difference'),
    *('fgd', 'pkd', 'crosskd'),
)
ROWS, COLUMNS, DIM = 6, 8, 5
SHAPES = {name: (max(1, 24 // s), max(1, 32 // s)) for name, s in FEATURES.items()}


def batch_of(k=3, n_images=1):
    """K objects of 2 x 2 cells on the diagonal of the first image of 6 x 8 cells."""
    return Batch(
        images=torch.zeros(n_images, 24, 32, 3, dtype=torch.uint8),
        heatmap=torch.zeros(n_images, 3, ROWS, COLUMNS),
        learn=torch.ones(n_images, 3, ROWS, COLUMNS),
        image_index=torch.zeros(k, dtype=torch.long),
        ys=torch.arange(1, k + 1),
        xs=torch.arange(1, k + 1),
        ltrb=torch.ones(k, 4),
        offset=torch.zeros(k, 2),
        class_ids=torch.zeros(k, dtype=torch.long),
        identities=torch.arange(k),
        nameless_clips=torch.full((k,), -1),
    )


def maps_of(seed, *, n_images=2, dim=DIM, channels=4):
    generator = torch.Generator().manual_seed(seed)

    def draw(n, shape=(ROWS, COLUMNS)):
        return torch.randn(n_images, n, *shape, generator=generator)

    sizes = {'hm': 3, 'wh': 4, 'reg': 2, 'id': dim, 'hm_hidden': channels, 'wh_hidden': channels}
    maps = {name: draw(n) for name, n in sizes.items()}
    maps['wh'] = maps['wh'].abs() + 0.5
    return {**maps, **{name: draw(channels, shape) for name, shape in SHAPES.items()}}


def part_of(name, *, own=4, taught=4, **options):
    channels = dict.fromkeys((*FEATURES, 'hm_hidden', 'wh_hidden'), (own, taught))
    sizes = Sizes(n_identities=9, embedding_dim=DIM, teacher_dim=DIM, channels=channels)
    return PARTS[name](LossConfig(distillation=DistillationConfig(**options)), sizes)


HEADS = {'hm': torch.nn.Conv2d(4, 3, 1), 'wh': torch.nn.Conv2d(4, 4, 1)}


def loss_of(part, own, taught, batch=None):
    batch = batch or batch_of(n_images=len(own['hm']))
    return part(Predicted(own, batch, taught, None, HEADS), batch)


@torch.no_grad()
def teacher_of(seed=1, **options):
    """Maps whose heat map and boxes are what the heads make of the hidden maps."""
    maps = maps_of(seed, **options)
    maps['hm_hidden'] *= 3
    HEADS['wh'].bias.fill_(2.0)
    return {**maps, **{name: HEADS[name](maps[f'{name}_hidden']) for name in HEADS}}


@pytest.mark.parametrize('name', NEW)
def test_a_student_like_its_teacher_has_nothing_to_learn(name):
    taught = teacher_of()
    found = loss_of(part_of(name), taught, taught)
    assert found.item() == pytest.approx(0, abs=1e-5)
    other = loss_of(part_of(name), maps_of(0), taught)
    assert other.item() > 1e-4


@pytest.mark.parametrize('name', NEW)
def test_learning_brings_the_student_to_the_teacher(name):
    """Steps of gradient descent on the maps alone lower it to a small part."""
    torch.manual_seed(0)
    taught, part = teacher_of(), part_of(name)
    own = {key: value.clone().requires_grad_() for key, value in maps_of(0).items()}
    optimizer = torch.optim.Adam(own.values(), lr=0.05)
    first = loss_of(part, own, taught).item()
    for _ in range(150):
        optimizer.zero_grad()
        loss_of(part, own, taught).backward()
        optimizer.step()
    assert loss_of(part, own, taught).item() < first / 3


def test_response_consistency_by_hand():
    own, taught = maps_of(0, dim=3), maps_of(1, dim=7)
    found = loss_of(part_of('response_consistency', response_own=2.0), own, taught)
    expected = 0.0
    for y, x in ((1, 1), (2, 2), (3, 3)):
        shares, means = [], []
        for maps in (own, taught):
            e = maps['id'][0].numpy()
            e = e / np.linalg.norm(e, axis=0)
            cosines = np.array(
                [[e[:, y, x] @ e[:, r, c] for c in range(COLUMNS)] for r in range(ROWS)]
            )
            assert cosines[y, x] == pytest.approx(1)
            power = np.exp(cosines / 0.1)
            shares.append(power / power.sum())
            means.append(cosines[y - 1 : y + 1, x - 1 : x + 1].mean())
        expected += (shares[1] * np.log(shares[1] / shares[0])).sum()
        expected += 2.0 * (means[1] - means[0]) ** 2
    assert found.item() == pytest.approx(expected / 3, rel=1e-4)


def test_response_consistency_knows_neither_scale_nor_rotation():
    own, taught, part = maps_of(0), maps_of(1), part_of('response_consistency')
    first = loss_of(part, own, taught)
    turn = torch.linalg.qr(torch.randn(DIM, DIM, generator=torch.Generator().manual_seed(2)))[0]
    turned = torch.einsum('ij,bjhw->bihw', turn, own['id'])
    for other in (7 * own['id'], turned):
        torch.testing.assert_close(loss_of(part, {**own, 'id': other}, taught), first)
    louder = {**taught, 'id': 0.01 * taught['id']}
    torch.testing.assert_close(loss_of(part, own, louder), first)


def test_prediction_difference_of_the_heat_map_by_hand():
    """Two cells differ; each is weighted by its share of the differences. No peak is a sample."""
    taught = maps_of(1, n_images=1)
    taught['hm'] = torch.full((1, 3, ROWS, COLUMNS), -8.0)
    own = {**maps_of(0, n_images=1), 'hm': taught['hm'].clone()}
    own['hm'][0, 0, 2, 3], own['hm'][0, 1, 4, 4] = 0.0, 2.0
    for power in (1.0, 2.0):
        part = part_of('prediction_difference', difference_power=power, difference_min_score=1.0)
        target = 1 / (1 + math.exp(8))
        gaps, losses = [], []
        for logit in (0.0, 2.0):
            p = 1 / (1 + math.exp(-logit))
            gaps.append(abs(target - p) ** power)
            losses.append(
                target * math.log(target / p) + (1 - target) * math.log((1 - target) / (1 - p))
            )
        expected = np.dot(gaps, losses) / sum(gaps)
        assert loss_of(part, own, taught).item() == pytest.approx(expected, rel=1e-4)


def test_prediction_difference_of_two_detections_by_hand():
    """At one peak the box differs, at the other the score; each counts by what differs."""
    low = {name: torch.zeros(1, n, ROWS, COLUMNS) for name, n in (('reg', 2), ('id', 2))}
    taught = {**low, 'hm': torch.full((1, 3, ROWS, COLUMNS), -9.0)}
    taught['wh'] = torch.ones(1, 4, ROWS, COLUMNS)
    taught['hm'][0, 0, 1, 1], taught['hm'][0, 2, 4, 6] = 1.0, 3.0
    taught['id'] = torch.ones(1, 2, ROWS, COLUMNS)
    own = {name: values.clone() for name, values in taught.items()}
    own['wh'][0, :, 1, 1] = torch.tensor([1.0, 1.0, 1.0, 3.0])  # 2 x 4 around 2 x 2: iou 1 / 2
    own['hm'][0, 2, 4, 6] = 0.0
    sigmoid = torch.sigmoid(torch.tensor([1.0, 3.0, 0.0])).tolist()
    gap = sigmoid[1] - sigmoid[2]
    kl = sigmoid[1] * math.log(sigmoid[1] / 0.5) + (1 - sigmoid[1]) * math.log(
        (1 - sigmoid[1]) / 0.5
    )
    # The heat map: one cell differs, so all weight is on it. The samples: 0.5 and the gap.
    samples = (0.5 * sigmoid[0] * (1 - 0.5) + gap * kl) / (0.5 + gap)
    found = loss_of(part_of('prediction_difference'), own, taught, batch_of())
    assert found.item() == pytest.approx(kl + samples, rel=1e-4)
    # One vector is turned by 90 degrees: to the other sample the cosine is 0 and was 1.
    own['id'][0, :, 1, 1] = torch.tensor([1.0, -1.0])
    weights = np.array([0.5 + 1 / 2, gap + 1 / 2])
    losses = np.array([sigmoid[0] * 0.5 + 1, kl + 1])
    found = loss_of(part_of('prediction_difference'), own, taught, batch_of())
    assert found.item() == pytest.approx(kl + weights @ losses / weights.sum(), rel=1e-4)


def test_weights_of_samples_follow_the_student_and_have_no_gradient():
    weights = torch.tensor([0.2, 0.6], requires_grad=True)
    found = normalised(weights)
    torch.testing.assert_close(found, torch.tensor([0.25, 0.75]))
    assert not found.requires_grad
    assert normalised(torch.zeros(3)).tolist() == [0, 0, 0]
    logits = torch.tensor([-3.0, 0.0, 4.0])
    assert divergence(logits, logits).abs().max() < 1e-6
    assert (divergence(logits, torch.tensor([1.0, 1.0, 1.0])) > 0).all()


def test_peaks_are_those_of_the_vehicle():
    from mot_compress_ros.inference import DecodeConfig
    from mot_compress_ros.inference.decode import find_peaks

    heat = torch.rand(1, ROWS, COLUMNS, generator=torch.Generator().manual_seed(4))
    _, _, ys, xs = find_peaks(heat.numpy(), DecodeConfig(min_score=0.3, max_detections=500))
    found = peaks(heat, least=0.3, most=500)
    assert [values.tolist() for values in found] == [ys.tolist(), xs.tolist()]
    assert len(peaks(heat, least=0.3, most=2)[0]) == 2
    assert len(peaks(torch.zeros(1, 4, 4), least=0.1, most=9)[0]) == 0


def test_key_cells_are_where_they_differ_most():
    values = torch.tensor([[[5.0, 1.0, 2.0], [0.0, 4.0, 3.0]]])
    allowed = torch.tensor([[[False, True, True], [True, True, True]]])
    found = most_differing(values, allowed, count=2)
    assert found.nonzero()[:, 1:].tolist() == [[1, 1], [1, 2]]
    assert most_differing(values, torch.zeros_like(allowed), count=2).sum() == 0
    assert most_differing(values, allowed, count=0).sum() == 0


def test_key_features_by_hand():
    """Of one map, cell by cell; the other maps are the teacher's."""
    taught = teacher_of(n_images=1)
    own = {**taught, 'feature': maps_of(0, n_images=1)['feature']}
    part = part_of('key_features', key_share=0.05, key_background=0.25)
    n = [standardised(m['feature'])[0].numpy() for m in (own, taught)]
    d = ((n[0] - n[1]) ** 2).mean(axis=0) / 2
    strength = taught['feature'][0].abs().mean(dim=0).numpy() / 0.5
    a = np.exp(strength) / np.exp(strength).sum() * ROWS * COLUMNS
    m = np.zeros((ROWS, COLUMNS))
    for k in (1, 2, 3):
        m[k - 1 : k + 1, k - 1 : k + 1] = 1 / 4
    free = np.where(m == 0, a * d, -1)
    key = free >= np.sort(free.ravel())[-math.ceil(0.05 * ROWS * COLUMNS)]
    assert key.sum() == 3
    expected = (m * a * d).sum() / (m * a).sum() + 0.25 * (key * a * d).sum() / (key * a).sum()
    assert loss_of(part, own, taught).item() == pytest.approx(expected / 4, rel=1e-4)


@pytest.mark.parametrize('name', ['key_features', 'pkd'])
def test_scale_and_offset_of_a_channel_do_not_matter(name):
    own, taught, part = maps_of(0), teacher_of(), part_of(name)
    other = {key: 3 * own[key] - 2 if key in FEATURES else own[key] for key in own}
    torch.testing.assert_close(
        loss_of(part, own, taught), loss_of(part, other, taught), rtol=1e-4, atol=1e-5
    )


def test_pkd_is_one_less_the_correlation():
    own, taught = maps_of(0), teacher_of()
    expected = 0.0
    for name in FEATURES:
        pairs = [m[name].transpose(0, 1).flatten(1).numpy() for m in (own, taught)]
        expected += np.mean([1 - np.corrcoef(a, b)[0, 1] for a, b in zip(*pairs, strict=True)])
    assert loss_of(part_of('pkd'), own, taught).item() == pytest.approx(expected, rel=1e-4)


def test_fgd_by_hand():
    """The published weights and sums over one map; the others are the teacher's."""
    taught = teacher_of(n_images=1)
    own = {**taught, 'level16': maps_of(0, n_images=1)['level16']}
    s, t = (m['level16'][0].numpy().astype(np.float64) for m in (own, taught))
    _, rows, columns = t.shape  # 1 x 2 cells of stride 16

    def softmax(x):
        return np.exp(x) / np.exp(x).sum()

    space = [rows * columns * softmax(np.abs(f).mean(axis=0) / 0.5) for f in (s, t)]
    channel = [4 * softmax(np.abs(f).mean(axis=(1, 2)) / 0.5) for f in (s, t)]
    # All three objects are in the first cell of stride 16, and the second is free.
    objects, around = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    squares = ((s - t) ** 2 * channel[1][:, None, None] * space[1]).sum(axis=0)
    expected = 1e-3 * (objects * squares).sum() + 5e-4 * (around * squares).sum()
    expected += 1e-3 * (np.abs(space[0] - space[1]).sum() + np.abs(channel[0] - channel[1]).sum())
    expected += 5e-6 * ((s - t) ** 2).sum()  # the context blocks add nothing yet
    assert loss_of(part_of('fgd'), own, taught).item() == pytest.approx(expected, rel=1e-4)
    torch.testing.assert_close(
        spatial_attention(torch.from_numpy(t)[None], temperature=0.5)[0].numpy(), space[1]
    )


def test_fgds_context_is_what_cells_have_in_common():
    block = fgd.Context(4)
    features = torch.randn(2, 4, 3, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(block(features), features)
    torch.nn.init.normal_(block.add[3].weight)
    added = block(features) - features
    torch.testing.assert_close(added, added[:, :, :1, :1].expand_as(added))


def test_crosskd_by_hand():
    own, taught = maps_of(0, n_images=1), teacher_of(n_images=1)

    def through(head):
        s, t = (m[f'{head}_hidden'] for m in (own, taught))
        unit = (s - s.mean((0, 2, 3), True)) / s.std((0, 2, 3), correction=0, keepdim=True)
        like = unit * t.std((0, 2, 3), correction=0, keepdim=True) + t.mean((0, 2, 3), True)
        return HEADS[head](like).detach()

    p, q = through('hm').sigmoid(), taught['hm'].sigmoid()
    heat = ((p - q).abs() * F.binary_cross_entropy(p, q, reduction='none')).sum() / 3
    box, sure = 0.0, q.amax(dim=1)[0]
    for y in range(ROWS):
        for x in range(COLUMNS):
            a, b = (m[0, :, y, x].clamp(min=0) for m in (through('wh'), taught['wh']))
            corners = [torch.cat([-v[:2], v[2:]])[None] for v in (a, b)]
            box += (sure[y, x] * (1 - Overlaps(*corners).giou)).item()
    expected = heat.item() + box / sure.sum().item()
    found = loss_of(part_of('crosskd'), own, taught, batch_of())
    assert found.item() == pytest.approx(expected, rel=1e-3)


def tiny(width, dim, seed, head_channels):
    torch.manual_seed(seed)
    architecture = ArchitectureConfig(
        width=width, n_class=3, embedding_dim=dim, head_channels=head_channels
    )
    return JointDetector(architecture)


@pytest.mark.parametrize('name', NEW)
def test_gradients_go_to_the_student_and_the_adapters_alone(name):
    """A teacher of other channels and embeddings than the student."""
    student, teacher = tiny(0.0625, 6, 0, 8), tiny(0.125, 10, 1, 16)
    keys = set(student.state_dict())
    config = LossConfig(
        **dict.fromkeys(('heatmap', 'wh_l1', 'wh_giou', 'offset', 'reid'), 0.0), **{name: 1.0}
    )
    channels = shared_channels(student, teacher)
    criterion = JointCriterion(config, embedding_dim=6, teacher_dim=10, channels=channels)
    curriculum = Curriculum.of(PARTS[name].asks, update='render')
    tutor = Tutor(student, teacher, curriculum, device='cpu')
    batch = batch_of(n_images=2)
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    batch.images.resize_(2, 32, 32, 3)
    lesson = tutor.lesson(batch, images, lambda x: x)
    maps = tutor.ask(images, lesson)
    total = criterion(maps, batch, lesson)['total']
    total.backward()
    assert total.item() > 0
    assert all(p.grad is None and not p.requires_grad for p in teacher.parameters())
    assert all(p.grad is not None and p.grad.isfinite().all() for p in criterion.parameters())
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in student.parameters())
    assert set(student.state_dict()) == keys, 'adapters stay with the run'
    adapters = getattr(criterion.parts[name], 'adapters', {})
    assert all(isinstance(a, torch.nn.Conv2d) for a in dict(adapters).values())


def test_channels_are_those_of_the_maps():
    student = tiny(0.125, 6, 0, 12).train()
    before = {key: value.clone() for key, value in student.state_dict().items()}
    found = channels_of(student)
    assert found == {
        **dict(zip(LEVELS, (16, 32, 64, 128), strict=True)),
        **{'feature': 16, 'hm_hidden': 12, 'wh_hidden': 12},
    }
    assert set(found) == {*LEVELS, *INSIDE} and student.training
    assert all(torch.equal(before[key], value) for key, value in student.state_dict().items())
    assert shared_channels(student, None) == {}


@pytest.mark.parametrize('name', NEW)
def test_it_needs_a_teacher(name):
    with pytest.raises(InvalidOptionError, match=rf'loss\.{name}: .*`train --teacher`'):
        PARTS[name](LossConfig(), Sizes(n_identities=9, embedding_dim=5))
    assert LossConfig(**{name: 0.5}).needs_teacher


@pytest.mark.parametrize('name', ['key_features', 'fgd', 'pkd', 'crosskd'])
def test_maps_that_are_not_there_are_named(name):
    sizes = Sizes(n_identities=9, embedding_dim=5, teacher_dim=5, channels={'level4': (4, 4)})
    with pytest.raises(InvalidOptionError, match='are known level4; take another part'):
        PARTS[name](LossConfig(), sizes)


def test_a_lesson_without_what_is_asked_for_is_an_error():
    with pytest.raises(KeyError):
        JointCriterion(LossConfig(response_consistency=1.0), embedding_dim=5, teacher_dim=5)(
            maps_of(0), batch_of(n_images=2), Lesson()
        )
