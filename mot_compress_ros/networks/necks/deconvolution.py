"""CenterNet's neck for ResNet: transposed convolutions from stride 32 to stride 4."""

from __future__ import annotations

from torch import nn


def deconvolutions(c_in: int, c_out: int, *, steps: int = 3) -> nn.Sequential:
    """Each step doubles height and width: (B, C_in, h, w) -> (B, C_out, 2^steps h, 2^steps w).

    A step is a 4x4 transposed convolution without bias, BatchNorm and ReLU; parameter names are
    those of the public layout, `0.*`, `1.*`, `3.*`, `4.*`, `6.*`, `7.*`.
    Source: Xiao et al., Simple Baselines for Human Pose Estimation, section 2.
    """
    layers: list[nn.Module] = []
    for step in range(steps):
        up = nn.ConvTranspose2d(c_out if step else c_in, c_out, 4, 2, padding=1, bias=False)
        nn.init.normal_(up.weight, std=1e-3)
        layers += [up, nn.BatchNorm2d(c_out), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)
