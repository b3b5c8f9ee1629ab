"""Φ of AttTrack: the teacher's heat map of a keyframe, carried to a later frame.

Objects move on linearly from where the teacher saw them (section 4.2), with the motion of the
camera made up for; `updates` says what is painted of them. Time comes from stamps.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.homography import checked_homography, Float64Array
from mot_compress_ros.inference import Observation
from mot_compress_ros.keyframe.attention_objects import carried, followed, PriorObjects
from mot_compress_ros.keyframe.attention_prior import CarriedPrior, disagreement
from mot_compress_ros.keyframe.config import KeyframeConfig
from mot_compress_ros.keyframe.updates import FOLLOWING
from mot_compress_ros.preprocess import LetterboxTransform

__all__ = ['Attention', 'CarriedPrior', 'PriorObjects', 'disagreement']

NS_PER_S = 1_000_000_000
# Motions of the camera that are remembered: a result may come 256 frames late and then be used
# for as many.
_MAX_MOTIONS = 512


@dataclass(frozen=True, eq=False, kw_only=True)
class _Keyframe:
    """What the teacher made of a frame."""

    heatmap: NDArray[np.float32]
    transform: LetterboxTransform
    objects: PriorObjects
    stamp_ns: int


class Attention:
    """Φ of one camera. Options of `config` may be exchanged between two frames."""

    def __init__(self, config: KeyframeConfig) -> None:
        self.config = config
        self._keyframe: _Keyframe | None = None
        # The stamp of a frame and the homography from the frame before, in order of stamps.
        self._motions: deque[tuple[int, Float64Array]] = deque()
        self._forgotten_ns: int | None = None  # stamp of the last motion that is not remembered

    def renew(self, seen: Observation, objects: PriorObjects, *, stamp_ns: int) -> None:
        """Take a teacher's result for the frame at `stamp_ns`, possibly an earlier one.

        A result for a frame before the keyframe that is in use says nothing new and is left alone.
        """
        if self._keyframe is None or stamp_ns >= self._keyframe.stamp_ns:
            self._keyframe = _Keyframe(
                # A network that has gone wrong says NaN; that is no heat.
                heatmap=np.clip(np.nan_to_num(seen.heatmap), 0, 1),
                transform=seen.transform,
                objects=objects,
                stamp_ns=stamp_ns,
            )

    def moved(self, homography: NDArray[np.floating] | None, *, stamp_ns: int) -> None:
        """The camera's motion from the frame before to the one at `stamp_ns`, frame by frame.

        Args:
            homography: (3, 3), pixels of the last frame onto this one; None: it stood still.
            stamp_ns: of this frame, later than the one before.

        Raises:
            InvalidDataError: it is not a homography.
        """
        if homography is None:
            return
        self._motions.append((stamp_ns, checked_homography(homography)))
        if len(self._motions) > _MAX_MOTIONS:
            self._forgotten_ns = self._motions.popleft()[0]

    def age_s(self, stamp_ns: int) -> float | None:
        """How old the keyframe is at `stamp_ns`; None where there is none."""
        return None if self._keyframe is None else (stamp_ns - self._keyframe.stamp_ns) / NS_PER_S

    def prior(
        self,
        *,
        stamp_ns: int,
        homography: NDArray[np.floating] | None = None,
        tracks: Callable[[], PriorObjects] | None = None,
    ) -> CarriedPrior | None:
        """Φ for the frame at `stamp_ns`; None where there is none to be had.

        That is before the teacher's first result, where it is for a later frame, older than
        `max_age_s` or than the motions that are remembered, and where `update` is off.

        Args:
            stamp_ns: of the frame.
            homography: the camera's motion to it from the latest frame that `moved` was told of,
                where `moved` was not told of this one yet.
            tracks: the tracks, with their ids, where they are expected at the frame; asked for
                where `update` follows them.

        Raises:
            InvalidDataError: it is not a homography.
        """
        keyframe = self._keyframe
        if keyframe is None or self.config.update == 'off':
            return None
        age_s = (stamp_ns - keyframe.stamp_ns) / NS_PER_S
        forgotten = self._forgotten_ns is not None and self._forgotten_ns > keyframe.stamp_ns
        if forgotten or not 0 <= age_s <= self.config.max_age_s:
            return None
        motion = self._motion(after_ns=keyframe.stamp_ns, until_ns=stamp_ns)
        if homography is not None:
            motion = checked_homography(homography) @ motion
        objects = carried(keyframe.objects, motion, elapsed_s=age_s)
        if tracks is not None and self.config.update in FOLLOWING:
            objects = followed(objects, tracks())
        return CarriedPrior(
            update=self.config.update,
            age_s=age_s,
            objects=objects,
            start=keyframe.objects,
            heatmap=keyframe.heatmap,
            transform=keyframe.transform,
        )

    def reset(self) -> None:
        """Forget everything: the stream begins anew."""
        self._keyframe = None
        self._motions.clear()
        self._forgotten_ns = None

    def _motion(self, *, after_ns: int, until_ns: int) -> Float64Array:
        """The homography (3, 3) from the frame at `after_ns` to the one at `until_ns`."""
        motion = np.eye(3)
        for stamp_ns, step in reversed(self._motions):
            if stamp_ns <= after_ns:
                break
            if stamp_ns <= until_ns:
                motion = motion @ step
        return motion
