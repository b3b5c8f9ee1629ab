"""Key layouts of the published files, written out from their patterns."""

from itertools import product

import pytest

from mot_compress_ros.networks.public_layout import is_dead, to_public
from mot_compress_ros.networks.zoo import ZOO

NORM = ('weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked')
AFFINE = ('weight', 'bias')


def keys(prefix, *names):
    return {f'{prefix}.{name}' for name in names}


def convolution(prefix):
    """Convolution `0` without bias and BatchNorm `1`."""
    return {f'{prefix}.0.weight', *keys(f'{prefix}.1', *NORM)}


def block(prefix):
    return {
        f'{prefix}.conv1.weight',
        f'{prefix}.conv2.weight',
        *keys(f'{prefix}.bn1', *NORM),
        *keys(f'{prefix}.bn2', *NORM),
    }


def tree(prefix, *, project):
    found = {f'{prefix}.root.conv.weight', *keys(f'{prefix}.root.bn', *NORM)}
    found |= block(f'{prefix}.tree1') | block(f'{prefix}.tree2')
    return found | (convolution(f'{prefix}.project') if project else set())


def dla_base(*, deep):
    found = set()
    for level in ('base_layer', 'level0', 'level1'):
        found |= convolution(f'base.{level}')
    for level in (2, 5) if deep else (2, 3, 4, 5):
        found |= tree(f'base.level{level}', project=True)
    for level in (3, 4) if deep else ():
        found |= tree(f'base.level{level}.tree1', project=True)
        found |= tree(f'base.level{level}.tree2', project=False)
    return found


def dla_necks(*, deformable):
    found = set()
    for ida, steps in (
        ('dla_up.ida_0', 1),
        ('dla_up.ida_1', 2),
        ('dla_up.ida_2', 3),
        ('ida_up', 2),
    ):
        for kind, step in product(('proj', 'node'), range(1, steps + 1)):
            name = f'{ida}.{kind}_{step}'
            found |= keys(f'{name}.actf.0', *NORM) | {f'{name}.conv.weight'}
            if deformable:
                found |= {f'{name}.conv.bias', *keys(f'{name}.conv.conv_offset_mask', *AFFINE)}
        found |= {f'{ida}.up_{step}.weight' for step in range(1, steps + 1)}
    return found


def heads():
    parts = product(('hm', 'wh', 'id', 'reg'), '02', AFFINE)
    return {f'{head}.{layer}.{kind}' for head, layer, kind in parts}


def resnet(depths):
    found = {'conv1.weight', *keys('bn1', *NORM)}
    for stage, depth in enumerate(depths, start=1):
        for index in range(depth):
            found |= block(f'layer{stage}.{index}')
        found |= convolution(f'layer{stage}.0.downsample') if stage > 1 else set()
    for step in (0, 3, 6):
        found |= {f'deconv_layers.{step}.weight', *keys(f'deconv_layers.{step + 1}', *NORM)}
    return found


def dead_dla_keys():
    outer = (convolution(f'base.level{level}.project') for level in (3, 4))
    return {'base.fc.weight', 'base.fc.bias'}.union(*outer)


LAYOUTS = {
    'fairmot_dla34_dcn': dla_base(deep=True) | dla_necks(deformable=True) | heads(),
    'fairmot_dla34_conv': dla_base(deep=True) | dla_necks(deformable=False) | heads(),
    'dla34_small': dla_base(deep=False) | dla_necks(deformable=True) | heads(),
    'resnet18': resnet((2, 2, 2, 2)) | heads(),
    'resnet34': resnet((3, 4, 6, 3)) | heads(),
}


@pytest.mark.parametrize('name', LAYOUTS)
def test_keys_are_the_public_ones(zoo_network, name):
    assert to_public(zoo_network(name).state_dict(), ZOO[name].name).keys() == LAYOUTS[name]


@pytest.mark.parametrize('name', ['fairmot_light', 'light_mid', 'light_small'])
def test_the_light_family_has_public_keys_as_it_is(zoo_network, name):
    state = zoo_network(name).state_dict()
    assert to_public(state, 'yolov5_light') == dict(state)


def test_below_features_mobilenet_has_the_keys_of_torchvision(zoo_network):
    public = to_public(zoo_network('mobilenetv2').state_dict(), 'mobilenetv2')
    trunk = {key for key in public if key.startswith('features.')}
    assert {int(key.split('.')[1]) for key in trunk} == set(range(18))
    assert {key for key in trunk if key.startswith('features.0.')} == convolution('features.0')
    assert {key for key in trunk if key.startswith('features.1.')} == {
        *convolution('features.1.conv.0'),
        'features.1.conv.1.weight',
        *keys('features.1.conv.2', *NORM),
    }
    assert {key for key in trunk if key.startswith('features.17.')} == {
        *convolution('features.17.conv.0'),
        *convolution('features.17.conv.1'),
        'features.17.conv.2.weight',
        *keys('features.17.conv.3', *NORM),
    }


def test_shapes_of_dla34_are_the_public_ones(zoo_network):
    public = to_public(zoo_network('fairmot_dla34_dcn').state_dict(), 'dla34_dcn')
    expected = {
        'base.base_layer.0.weight': (16, 3, 7, 7),
        'base.level1.0.weight': (32, 16, 3, 3),
        'base.level2.root.conv.weight': (64, 128, 1, 1),
        'base.level3.tree2.root.conv.weight': (128, 448, 1, 1),  # 2 * 128 + 128 + 64
        'base.level4.tree2.root.conv.weight': (256, 896, 1, 1),
        'base.level5.root.conv.weight': (512, 1280, 1, 1),  # 2 * 512 + 256
        'dla_up.ida_0.proj_1.conv.weight': (256, 512, 3, 3),
        'dla_up.ida_0.proj_1.conv.conv_offset_mask.weight': (27, 512, 3, 3),
        'dla_up.ida_1.proj_2.conv.weight': (128, 256, 3, 3),
        'dla_up.ida_2.proj_3.conv.weight': (64, 128, 3, 3),
        'dla_up.ida_2.up_3.weight': (64, 1, 4, 4),
        'ida_up.proj_2.conv.weight': (64, 256, 3, 3),
        'ida_up.up_2.weight': (64, 1, 8, 8),
        'hm.0.weight': (256, 64, 3, 3),
        'id.2.weight': (128, 256, 1, 1),
    }
    assert {key: tuple(public[key].shape) for key in expected} == expected


def test_dead_keys_are_exactly_the_known_ones():
    assert all(is_dead(key, 'dla34_dcn') for key in dead_dla_keys())
    assert not any(is_dead(key, 'dla34_dcn') for key in LAYOUTS['fairmot_dla34_dcn'])
    # In the small variant levels 3 and 4 are single trees, whose projection lives.
    assert not any(is_dead(key, 'dla34_small') for key in LAYOUTS['dla34_small'])
