"""Who goes first, where several cameras share one teacher."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mot_compress_ros.keyframe.frames import FrameFacts
from mot_compress_ros.keyframe.ledger import Ledger


def phases(cameras: Sequence[str], interval: int) -> dict[str, int]:
    """Frame of each camera at which its keyframes begin, spread evenly over the interval.

    No two are the same where the interval has a frame for each camera.
    """
    n = len(cameras)
    return {camera: round(i * interval / n) for i, camera in enumerate(cameras)}


def longest_waiting(
    frames: Sequence[FrameFacts], candidates: Iterable[int], ledger: Ledger
) -> int | None:
    """The candidate whose keyframe has been waiting longest; None where there is none.

    Among equals the one goes first whose last keyframe is the older one; then, in their order,
    the cameras without any, so that one that begins anew moves nobody out of step.

    Args:
        frames: of a step.
        candidates: indices of those whose keyframe is due.
        ledger: what happened so far.
    """

    def rank(i: int) -> tuple[int, bool, int]:
        record = ledger.of(frames[i].camera)
        return -record.waited_ns(frames[i].stamp_ns), record.turn == 0, record.turn

    order = {camera: i for i, camera in enumerate(ledger.cameras)}
    return min(candidates, key=lambda i: (*rank(i), order[frames[i].camera]), default=None)
