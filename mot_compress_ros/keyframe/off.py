"""No teacher."""

from __future__ import annotations

from collections.abc import Mapping

from mot_compress_ros.keyframe.config import KeyframeConfig
from mot_compress_ros.keyframe.frames import FrameFacts, FrameReport
from mot_compress_ros.keyframe.ledger import Ledger
from mot_compress_ros.keyframe.synchronous import Rule


class Never:
    """Every frame is the student's."""

    compares = False

    def __init__(self, config: KeyframeConfig, ledger: Ledger) -> None:
        pass

    def demand(self, frame: FrameFacts) -> str:
        """See `Rule`."""
        return ''

    def allows(self, frame: FrameFacts) -> bool:
        """See `Rule`."""
        return False

    def served(self, report: FrameReport) -> None:
        """See `Rule`."""

    def take_over(self, old: Rule | None) -> None:
        """See `Rule`."""

    def diagnostics(self) -> Mapping[str, bool | int | float | str]:
        """See `Rule`."""
        return {}
