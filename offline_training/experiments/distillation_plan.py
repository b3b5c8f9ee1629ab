"""Which trainings compare the losses of the thesis with each other and with their rivals.

All students begin with the same plain student, see the same images in the same order, and are
trained for the same number of steps more; so is the plain one itself. What they share takes no
part in their differences.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from offline_training.experiments.atttrack_plan import Training

TEACHER, STUDENT = 'teacher', 'student'
PLAIN, ALL = 'plain', 'all'
RESPONSES, FEATURES, DIFFERENCE = 'response_consistency', 'key_features', 'prediction_difference'


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One way to teach the student.

    Attributes:
        name: of its row.
        what: in a few words.
        parts: of the loss beside the student's own, names in `losses.PARTS`.
    """

    name: str
    what: str
    parts: tuple[str, ...] = ()

    @property
    def training(self) -> str:
        """Name of its training."""
        return f'{STUDENT}-{self.name}'


VARIANTS = {
    variant.name: variant
    for variant in (
        Variant(name=PLAIN, what='no teacher'),
        Variant(name='responses', what='response consistency (ID)', parts=(RESPONSES,)),
        Variant(name='features', what='key features', parts=(FEATURES,)),
        Variant(name='difference', what='prediction difference', parts=(DIFFERENCE,)),
        Variant(name='responses_features', what='ID + features', parts=(RESPONSES, FEATURES)),
        Variant(
            name='responses_difference', what='ID + difference', parts=(RESPONSES, DIFFERENCE)
        ),
        Variant(
            name='features_difference', what='features + difference', parts=(FEATURES, DIFFERENCE)
        ),
        Variant(name=ALL, what='all three', parts=(RESPONSES, FEATURES, DIFFERENCE)),
        Variant(name='fgd', what='FGD', parts=('fgd',)),
        Variant(name='pkd', what='PKD', parts=('pkd',)),
        Variant(name='crosskd', what='CrossKD', parts=('crosskd',)),
        Variant(name='ifm', what='IFM (AttTrack)', parts=('ifm',)),
    )
}
RIVALS = ('fgd', 'pkd', 'crosskd', 'ifm')
# CSTrack with a YOLOv5-S student, in per cent; the thesis' abstract has no others.
THESIS: Mapping[str, Mapping[str, float]] = {
    PLAIN: {'idf1': 61.6, 'mota': 64.3, 'mt': 27.6},
    ALL: {'idf1': 65.5, 'mota': 66.8, 'mt': 33.5},
}
# A network with anchors: what takes the place of a part, and the variants that it cannot have.
_OF_ANCHORS = {DIFFERENCE: 'anchor_difference'}
_HEADS_ONLY = ('crosskd', 'ifm')


def variants_of(*, anchors: bool) -> tuple[str, ...]:
    """Names of the variants that networks with anchors, or those with heads, can be taught by."""
    return tuple(name for name in VARIANTS if not (anchors and name in _HEADS_ONLY))


def trainings_of(
    weights: Mapping[str, float],
    names: Collection[str] = tuple(VARIANTS),
    *,
    anchors: bool = False,
) -> dict[str, Training]:
    """What must be trained, in order, by name.

    Args:
        weights: of the parts of the loss.
        names: of the variants; the plain student is always among them.
        anchors: whether the networks have anchors (CSTrack).
    """
    places = _OF_ANCHORS if anchors else {}
    found = [
        Training(name=TEACHER, network=TEACHER, stage='whole', what='who teaches'),
        Training(name=STUDENT, network=STUDENT, stage='base', what='what all students begin with'),
    ]
    for variant in VARIANTS.values():
        if variant.name in (PLAIN, *names):
            found.append(
                Training(
                    name=variant.training,
                    network=STUDENT,
                    stage='more',
                    what=variant.what,
                    settings={f'loss.{places.get(p, p)}': weights[p] for p in variant.parts},
                    start=STUDENT,
                    teacher=TEACHER if variant.parts else '',
                )
            )
    return {training.name: training for training in found}
