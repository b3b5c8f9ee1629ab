"""CSTrack's targets and losses by hand, and that they teach a network two boxes."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mot_compress_ros.boxes import iou_matrix
from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.inference.anchor_boxes import candidates_of, kept
from mot_compress_ros.networks.cstrack import ANCHORS_PX, box_map, Cstrack, CstrackConfig
from offline_training.datasets.targets import Batch
from offline_training.losses import PARTS
from offline_training.losses.anchor_difference import flat_answers
from offline_training.losses.anchor_losses import at_identity_cells
from offline_training.losses.anchor_targets import assign
from offline_training.losses.config import LossConfig
from offline_training.losses.joint import JointCriterion
from offline_training.losses.part import Predicted, Sizes

ROWS, COLUMNS = 16, 24  # of stride 4: 64 x 96 px
SIZES = Sizes(n_identities=5, embedding_dim=6)


def batch_of(boxes_px, *, class_ids=None, identities=None, n_class=1):
    """One image of 64 x 96 px."""
    boxes = torch.tensor(boxes_px).float().reshape(-1, 4) / 4
    centre, k = (boxes[:, :2] + boxes[:, 2:]) / 2, len(boxes)
    return Batch(
        images=torch.zeros(1, 64, 96, 3, dtype=torch.uint8),
        heatmap=torch.zeros(1, n_class, ROWS, COLUMNS),
        learn=torch.ones(1, n_class, ROWS, COLUMNS),
        image_index=torch.zeros(k, dtype=torch.long),
        ys=centre[:, 1].long(),
        xs=centre[:, 0].long(),
        ltrb=torch.cat([centre - boxes[:, :2], boxes[:, 2:] - centre], dim=1),
        offset=centre - centre.long(),
        class_ids=torch.tensor(class_ids or [0] * k),
        identities=torch.tensor(identities or list(range(k))),
        nameless_clips=torch.full((k,), -1),
    )


def empty_maps(n_class=1):
    maps = {
        box_map(s): torch.zeros(1, 3 * (5 + n_class), 64 // s, 96 // s, requires_grad=True)
        for s in ANCHORS_PX
    }
    return {**maps, 'id': torch.zeros(1, 6, 8, 12, requires_grad=True)}


def loss_of(name, maps, batch):
    return PARTS[name](LossConfig(), SIZES)(Predicted(maps, batch), batch)


def rows_of(assigned):
    return sorted(zip(*(v.tolist() for v in (assigned.anchor, assigned.ys, assigned.xs)),
                      strict=True))  # fmt: skip


def assigned_at(centre_xy, sides=(12.0, 36.0)):
    half = np.array(sides) / 2
    boxes = torch.tensor(np.concatenate([centre_xy - half, centre_xy + half])[None]).float()
    return assign(
        boxes, torch.zeros(1).long(), anchors_px=ANCHORS_PX[8], shape_hw=(8, 12), stride=8
    )


def test_a_cell_and_its_two_nearest_neighbours_by_hand():
    """The centre (42, 29) px is (5.25, 3.625) cells: left and below are nearer."""
    found = assigned_at(np.array([42.0, 29.0]))
    cells = {(3, 5), (3, 4), (4, 5)}
    assert set(rows_of(found)) == {(a, y, x) for a in range(3) for y, x in cells}
    own = [k for k, r in enumerate(zip(found.ys.tolist(), found.xs.tolist(), strict=True))
           if r == (3, 5)]  # fmt: skip
    expected = np.array([0.25 - 0.75, 0.625 - 2.25, 0.25 + 0.75, 0.625 + 2.25])
    for k in own:
        np.testing.assert_allclose(found.boxes[k], expected, atol=1e-5)


def test_no_cell_outside_of_the_map():
    assert set(rows_of(assigned_at(np.array([2.0, 62.0])))) == {(a, 7, 0) for a in range(3)}
    assert rows_of(assigned_at(np.array([-3.0, 20.0])))[0][2] == 0, 'the neighbour inside'


@pytest.mark.parametrize(
    ('sides', 'expected'),
    [
        ((12.0, 36.0), {0, 1, 2}),
        ((33.0, 36.0), {1, 2}),  # 33 / 8 is more than 4
        ((4.5, 13.0), {0, 1, 2}),
        ((3.0, 10.0), {0, 1}),  # 16 / 3 is more than 4
        ((100.0, 300.0), set()),
    ],
)
def test_anchors_of_like_sides(sides, expected):
    found = assigned_at(np.array([48.0, 32.0]) + 1, sides)
    assert set(found.anchor.tolist()) == expected


def perfect_maps(batch, n_class=1):
    """Every assigned anchor answers the box of its object."""
    maps = empty_maps(n_class)
    from offline_training.losses.anchor_targets import matched

    for stride in matched(Predicted(maps, batch), batch):
        mine, values = stride.assigned, maps[box_map(stride.stride)].detach()
        centre = (mine.boxes[:, :2] + mine.boxes[:, 2:]) / 2
        sides = (mine.boxes[:, 2:] - mine.boxes[:, :2]) * stride.stride
        anchors = torch.tensor(ANCHORS_PX[stride.stride])[mine.anchor]
        raw = torch.cat([(centre + 0.5) / 2, (sides / anchors).sqrt() / 2], dim=1)
        view = values.unflatten(1, (3, -1))
        view[mine.image, mine.anchor, :4, mine.ys, mine.xs] = raw.logit()
    return maps


def test_boxes_that_are_right_cost_nothing():
    batch = batch_of([[20, 8, 32, 44], [50, 10, 90, 60]])
    assert loss_of('anchor_box', perfect_maps(batch), batch).item() == pytest.approx(0, abs=1e-4)
    assert loss_of('anchor_box', empty_maps(), batch).item() > 0.1


def test_objectness_by_hand():
    """Right boxes: 1 is wanted where an object is, 0 elsewhere, with 4, 1 and 0.4."""
    batch = batch_of([[20, 8, 32, 44]])
    maps = perfect_maps(batch)
    expected = 0.0
    for stride, balance in ((8, 4.0), (16, 1.0), (32, 0.4)):
        logits = maps[box_map(stride)].detach().unflatten(1, (3, -1))[:, :, 4]
        expected += balance * F.softplus(logits).mean().item()  # all 0: ln 2 for either answer
    found = loss_of('anchor_objectness', maps, batch)
    assert found.item() == pytest.approx(expected) == pytest.approx(5.4 * math.log(2))
    found.backward()
    gradient = maps['box8'].grad.unflatten(1, (3, -1))[0, :, 4]
    n = gradient.numel()
    assigned = gradient < 0
    np.testing.assert_allclose(gradient[assigned], 4 * -0.5 / n, rtol=1e-3)
    np.testing.assert_allclose(gradient[~assigned], 4 * 0.5 / n, rtol=1e-3)
    assert assigned.any() and not assigned.all()


def test_nothing_is_learned_of_what_is_to_be_ignored():
    batch = batch_of([[20, 8, 32, 44]], n_class=2)
    batch.learn[0, 1, :, 12:] = 0  # one of two classes, on the right
    maps = empty_maps(2)
    loss_of('anchor_objectness', maps, batch).backward()
    gradient = maps['box8'].grad.unflatten(1, (3, -1))[0, :, 4]
    assert not gradient[..., 6:].any() and gradient[..., :6].all()


def test_classes_by_hand():
    batch = batch_of([[20, 8, 32, 44]], class_ids=[1], n_class=3)
    maps = empty_maps(3)
    strides = 2  # 12 x 36 px is 2.7 times smaller than the least anchor of stride 16
    found = loss_of('anchor_class', maps, batch)
    assert found.item() == pytest.approx(strides * math.log(2))
    assert loss_of('anchor_class', empty_maps(1), batch_of([[20, 8, 32, 44]])).item() == 0


def test_identities_are_read_at_the_cell_of_stride_8():
    """The centres (26, 26) and (95, 63) px are in the cells (3, 3) and (11, 7)."""
    batch = batch_of([[20, 8, 32, 44], [90, 60, 100, 66]], identities=[2, 9])
    vectors = torch.randn(1, 6, 8, 12, generator=torch.Generator().manual_seed(0))
    found = at_identity_cells(vectors, batch)
    assert torch.equal(found, torch.stack([vectors[0, :, 3, 3], vectors[0, :, 7, 11]]))
    part = PARTS['anchor_identity'](LossConfig(), SIZES)
    loss = part(Predicted({'id': vectors}, batch), batch)
    unit = F.normalize(vectors[0, :, 3, 3], dim=0)
    logits = part.classifier(math.sqrt(2) * math.log(4) * unit)
    expected = logits.exp().sum().log() - logits[2]  # identity 9 is nobody known
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_identities_must_be_enough():
    with pytest.raises(InvalidOptionError, match=r'loss\.anchor_identity: the sources have 2'):
        PARTS['anchor_identity'](LossConfig(), Sizes(n_identities=2, embedding_dim=6))


def random_maps(seed, dim=6):
    generator = torch.Generator().manual_seed(seed)
    maps = {
        box_map(s): torch.randn(1, 18, 64 // s, 96 // s, generator=generator) for s in ANCHORS_PX
    }
    return {**maps, 'id': torch.randn(1, dim, 8, 12, generator=generator)}


def test_flat_answers_are_the_boxes_of_the_vehicle():
    maps = random_maps(0)
    logits, boxes = flat_answers(maps, 0)
    found = candidates_of(
        {s: maps[box_map(s)][0].numpy() for s in ANCHORS_PX}, ANCHORS_PX, min_score=0.0
    )
    order = torch.argsort(-logits.sigmoid(), stable=True)
    np.testing.assert_allclose(logits.sigmoid()[order], found.scores, atol=1e-6)
    by_score = boxes[order].numpy()
    np.testing.assert_allclose(by_score[:50], found.boxes_xyxy_px[:50], rtol=1e-3, atol=1e-2)


def test_anchor_difference_by_hand():
    """One anchor differs in its score, and another in its box; all vectors are alike."""
    own, taught = empty_maps(), empty_maps()
    own, taught = ({k: v.detach() for k, v in maps.items()} for maps in (own, taught))
    for maps in (own, taught):
        for s in ANCHORS_PX:
            maps[box_map(s)][:, 4::6] = -20.0
        maps['id'] += 1.0
        maps['box8'][0, 4, 2, 3], maps['box16'][0, 10, 1, 1] = 2.0, 1.0
    own['box8'][0, 4, 2, 3] = 0.0
    own['box16'][0, 9, 1, 1] = math.log(3)  # height: (2 * 0.75)^2 = 2.25 anchors
    share = 1 / (1 + math.exp(-2))
    gap = share - 0.5
    kl = share * math.log(share / 0.5) + (1 - share) * math.log((1 - share) / 0.5)
    apart = 1 - 1 / 2.25
    sure = 1 / (1 + math.exp(-1))
    expected = kl + (gap * kl + apart * sure * apart) / (gap + apart)
    batch = batch_of([[20, 8, 32, 44]])
    sizes = Sizes(n_identities=5, embedding_dim=6, teacher_dim=6)
    part = PARTS['anchor_difference'](LossConfig(), sizes)
    found = part(Predicted(own, batch, taught), batch)
    assert found.item() == pytest.approx(expected, rel=1e-3)
    assert part(Predicted(taught, batch, taught), batch).item() == pytest.approx(0, abs=1e-5)


def test_anchor_difference_takes_embeddings_of_any_length():
    own = {name: values.requires_grad_() for name, values in random_maps(0).items()}
    batch, sizes = (
        batch_of([[20, 8, 32, 44]]),
        Sizes(n_identities=5, embedding_dim=6, teacher_dim=9),
    )
    part = PARTS['anchor_difference'](LossConfig(), sizes)
    part(Predicted(own, batch, random_maps(1, dim=9)), batch).backward()
    assert all(v.grad.isfinite().all() and v.grad.any() for v in own.values())
    with pytest.raises(InvalidOptionError, match='without a teacher'):
        PARTS['anchor_difference'](LossConfig(), SIZES)


@pytest.mark.slow
def test_it_learns_two_boxes():
    """Targets, losses and decoding speak of the same boxes."""
    torch.manual_seed(0)
    network = Cstrack(CstrackConfig(width=0.0625, depth=0.33, embedding_dim=6, id_channels=8))
    boxes = np.array([[20.0, 8, 32, 44], [50, 10, 90, 60]])
    batch, images = batch_of(boxes.tolist()), torch.rand(1, 3, 64, 96)
    off = dict.fromkeys(('heatmap', 'wh_l1', 'wh_giou', 'offset', 'reid'), 0.0)
    config = LossConfig(**off, anchor_box=1.0, anchor_objectness=5.0, anchor_identity=0.1)
    criterion = JointCriterion(config, n_identities=5, embedding_dim=6)
    optimizer = torch.optim.Adam([*network.parameters(), *criterion.parameters()], lr=0.01)
    for _ in range(50):
        optimizer.zero_grad()
        losses = criterion(network(images), batch)
        losses['total'].backward()
        optimizer.step()
    with torch.no_grad():
        maps = network(images)
    found = candidates_of(
        {s: maps[box_map(s)][0].numpy() for s in ANCHORS_PX}, ANCHORS_PX, min_score=0.3
    )
    rows = kept(found, most=10)
    assert losses['anchor_identity'] < 0.3
    overlap = iou_matrix(boxes, found.boxes_xyxy_px[rows])  # (2, N)
    assert (overlap.max(axis=1) > 0.7).all() and (overlap.max(axis=0) > 0.4).all()
