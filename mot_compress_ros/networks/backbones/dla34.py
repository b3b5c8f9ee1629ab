"""FairMOT's DLA-34: deep layer aggregation down to stride 32 and back to stride 4."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn, Tensor

from mot_compress_ros.networks.channels import scaled
from mot_compress_ros.networks.deformable import DeformConv2d
from mot_compress_ros.networks.dla_blocks import (
    conv3x3,
    conv_level,
    DeepTree,
    draw_he_weights,
    Tree,
)
from mot_compress_ros.networks.necks.dla_up import DlaUp, IdaUp

CHANNELS = (16, 32, 64, 128, 256, 512)  # of levels 0 to 5, strides 1 to 32
LEVELS = ('base.level2', 'base.level3', 'base.level4', 'base.level5')  # from stride 4 on
# In the public files, but read by nothing: the ImageNet classifier, and the projections of the
# outer trees of levels 3 and 4, whose result FairMOT's network drops.
DEAD_KEYS = (
    r'base\.fc\.(weight|bias)',
    r'base\.level[34]\.project\.(0\.weight|1\.(weight|bias|running_mean|running_var))',
    r'base\.level[34]\.project\.1\.num_batches_tracked',
)


class DlaBase(nn.Module):
    """The trunk: (B, 3, H, W) -> maps of strides 4, 8, 16 and 32, finest first.

    `deep` makes the trees of levels 3 and 4 two trees each, which is DLA-34.
    """

    def __init__(self, channels: Sequence[int], *, deep: bool) -> None:
        super().__init__()
        c0, c1, c2, c3, c4, c5 = channels
        self.base_layer = conv_level(3, c0, kernel=7)
        self.level0 = conv_level(c0, c0)
        self.level1 = conv_level(c0, c1, stride=2)
        self.level2 = Tree(c1, c2, stride=2)
        self.level3 = _middle_level(c2, c3, deep=deep)
        self.level4 = _middle_level(c3, c4, deep=deep)
        self.level5 = Tree(c4, c5, stride=2, level_root=True)
        draw_he_weights(self)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Evaluate the trunk."""
        x = self.level1(self.level0(self.base_layer(x)))
        maps = []
        for level in (self.level2, self.level3, self.level4, self.level5):
            x = level(x)
            maps.append(x)
        return maps


class Dla34(nn.Module):
    """(B, 3, H, W) RGB in 0..1 -> (B, out_channels, H / 4, W / 4); H and W multiples of 32.

    Args:
        width: channel multiple; 1 is the public model (64 channels at stride 4).
        deformable: 3x3 convolutions of the upward half are deformable (FairMOT's `dla_34`), not
            plain ones without bias (`dlaconv_34`).
        deep: False makes every tree of level 1, AttTrack's `DLA34-small`.
    """

    def __init__(self, *, width: float, deformable: bool, deep: bool = True) -> None:
        super().__init__()
        channels = [scaled(c, width) for c in CHANNELS]
        make_conv = DeformConv2d if deformable else conv3x3
        self.base = DlaBase(channels, deep=deep)
        self.dla_up = DlaUp(channels[2:], make_conv)
        self.ida_up = IdaUp(channels[2], channels[2:5], (1, 2, 4), make_conv)
        self.out_channels = channels[2]

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate the trunk and the upward half."""
        maps = self.dla_up(self.base(x))
        joint: Tensor = self.ida_up(maps[:3])[-1]  # the map of stride 32 is not used again
        return joint


def _middle_level(c_in: int, c_out: int, *, deep: bool) -> nn.Module:
    return DeepTree(c_in, c_out) if deep else Tree(c_in, c_out, stride=2, level_root=True)
