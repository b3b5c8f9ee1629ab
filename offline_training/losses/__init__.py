"""Losses: named parts of what a network should say, and how the two tasks are balanced.

A part is a subclass of `part.LossPart` with

    task: which of the two tasks it belongs to, `part.DETECTION` or `part.IDENTITY`, or
        `part.BESIDE` for what is added beside their balance
    __init__(config: LossConfig, sizes: Sizes)
        what it needs of the options; raises InvalidOptionError where it cannot learn
    forward(predicted: Predicted, batch: Batch) -> Tensor
        a scalar, finite and with a gradient also for a batch without objects

and an option of its name in `config.LossConfig`, which is its weight. A part that has weights of
its own keeps them as parameters: they train and are saved with the run, never in a bundle. One
that learns from a teacher says in `asks` what of it, and is named in `config.TAUGHT`.
`PARTS` names them; `balance.BALANCES` names the ways to add up the tasks; `joint` does it.
"""

from offline_training.losses.anchor_difference import AnchorDifference
from offline_training.losses.anchor_losses import (
    AnchorBox,
    AnchorClass,
    AnchorIdentity,
    AnchorObjectness,
)
from offline_training.losses.box import ExtentGiou, ExtentL1, OffsetL1
from offline_training.losses.circle import Circle
from offline_training.losses.crosskd import CrossKd
from offline_training.losses.distillation import (
    ExplicitFeatureMapping,
    ImplicitFeatureMapping,
)
from offline_training.losses.fgd import FocalAndGlobal
from offline_training.losses.focal import HeatmapFocal
from offline_training.losses.identity_classifier import IdentityClassifier
from offline_training.losses.key_features import KeyFeatures
from offline_training.losses.layerwise import Layerwise
from offline_training.losses.part import LossPart
from offline_training.losses.pkd import Pearson
from offline_training.losses.prediction_difference import PredictionDifference
from offline_training.losses.reid import Contrastive
from offline_training.losses.response_consistency import ResponseConsistency
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
    'response_consistency': ResponseConsistency,
    'key_features': KeyFeatures,
    'prediction_difference': PredictionDifference,
    'fgd': FocalAndGlobal,
    'pkd': Pearson,
    'crosskd': CrossKd,
    'anchor_difference': AnchorDifference,
    'anchor_box': AnchorBox,
    'anchor_objectness': AnchorObjectness,
    'anchor_class': AnchorClass,
    'anchor_identity': AnchorIdentity,
}
