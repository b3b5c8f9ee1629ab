"""A filter that lost its track is corrected along the way the track must have taken.

Without it the error that grew while nothing was seen stays in the velocity after the object is
found again. Source: OC-SORT (Cao et al. 2023), observation-centric re-update, section 4.2. The
published code applies the last measurement twice; here it is applied once, as in the paper.
"""

from __future__ import annotations

import numpy as np

from mot_compress_ros.tracking import kalman
from mot_compress_ros.tracking.kalman import Float64Array, KalmanState, REFERENCE_PERIOD_NS
from mot_compress_ros.tracking.rows import row_numbers
from mot_compress_ros.tracking.store import TrackStore


def re_updated(tracks: TrackStore, measured: Float64Array, *, stamp_ns: int) -> KalmanState:
    """The states of tracks that `measured` (N, 4) found again, at `stamp_ns`.

    From the state at the latest detection on, the filter gets a made-up measurement for every
    frame of the gap: boxes whose centre and sides lie on the line between the two detections.
    """
    model = tracks.model
    first, last = tracks.observed_xyxy_px, model.boxes(measured)
    steps = tracks.frames_since_update  # (N,), of which the last one is this frame
    elapsed = (stamp_ns - tracks.updated_ns) / REFERENCE_PERIOD_NS
    dt = elapsed / steps  # (N,)
    nobody = np.zeros(len(tracks), bool)
    state = tracks.anchors
    for k in range(1, int(steps.max()) + 1):
        share = (k / steps)[:, None]
        virtual = model.measure(first + np.minimum(share, 1.0) * (last - first))
        position, velocity = model.process_variance(state.position)
        ahead = kalman.predict(
            model.steadied(state, nobody, dt_periods=dt),
            dt_periods=dt[:, None],
            position_variance=position,
            velocity_variance=velocity,
        )
        variance = model.measured_variance(ahead.position)
        ahead = kalman.update(ahead, virtual, measured_variance=variance)
        going = row_numbers(k <= steps)
        state = state.put(going, ahead[going])
    return state
