"""What a score is worth, and how to bring two networks to one scale.

Thresholds of the tracker and the heights of a heat map that is carried forward are scores. A
teacher and a student that were trained apart give the same number to objects of unlike certainty:
of the detections that both call 0.4, nine of ten may be right in one network and seven of ten in
the other. Platt's logistic regression tells how sure each is; its two numbers map one onto the
other.
Source: Platt 1999, "Probabilistic outputs for support vector machines".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit

from mot_compress_ros.errors import InvalidDataError
from offline_training.evaluation.detection_scores import JudgedDetections

MIN_SCORE = 0.1  # below lies noise by the thousand, which would decide the fit
MIN_OF_EACH = 50  # detections that are right, and that are wrong, below which a fit says little
THRESHOLDS: Final = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
_NEVER = 1e-6  # scores are kept this far from 0 and 1, whose logits are infinite


@dataclass(frozen=True, kw_only=True)
class ScoreMap:
    """`logit(new) = slope * logit(old) + offset`; the slope is positive, so ranks stay."""

    slope: float = 1.0
    offset: float = 0.0

    def __call__(self, scores: NDArray[np.floating]) -> NDArray[np.float64]:
        """Mapped scores, in 0..1, of the shape of `scores`."""
        return np.asarray(expit(self.slope * _logit(scores) + self.offset))

    def then_undo(self, other: ScoreMap) -> ScoreMap:
        """First this map, then the inverse of `other`.

        With the maps of two networks to probabilities it is the one from scores of the first to
        equally certain scores of the second.
        """
        return ScoreMap(
            slope=self.slope / other.slope, offset=(self.offset - other.offset) / other.slope
        )


def fit_probability(
    judged: JudgedDetections, *, what: str = 'detections', min_score: float = MIN_SCORE
) -> ScoreMap:
    """The map from scores to the probability of being right (Platt, with his prior for targets).

    Args:
        judged: detections of one network.
        what: what they are, for messages.
        min_score: weaker ones are left out.

    Raises:
        InvalidDataError: too few are right or wrong, or better scores are not right more often.
    """
    chosen = judged.scores >= min_score
    x, right = _logit(judged.scores[chosen]), judged.right[chosen]
    n_right, n_wrong = int(right.sum()), int((~right).sum())
    if min(n_right, n_wrong) < MIN_OF_EACH:
        raise InvalidDataError(
            f'{what}: {n_right} right and {n_wrong} wrong from a score of {min_score} on; '
            f'expected {MIN_OF_EACH} of each: give more images, or take all classes together'
        )
    targets = np.where(right, (n_right + 1) / (n_right + 2), 1 / (n_wrong + 2))

    def loss(ab: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Mean cross entropy and its gradient."""
        z = ab[0] * x + ab[1]
        error = (expit(z) - targets) / len(x)
        entropy = float(np.mean(np.logaddexp(0, z) - targets * z))
        return entropy, np.array([error @ x, error.sum()])

    slope, offset = minimize(loss, np.array([1.0, 0.0]), jac=True, method='BFGS').x
    if slope <= 0:
        raise InvalidDataError(
            f'{what}: better scores are not right more often (slope {slope:.2f}); are the labels '
            'those of these images, and of all their objects?'
        )
    return ScoreMap(slope=float(slope), offset=float(offset))


def of_class(judged: JudgedDetections, class_id: int) -> JudgedDetections:
    """The detections of one class."""
    rows = judged.class_ids == class_id
    return JudgedDetections(
        scores=judged.scores[rows],
        right=judged.right[rows],
        class_ids=judged.class_ids[rows],
        objects={class_id: judged.objects.get(class_id, 0)},
    )


def reliability_rows(judged: JudgedDetections) -> list[dict[str, float | int | None]]:
    """Precision and recall of all detections from each of `THRESHOLDS` on.

    None stands for a precision of nothing, and for recall where there is nothing to find.
    """
    objects = sum(judged.objects.values())
    rows: list[dict[str, float | int | None]] = []
    for threshold in THRESHOLDS:
        right = judged.right[judged.scores >= threshold]
        rows.append(
            {
                'score': threshold,
                'detections': len(right),
                'precision': float(right.mean()) if len(right) else None,
                'recall': float(right.sum() / objects) if objects else None,
            }
        )
    return rows


def _logit(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.asarray(logit(np.clip(scores.astype(np.float64), _NEVER, 1 - _NEVER)))
