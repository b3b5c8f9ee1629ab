"""What may improve on FairMOT's recipe: each a handful of options on top of the baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

BASELINE = 'fairmot'
TOGETHER = 'kept_together'


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One change.

    Attributes:
        name: of its runs and its row.
        what: in a few words.
        settings: options by dotted name.
        group: of several kept variants of one group, which exclude each other, only the best goes
            into the run of all that is kept.
    """

    name: str
    what: str
    settings: Mapping[str, object] = field(default_factory=dict)
    group: str = ''


_METRIC = {'sampler': 'pairs', 'loss.identity_ce': 0.0}

VARIANTS = (
    Variant(name=BASELINE, what='the recipe as it is'),
    Variant(name='giou', what='1 - GIoU beside L1 on ltrb', settings={'loss.wh_giou': 2.0}),
    Variant(name='ema', what='averaged weights', settings={'train.ema_decay': 0.998}),
    Variant(
        name='learned_balance',
        what='detection and re-ID balanced by learning',
        settings={'loss.balance': 'learned', 'loss.identity_ce': 1.0},
    ),
    Variant(
        name='pairs',
        what='image pairs by weight, classifier as it is',
        settings={'sampler': 'pairs'},
        group='identity',
    ),
    Variant(
        name='contrastive',
        what='image pairs, contrastive loss for the classifier',
        settings={**_METRIC, 'loss.reid': 0.3},
        group='identity',
    ),
    Variant(
        name='triplet',
        what='image pairs, batch-hard triplets for the classifier',
        settings={**_METRIC, 'loss.triplet': 1.0},
        group='identity',
    ),
    Variant(
        name='circle',
        what='image pairs, circle loss for the classifier',
        settings={**_METRIC, 'loss.circle': 1.0},
        group='identity',
    ),
    Variant(
        name='window',
        what='zoomed windows for the whole image',
        settings={'augment.geometry': 'window'},
    ),
    Variant(
        name='mosaic',
        what='half of the images put together of four',
        settings={'augment.mosaic_probability': 0.5},
    ),
    Variant(
        name='adamw_cosine',
        what='AdamW, warm-up, cosine, a higher rate, clipped gradients',
        settings={
            'train.optimizer': 'adamw',
            'train.schedule': 'cosine',
            'train.learning_rate': 1.5e-3,
            'train.weight_decay': 0.01,
            'train.warmup_steps': 100,
            'train.clip_norm': 10.0,
        },
    ),
)


def together(kept: Sequence[str], gains: Mapping[str, float]) -> Variant | None:
    """All that helped at once; None where less than two variants did.

    Args:
        kept: names of the variants that helped.
        gains: by how much, by name; decides within a group.
    """
    chosen = {v.name: v for v in VARIANTS if v.name in kept}
    best = {
        group: max((v.name for v in chosen.values() if v.group == group), key=gains.__getitem__)
        for group in {v.group for v in chosen.values()} - {''}
    }
    taken = [v for v in chosen.values() if not v.group or best[v.group] == v.name]
    if len(taken) < 2:
        return None
    settings = {name: value for v in taken for name, value in v.settings.items()}
    what = ' + '.join(v.name for v in taken)
    return Variant(name=TOGETHER, what=what, settings=settings)
