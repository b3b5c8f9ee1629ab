"""The parts together: FairMOT's total by hand, the contract of every part, what is learned."""

import math

import pytest
import torch

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.options import describe
from offline_training.datasets.targets import Batch
from offline_training.losses import PARTS
from offline_training.losses.config import LossConfig, TAUGHT
from offline_training.losses.joint import JointCriterion
from offline_training.losses.part import BESIDE, DETECTION, IDENTITY, Predicted, Sizes

ONLY = {'heatmap': 0.0, 'wh_l1': 0.0, 'wh_giou': 0.0, 'offset': 0.0, 'reid': 0.0}
FAIRMOT = {**ONLY, 'heatmap': 1.0, 'wh_l1': 0.1, 'offset': 1.0, 'identity_ce': 1.0}


def batch_of(identities, clips=None, n_images=2):
    """K objects on a map of 6 x 8 cells, alternating between the images."""
    k = len(identities)
    generator = torch.Generator().manual_seed(0)
    heatmap = torch.rand(n_images, 3, 6, 8, generator=generator) * 0.9
    index, ys, xs = torch.arange(k) % n_images, torch.arange(k) % 6, torch.arange(k) % 8
    heatmap[index, 0, ys, xs] = 1
    return Batch(
        images=torch.zeros(n_images, 24, 32, 3, dtype=torch.uint8),
        heatmap=heatmap,
        learn=torch.ones_like(heatmap),
        image_index=index,
        ys=ys,
        xs=xs,
        ltrb=torch.rand(k, 4, generator=generator) * 3,
        offset=torch.rand(k, 2, generator=generator),
        class_ids=torch.zeros(k, dtype=torch.long),
        identities=torch.tensor(identities, dtype=torch.long),
        nameless_clips=torch.full((k,), -1) if clips is None else torch.tensor(clips),
    )


def random_maps(n_images=2, dim=5, seed=1):
    generator = torch.Generator().manual_seed(seed)
    sizes = {'hm': 3, 'wh': 4, 'reg': 2, 'id': dim}
    return {
        name: torch.randn(n_images, n, 6, 8, generator=generator).requires_grad_()
        for name, n in sizes.items()
    }


def with_levels(maps, seed):
    """And maps of a backbone at strides 4 to 32."""
    generator = torch.Generator().manual_seed(seed)
    levels = {
        f'level{4 * 2**k}': torch.randn(2, 4 + k, 8 >> k, 8 >> k, generator=generator)
        for k in range(4)
    }
    sizes = {'feature': 4, 'hm_hidden': 3, 'wh_hidden': 3}
    sizes |= {'box8': 24, 'box16': 24, 'box32': 24}  # of 3 anchors and 3 classes
    inside = {name: torch.randn(2, n, 6, 8, generator=generator) for name, n in sizes.items()}
    return {
        **maps,
        **{name: values.requires_grad_() for name, values in (levels | inside).items()},
    }


CHANNELS = {
    **{f'level{4 * 2**k}': (4 + k, 4 + k) for k in range(4)},
    **{'feature': (4, 4), 'hm_hidden': (3, 3), 'wh_hidden': (3, 3)},
}


def gathered(maps, batch, name):
    return torch.stack(
        [
            maps[name][i, :, y, x]
            for i, y, x in zip(batch.image_index, batch.ys, batch.xs, strict=True)
        ]
    )


def test_every_part_has_its_weight_and_every_weight_its_part():
    options = {info.name for info in describe(LossConfig)}
    assert set(PARTS) <= options
    for name, part in PARTS.items():
        assert part.task in (DETECTION, IDENTITY, BESIDE)
        criterion = JointCriterion(
            LossConfig(**{**ONLY, name: 1.0}),
            n_identities=9,
            embedding_dim=5,
            teacher_dim=5,
            channels=CHANNELS,
        )
        assert list(criterion.parts) == [name]
        assert bool(part.asks) == (name in TAUGHT)


@pytest.mark.parametrize('name', PARTS)
@pytest.mark.parametrize('identities', [[], [3], [1, 1, 2, 4, 2]])
def test_every_part_is_a_finite_scalar_with_a_gradient(name, identities):
    batch, maps = batch_of(identities), with_levels(random_maps(), 1)
    taught = with_levels(random_maps(seed=2), 2)
    sizes = Sizes(n_identities=9, embedding_dim=5, teacher_dim=5, channels=CHANNELS)
    part = PARTS[name](LossConfig(), sizes)
    pivots = torch.nn.Linear(5, 9)
    heads = {'hm': torch.nn.Conv2d(3, 3, 1), 'wh': torch.nn.Conv2d(3, 4, 1)}
    loss = part(Predicted(maps, batch, taught, pivots, heads), batch)
    assert loss.shape == () and loss.isfinite()
    gradients = torch.autograd.grad(loss, list(maps.values()), allow_unused=True)
    assert any(g is not None for g in gradients)
    assert all(g.isfinite().all() for g in gradients if g is not None)
    if len(identities) > 1:
        assert any(g.abs().sum() > 0 for g in gradients if g is not None)


