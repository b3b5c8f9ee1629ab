"""Teacher milliseconds per second of video."""

from __future__ import annotations

from mot_compress_ros.keyframe.config import KeyframeConfig
from mot_compress_ros.keyframe.ledger import Ledger

_ROUNDING_MS = 1e-6


class Budget:
    """A token bucket over the time of the ledger, for all cameras together.

    Told as a debt: each keyframe adds its cost, time takes `budget_ms_per_s` off it, and another
    keyframe may be had where the debt stays within the bucket: what a second brings, or one
    keyframe, whichever is more. So where keyframes cost what is expected of them, the teacher
    works in any T seconds for at most budget * T + that bucket, and a budget below one keyframe
    per second still gives one now and then. A budget of 0 has no limit.
    """

    def __init__(self, config: KeyframeConfig, ledger: Ledger) -> None:
        self._ms_per_s = config.budget_ms_per_s
        self._declared_ms = config.teacher_ms
        self._ledger = ledger

    @property
    def cost_ms(self) -> float:
        """What a keyframe is expected to cost; 0 where nothing is known yet."""
        return self._ledger.cost_ms(self._declared_ms)

    def debt_ms(self, now_ns: int) -> float:
        """What is not paid off yet at `now_ns` of the ledger's time."""
        paid_ms = self._ms_per_s * (now_ns - self._ledger.spent_at_ns) / 1e9
        return max(0.0, self._ledger.spent_ms - paid_ms)

    def affords(self, now_ns: int) -> bool:
        """Whether there is enough for a keyframe."""
        if self._ms_per_s == 0:
            return True
        return self.debt_ms(now_ns) + self.cost_ms <= self._bucket_ms + _ROUNDING_MS

    def left_share(self, now_ns: int) -> float | None:
        """What is left of the bucket, 0 to 1; None where there is no limit."""
        if self._ms_per_s == 0:
            return None
        return min(1.0, max(0.0, 1 - self.debt_ms(now_ns) / self._bucket_ms))

    def charge(self, milliseconds: float, now_ns: int) -> None:
        """A keyframe was run or begun; a negative amount gives some back."""
        if self._ms_per_s > 0:
            self._set(max(0.0, self.debt_ms(now_ns) + milliseconds), now_ns)

    def settle(self, now_ns: int) -> None:
        """Cut a debt of other options down to a full bucket: it must not last for minutes."""
        self._set(min(self._bucket_ms, self.debt_ms(now_ns)), now_ns)

    @property
    def _bucket_ms(self) -> float:
        return max(self._ms_per_s, self.cost_ms)

    def _set(self, debt_ms: float, now_ns: int) -> None:
        self._ledger.spent_ms, self._ledger.spent_at_ns = debt_ms, now_ns
