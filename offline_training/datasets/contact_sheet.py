"""Pictures of a set: images with their boxes on one sheet, and how large the boxes are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import math
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.drawing import color_of_id, draw_mark
from mot_compress_ros.errors import InputError
from mot_compress_ros.image_decoding import read_image
from mot_compress_ros.options import option
from offline_training.datasets.inspection import View, views
from offline_training.datasets.records import LabelledSet
from offline_training.datasets.truth_rows import NOBODY

Image = NDArray[np.uint8]
Color = tuple[int, int, int]  # BGR

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_BACKGROUND: Color = (32, 28, 26)
_INK: Color = (235, 235, 235)
_IGNORED: Color = (160, 160, 160)
_DARK: Color = (20, 20, 20)
_TITLE_PX = 22
_GAP_PX = 6
_SCALE, _TAG_SCALE = 0.42, 0.36
_MIN_TAGGED_PX = 14  # height of a box on the sheet below which a tag would hide it
_FALLBACK_WH = (640, 480)


@dataclass(frozen=True, kw_only=True)
class SheetConfig:
    """How the sheet is laid out."""

    images: int = option(12, 'images on the sheet, evenly chosen', minimum=1)
    columns: int = option(4, 'images in a row', minimum=1)
    cell_width_px: int = option(480, 'width of an image on the sheet', minimum=64, unit='px')


def color_of_class(class_id: int) -> Color:
    """The BGR colour of a class, the same on every picture."""
    return color_of_id(class_id)


def contact_sheet(labelled: LabelledSet, config: SheetConfig | None = None) -> Image:
    """Evenly chosen images with their boxes; an image that cannot be read is marked.

    Boxes have the colour of their class and carry their id where it does not hide them; regions
    to ignore are grey with a cross. Below is the key.

    Returns:
        (H, W, 3) uint8, BGR.
    """
    config = config or SheetConfig()
    shown = views(labelled)
    count = min(config.images, len(shown))
    places = np.linspace(0, len(shown) - 1, count).round().astype(int)
    chosen = [shown[k] for k in places]
    images = [None if view.path is None else read_image(view.path) for view in chosen]
    height = _cell_height(chosen, images, config.cell_width_px)
    cells = [
        _cell(view, image, (config.cell_width_px, height))
        for view, image in zip(chosen, images, strict=True)
    ]
    columns = min(config.columns, count)
    blank = np.full_like(cells[0], _BACKGROUND)
    cells += [blank] * (-count % columns)
    rows = [np.hstack(cells[k : k + columns]) for k in range(0, len(cells), columns)]
    sheet = np.vstack([*rows, _key(labelled, rows[0].shape[1])])
    return np.asarray(sheet, np.uint8)


def write_contact_sheet(path: Path, labelled: LabelledSet, config: SheetConfig) -> None:
    """Draw the sheet into a PNG file.

    Raises:
        InputError: it cannot be written.
    """
    if not cv2.imwrite(str(path), contact_sheet(labelled, config)):
        raise InputError(f'{path}: cannot be written; is the disk full?')


def _cell_height(chosen: Sequence[View], images: Sequence[Image | None], width: int) -> int:
    """Height that fits the image in the middle by aspect ratio."""
    aspects = sorted(
        w / h
        for w, h in (_size_wh(view, image) for view, image in zip(chosen, images, strict=True))
    )
    return max(32, round(width / aspects[len(aspects) // 2]))


def _size_wh(view: View, image: Image | None) -> tuple[int, int]:
    if image is not None:
        return image.shape[1], image.shape[0]
    return view.stated_wh or _FALLBACK_WH


def _cell(view: View, image: Image | None, size_wh: tuple[int, int]) -> Image:
    """One image of the sheet: fitted, boxes, and its name below."""
    width, height = size_wh
    source_wh = _size_wh(view, image)
    scale = min(width / source_wh[0], height / source_wh[1])
    inner_wh = max(1, round(source_wh[0] * scale)), max(1, round(source_wh[1] * scale))
    picture = _fitted(image, inner_wh, scale)
    _draw_boxes(picture, view, scale)
    if image is None:
        draw_mark(picture, 'no image' if view.path is None else 'broken')
    cell = np.full((height + _TITLE_PX + _GAP_PX, width + _GAP_PX, 3), _BACKGROUND, np.uint8)
    left, top = (width - inner_wh[0]) // 2, (height - inner_wh[1]) // 2
    cell[top : top + inner_wh[1], left : left + inner_wh[0]] = picture
    title = _clipped(view.title, width)
    cv2.putText(cell, title, (2, height + 15), _FONT, _SCALE, _INK, 1, cv2.LINE_AA)
    return cell


def _fitted(image: Image | None, size_wh: tuple[int, int], scale: float) -> Image:
    if image is None:
        return np.full((size_wh[1], size_wh[0], 3), 64, np.uint8)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, size_wh, interpolation=how), np.uint8)


def _clipped(text: str, width_px: int) -> str:
    """The end of a title, which tells images apart, as far as it fits."""
    while len(text) > 4 and cv2.getTextSize(text, _FONT, _SCALE, 1)[0][0] > width_px - 4:
        text = f'..{text[3:]}'
    return text


def _draw_boxes(picture: Image, view: View, scale: float) -> None:
    boxes = np.rint(np.clip(view.boxes_xyxy_px * scale, -9999, 9999)).astype(int)  # (N, 4)
    order = np.argsort(boxes[:, 3], kind='stable').tolist()  # near ones on top
    for row in order:
        x1, y1, x2, y2 = (int(v) for v in boxes[row])
        if view.ignore[row]:
            cv2.rectangle(picture, (x1, y1), (x2, y2), _IGNORED, 1)
            cv2.line(picture, (x1, y1), (x2, y2), _IGNORED, 1, cv2.LINE_AA)
            cv2.line(picture, (x1, y2), (x2, y1), _IGNORED, 1, cv2.LINE_AA)
            continue
        color = color_of_class(int(view.class_ids[row]))
        thickness = 2 if min(x2 - x1, y2 - y1) > 12 else 1
        cv2.rectangle(picture, (x1, y1), (x2, y2), color, thickness, cv2.LINE_AA)
    for row in order:
        tall = boxes[row, 3] - boxes[row, 1] >= _MIN_TAGGED_PX
        if tall and not view.ignore[row] and view.ids[row] != NOBODY:
            color = color_of_class(int(view.class_ids[row]))
            _draw_tag(picture, (int(boxes[row, 0]), int(boxes[row, 1])), str(view.ids[row]), color)


def _draw_tag(picture: Image, corner: tuple[int, int], text: str, color: Color) -> None:
    """The id over the upper left corner of its box, inside the picture."""
    (width, height), _ = cv2.getTextSize(text, _FONT, _TAG_SCALE, 1)
    left = min(max(corner[0], 0), max(picture.shape[1] - width - 3, 0))
    bottom = max(corner[1], height + 4)
    low, high = (left, bottom - height - 4), (left + width + 3, bottom)
    cv2.rectangle(picture, low, high, color, cv2.FILLED)
    place = (left + 2, bottom - 2)
    cv2.putText(picture, text, place, _FONT, _TAG_SCALE, _ink_on(color), 1, cv2.LINE_AA)


def _ink_on(color: Color) -> Color:
    """Dark ink on bright colours (Rec. 601 luma)."""
    blue, green, red = color
    return _DARK if 0.114 * blue + 0.587 * green + 0.299 * red > 140 else _INK


def _key(labelled: LabelledSet, width_px: int) -> Image:
    """The colours of the classes, in as many lines as it takes."""
    entries = [(name, color_of_class(k)) for k, name in enumerate(labelled.class_names)]
    entries.append(('to ignore', _IGNORED))
    step = 34 + max(cv2.getTextSize(name, _FONT, _SCALE, 1)[0][0] for name, _ in entries)
    per_line = max(1, width_px // step)
    lines = math.ceil(len(entries) / per_line)
    key = np.full((_TITLE_PX * lines + _GAP_PX, width_px, 3), _BACKGROUND, np.uint8)
    for number, (name, color) in enumerate(entries):
        x, y = number % per_line * step + 4, number // per_line * _TITLE_PX + 4
        cv2.rectangle(key, (x, y), (x + 14, y + 14), color, cv2.FILLED)
        cv2.putText(key, name, (x + 20, y + 12), _FONT, _SCALE, _INK, 1, cv2.LINE_AA)
    return key


def write_size_histogram(path: Path, labelled: LabelledSet) -> None:
    """Widths and heights of the objects of each class, in pixels of the image, as a PNG file."""
    from matplotlib.figure import Figure

    shown = views(labelled)
    figure = Figure(figsize=(10, 3.8), layout='constrained')
    axes = figure.subplots(1, 2, sharey=True)
    sizes = [
        np.concatenate([_sizes(view, class_id) for view in shown])
        for class_id in range(len(labelled.class_names))
    ]
    for axis, side, name in zip(axes, (0, 1), ('width', 'height'), strict=True):
        _draw_histogram(axis, [size[:, side] for size in sizes], labelled.class_names)
        axis.set_xlabel(f'{name} of boxes, px')
    axes[0].set_ylabel('boxes')
    figure.suptitle(f'{labelled.path.name}: {sum(len(size) for size in sizes)} boxes of objects')
    figure.savefig(path, dpi=120)


def _sizes(view: View, class_id: int) -> NDArray[np.float64]:
    """Width and height of the objects of one class: (N, 2)."""
    boxes = view.boxes_xyxy_px[(view.class_ids == class_id) & ~view.ignore]
    return np.asarray(boxes[:, 2:] - boxes[:, :2], np.float64)


def _draw_histogram(
    axis: object, sizes: Sequence[NDArray[np.float64]], class_names: Sequence[str]
) -> None:
    """One outline per class that occurs, over sizes in octaves."""
    from matplotlib.axes import Axes
    from matplotlib.ticker import ScalarFormatter

    assert isinstance(axis, Axes)
    filled = [size for size in sizes if len(size)]
    low = min((float(size.min()) for size in filled), default=1.0)
    high = max((float(size.max()) for size in filled), default=512.0)
    edges = 2 ** np.linspace(math.floor(math.log2(low)), math.ceil(math.log2(high * 1.001)), 41)
    for class_id, size in enumerate(sizes):
        if len(size):
            blue, green, red = color_of_class(class_id)
            color = (red / 255, green / 255, blue / 255)
            label = f'{class_names[class_id]} ({len(size)})'
            axis.hist(
                size, bins=edges.tolist(), histtype='step', linewidth=1.6, color=color, label=label
            )
    axis.set_xscale('log', base=2)
    axis.xaxis.set_major_formatter(ScalarFormatter())
    axis.grid(alpha=0.3)
    if filled:
        axis.legend()