def test_fairmots_total_by_hand():
    """Eq. 6 with its log variances, `RegL1Loss`, cross entropy of the scaled embedding."""
    batch, maps = batch_of([0, 2, 1, 9, 2]), random_maps()
    torch.manual_seed(0)
    criterion = JointCriterion(
        LossConfig(**FAIRMOT, balance='learned'), n_identities=4, embedding_dim=5
    )
    parts = criterion(maps, batch)
    wh = (gathered(maps, batch, 'wh') - batch.ltrb).abs().sum() / (5 * 4 + 1e-4)
    offset = (gathered(maps, batch, 'reg') - batch.offset).abs().sum() / (5 * 2 + 1e-4)
    linear = criterion.parts['identity_ce'].classifier
    scale = math.sqrt(2) * math.log(4 - 1)
    ce = []
    for e, identity in zip(gathered(maps, batch, 'id'), batch.identities, strict=True):
        if identity < 4:  # 9 is nobody known, FairMOT's -1
            logits = linear.weight @ (scale * e / e.norm()) + linear.bias
            ce.append(logits.exp().sum().log() - logits[identity])
    ce = sum(ce) / 4
    detection = parts['heatmap'] + 0.1 * wh + offset
    total = 0.5 * (math.exp(1.85) * detection + math.exp(1.05) * ce + -1.85 + -1.05)
    assert parts['wh_l1'].item() == pytest.approx(wh.item(), rel=1e-5)
    assert parts['offset'].item() == pytest.approx(offset.item(), rel=1e-5)
    assert parts['identity_ce'].item() == pytest.approx(ce.item(), rel=1e-5)
    assert parts['total'].item() == pytest.approx(total.item(), rel=1e-5)
    assert (parts['s_detection'].item(), parts['s_identity'].item()) == pytest.approx(
        (-1.85, -1.05)
    )


def test_the_light_models_fixed_balance():
    """det + 0.1 id, the extents weighed 0.5."""
    batch, maps = batch_of([0, 2, 1]), random_maps()
    config = LossConfig(**{**FAIRMOT, 'wh_l1': 0.5, 'identity_ce': 0.1})
    parts = JointCriterion(config, n_identities=4, embedding_dim=5)(maps, batch)
    expected = (
        parts['heatmap'] + 0.5 * parts['wh_l1'] + parts['offset'] + 0.1 * parts['identity_ce']
    )
    assert parts['total'].item() == pytest.approx(expected.item(), rel=1e-6)
    assert not any(name.startswith('s_') for name in parts)


def test_the_learned_balance_goes_to_the_log_of_the_loss():
    """exp(-s) L + s is least at s = ln L."""
    criterion = JointCriterion(
        LossConfig(**FAIRMOT, balance='learned'), n_identities=4, embedding_dim=5
    )
    optimizer = torch.optim.SGD(criterion.balance.parameters(), lr=0.2)
    sums = {DETECTION: torch.tensor(3.0), IDENTITY: torch.tensor(0.25)}
    for _ in range(300):
        optimizer.zero_grad()
        criterion.balance(sums).backward()
        optimizer.step()
    shown = criterion.balance.shown()
    assert shown['s_detection'].item() == pytest.approx(math.log(3), abs=1e-3)
    assert shown['s_identity'].item() == pytest.approx(math.log(0.25), abs=1e-3)


def test_a_balance_of_one_task():
    config = LossConfig(**{**ONLY, 'heatmap': 1.0, 'balance': 'learned'})
    parts = JointCriterion(config)(random_maps(), batch_of([1, 2]))
    expected = 0.5 * (math.exp(1.85) * parts['heatmap'].item() - 1.85)
    assert parts['total'].item() == pytest.approx(expected, rel=1e-6)


def test_the_classifier_learns_and_is_part_of_the_criterion_only():
    batch, maps = batch_of([0, 2, 1, 3]), random_maps()
    config = LossConfig(**{**ONLY, 'identity_ce': 1.0})
    criterion = JointCriterion(config, n_identities=4, embedding_dim=5)
    shapes = {name: tuple(p.shape) for name, p in criterion.named_parameters()}
    assert shapes == {
        'parts.identity_ce.classifier.weight': (4, 5),
        'parts.identity_ce.classifier.bias': (4,),
    }
    optimizer = torch.optim.Adam([*criterion.parameters(), maps['id']], lr=0.1)
    before = criterion(maps, batch)['total'].item()
    for _ in range(60):
        optimizer.zero_grad()
        criterion(maps, batch)['total'].backward()
        optimizer.step()
    assert criterion(maps, batch)['total'].item() < 0.1 * before


def test_boxes_of_unknown_identity_teach_the_classifier_nothing():
    config = LossConfig(**{**ONLY, 'identity_ce': 1.0})
    criterion = JointCriterion(config, n_identities=4, embedding_dim=5)
    maps, batch = random_maps(), batch_of([4, 7])
    loss = criterion(maps, batch)['total']
    assert loss.item() == 0
    loss.backward()
    assert maps['id'].grad.abs().sum() == 0


@pytest.mark.parametrize('n_identities', [0, 2])
def test_a_classifier_needs_identities(n_identities):
    with pytest.raises(InvalidOptionError, match=f'have {n_identities} identities'):
        JointCriterion(LossConfig(identity_ce=0.1), n_identities=n_identities, embedding_dim=5)


def test_nothing_to_learn_is_refused():
    with pytest.raises(InvalidOptionError, match='every part has weight 0'):
        JointCriterion(LossConfig(**ONLY))
