"""One camera's tracker: detections of a frame in, the tracks that the frame shows out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros import boxes
from mot_compress_ros.datatypes import Detections, Tracks
from mot_compress_ros.errors import InvalidDataError
from mot_compress_ros.homography import checked_homography
from mot_compress_ros.options import from_mapping, to_mapping
from mot_compress_ros.tracking import kalman, life
from mot_compress_ros.tracking.config import TrackerConfig
from mot_compress_ros.tracking.late import FrameRecord, LateEvidence, LateOutcome
from mot_compress_ros.tracking.motion import MODELS, NoiseWeights
from mot_compress_ros.tracking.presets import PRESETS
from mot_compress_ros.tracking.rounds import match
from mot_compress_ros.tracking.rows import row_numbers
from mot_compress_ros.tracking.scene import Scene
from mot_compress_ros.tracking.seen import look_at, Seen
from mot_compress_ros.tracking.store import CONFIRMED, TrackStore


class Tracker:
    """Follows the objects of one camera. Call `update` for every frame, also for an empty one.

    Ids begin at 1, belong to this instance and are never given twice, not even after `reset`.

    Attributes:
        dropped: detections that had no box: a side below a pixel, or beyond any image.

    Raises:
        InvalidOptionError: a value of `config` is out of its range.
    """

    def __init__(self, config: TrackerConfig | None = None) -> None:
        self._config = from_mapping(TrackerConfig, to_mapping(config or TrackerConfig()))
        preset = PRESETS[self._config.preset]
        self._rounds = preset.rounds(self._config)
        self._with_looks = preset.uses_embeddings(self._config)
        noise = NoiseWeights(velocity=self._config.velocity_noise)
        self._model = MODELS[self._config.motion_model](noise)
        self._next_id = 1
        self.dropped = 0
        self.reset()

    @property
    def config(self) -> TrackerConfig:
        """The options this tracker was made with."""
        return self._config

    @property
    def store(self) -> TrackStore:
        """All tracks as of the last update, tentative and lost ones too; a snapshot to keep."""
        return self._store

    def reset(self) -> None:
        """Forget all tracks and the last stamp. Ids go on where they were."""
        self._store = TrackStore.empty(self._model, recent_frames=self._config.direction_frames)
        self._late = LateEvidence(self._config)
        self._last_stamp_ns: int | None = None
        self._frames = 0

    def update(
        self,
        detections: Detections,
        *,
        stamp_ns: int,
        source: str = 'student',
        camera_motion: NDArray[np.floating] | None = None,
    ) -> Tracks:
        """Follow the tracks into the frame at `stamp_ns`.

        Args:
            detections: what a network saw in the frame, in any order.
            stamp_ns: time of the frame; the steps of the motion model come from it.
            source: the network that saw it, 'teacher' or 'student'; passed on to the result.
            camera_motion: (3, 3) homography from pixels of the last frame given to this tracker
                to this one; None where the camera is taken to be still.

        Returns:
            The confirmed tracks that a detection of this frame updated, in order of id.

        Raises:
            InvalidDataError: the stamp is not after the last one, the homography is none, or the
                embeddings' dimension changed within one embedding space, where the preset looks
                at embeddings. The tracker is left as it was.
        """
        stamp_ns, config = int(stamp_ns), self._config
        dt_periods = self._periods_since_last(stamp_ns)
        if camera_motion is not None:
            camera_motion = checked_homography(camera_motion)
        seen, dropped = self._look_at(detections)
        warm_up = self._frames < config.warm_up_frames
        known = life.remembered(self._store, config, stamp_ns=stamp_ns)
        tracks = life.moved(known, dt_periods=dt_periods, camera_motion=camera_motion)
        matches = match(Scene(tracks, seen, stamp_ns=stamp_ns), self._rounds)
        owners = np.zeros(len(seen), np.int64)  # id of the track that each detection went to
        owners[matches.detections] = tracks.track_ids[matches.tracks]
        tracks = life.with_hits(tracks, seen, matches, config, stamp_ns=stamp_ns, warm_up=warm_up)
        tracks = life.survivors(tracks, config)
        starting = row_numbers((owners == 0) & (seen.scores >= config.new_track_score))
        born = life.begun(
            seen[starting],
            self._model,
            config,
            first_id=self._next_id,
            stamp_ns=stamp_ns,
            warm_up=warm_up,
        )
        owners[starting] = born.track_ids
        tracks = tracks.join(born)
        twice = life.duplicates(tracks, iou_distance=config.duplicate_iou_distance)
        tracks = tracks[~twice] if twice.any() else tracks
        published = self._published(tracks, stamp_ns=stamp_ns, source=source)
        self._late.remember(
            FrameRecord(stamp_ns, dt_periods, camera_motion, warm_up, seen, owners, tracks)
        )
        self._store, self._last_stamp_ns = tracks, stamp_ns
        self._next_id += len(born)
        self._frames += 1
        self.dropped += dropped
        return published

    def update_late(
        self, detections: Detections, *, stamp_ns: int, source: str = 'teacher'
    ) -> LateOutcome:
        """Take in what a network says, after the fact, about an earlier frame.

        The evidence is applied to the tracks as they were then and carried to now; see `late`.
        Ids that were published never change; what was published is not published again.

        Args:
            detections: what the network saw in that frame.
            stamp_ns: stamp of a frame that `update` was given.
            source: the network that saw it.

        Returns:
            What became of it. A frame that is not remembered any more changes nothing.

        Raises:
            InvalidDataError: the embeddings' dimension changed within one embedding space, where
                the preset looks at embeddings. The tracker is left as it was.
        """
        seen, dropped = self._look_at(detections)
        outcome, store = self._late.apply(
            seen, self._rounds, stamp_ns=int(stamp_ns), next_id=self._next_id
        )
        if store is not None:
            self._store = store
            self._next_id += outcome.begun
            self.dropped += dropped
        return outcome

    def expected(
        self, *, stamp_ns: int, camera_motion: NDArray[np.floating] | None = None
    ) -> TrackStore:
        """The tracks where they are expected at a coming frame; changes nothing.

        Args:
            stamp_ns: of the frame.
            camera_motion: as in `update`.

        Raises:
            InvalidDataError: as `update` does.
        """
        if camera_motion is not None:
            camera_motion = checked_homography(camera_motion)
        dt_periods = self._periods_since_last(int(stamp_ns))
        known = life.remembered(self._store, self._config, stamp_ns=int(stamp_ns))
        return life.moved(known, dt_periods=dt_periods, camera_motion=camera_motion)

    def latest_objects(self, *, stamp_ns: int) -> TrackStore | None:
        """What the latest detections of a frame showed, as tracks after that frame.

        Its latest are those of `update`, or of the last `update_late` for it. What went to no
        track comes first, as new tracks of id 0. None where the frame is not remembered; only
        `late_frames` and the latest one are.
        """
        return self._late.latest_objects(int(stamp_ns))

    def _look_at(self, detections: Detections) -> tuple[Seen, int]:
        return look_at(detections, min_score=self._config.min_score, with_looks=self._with_looks)

    def _periods_since_last(self, stamp_ns: int) -> float:
        """Time since the last frame in reference periods; 0 for the first frame."""
        if self._last_stamp_ns is None:
            return 0.0
        elapsed_ns = stamp_ns - self._last_stamp_ns
        if elapsed_ns <= 0:
            raise InvalidDataError(
                f'Tracker.update: expected a stamp_ns after {self._last_stamp_ns}, the last one, '
                f'got {stamp_ns}; drop the frame, or call reset() where a new stream begins'
            )
        return elapsed_ns / kalman.REFERENCE_PERIOD_NS

    def _published(self, tracks: TrackStore, *, stamp_ns: int, source: str) -> Tracks:
        """The confirmed tracks of a size worth publishing; such a track was seen in this frame."""
        from_detector = self._config.publish_detections
        corners = tracks.observed_xyxy_px if from_detector else tracks.boxes_xyxy_px
        large = boxes.area(corners) > self._config.min_area_px2
        shown = row_numbers(tracks.is_in(CONFIRMED) & large)
        return Tracks(
            stamp_ns=stamp_ns,
            boxes_xyxy_px=corners.take(shown, axis=0).astype(np.float32),
            scores=tracks.scores[shown],
            class_ids=tracks.class_ids[shown],
            track_ids=tracks.track_ids[shown],
            velocities_px_s=tracks.velocities_px_s.take(shown, axis=0).astype(np.float32),
            states=tracks.states[shown],
            ages=tracks.ages[shown],
            hits=tracks.hits[shown],
            frames_since_update=tracks.frames_since_update[shown],
            source=source,
        )
