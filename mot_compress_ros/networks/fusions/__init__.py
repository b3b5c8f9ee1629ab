"""Fusions: how a network takes a prior, Φ of AttTrack, beside the image.

A member is a module with

    prior_planes(n_class: int) -> int                                   (static)
        how many planes of the prior it takes (`inference.prior`); 0: none
    extra_channels(n_class: int) -> Mapping[str, int]                   (static)
        by how many channels the input of a head grows; a head that is not named stays as it is
    __init__(*, channels: int, n_class: int)
        `channels` of the backbone's feature
    forward(feature: Tensor, prior: Tensor) -> Mapping[str, Tensor]
        (B, C, h, w) and (B, prior_planes, h, w) to the input of each head, by its name

    untold(feature: Tensor) -> Mapping[str, Tensor]
        what `forward` makes of a prior of zeros, where it can be had for less

`FUSIONS` names them.
"""

from mot_compress_ros.networks.fusions.concat import Concatenation
from mot_compress_ros.networks.fusions.contract import Fusion
from mot_compress_ros.networks.fusions.gated import Gate, HeatGate
from mot_compress_ros.networks.fusions.none import NoFusion

FUSIONS: dict[str, type[Fusion]] = {
    'none': NoFusion,
    'concat': Concatenation,
    'gated': Gate,
    'gated_heat': HeatGate,
}
