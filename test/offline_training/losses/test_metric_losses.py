"""Triplet and circle loss against loops that follow the papers' formulas."""

import math

import pytest
import torch

from offline_training.losses.circle import circle
from offline_training.losses.comparisons import comparisons
from offline_training.losses.triplet import batch_hard_triplet

IDENTITIES = torch.tensor([1, 1, 2, 2, 3, 1, 4, 4])
CLASSES = torch.tensor([0, 0, 0, 0, 0, 0, 1, 1])
CLIPS = torch.tensor([-1, -1, 5, 5, 5, -1, -1, -1])


def embeddings():
    return torch.randn(8, 6, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def lists_of(i):
    """Positives and negatives of object i, by hand."""
    positives = [j for j in range(8) if j != i and IDENTITIES[j] == IDENTITIES[i]]
    negatives = [
        j
        for j in range(8)
        if IDENTITIES[j] != IDENTITIES[i]
        and CLASSES[j] == CLASSES[i]
        and not (CLIPS[i] == CLIPS[j] == 5)
    ]
    return positives, negatives


def test_who_is_compared_with_whom():
    same, different = comparisons(IDENTITIES, CLASSES, CLIPS)
    for i in range(8):
        positives, negatives = lists_of(i)
        assert same[i].nonzero().flatten().tolist() == positives
        assert different[i].nonzero().flatten().tolist() == negatives


def test_batch_hard_triplet_by_hand():
    unit = torch.nn.functional.normalize(embeddings().float(), dim=1)
    terms = []
    for i in range(8):
        positives, negatives = lists_of(i)
        if positives and negatives:
            far = max((unit[i] - unit[j]).norm() for j in positives)
            near = min((unit[i] - unit[j]).norm() for j in negatives)
            terms.append(max(0.0, (far - near + 0.3).item()))
    assert len(terms) == 5  # 4 has no negatives, 3 no positives
    loss = batch_hard_triplet(embeddings(), IDENTITIES, CLASSES, CLIPS, margin=0.3)
    assert loss.item() == pytest.approx(sum(terms) / len(terms), rel=1e-4)


def test_circle_by_hand():
    """Eq. 6: log(1 + sum_n exp(g a_n (s_n - m)) sum_p exp(-g a_p (s_p - (1 - m)))) / g."""
    unit = torch.nn.functional.normalize(embeddings().float(), dim=1)
    m, g, terms = 0.25, 32.0, []
    for i in range(8):
        positives, negatives = lists_of(i)
        if not positives or not negatives:
            continue
        s_p = [(unit[i] @ unit[j]).item() for j in positives]
        s_n = [(unit[i] @ unit[j]).item() for j in negatives]
        pull = sum(math.exp(-g * max(0, 1 + m - s) * (s - (1 - m))) for s in s_p)
        push = sum(math.exp(g * max(0, s + m) * (s - m)) for s in s_n)
        terms.append(math.log(1 + pull * push) / g)
    loss = circle(embeddings(), IDENTITIES, CLASSES, CLIPS, margin=m, scale=g)
    assert loss.item() == pytest.approx(sum(terms) / len(terms), rel=1e-4)


@pytest.mark.parametrize(
    'loss',
    [
        lambda e, i, c, n: batch_hard_triplet(e, i, c, n, margin=0.3),
        lambda e, i, c, n: circle(e, i, c, n, margin=0.25, scale=64.0),
    ],
)
def test_metric_losses_pull_identities_together(loss):
    free = embeddings().float().requires_grad_()
    optimizer = torch.optim.Adam([free], lr=0.05)
    for _ in range(150):
        optimizer.zero_grad()
        loss(free, IDENTITIES, CLASSES, CLIPS).backward()
        assert free.grad.isfinite().all()
        optimizer.step()
    unit = torch.nn.functional.normalize(free.detach(), dim=1)
    same, different = comparisons(IDENTITIES, CLASSES, CLIPS)
    similarity = unit @ unit.T
    same[6:], same[:, 6:] = False, False  # class 1 has no negatives: nothing to learn from
    assert similarity[same].min() > similarity[different].max()


def test_objects_that_coincide_have_a_finite_gradient():
    one = torch.ones(4, 3, requires_grad=True)
    ids, zero = torch.tensor([1, 1, 2, 2]), torch.zeros(4, dtype=torch.long)
    batch_hard_triplet(one, ids, zero, zero - 1, margin=0.3).backward()
    assert one.grad.isfinite().all()
