"""Options of the tracker.

`preset` names a published tracker, or ours; it says which rounds the association has and gives
every other option its value. What is named beside it overrides that value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mot_compress_ros.options import from_mapping, option
from mot_compress_ros.tracking.motion import MODELS

PRESET_NAMES = ('vehicle', 'sort', 'fairmot', 'byte', 'ocsort', 'botsort')


def _share(default: float, description: str, *, maximum: float = 1.0) -> Any:
    return option(default, description, minimum=0.0, maximum=maximum)


@dataclass(frozen=True, kw_only=True)
class TrackerConfig:
    """Thresholds of association and of a track's life; the defaults are those of `vehicle`."""

    preset: str = option(
        'vehicle',
        'the published tracker whose association is used, or vehicle, ours; it gives every other '
        'option of the tracker its value',
        choices=PRESET_NAMES,
    )
    motion_model: str = option(
        'xywh',
        'quantities of a box that the filter follows: centre and width, height; aspect, height; '
        'or area, aspect',
        choices=tuple(MODELS),
    )
    velocity_noise: float = option(
        1 / 160,
        'how much velocities change in 1/30 s, as a share of the size of the box (xyah, xywh)',
        minimum=1e-4,
        maximum=1.0,
    )
    cover_noise: float = option(
        0.0,
        'how much noisier the measurement of a box is that a nearer one covers: its variance '
        'grows by this times the covered share',
        minimum=0.0,
        maximum=100.0,
    )
    min_score: float = _share(
        0.1,
        'detections below this score are ignored altogether; 0 uses all that decode.min_score '
        'lets through',
    )
    high_score: float = _share(
        0.3,
        'detections below this score only keep tracks alive that the others left over (byte, '
        'botsort, vehicle); no embedding is learnt from them',
    )
    new_track_score: float = _share(0.4, 'a detection needs this score to begin a track')
    confirm_hits: int = option(
        2,
        'detections in successive frames that confirm a track',
        minimum=1,
        maximum=30,
        unit='frames',
    )
    warm_up_frames: int = option(
        1,
        'in the first so many frames one detection confirms a track',
        minimum=0,
        maximum=1000,
        unit='frames',
    )
    sticky: bool = option(
        True,
        'a confirmed track stays so when it is found again, and one that is not confirmed ends '
        'with its first miss; else both must be seen in successive frames again (sort, ocsort)',
    )
    buffer: float = option(
        0.0,
        'boxes are grown by this share of their sides on each edge before they are compared '
        '(vehicle)',
        minimum=0.0,
        maximum=2.0,
    )
    buffer_growth: float = option(
        1.5,
        'and by so many standard deviations of where the filter expects the box (vehicle)',
        minimum=0.0,
        maximum=10.0,
    )
    buffer_max: float = option(
        0.5, 'largest share that a box is grown by (vehicle)', minimum=0.0, maximum=10.0
    )
    shape_weight: float = _share(0.2, 'weight of how much the sides of two boxes differ (vehicle)')
    score_share: float = _share(
        0.5, 'share of the overlap that is multiplied by the score of the detection (vehicle)'
    )
    absence_weight: float = _share(
        0.1,
        'weight of the time since a lost track was seen, which counts fully after a second '
        '(vehicle)',
    )
    distance_weight: float = _share(0.0, 'weight of the squared Mahalanobis distance (vehicle)')
    embedding_weight: float = _share(
        0.0, 'weight of the cosine distance to strong detections (vehicle)'
    )
    recovery_distance: float = _share(
        0.0,
        'largest cosine distance at which a track that no overlap found is found by its '
        'embedding; 0: not at all (vehicle)',
    )
    embedding_threshold: float = _share(
        0.4,
        'largest cosine distance of a match by appearance (fairmot: with a share of motion; '
        'botsort: of half the distance)',
    )
    embedding_momentum: float = option(
        0.9,
        'share of the old embedding when a new one is averaged into it',
        minimum=0.0,
        maximum=0.999,
    )
    motion_weight: float = _share(
        0.02,
        'share of the squared Mahalanobis distance in the cost of a match by appearance (fairmot)',
    )
    iou_threshold: float = _share(0.75, 'largest IoU distance (1 - IoU) of a match by overlap')
    low_iou_threshold: float = _share(
        0.5, 'the same for detections below high_score (byte, botsort, vehicle)'
    )
    tentative_iou_threshold: float = _share(
        0.75,
        'the same for tracks that are not confirmed yet (fairmot, byte, botsort, vehicle), and '
        'for what late evidence begins',
    )
    proximity: float = _share(0.5, 'largest IoU distance at which appearance has a say (botsort)')
    direction_weight: float = _share(
        0.0, 'weight of the direction a track moves in; needs direction_frames (ocsort, vehicle)'
    )
    direction_frames: int = option(
        0,
        'frames over which a direction is measured; 0: not at all',
        minimum=0,
        maximum=10,
        unit='frames',
    )
    re_update: bool = option(
        False,
        'when a track is found again, run the filter over the straight line between where it was '
        'seen and where it is (ocsort)',
    )
    publish_detections: bool = option(
        False, 'publish the box of the latest detection in place of the filtered one (ocsort)'
    )
    lost_buffer_s: float = option(
        1.0,
        'a lost track that was not seen for longer than this is forgotten',
        minimum=0.0,
        maximum=60.0,
        unit='s',
    )
    lost_frames: int = option(
        0,
        'a lost track that missed no more frames than this is kept, however long they took (sort)',
        minimum=0,
        maximum=1000,
        unit='frames',
    )
    duplicate_iou_distance: float = _share(
        0.0,
        'a seen and a lost track of one class closer than this are one object; the older stays',
    )
    min_area_px2: float = option(
        0.0,
        'tracks whose box is not larger than this are kept but not published',
        minimum=0.0,
        maximum=1e9,
        unit='px^2',
    )
    late_frames: int = option(
        16,
        'frames that are remembered for a result that comes late; 0: late results are refused',
        minimum=0,
        maximum=256,
        unit='frames',
    )

    @classmethod
    def of(cls, preset: str, **values: object) -> TrackerConfig:
        """The options of a preset, some of them changed.

        Raises:
            InvalidOptionError: an unknown preset or name, or a value out of its range.
        """
        return from_mapping(cls, {'preset': preset, **values})

    @classmethod
    def base_of(cls, values: Mapping[str, object]) -> TrackerConfig | None:
        """What options that are not named come from, where `values` name a preset."""
        from mot_compress_ros.tracking.presets import PRESETS  # which are made of these options

        preset = PRESETS.get(str(values.get('preset')))
        return None if preset is None else preset.DEFAULTS
