"""How well re-ID embeddings tell identities apart, measured at ground-truth centres.

Two measures, on embeddings read where the boxes' centres are, so that the detector has no part in
it. Identities mean something within one sequence only, so only pairs of one sequence are formed;
the pairs of several sequences are pooled.

- TPR@FAR (JDE, arXiv 1909.12605, section 4.1, and FairMOT): over all pairs of embeddings, the
  share of pairs of one identity that are at least as similar as a threshold; the threshold is the
  one that the share FAR of pairs of two identities reaches too. Between two thresholds the curve
  is a straight line, as in JDE's code.
- Retrieval: each embedding asks all others of other frames. `map` is the mean over questions of
  the average precision of the answer, `rank1` the share whose best answer is right. Next to a
  question stands the same object a frame later, which is easy; `rank1_after_gap` asks only frames
  at least `GAP_S` away, as a track that was lost does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import math

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.errors import InvalidDataError

FAR_LEVELS = (0.001, 0.01, 0.1)
GAP_S = 1.0
MAX_EMBEDDINGS = 2000  # per sequence and class: 2 million pairs


@dataclass(frozen=True, eq=False, kw_only=True)
class EmbeddedBoxes:
    """Embeddings of N labelled boxes of one class and sequence.

    Attributes:
        embeddings: (N, D) float32, unit length.
        ids: (N,) int64, identity within the sequence.
        frames: (N,) int64, index of the frame.
    """

    embeddings: NDArray[np.float32]
    ids: NDArray[np.int64]
    frames: NDArray[np.int64]

    def __post_init__(self) -> None:
        if not len(self.embeddings) == len(self.ids) == len(self.frames):
            raise InvalidDataError(
                f'{len(self.embeddings)} embeddings, {len(self.ids)} ids and '
                f'{len(self.frames)} frames: expected as many of each'
            )


@dataclass(frozen=True, eq=False, kw_only=True)
class ReidEvidence:
    """What one sequence, or several pooled, say of one class; it can be pickled.

    Attributes:
        same: (S,) float32, similarity of pairs of one identity.
        different: (T,) float32, similarity of pairs of two.
        average_precisions: (Q,) of each question that has an answer.
        first_is_right: (Q,) bool.
        first_is_right_after_gap: (G,) bool, of the questions that have an answer after the gap.
        embeddings: how many were compared.
        every_kth_frame: 1, or more where a sequence has more than `MAX_EMBEDDINGS`.
    """

    same: NDArray[np.float32]
    different: NDArray[np.float32]
    average_precisions: NDArray[np.float64]
    first_is_right: NDArray[np.bool_]
    first_is_right_after_gap: NDArray[np.bool_]
    embeddings: int
    every_kth_frame: int


def collect_evidence(
    boxes: EmbeddedBoxes, *, fps: float, max_embeddings: int = MAX_EMBEDDINGS
) -> ReidEvidence:
    """Compare all embeddings of one class of one sequence.

    Where there are more than `max_embeddings`, only every k-th frame takes part.
    """
    step = max(math.ceil(len(boxes.ids) / max_embeddings), 1)
    kept = boxes.frames % step == 0
    ids, frames = boxes.ids[kept], boxes.frames[kept]
    embeddings = boxes.embeddings[kept]
    similarity = np.asarray(embeddings @ embeddings.T, np.float32)  # (N, N)
    same = ids[:, None] == ids[None, :]  # (N, N)
    upper = np.triu(np.ones_like(same), k=1)  # each pair once
    apart = np.abs(frames[:, None] - frames[None, :])  # (N, N) frames
    precisions, right = _retrieval(similarity, same, apart >= 1)
    _, right_after_gap = _retrieval(similarity, same, apart >= max(GAP_S * fps, 1))
    return ReidEvidence(
        same=similarity[same & upper],
        different=similarity[~same & upper],
        average_precisions=precisions,
        first_is_right=right,
        first_is_right_after_gap=right_after_gap,
        embeddings=len(ids),
        every_kth_frame=step,
    )


def _retrieval(
    similarity: NDArray[np.float32], same: NDArray[np.bool_], allowed: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Average precision, and whether the best answer is right, of questions with an answer (Q,).

    Args:
        similarity: (N, N).
        same: (N, N) whether two rows are one identity.
        allowed: (N, N) whether the column may answer the row.
    """
    precisions, right = [], []
    for row in range(len(similarity)):
        gallery = allowed[row]
        relevant = same[row, gallery]
        if not relevant.any():
            continue
        order = np.argsort(-similarity[row, gallery], kind='stable')
        hits = relevant[order]
        ranks = np.flatnonzero(hits) + 1
        precisions.append(float(np.mean(np.arange(1, len(ranks) + 1) / ranks)))
        right.append(bool(hits[0]))
    return np.array(precisions, np.float64), np.array(right, np.bool_)


