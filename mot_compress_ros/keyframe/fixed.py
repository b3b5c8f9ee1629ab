"""Teacher every K frames (AttTrack, section 3)."""

from __future__ import annotations

from collections.abc import Mapping

from mot_compress_ros.keyframe.config import KeyframeConfig
from mot_compress_ros.keyframe.frames import FrameFacts, FrameReport
from mot_compress_ros.keyframe.ledger import Ledger
from mot_compress_ros.keyframe.stagger import phases
from mot_compress_ros.keyframe.synchronous import Rule


class EveryK:
    """Teacher on a camera's first frame and on every K-th after it: 0, K, 2K (AttTrack, fig. 2).

    With n cameras the keyframes are spread over the K frames: those of camera i begin at its
    frame round(i * K / n), and until then it has the student alone. No step has two of them. Where
    two are due in one step, because a frame was dropped or the cameras have different rates, the
    one goes first that has waited longer, the other at the next step that has its camera, and K
    counts on from there: so cameras that fell into step are apart again, and stay so. With fewer
    frames than cameras, K < n, every step has a keyframe and the cameras take turns.

    K counts frames that were served; a frame dropped before the pipeline does not count. After a
    reset a camera does not wait for its place: its next frame is due, and only a camera that is
    due in that same step goes before it. A lower K, or a mode that begins late, makes several
    cameras due at once; they then follow each other step by step and stay neighbours.
    """

    compares = False

    def __init__(self, config: KeyframeConfig, ledger: Ledger) -> None:
        self._interval = config.interval
        self._phases = phases(ledger.cameras, config.interval)
        self._ledger = ledger

    def demand(self, frame: FrameFacts) -> str:
        """See `Rule`."""
        record = self._ledger.of(frame.camera)
        if record.since is not None:
            return 'age' if record.since + 1 >= self._interval else ''
        in_place = record.began_anew or record.served >= self._phases[frame.camera]
        return 'first' if in_place else ''

    def allows(self, frame: FrameFacts) -> bool:
        """See `Rule`."""
        return True

    def served(self, report: FrameReport) -> None:
        """See `Rule`."""

    def take_over(self, old: Rule | None) -> None:
        """See `Rule`."""

    def diagnostics(self) -> Mapping[str, bool | int | float | str]:
        """See `Rule`."""
        return {}
