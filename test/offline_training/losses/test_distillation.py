"""IFM, EFM and layer-wise attention by hand, and where they stand in the sum."""

import math

import pytest
import torch

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.networks import ArchitectureConfig, JointDetector
from offline_training.datasets.targets import Batch
from offline_training.distillation.tutor import Lesson
from offline_training.losses.config import LossConfig
from offline_training.losses.joint import JointCriterion
from offline_training.losses.layerwise import attention_map

NOTHING = {'heatmap': 0.0, 'wh_l1': 0.0, 'wh_giou': 0.0, 'offset': 0.0, 'reid': 0.0}
DIM = 5


def batch_of(identities):
    """K objects in one image of 6 x 8 cells, on its diagonal."""
    k = len(identities)
    return Batch(
        images=torch.zeros(1, 24, 32, 3, dtype=torch.uint8),
        heatmap=torch.zeros(1, 3, 6, 8),
        learn=torch.ones(1, 3, 6, 8),
        image_index=torch.zeros(k, dtype=torch.long),
        ys=torch.arange(k),
        xs=torch.arange(k),
        ltrb=torch.ones(k, 4),
        offset=torch.zeros(k, 2),
        class_ids=torch.zeros(k, dtype=torch.long),
        identities=torch.tensor(identities),
        nameless_clips=torch.full((k,), -1),
    )


def maps_of(seed, dim=DIM):
    generator = torch.Generator().manual_seed(seed)
    sizes = {'hm': 3, 'wh': 4, 'reg': 2, 'id': dim}
    return {name: torch.randn(1, n, 6, 8, generator=generator) for name, n in sizes.items()}


def criterion_of(**weights):
    config = LossConfig(**{**NOTHING, **weights})
    return JointCriterion(config, n_identities=4, embedding_dim=DIM, teacher_dim=DIM)


def unit(vector):
    return vector / vector.norm()


def test_ifm_by_hand():
    batch, own, taught = batch_of([0, 1, 9]), maps_of(0), maps_of(1)
    found = criterion_of(ifm=1.0)(own, batch, Lesson(taught=taught))
    expected = sum(
        (unit(own['id'][0, :, k, k]) - unit(taught['id'][0, :, k, k])).square().sum()
        for k in range(3)
    )
    assert found['ifm'].item() == pytest.approx(expected.item() / 3, rel=1e-5)
    assert found['total'].item() == pytest.approx(found['ifm'].item())
    longer = {**taught, 'id': 7 * own['id']}
    assert criterion_of(ifm=1.0)(own, batch, Lesson(taught=longer))['ifm'] < 1e-10


def test_ifm_stands_beside_the_balance():
    """Eq. 6: the learned weights of eq. 5 do not reach it."""
    batch, own, lesson = batch_of([0, 1]), maps_of(0), Lesson(taught=maps_of(1))
    both = criterion_of(heatmap=1.0, identity_ce=1.0, ifm=0.5, balance='learned')
    found = both(own, batch, lesson)
    eq5 = 0.5 * (
        math.exp(1.85) * found['heatmap'] - 1.85 + math.exp(1.05) * found['identity_ce'] - 1.05
    )
    expected = eq5 + 0.5 * found['ifm']
    assert found['total'].item() == pytest.approx(expected.item(), rel=1e-5)
    assert set(both.balance.shown()) == {'s_detection', 's_identity'}


def test_efm_by_hand():
    """Cross entropy of both through one layer; identity 9 is nobody known."""
    torch.manual_seed(0)
    network = JointDetector(
        ArchitectureConfig(width=0.0625, n_class=1, embedding_dim=DIM, pivots=4)
    )
    batch, own, taught = batch_of([3, 9, 1]), maps_of(0), maps_of(1)
    lesson = Lesson(taught=taught, pivots=network.pivot_vectors)
    found = criterion_of(efm=1.0)(own, batch, lesson)
    expected = 0.0
    for maps in (own, taught):
        for k, identity in ((0, 3), (2, 1)):
            given = math.sqrt(2) * math.log(3) * unit(maps['id'][0, :, k, k])
            logits = network.pivot.weight @ given + network.pivot.bias
            expected += (logits.exp().sum().log() - logits[identity]).item() / 2
    assert found['efm'].item() == pytest.approx(expected, rel=1e-5)
    found['total'].backward()
    assert network.pivot.weight.grad.abs().sum() > 0


