"""The two detectors: parameters, anchors and maps beside the published ones."""

import pytest
import torch

from mot_compress_ros.errors import InvalidOptionError
from offline_training.classification.measuring import file_bytes
from offline_training.experiments.compression_paper import TABLE_3
from offline_training.ssd.layers import InvertedResidual, scaled
from offline_training.ssd.networks import build_detector, SsdOptions

VGG, MOBILENET = SsdOptions(), SsdOptions(backbone='mobilenetv2')


def test_vgg_has_the_parameters_anchors_and_maps_of_ssd300():
    network = build_detector(VGG, classes=20)
    assert sum(p.numel() for p in network.parameters()) == 26_285_486
    assert network.anchors.shape == (8732, 4)
    assert network.backbone.map_sizes(300) == [38, 19, 10, 5, 3, 1]
    trunk = sum(p.numel() for p in network.backbone.stages.parameters())
    assert trunk == 14_714_688  # the convolutions of VGG-16
    wanted = TABLE_3['teacher']['weights_mb']
    assert file_bytes(network.state_dict()) / 1e6 == pytest.approx(wanted, rel=0.025)


def test_mobilenet_has_the_published_trunk_and_nearly_the_size_of_the_paper():
    network = build_detector(MOBILENET, classes=20)
    assert network.anchors.shape == (3000, 4)
    assert network.backbone.map_sizes(300) == [19, 10, 5, 3, 2, 1]
    backbone = network.backbone
    trunk = [backbone.stem, backbone.blocks, backbone.last]
    # torchvision's `features` of MobileNetV2 have 2 223 872.
    assert sum(p.numel() for part in trunk for p in part.parameters()) == 2_223_872
    wanted = TABLE_3['student']['weights_mb']
    assert file_bytes(network.state_dict()) / 1e6 == pytest.approx(wanted, rel=0.05)


@pytest.mark.parametrize('backbone', ['vgg16', 'mobilenetv2'])
@pytest.mark.parametrize('side_px', [96, 160])
def test_smaller_inputs_and_widths_give_an_answer_for_every_anchor(backbone, side_px):
    options = SsdOptions(backbone=backbone, side_px=side_px, width=0.1, norm=True)
    network = build_detector(options, classes=3).eval()
    output = network(torch.zeros(2, 3, side_px, side_px))
    n = len(network.anchors)
    assert output.logits.shape == (2, n, 4) and output.offsets.shape == (2, n, 4)
    assert output.hint.shape[:2] == (2, network.hint_channels)
    assert output.hint.shape[2] == -(-side_px // 16)
    assert n == sum(
        size**2 * (2 + 2 * len(ratios))
        for size, ratios in zip(
            network.backbone.map_sizes(side_px), network.backbone.ratios, strict=True
        )
    )


def test_an_answer_belongs_to_the_anchor_of_its_place():
    """A head that says its own place: anchors are row by row, and in a place one by one."""
    network = build_detector(SsdOptions(side_px=96, width=0.1, norm=True), classes=1).eval()
    head = network.box_heads[0]
    with torch.no_grad():
        head.weight.zero_()
        head.bias.copy_(torch.arange(len(head.bias)))
        found = network(torch.rand(1, 3, 96, 96)).offsets[0]
    per_place = 4
    assert found[0].tolist() == [0, 1, 2, 3] and found[1].tolist() == [4, 5, 6, 7]
    assert torch.equal(found[:per_place], found[per_place : 2 * per_place])


def test_a_block_adds_its_input_only_where_shapes_allow():
    planes = torch.rand(1, 8, 6, 6)
    same = InvertedResidual(8, 8, hidden=16, stride=1).eval()
    with torch.no_grad():
        for parameter in same.project[1:].parameters():
            parameter.zero_()
    assert torch.equal(same(planes), planes)
    assert InvertedResidual(8, 8, hidden=16, stride=2).eval()(planes).shape == (1, 8, 3, 3)


def test_widths_are_multiples_of_eight_and_no_tenth_too_small():
    assert [scaled(c, 0.35) for c in (32, 96, 1280)] == [16, 32, 448]
    assert scaled(30, 1.0) == 30
    for channels in (16, 24, 32, 64, 96, 160, 320):
        for width in (0.25, 0.35, 0.5, 0.75):
            found = scaled(channels, width)
            assert found % 8 == 0 and found >= min(8, 0.9 * channels * width)


def test_a_detector_of_nothing_is_refused():
    with pytest.raises(InvalidOptionError, match='expected 1 or more'):
        build_detector(VGG, classes=0)