def pool_evidence(parts: Sequence[ReidEvidence]) -> ReidEvidence:
    """The pairs and questions of several sequences together."""
    if not parts:
        raise InvalidDataError('no re-ID evidence to pool: expected at least one sequence')
    return ReidEvidence(
        same=np.concatenate([p.same for p in parts]),
        different=np.concatenate([p.different for p in parts]),
        average_precisions=np.concatenate([p.average_precisions for p in parts]),
        first_is_right=np.concatenate([p.first_is_right for p in parts]),
        first_is_right_after_gap=np.concatenate([p.first_is_right_after_gap for p in parts]),
        embeddings=sum(p.embeddings for p in parts),
        every_kth_frame=max(p.every_kth_frame for p in parts),
    )


def tpr_at_far(
    same: NDArray[np.floating], different: NDArray[np.floating], far: float
) -> float | None:
    """Share of `same` above the threshold at which the share `far` of `different` is.

    Args:
        same: (S,) similarity of pairs of one identity.
        different: (T,) similarity of pairs of two identities.
        far: false accept rate, 0..1.

    Returns:
        The rate in 0..1; None where one of the two is empty.
    """
    if not len(same) or not len(different):
        return None
    rank = int(far * len(different))
    if rank >= len(different):
        return 1.0
    # Millions of pairs: no sorting. The first threshold that accepts too many is the similarity of
    # rank `rank`; the curve's point before it accepts only what is more similar.
    place = len(different) - 1 - rank
    threshold = np.partition(different, place)[place]
    false_before, false_at = (
        np.count_nonzero(different > threshold) / len(different),
        np.count_nonzero(different >= threshold) / len(different),
    )
    before, at = np.mean(same > threshold), np.mean(same >= threshold)
    share = (far - false_before) / (false_at - false_before)
    return float(before + share * (at - before))


def reid_summary(evidence: ReidEvidence) -> dict[str, object]:
    """The numbers a reader wants; None where nothing could be measured."""

    def mean(values: NDArray[np.float64 | np.bool_]) -> float | None:
        return float(np.mean(values)) if len(values) else None

    rates = {
        f'tpr_at_far_{level:g}': tpr_at_far(evidence.same, evidence.different, level)
        for level in FAR_LEVELS
    }
    return {
        **rates,
        'map': mean(evidence.average_precisions),
        'rank1': mean(evidence.first_is_right),
        'rank1_after_gap': mean(evidence.first_is_right_after_gap),
        'pairs_same': len(evidence.same),
        'pairs_different': len(evidence.different),
        'embeddings': evidence.embeddings,
        'every_kth_frame': evidence.every_kth_frame,
    }


def reid_json(by_class: Mapping[str, ReidEvidence]) -> dict[str, object]:
    """Summaries by class name, of the classes with something to compare."""
    return {
        name: reid_summary(evidence)
        for name, evidence in by_class.items()
        if len(evidence.same) or len(evidence.different)
    }


def combined_reid_json(
    per_sequence: Sequence[tuple[str, Mapping[str, ReidEvidence]]],
) -> dict[str, object]:
    """Summaries by origin and class name.

    Args:
        per_sequence: origin of each sequence, and its evidence by class name.
    """
    pooled: dict[str, dict[str, list[ReidEvidence]]] = {}
    for origin, by_class in per_sequence:
        for name, evidence in by_class.items():
            pooled.setdefault(origin, {}).setdefault(name, []).append(evidence)
    summaries = {
        origin: reid_json({name: pool_evidence(parts) for name, parts in by_class.items()})
        for origin, by_class in pooled.items()
    }
    return {origin: by_class for origin, by_class in summaries.items() if by_class}
