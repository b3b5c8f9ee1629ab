"""Tracks drawn over their image: for the debug topic, the annotated video and the report."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
import colorsys

import cv2
import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.datatypes import Tracks
from mot_compress_ros.frame_source import FrameSource

Image = NDArray[np.uint8]
Color = tuple[int, int, int]  # BGR
Point = tuple[int, int]

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_DARK: Color = (24, 20, 18)
_LIGHT: Color = (245, 245, 245)
_ALARM: Color = (40, 70, 225)
# Amber on a dark bar differs from grey in lightness and hue for every kind of colour vision.
TEACHER_COLOR: Color = (0, 176, 255)
_STUDENT_COLOR: Color = (165, 158, 150)
# The golden ratio spreads the hues of consecutive ids as far apart as possible.
_GOLDEN_RATIO = 0.618033988749895
_FILL_OPACITY = 0.12
_BAR_OPACITY = 0.62
_TRAIL_LENGTH = 24
# Below this height, pixels, labels would hide the picture; the painter enlarges it first.
_READABLE_HEIGHT_PX = 480


def color_of_id(track_id: int) -> Color:
    """The BGR colour of a track: the same in every frame and every file."""
    hue = (track_id * _GOLDEN_RATIO) % 1.0
    value = (1.0, 0.85, 0.95)[track_id % 3]
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.78, value)
    return round(blue * 255), round(green * 255), round(red * 255)


def draw_tracks(
    image_bgr: Image,
    tracks: Tracks,
    class_names: Sequence[str],
    *,
    caption: str = '',
    source: FrameSource | None = None,
    trails: Mapping[int, Sequence[Point]] | None = None,
) -> Image:
    """Boxes with class, id and score, over a copy of the image.

    Args:
        image_bgr: (H, W, 3) uint8; left untouched.
        tracks: boxes in pixels of that image.
        class_names: names by class id; an id beyond them is shown as a number.
        caption: text of the bar at the lower edge.
        source: what the tag at the right end of that bar says; None where there is no teacher.
            Without caption and source there is no bar.
        trails: way points (x, y) in pixels of each track id, oldest first.

    Returns:
        (H, W, 3) uint8, BGR.
    """
    canvas = np.array(image_bgr, np.uint8, order='C')
    boxes = np.rint(np.clip(tracks.boxes_xyxy_px, -32000, 32000)).astype(int)  # (N, 4)
    # Far objects first, so that the labels of near ones lie on top.
    order = [int(row) for row in np.argsort(boxes[:, 3], kind='stable')]
    colors = [color_of_id(int(i)) for i in tracks.track_ids]
    _fill(canvas, [(boxes[row], colors[row]) for row in order])
    for row in order:
        way = (trails or {}).get(int(tracks.track_ids[row]), ())
        _draw_trail(canvas, way, colors[row])
    for row in order:
        _draw_box(canvas, boxes[row], colors[row])
    for row in order:
        _draw_label(canvas, boxes[row], _label(tracks, row, class_names), colors[row])
    _draw_bar(canvas, caption, source)
    return canvas


def source_text(source: FrameSource) -> str:
    """'teacher' on a keyframe, else 'student' and the frames since the last one."""
    if source.is_keyframe or source.since_keyframe is None:
        return source.network
    return f'{source.network} +{source.since_keyframe}'


def draw_mark(image_bgr: Image, text: str) -> None:
    """A small alarm tag in the upper right corner, drawn into `image_bgr` itself."""
    scale, thickness = _text_style(image_bgr)
    width, height = _text_size(text, scale, thickness)
    pad = max(4, height // 2)
    right, top = image_bgr.shape[1] - pad, pad
    left, bottom = right - width - 2 * pad, top + height + 2 * pad
    cv2.rectangle(image_bgr, (left, top), (right, bottom), _ALARM, cv2.FILLED)
    _put_text(image_bgr, text, (left + pad, bottom - pad), scale, _LIGHT, thickness)


class TrackPainter:
    """Draws a stream: remembers where each track has been and enlarges small pictures."""

    def __init__(self, class_names: Sequence[str]) -> None:
        self._class_names = tuple(class_names)
        self._ways: dict[int, deque[tuple[float, float]]] = {}

    def paint(
        self,
        image_bgr: Image,
        tracks: Tracks | None,
        *,
        caption: str = '',
        source: FrameSource | None = None,
    ) -> Image:
        """The annotated picture; `tracks` of None marks a frame that was dropped.

        Args:
            image_bgr: (H, W, 3) uint8; left untouched.
            tracks: its tracks.
            caption: text of the bar at the lower edge.
            source: what the tag in that bar says; None for no tag.

        Returns:
            (k H, k W, 3) uint8, BGR, where the whole number k makes labels readable.
        """
        zoom = max(1, round(_READABLE_HEIGHT_PX / image_bgr.shape[0]))
        canvas = _enlarged(image_bgr, zoom)
        if tracks is None:
            _draw_bar(canvas, caption, None)
            draw_mark(canvas, 'dropped')
            return canvas
        self._remember(tracks)
        return draw_tracks(
            canvas,
            _scaled(tracks, zoom),
            self._class_names,
            caption=caption,
            source=source,
            trails={i: [_point(p, zoom) for p in way] for i, way in self._ways.items()},
        )

    def _remember(self, tracks: Tracks) -> None:
        """Extend the trails of present tracks by their foot points, forget the others."""
        ways: dict[int, deque[tuple[float, float]]] = {}
        for box, track_id in zip(tracks.boxes_xyxy_px, tracks.track_ids, strict=True):
            way = self._ways.get(int(track_id), deque(maxlen=_TRAIL_LENGTH))
            way.append(((float(box[0]) + float(box[2])) / 2, float(box[3])))
            ways[int(track_id)] = way
        self._ways = ways


def _enlarged(image: Image, zoom: int) -> Image:
    if zoom == 1:
        return np.array(image, np.uint8, order='C')
    resized = cv2.resize(image, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_CUBIC)
    return np.asarray(resized, np.uint8)


def _scaled(tracks: Tracks, zoom: int) -> Tracks:
    if zoom == 1:
        return tracks
    return Tracks(
        stamp_ns=tracks.stamp_ns,
        boxes_xyxy_px=tracks.boxes_xyxy_px * np.float32(zoom),
        scores=tracks.scores,
        class_ids=tracks.class_ids,
        track_ids=tracks.track_ids,
        velocities_px_s=tracks.velocities_px_s * np.float32(zoom),
        states=tracks.states,
        ages=tracks.ages,
        hits=tracks.hits,
        frames_since_update=tracks.frames_since_update,
        source=tracks.source,
    )


def _point(xy: tuple[float, float], zoom: int) -> Point:
    return round(xy[0] * zoom), round(xy[1] * zoom)


def _label(tracks: Tracks, row: int, class_names: Sequence[str]) -> tuple[str, str]:
    """Full label, and a short one for small boxes."""
    class_id, track_id = int(tracks.class_ids[row]), int(tracks.track_ids[row])
    name = class_names[class_id] if 0 <= class_id < len(class_names) else str(class_id)
    return f'{name} {track_id} {tracks.scores[row]:.2f}', str(track_id)


def _fill(canvas: Image, boxes: Sequence[tuple[NDArray[np.int_], Color]]) -> None:
    """Tint the inside of every box."""
    if not boxes:
        return
    tint = canvas.copy()
    for (x1, y1, x2, y2), color in boxes:
        cv2.rectangle(tint, (int(x1), int(y1)), (int(x2), int(y2)), color, cv2.FILLED)
    cv2.addWeighted(tint, _FILL_OPACITY, canvas, 1 - _FILL_OPACITY, 0, dst=canvas)


def _draw_trail(canvas: Image, way: Sequence[Point], color: Color) -> None:
    """A line that grows towards the present."""
    thickest = max(2, round(canvas.shape[0] / 200))
    for age, (start, end) in enumerate(zip(way, way[1:] if way else (), strict=False)):
        thickness = max(1, round(thickest * (age + 1) / len(way)))
        cv2.line(canvas, start, end, color, thickness, cv2.LINE_AA)


def _line_px(canvas: Image) -> int:
    return max(1, round(int(canvas.shape[0]) / 360))


def _draw_box(canvas: Image, box: NDArray[np.int_], color: Color) -> None:
    x1, y1, x2, y2 = (int(v) for v in box)
    cv2.rectangle(canvas, (x1, y1), (x2, y2), color, _line_px(canvas), cv2.LINE_AA)


def _draw_label(
    canvas: Image, box: NDArray[np.int_], labels: tuple[str, str], color: Color
) -> None:
    """The full label above the box, or the short one where the box is small."""
    x1, y1, x2 = int(box[0]), int(box[1]), int(box[2])
    scale, thickness = _text_style(canvas)
    text = labels[0]
    width, height = _text_size(text, scale, thickness)
    if width > 2.5 * (x2 - x1):  # a full label would hide the neighbours of a far object
        text = labels[1]
        width, height = _text_size(text, scale, thickness)
    pad = max(2, height // 3)
    left = min(max(x1 - _line_px(canvas) // 2, 0), max(canvas.shape[1] - width - 2 * pad, 0))
    bottom = y1 if y1 >= height + 2 * pad else height + 2 * pad
    top = bottom - height - 2 * pad
    cv2.rectangle(canvas, (left, top), (left + width + 2 * pad, bottom), color, cv2.FILLED)
    ink = _DARK if _is_bright(color) else _LIGHT
    _put_text(canvas, text, (left + pad, bottom - pad), scale, ink, thickness)


def _draw_bar(canvas: Image, caption: str, source: FrameSource | None) -> None:
    """A dark bar at the lower edge with the caption, and at its right end the source's tag."""
    if not caption and source is None:
        return
    scale, thickness = _text_style(canvas)
    _, height = _text_size(caption or 'student', scale, thickness)
    pad = max(4, height // 2)
    bar = canvas[-(height + 2 * pad) :]
    bar[:] = (bar * (1 - _BAR_OPACITY) + np.array(_DARK) * _BAR_OPACITY).astype(np.uint8)
    origin = (pad, canvas.shape[0] - pad)
    _put_text(canvas, caption, origin, scale, _LIGHT, thickness)
    if source is not None:
        _draw_tag(bar, source, pad=pad, scale=scale, thickness=thickness)


def _draw_tag(bar: Image, source: FrameSource, *, pad: int, scale: float, thickness: int) -> None:
    """The network's name in the bar: filled, under a line as wide as the picture, on a keyframe.

    A frame of the student has a frame around its tag, in the teacher's colour where a late result
    of the teacher came in.
    """
    text, (height, width) = source_text(source), bar.shape[:2]
    text_width, _ = _text_size(text, scale, thickness)
    left = width - text_width - 3 * pad
    corners = (left, 0), (width - 1, height - 1)
    if source.is_keyframe:
        cv2.rectangle(bar, *corners, TEACHER_COLOR, cv2.FILLED)
        bar[: max(2, height // 8)] = TEACHER_COLOR
    else:
        is_late = source.heard_stamp_ns is not None
        cv2.rectangle(bar, *corners, _DARK, cv2.FILLED)
        cv2.rectangle(bar, *corners, TEACHER_COLOR if is_late else _STUDENT_COLOR, 1)
    ink = _DARK if source.is_keyframe else _LIGHT
    _put_text(bar, text, (left + 3 * pad // 2, height - pad), scale, ink, thickness)


def _put_text(
    canvas: Image, text: str, origin: Point, scale: float, ink: Color, thickness: int
) -> None:
    cv2.putText(canvas, text, origin, _FONT, scale, ink, thickness, cv2.LINE_AA)


def _text_style(canvas: Image) -> tuple[float, int]:
    """Font scale and stroke that stay readable from VGA to 4K."""
    scale = min(max(canvas.shape[0] / 1250, 0.42), 2.0)
    return scale, max(1, round(scale * 1.6))


def _text_size(text: str, scale: float, thickness: int) -> tuple[int, int]:
    (width, height), _ = cv2.getTextSize(text, _FONT, scale, thickness)
    return width, height


def _is_bright(color: Color) -> bool:
    """Perceived brightness (Rec. 601 luma) above the middle: dark ink reads better on it."""
    blue, green, red = color
    return bool(0.114 * blue + 0.587 * green + 0.299 * red > 140)
