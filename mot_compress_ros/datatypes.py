"""What flows through the pipeline: `Frame` -> `Detections` -> `Tracks`.

All three are frozen and validated once, when they are made. Zero rows is a legal value everywhere.
Boxes are (x1, y1, x2, y2) in pixels of the source image, x to the right and y down, and may reach
beyond the image (FairMOT's boxes are amodal).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.errors import InvalidDataError

Float32Array = NDArray[np.float32]
Int64Array = NDArray[np.int64]
ColorOrder = Literal['bgr', 'rgb']


class TrackState(IntEnum):
    """Life of a track: a first hit is tentative, a second confirms it, a miss makes it lost."""

    TENTATIVE = 0
    CONFIRMED = 1
    LOST = 2


@dataclass(frozen=True, eq=False, kw_only=True)
class Frame:
    """One image of one camera.

    Attributes:
        image: (H, W, 3) uint8, possibly a read-only view of a message's buffer.
        stamp_ns: time of exposure, nanoseconds since the epoch of the source.
        camera: name of the camera the frame belongs to.
        frame_id: ROS coordinate frame of the source header (not a counter).
        frame_index: number of the frame within its camera's stream, counted from 0.
        color_order: order of the three channels of `image`.

    Raises:
        InvalidDataError: the image is not (H, W, 3) uint8 with H, W >= 1.
    """

    image: NDArray[np.uint8]
    stamp_ns: int
    camera: str = 'camera'
    frame_id: str = ''
    frame_index: int = 0
    color_order: ColorOrder = 'bgr'

    def __post_init__(self) -> None:
        shape = self.image.shape
        if self.image.dtype != np.uint8 or len(shape) != 3 or shape[2] != 3 or 0 in shape:
            raise InvalidDataError(
                f'Frame.image: expected (H, W, 3) uint8 with H, W >= 1, got {shape} '
                f'{self.image.dtype}; convert grey or four-channel images first'
            )
        if self.color_order not in ('bgr', 'rgb'):
            raise InvalidDataError(
                f"Frame.color_order: expected 'bgr' or 'rgb', got {self.color_order!r}"
            )

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.image.shape[1], self.image.shape[0]


def _column(
    value: object, dtype: type[np.generic], shape: tuple[int | None, ...], name: str
) -> NDArray[Any]:
    """Return `value` as a read-only array of `dtype` and `shape`, or say what is wrong with it."""
    try:
        given = np.asarray(value)
        if given.dtype == dtype:
            array = np.array(given, order='C')
        else:
            with np.errstate(over='ignore', invalid='ignore'):  # what overflows is refused below
                array = np.array(given, dtype=dtype, order='C')
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidDataError(f'{name}: expected an array of numbers: {error}') from error
    if array.dtype.kind == 'i' and given.dtype.kind in 'fu' and (array != given).any():
        raise InvalidDataError(f'{name}: expected whole numbers, got {given.ravel()[:5]}')
    if array.shape == (0,):  # an empty list has no second axis yet
        array = array.reshape([0, *(size or 0 for size in shape[1:])])
    matches = array.ndim == len(shape) and all(
        want is None or want == got for want, got in zip(shape, array.shape, strict=True)
    )
    if not matches:
        wanted = tuple('any' if size is None else size for size in shape)
        raise InvalidDataError(f'{name}: expected shape {wanted}, got {array.shape}')
    if array.dtype.kind == 'f' and not np.isfinite(array).all():
        raise InvalidDataError(f'{name}: holds NaN or infinity; drop such rows before')
    array.setflags(write=False)
    return array


@dataclass(frozen=True, eq=False, kw_only=True)
class Detections:
    """What one network saw in one frame.

    Attributes:
        boxes_xyxy_px: (N, 4) float32, source pixels.
        scores: (N,) float32 in 0..1.
        class_ids: (N,) int64, index into the model's class names.
        embeddings: (N, D) float32 re-ID embeddings of unit length; D = 0 where there are none.
        embedding_space: name of the network the embeddings come from. Embeddings of two spaces are
            never compared.

    Raises:
        InvalidDataError: a shape, count, range or value is wrong.
    """

    boxes_xyxy_px: Float32Array
    scores: Float32Array
    class_ids: Int64Array
    embeddings: Float32Array
    embedding_space: str = ''

    def __post_init__(self) -> None:
        boxes = _column(self.boxes_xyxy_px, np.float32, (None, 4), 'Detections.boxes_xyxy_px')
        n = len(boxes)
        columns = {
            'boxes_xyxy_px': boxes,
            'scores': _column(self.scores, np.float32, (n,), 'Detections.scores'),
            'class_ids': _column(self.class_ids, np.int64, (n,), 'Detections.class_ids'),
            'embeddings': _column(self.embeddings, np.float32, (n, None), 'Detections.embeddings'),
        }
        if (boxes[:, 2:] < boxes[:, :2]).any():
            raise InvalidDataError('Detections.boxes_xyxy_px: expected x2 >= x1 and y2 >= y1')
        if ((columns['scores'] < 0) | (columns['scores'] > 1)).any():
            raise InvalidDataError('Detections.scores: expected values in 0..1')
        for name, array in columns.items():
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return len(self.boxes_xyxy_px)

    def __getitem__(self, index: object) -> Detections:
        """Rows chosen by a mask or an index array."""
        return Detections(
            boxes_xyxy_px=self.boxes_xyxy_px[index],  # type: ignore[call-overload]
            scores=self.scores[index],  # type: ignore[call-overload]
            class_ids=self.class_ids[index],  # type: ignore[call-overload]
            embeddings=self.embeddings[index],  # type: ignore[call-overload]
            embedding_space=self.embedding_space,
        )

    @classmethod
    def empty(cls, *, embedding_dim: int = 0, embedding_space: str = '') -> Detections:
        """No detections."""
        return cls(
            boxes_xyxy_px=np.zeros((0, 4), np.float32),
            scores=np.zeros(0, np.float32),
            class_ids=np.zeros(0, np.int64),
            embeddings=np.zeros((0, embedding_dim), np.float32),
            embedding_space=embedding_space,
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Tracks:
    """The tracks of one camera at one stamp, in order of `track_ids`.

    Attributes:
        stamp_ns: stamp of the frame they belong to.
        boxes_xyxy_px: (N, 4) float32, source pixels, filtered.
        scores: (N,) float32, score of the latest detection.
        class_ids: (N,) int64.
        track_ids: (N,) int64, positive, never used twice by one tracker.
        velocities_px_s: (N, 2) float32, velocity of the box centre, pixels per second.
        states: (N,) int64 of `TrackState`.
        ages: (N,) int64, frames since the track began, its first frame counted as 1.
        hits: (N,) int64, detections the track has been given.
        frames_since_update: (N,) int64, 0 where a detection of this frame updated the track.
        source: the network whose detections made this update, 'teacher' or 'student'.

    Raises:
        InvalidDataError: a shape, count or value is wrong, or an id stands twice or is below 1.
    """

    stamp_ns: int
    boxes_xyxy_px: Float32Array
    scores: Float32Array
    class_ids: Int64Array
    track_ids: Int64Array
    velocities_px_s: Float32Array
    states: Int64Array
    ages: Int64Array
    hits: Int64Array
    frames_since_update: Int64Array
    source: str = 'student'

    def __post_init__(self) -> None:
        boxes = _column(self.boxes_xyxy_px, np.float32, (None, 4), 'Tracks.boxes_xyxy_px')
        n = len(boxes)
        columns = {
            'boxes_xyxy_px': boxes,
            'scores': _column(self.scores, np.float32, (n,), 'Tracks.scores'),
            'velocities_px_s': _column(
                self.velocities_px_s, np.float32, (n, 2), 'Tracks.velocities_px_s'
            ),
        }
        for name in ('class_ids', 'track_ids', 'states', 'ages', 'hits', 'frames_since_update'):
            columns[name] = _column(getattr(self, name), np.int64, (n,), f'Tracks.{name}')
        ids = np.sort(columns['track_ids'])
        if (ids[1:] == ids[:-1]).any():
            raise InvalidDataError('Tracks.track_ids: an id stands twice')
        if (columns['track_ids'] < 1).any():
            raise InvalidDataError('Tracks.track_ids: expected ids of 1 and above')
        for name, array in columns.items():
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return len(self.boxes_xyxy_px)

    def __getitem__(self, index: object) -> Tracks:
        """Rows chosen by a mask or an index array."""
        rows = {
            f.name: getattr(self, f.name)[index]
            for f in fields(self)
            if f.name not in ('stamp_ns', 'source')
        }
        return Tracks(stamp_ns=self.stamp_ns, source=self.source, **rows)

    @classmethod
    def empty(cls, *, stamp_ns: int, source: str = 'student') -> Tracks:
        """No tracks at `stamp_ns`."""
        none = np.zeros(0, np.int64)
        return cls(
            stamp_ns=stamp_ns,
            boxes_xyxy_px=np.zeros((0, 4), np.float32),
            scores=np.zeros(0, np.float32),
            class_ids=none,
            track_ids=none,
            velocities_px_s=np.zeros((0, 2), np.float32),
            states=none,
            ages=none,
            hits=none,
            frames_since_update=none,
            source=source,
        )
