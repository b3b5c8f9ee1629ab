"""Losses: named parts of what a network should say, and how the two tasks are balanced.

A part is a subclass of `part.LossPart` with

    task: which of the two tasks it belongs to, `part.DETECTION` or `part.IDENTITY`, or
        `part.BESIDE` for what is added beside their balance
    __init__(config: LossConfig, sizes: Sizes)
        what it needs of the options; raises InvalidOptionError where it cannot learn
    forward(predicted: Predicted, batch: Batch) -> Tensor
        a scalar, finite and with a gradient also for a batch without objects

and an option of its name in `config.LossConfig`, which is its weight. A part that has weights of
its own keeps them as parameters: they train and are saved with the run, never in a bundle.
`PARTS` names them; `balance.BALANCES` names the ways to add up the tasks; `joint` does it.
"""

from offline_training.losses.box import ExtentGiou, ExtentL1, OffsetL1
from offline_training.losses.circle import Circle
from offline_training.losses.distillation import (
    ExplicitFeatureMapping,
    ImplicitFeatureMapping,
)
from offline_training.losses.focal import HeatmapFocal
from offline_training.losses.identity_classifier import IdentityClassifier
from offline_training.losses.layerwise import Layerwise
from offline_training.losses.part import LossPart
from offline_training.losses.reid import Contrastive
from offline_training.losses.triplet import Triplet

# Name of the part and of its weight: class.
PARTS: dict[str, type[LossPart]] = {
    'heatmap': HeatmapFocal,
    'wh_l1': ExtentL1,
    'wh_giou': ExtentGiou,
    'offset': OffsetL1,
    'reid': Contrastive,
    'identity_ce': IdentityClassifier,
    'triplet': Triplet,
    'circle': Circle,
    'ifm': ImplicitFeatureMapping,
    'efm': ExplicitFeatureMapping,
    'layerwise': Layerwise,
}
