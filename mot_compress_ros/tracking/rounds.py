"""A round of the association: some tracks, some detections, a cost and a limit.

The rounds of a preset run one after the other; each gets what those before it left over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mot_compress_ros.tracking.assignment import assign, Matches
from mot_compress_ros.tracking.kalman import Float64Array
from mot_compress_ros.tracking.pairs import BoolArray, Pairs
from mot_compress_ros.tracking.scene import Scene


@dataclass(frozen=True, kw_only=True)
class Round:
    """One round.

    Attributes:
        tracks: mask (N,) of the tracks that take part.
        detections: mask (M,) of the detections that take part.
        pairs: which of all pairs are near enough to be looked at.
        cost: (K,) of such pairs.
        limit: pairs of a higher cost do not match; leaving two alone costs as much.
        drop_above: matches of a higher cost are dropped after the assignment, which they have
            taken part in (SORT, OC-SORT).
    """

    tracks: Callable[[Scene], BoolArray]
    detections: Callable[[Scene], BoolArray]
    pairs: Callable[[Scene], Pairs]
    cost: Callable[[Scene, Pairs], Float64Array]
    limit: float
    drop_above: float = np.inf


def match(scene: Scene, rounds: Sequence[Round]) -> Matches:
    """Match the tracks of a scene with its detections, round by round."""
    found = []
    free_tracks = np.ones(len(scene.tracks), bool)
    free_detections = np.ones(len(scene.seen), bool)
    for one in rounds:
        if not free_tracks.any() or not free_detections.any():
            break
        pairs = one.pairs(scene)
        tracks, detections = free_tracks & one.tracks(scene), one.detections(scene)
        pairs = pairs[tracks[pairs.tracks] & (free_detections & detections)[pairs.detections]]
        if not len(pairs):
            continue
        cost = one.cost(scene, pairs)
        matches = assign(pairs, cost, limit=one.limit)
        if one.drop_above < one.limit:
            matches = _cheap(matches, pairs, cost <= one.drop_above)
        free_tracks[matches.tracks] = free_detections[matches.detections] = False
        found.append(matches)
    none = np.zeros(0, np.int64)
    return Matches(
        np.concatenate([none, *(m.tracks for m in found)]),
        np.concatenate([none, *(m.detections for m in found)]),
    )


def _cheap(matches: Matches, pairs: Pairs, cheap: BoolArray) -> Matches:
    """Those `matches` that are among the `cheap` (K,) of the pairs."""
    partner = np.full(int(pairs.tracks.max()) + 1, -1)
    partner[matches.tracks] = matches.detections
    kept = cheap & (partner[pairs.tracks] == pairs.detections)
    return Matches(pairs.tracks[kept], pairs.detections[kept])
