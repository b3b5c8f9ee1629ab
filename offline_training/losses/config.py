"""Options of the joint loss."""

from __future__ import annotations

from dataclasses import dataclass, field

from mot_compress_ros.options import option
from offline_training.losses.balance import BALANCES
from offline_training.losses.distillation_config import DistillationConfig

# Parts that learn from a teacher, by name in `losses.PARTS`.
TAUGHT = (
    *('ifm', 'efm', 'layerwise'),
    *('response_consistency', 'key_features', 'prediction_difference'),
    *('fgd', 'pkd', 'crosskd', 'anchor_difference'),
)

# Parts that runs from before do not name.
NEWER = (
    *TAUGHT[3:],
    *('anchor_box', 'anchor_objectness', 'anchor_class', 'anchor_identity'),
)


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Weight of each part, by the part's name in `losses.PARTS`; a part of weight 0 is left out.

    FairMOT's are heatmap 1, wh_l1 0.1 (0.5 in its recipe of the light YOLO), offset 1 and
    identity_ce, balanced by learning; `config/training/fairmot_*.yaml` has them. The defaults are
    ours: the GIoU part, which FairMOT does not have, carries most of the box, re-ID is learned
    from pairs, and the balance is fixed.
    """

    heatmap: float = option(1.0, 'centre heat map, focal', minimum=0.0)
    wh_l1: float = option(0.1, 'box extents, L1', minimum=0.0)
    wh_giou: float = option(2.0, 'box extents, 1 - GIoU', minimum=0.0)
    offset: float = option(1.0, 'sub-cell offset, L1', minimum=0.0)
    reid: float = option(0.3, 're-ID embeddings, contrastive', minimum=0.0)
    identity_ce: float = option(
        0.0, 're-ID embeddings, cross entropy of an identity classifier (FairMOT)', minimum=0.0
    )
    triplet: float = option(0.0, 're-ID embeddings, batch-hard triplets', minimum=0.0)
    circle: float = option(0.0, 're-ID embeddings, circle loss', minimum=0.0)
    ifm: float = option(
        0.0, "re-ID embeddings, distance from a teacher's (AttTrack, IFM)", minimum=0.0
    )
    efm: float = option(
        0.0,
        "re-ID embeddings and a teacher's, cross entropy of shared pivots (AttTrack, EFM); takes "
        'the place of identity_ce',
        minimum=0.0,
    )
    layerwise: float = option(
        0.0,
        "features, attention maps like a teacher's (Zagoruyko and Komodakis: 1000)",
        minimum=0.0,
    )
    response_consistency: float = option(
        0.0,
        "re-ID embeddings, each target's responses over the image like a teacher's (thesis)",
        minimum=0.0,
    )
    key_features: float = option(
        0.0,
        'features, where there are objects and where teacher and student differ most (thesis)',
        minimum=0.0,
    )
    prediction_difference: float = option(
        0.0,
        "answers of a teacher, weighted by how far the student's are from them (thesis)",
        minimum=0.0,
    )
    fgd: float = option(
        0.0, 'features, focal and global distillation (Yang et al. 2022: 1)', minimum=0.0
    )
    pkd: float = option(
        0.0, "features, correlation with a teacher's (Cao et al. 2022)", minimum=0.0
    )
    crosskd: float = option(
        0.0, "the student's features through a teacher's heads (Wang et al. 2024: 1)", minimum=0.0
    )
    anchor_difference: float = option(
        0.0, 'networks with anchors: as prediction_difference', minimum=0.0
    )
    anchor_box: float = option(
        0.0, 'networks with anchors: boxes, 1 - CIoU (CSTrack: 0.05)', minimum=0.0
    )
    anchor_objectness: float = option(
        0.0, 'networks with anchors: objectness (CSTrack: 1)', minimum=0.0
    )
    anchor_class: float = option(
        0.0, 'networks with anchors: classes, where there are several', minimum=0.0
    )
    anchor_identity: float = option(
        0.0, 'networks with anchors: identity classifier (CSTrack: 0.02)', minimum=0.0
    )
    distillation: DistillationConfig = field(default_factory=DistillationConfig)
    triplet_margin: float = option(0.3, 'triplet: margin between distances', minimum=0.0)
    circle_margin: float = option(
        0.25, 'circle: relaxation of the similarities', minimum=0.0, maximum=1.0
    )
    circle_scale: float = option(64.0, 'circle: scale of the similarities', minimum=1.0)
    balance: str = option(
        'fixed', 'how detection and re-ID are weighed against each other', choices=tuple(BALANCES)
    )
    s_detection: float = option(-1.85, 'learned balance: log variance of detection at the start')
    s_identity: float = option(-1.05, 'learned balance: log variance of re-ID at the start')

    @property
    def needs_teacher(self) -> bool:
        """Whether a part learns from a teacher."""
        return any(getattr(self, name) > 0 for name in TAUGHT)
