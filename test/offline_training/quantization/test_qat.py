import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.networks import fuse_batch_norm
from mot_compress_ros.networks.focus import merge_focus
from mot_compress_ros.networks.heads import HEADS
from offline_training.quantization.by_qat import teacher_of
from offline_training.quantization.config import QatConfig
from offline_training.quantization.float_graph import Answers
from offline_training.quantization.qat import completed, distillation_loss
from offline_training.quantization.unfolding import unfolded


@pytest.fixture
def maps():
    generator = torch.Generator().manual_seed(0)
    made = {
        'hm': torch.rand(2, 3, 4, 5, generator=generator) * 0.8 + 0.1,
        'wh': torch.rand(2, 4, 4, 5, generator=generator) * 5,
        'reg': torch.rand(2, 2, 4, 5, generator=generator),
        'id': torch.randn(2, 8, 4, 5, generator=generator),
    }
    return made


def test_the_teacher_itself_has_no_loss(maps):
    assert distillation_loss(maps, maps, QatConfig()).item() == pytest.approx(0.0, abs=1e-5)


def test_each_part_by_hand():
    """One cell that the teacher is sure of by half, in one class."""
    taught = {
        'hm': torch.tensor([[[[0.5]]]]),
        'wh': torch.zeros(1, 4, 1, 1),
        'reg': torch.zeros(1, 2, 1, 1),
        'id': torch.tensor([1.0, 0.0]).reshape(1, 2, 1, 1),
    }
    found = {
        'hm': torch.tensor([[[[0.25]]]]),
        'wh': torch.tensor([4.0, 0.0, 0.0, 0.0]).reshape(1, 4, 1, 1),
        'reg': torch.tensor([1.0, 1.0]).reshape(1, 2, 1, 1),
        'id': torch.tensor([0.0, 3.0]).reshape(1, 2, 1, 1),
    }
    nothing = QatConfig(heatmap=0.0, boxes=0.0, embeddings=0.0)
    # KL(1/2 || 1/4) = (ln 2 + ln 2/3) / 2; the mass of less than one object counts as one.
    heat = 0.5 * np.log(0.5 / 0.25) + 0.5 * np.log(0.5 / 0.75)
    expected = {'heatmap': heat, 'boxes': 1.0 + 1.0, 'embeddings': 1.0}
    for name, value in expected.items():
        config = replace(nothing, **{name: 1.0})
        assert distillation_loss(found, taught, config).item() == pytest.approx(value, rel=1e-5)


def test_where_the_teacher_sees_nothing_boxes_do_not_count(maps):
    taught = {**maps, 'hm': maps['hm'].clone()}
    taught['hm'][:, :, :, 1:] = 0
    other = {**maps, 'wh': maps['wh'].clone()}
    other['wh'][..., 1:] += 7
    other['hm'] = taught['hm']
    assert distillation_loss(other, taught, QatConfig()).item() == pytest.approx(0.0, abs=1e-5)
    other['wh'][..., 0] += 7
    assert distillation_loss(other, taught, QatConfig()).item() > 0.1


@pytest.mark.parametrize('sparse', [True, False])
@pytest.mark.parametrize('fusion', ['none', 'concat', 'gated'])
def test_answers_are_those_of_the_network(make_relu_network, fusion, sparse):
    network = make_relu_network(fusion=fusion)
    images = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    prior = torch.rand(1, network.prior_planes, 16, 24)
    given = (images, prior) if network.prior_planes else (images,)
    answers = Answers(network, sparse_heads=sparse).eval()
    with torch.inference_mode():
        found = completed(dict(zip_names(answers, given)), network)
        expected = network(*given)
        expected['hm'] = expected['hm'].sigmoid()
    assert set(found) == set(HEADS)
    assert all(torch.equal(found[name], expected[name]) for name in HEADS)
    features = {
        'none': ['feature_wh_reg_id'],
        'concat': ['feature_wh_reg', 'feature_id'],
        'gated': ['feature_wh_reg_id'],
    }[fusion]
    assert [n for n in answers.names if n != 'hm'] == (features if sparse else list(HEADS[1:]))


def zip_names(answers, given):
    values = answers(*given)
    return zip(answers.names, values, strict=True)


@pytest.mark.parametrize('merged', [True, False])
@pytest.mark.parametrize('backbone', ['yolov5_light', 'resnet18', 'dla34_conv'])
def test_folded_weights_fit_the_bundle_again(make_relu_network, backbone, merged):
    network = make_relu_network(name=backbone)
    folded = fuse_batch_norm(copy.deepcopy(network))
    folded = merge_focus(folded) if merged else folded
    with torch.no_grad():  # as training does
        folded.hm[2].bias.add_(0.5)
        layer = next(m for m in folded.backbone.modules() if isinstance(m, torch.nn.Conv2d))
        layer.bias.add_(0.1)
        layer.weight.mul_(1.1)
    again = copy.deepcopy(network)
    again.load_state_dict(unfolded(folded, network))
    images = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected, found, before = folded(images), again(images), network(images)
    for name in HEADS:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-3, atol=1e-3)
    assert (before['hm'] - found['hm']).abs().max() > 0.01


def test_a_teacher_teaches_heat_and_boxes_and_the_network_its_embeddings(
    make_job, make_relu_network
):
    job = make_job()
    other = make_relu_network()
    with torch.no_grad():
        other.hm[2].bias.add_(1)
        other.id[2].bias.add_(1)
    images = torch.from_numpy(job.samples[0].images)
    taught = teacher_of(replace(job, teacher=copy.deepcopy(other)))(images, None)
    with torch.inference_mode():
        theirs, own = other(images), job.network(images)
    torch.testing.assert_close(taught['hm'], theirs['hm'].sigmoid(), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(taught['id'], own['id'], rtol=1e-3, atol=1e-3)
    with pytest.raises(InvalidOptionError, match='1 classes, the network 3'):
        teacher_of(replace(job, teacher=make_relu_network(n_class=1)))
