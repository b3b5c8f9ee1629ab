"""Which channels go, at a ratio: the same share of every group, or the least of all groups.

A member of `SCOPES` says how many channels each group keeps; what is kept is then rounded to
multiples of 8, which is what kernels work in, and no group falls below its floor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
import math

import torch

from offline_training.pruning.importance import Scores

Wanted = dict[str, float]


def uniform(scores: Scores, ratio: float) -> Wanted:
    """Every group keeps the share 1 - `ratio` of its channels."""
    return {name: (1 - ratio) * len(score) for name, score in scores.items()}


def over_all(scores: Scores, ratio: float) -> Wanted:
    """The share `ratio` of all channels goes, those with the smallest scores of all groups."""
    everything = torch.cat(list(scores.values()))
    count = round(ratio * len(everything))
    if not count:
        return {name: float(len(score)) for name, score in scores.items()}
    gone = torch.zeros(len(everything), dtype=torch.bool)
    gone[torch.argsort(everything, stable=True)[:count]] = True
    parts = gone.split([len(score) for score in scores.values()])
    return {name: float((~part).sum()) for name, part in zip(scores.keys(), parts, strict=True)}


SCOPES: Mapping[str, Callable[[Scores, float], Wanted]] = {
    'uniform': uniform,
    'global': over_all,
}


def choose(
    scores: Scores,
    ratio: float,
    *,
    scope: str,
    round_to: int,
    floors: Mapping[str, int],
) -> dict[str, list[int]]:
    """The channels that go, by group; groups that stay whole are left out.

    Args:
        scores: (channels,) of each group that may lose channels.
        ratio: 0..1.
        scope: a key of `SCOPES`.
        round_to: a multiple of this stays in each group.
        floors: at least so many channels stay, by group.
    """
    removal = {}
    for name, wanted in SCOPES[scope](scores, ratio).items():
        score = scores[name]
        kept = rounded(wanted, len(score), multiple=round_to, floor=floors.get(name, 1))
        if kept < len(score):
            order = torch.argsort(score, stable=True)
            removal[name] = sorted(order[: len(score) - kept].tolist())
    return removal


def rounded(wanted: float, channels: int, *, multiple: int, floor: int) -> int:
    """Nearest multiple of `multiple` to `wanted`, up at a tie, from `floor` to `channels`.

    What has no such multiple stays whole: a layer of 12 channels keeps 8 or 12.
    """
    nearest = math.floor(wanted / multiple + 0.5) * multiple
    lowest = max(1, math.ceil(floor / multiple)) * multiple
    return min(max(nearest, lowest), channels)
