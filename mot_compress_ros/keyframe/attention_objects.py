"""The objects of a keyframe, and how they move on: by their velocities and with the camera."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.errors import InvalidDataError
from mot_compress_ros.homography import Float64Array, warp_at

_COLUMNS: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {
    'boxes_xyxy_px': (np.float64, (4,)),
    'scores': (np.float32, ()),
    'class_ids': (np.int64, ()),
    'velocities_px_s': (np.float64, (2,)),
    'position_std_px': (np.float64, ()),
    'velocity_std_px_s': (np.float64, ()),
    'track_ids': (np.int64, ()),
}


@dataclass(frozen=True, eq=False, kw_only=True)
class PriorObjects:
    """N objects at one stamp, in pixels of the source image. A row with a NaN counts as no object.

    Attributes:
        boxes_xyxy_px: (N, 4) float64; what is infinite becomes NaN, in velocities too.
        scores: (N,) float32 in 0..1.
        class_ids: (N,) int64.
        velocities_px_s: (N, 2) float64, of the centre; 0 where it is not known.
        position_std_px: (N,) float64, standard deviation of the centre's place, each way.
        velocity_std_px_s: (N,) float64, of its velocity.
        track_ids: (N,) int64, ids of their tracks; 0 for none, which is the default.

    Raises:
        InvalidDataError: a shape or count is wrong.
    """

    boxes_xyxy_px: Float64Array
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    velocities_px_s: Float64Array
    position_std_px: Float64Array
    velocity_std_px_s: Float64Array
    track_ids: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def __post_init__(self) -> None:
        n = len(self.boxes_xyxy_px)
        if not len(self.track_ids):
            object.__setattr__(self, 'track_ids', np.zeros(n, np.int64))
        for name, (dtype, row) in _COLUMNS.items():
            object.__setattr__(self, name, _column(getattr(self, name), dtype, (n, *row), name))

    def __len__(self) -> int:
        return len(self.boxes_xyxy_px)

    def __getitem__(self, index: object) -> PriorObjects:
        """Rows chosen by a mask or an index array."""
        return PriorObjects(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    @property
    def centres_px(self) -> Float64Array:
        """Centres of the boxes (N, 2)."""
        return np.asarray((self.boxes_xyxy_px[:, :2] + self.boxes_xyxy_px[:, 2:]) / 2)

    @property
    def sizes_px(self) -> Float64Array:
        """Widths and heights (N, 2)."""
        return np.asarray(self.boxes_xyxy_px[:, 2:] - self.boxes_xyxy_px[:, :2])

    @property
    def sound(self) -> NDArray[np.bool_]:
        """Mask (N,) of the rows that are objects: without NaN, with an area."""
        holes = np.isnan(self.scores) | np.isnan(self.position_std_px)
        whole = ~np.isnan(self.boxes_xyxy_px).any(axis=1) & (self.sizes_px > 0).all(axis=1)
        return np.asarray(whole & ~holes)

    @classmethod
    def empty(cls) -> PriorObjects:
        """No objects."""
        return cls(**{name: np.zeros((0, *row), dtype) for name, (dtype, row) in _COLUMNS.items()})


def _column(
    value: object, dtype: type[np.generic], shape: tuple[int, ...], name: str
) -> NDArray[Any]:
    array = np.array(value, dtype)
    if array.size == 0 and shape[0] == 0:  # an empty list has no second axis yet
        array = array.reshape(shape)
    if array.shape != shape:
        raise InvalidDataError(
            f'PriorObjects.{name}: expected shape {shape}, got {array.shape}; every column has '
            'one row for each object'
        )
    if name in ('boxes_xyxy_px', 'velocities_px_s'):
        array[np.isinf(array)] = np.nan  # infinity less infinity would warn later, and say as much
    array.setflags(write=False)
    return array


def carried(objects: PriorObjects, homography: Float64Array, *, elapsed_s: float) -> PriorObjects:
    """The objects after `elapsed_s`, in the same order (AttTrack, section 4.2).

    Centres move on at their velocities in the image of the keyframe, `homography` (3, 3), of
    determinant 1, takes them from there into the image of now. Sizes change with the camera alone.
    The box is NaN where the camera has turned away from the object.
    """
    centres = objects.centres_px + objects.velocities_px_s * elapsed_s  # (N, 2)
    local = warp_at(homography, centres)
    points = np.where(local.ahead[:, None], local.points, np.nan)
    half = objects.sizes_px / 2 * local.scale[:, None]
    std = np.hypot(objects.position_std_px, objects.velocity_std_px_s * elapsed_s)
    return PriorObjects(
        boxes_xyxy_px=np.concatenate([points - half, points + half], axis=1),
        scores=objects.scores,
        class_ids=objects.class_ids,
        velocities_px_s=np.einsum('nij,nj->ni', local.derivative, objects.velocities_px_s),
        position_std_px=std * local.scale,
        velocity_std_px_s=objects.velocity_std_px_s * local.scale,
        track_ids=objects.track_ids,
    )


def followed(objects: PriorObjects, tracks: PriorObjects) -> PriorObjects:
    """The `objects`, where their tracks are among `tracks`, as those say; the order stays.

    The score stays the teacher's. `tracks` have ids, in any order.
    """
    order = np.argsort(tracks.track_ids)
    ids = tracks.track_ids[order]
    place = np.minimum(np.searchsorted(ids, objects.track_ids), max(len(ids) - 1, 0))
    known = np.flatnonzero((objects.track_ids > 0) & (len(ids) > 0))
    known = known[ids[place[known]] == objects.track_ids[known]]
    source = order[place[known]]
    columns = {f.name: np.array(getattr(objects, f.name)) for f in fields(objects)}
    for name in ('boxes_xyxy_px', 'velocities_px_s', 'position_std_px', 'velocity_std_px_s'):
        columns[name][known] = getattr(tracks, name)[source]
    return PriorObjects(**columns)