def test_efm_brings_two_spaces_together():
    """Before, an object is like another one of the teacher's; after, it is like itself."""
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    pivots = torch.nn.Linear(DIM, 4)
    batch, taught = batch_of([0, 1, 2, 3]), maps_of(1)
    shuffled = taught['id'].clone()
    for k in range(4):  # the student has learned the same objects, in a space of its own
        shuffled[0, :, k, k] = taught['id'][0, :, (k + 1) % 4, (k + 1) % 4]
    shuffled += 0.1 * torch.randn(shuffled.shape, generator=generator)
    own = {**maps_of(0), 'id': shuffled.requires_grad_()}
    criterion = criterion_of(efm=1.0)
    optimizer = torch.optim.Adam([*pivots.parameters(), own['id']], lr=0.05)

    def cosines():
        student, teacher = (
            torch.stack([unit(pivots(m['id'][0, :, k, k])) for k in range(4)])
            for m in (own, taught)
        )
        return student.detach() @ teacher.detach().T, student.argmax(1), teacher.argmax(1)

    same = torch.eye(4, dtype=torch.bool)
    before = cosines()[0]
    assert before[same].mean() < before[~same].mean()
    for _ in range(150):
        optimizer.zero_grad()
        criterion(own, batch, Lesson(taught=taught, pivots=pivots))['total'].backward()
        optimizer.step()
    after, *largest = cosines()
    assert after[same].mean() > after[~same].mean() + 0.5
    assert all(found.tolist() == [0, 1, 2, 3] for found in largest)


def test_layerwise_by_hand():
    """Sums of squares over channels, of unit length; the mean of squared differences."""
    own = {
        **maps_of(0),
        **{f'level{s}': torch.ones(1, 2, 32 // s, 32 // s) for s in (4, 8, 16, 32)},
    }
    taught = {name: torch.ones(1, 3, *level.shape[2:]) for name, level in own.items()}
    taught['level16'] = torch.tensor([[[[2.0, 0], [0, 0]]]])
    found = criterion_of(layerwise=1000.0)(own, batch_of([0]), Lesson(taught=taught))
    # At stride 16 the student looks everywhere, 1/2 at each of 4 cells, the teacher at one.
    expected = ((1 - 0.5) ** 2 + 3 * 0.5**2) / 4
    assert found['layerwise'].item() == pytest.approx(expected, rel=1e-5)
    assert found['total'].item() == pytest.approx(1000 * expected, rel=1e-5)


def test_attention_maps_do_not_know_the_number_of_channels():
    features = torch.randn(2, 4, 3, 5, generator=torch.Generator().manual_seed(0))
    twice = torch.cat([features, features], dim=1)
    torch.testing.assert_close(attention_map(features), attention_map(twice))
    assert attention_map(features).shape == (2, 15)


@pytest.mark.parametrize('part', ['ifm', 'efm', 'layerwise'])
def test_what_a_teacher_teaches_needs_one(part):
    config = LossConfig(**{**NOTHING, part: 1.0})
    with pytest.raises(InvalidOptionError, match=rf'loss\.{part}: .* `train --teacher`'):
        JointCriterion(config, n_identities=9, embedding_dim=5)
    assert config.needs_teacher and not LossConfig().needs_teacher


@pytest.mark.parametrize('part', ['ifm', 'efm'])
def test_embeddings_of_two_lengths_are_not_compared(part):
    config = LossConfig(**{**NOTHING, part: 1.0})
    with pytest.raises(InvalidOptionError, match='teacher have 128 values, those of the student'):
        JointCriterion(config, n_identities=9, embedding_dim=64, teacher_dim=128)


def test_pivots_need_identities():
    config = LossConfig(**{**NOTHING, 'efm': 1.0})
    with pytest.raises(InvalidOptionError, match='have 2 identities'):
        JointCriterion(config, n_identities=2, embedding_dim=5, teacher_dim=5)
