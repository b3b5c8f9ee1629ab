"""Read a recorded rosbag2 bag with a track file: a folder with `metadata.yaml`, or a `.mcap` file.

The track file lies in the bag's folder or beside it, or the option `tracks` names it:

- `tracks.txt`, as replay, demo and node record it:
  `frame,id,left,top,width,height,score,class,-1,-1`, frames and classes from 1. These boxes are
  what a tracker said, not what a person saw: pseudo labels.
- `NAME_truth/gt.txt` of a synthetic bag, or any ground truth in MOTChallenge's 9 columns.

A frame is counted by its message on the image topic, from 1, unreadable ones included. The images
are unpacked once into a cache, without a loss: a JPEG or PNG message as it is, raw pixels as PNG.
A class is labelled where the track file has a box of it, and all are in a synthetic bag, which is
known by the metric truth beside `gt.txt`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.boxes import xywh_to_xyxy
from mot_compress_ros.console import complain, ProgressLine
from mot_compress_ros.errors import InputError
from mot_compress_ros.image_decoding import read_image
from mot_compress_ros.sources.bag import BagSource, is_bag, storage_files
from mot_compress_ros.sources.source import SourceOptions
from offline_training.datasets.classes import ALL_CLASSES, CLASS_NAMES
from offline_training.datasets.extracted import extracted
from offline_training.datasets.image_files import is_readable
from offline_training.datasets.label_files import text_lines
from offline_training.datasets.mot_images import frame_ranges
from offline_training.datasets.mot_layout import read_ground_truth
from offline_training.datasets.records import (
    FrameTruth,
    LabelledSequence,
    LabelledSet,
    SourceConfig,
)

OPTIONS = frozenset({'topic', 'tracks', 'identities'})
_TRACK_FILE = 'tracks.txt'
_TRACK_COLUMNS, _TRUTH_COLUMNS = 10, 9
_METRIC_TRUTH = ('metric.csv', 'ego.csv')  # only the generator knows it
_PNG_START = b'\x89PNG'


def recognises(path: Path) -> bool:
    """Whether it is a bag, or a folder with one; the track file is asked for by `read`."""
    if not is_readable(path):
        return False
    return is_bag(path) or (path.is_dir() and len(storage_files(path)) == 1)


def read(path: Path, config: SourceConfig) -> LabelledSet:
    """One sequence, of one image topic.

    Raises:
        InputError: the bag or the track file is missing or damaged, they do not belong together,
            or there are several image topics and none was chosen.
    """
    bag = path if is_bag(path) or not recognises(path) else storage_files(path)[0]
    if not is_bag(bag):
        raise InputError(f'{path}: not a bag: expected metadata.yaml, or a .mcap or .db3 file')
    tracks = _track_file(bag, config.tracks)
    source = BagSource(bag, SourceOptions(topic=config.topic))
    folder = extracted(bag, partial(_unpack, source), variant=source.topic)
    images = sorted(p for p in folder.iterdir() if p.suffix in ('.jpg', '.png'))
    if not images:
        raise InputError(f'{bag}: no message of {source.topic} can be decoded')
    frames = [int(image.stem) for image in images]
    if len(frames) < len(source):
        lost = sorted(set(range(1, len(source) + 1)) - set(frames))
        complain(f'{bag}: frame {frame_ranges(lost)} cannot be decoded and is left out')
    truth = read_track_file(tracks, n_frames=len(source))
    shown = tuple(truth[frame - 1] for frame in frames)
    synthetic = all((tracks.parent / name).is_file() for name in _METRIC_TRUTH)
    sequence = LabelledSequence(
        name=_name(bag),
        fps=source.fps,
        size_wh=_size_wh(images[0]),
        image_paths=tuple(images),
        truth=shown,
        labelled_class_ids=ALL_CLASSES if synthetic else _occurring(shown),
        origin='synthetic' if synthetic else 'real',
    )
    return LabelledSet(path=path, layout='bag', sequences=(sequence,))


def _name(bag: Path) -> str:
    return bag.stem if bag.is_file() else bag.name


def _track_file(bag: Path, given: str) -> Path:
    """The track file: as given, relative to the bag's folder, or where it is expected."""
    inside = bag if bag.is_dir() else bag.parent
    if given:
        file = inside / given
        if not file.is_file():
            raise InputError(f'{file}: no such track file')
        return file
    places = (
        inside / _TRACK_FILE,
        bag.with_name(_TRACK_FILE),
        bag.with_name(f'{bag.stem}_truth') / 'gt.txt',
    )
    for file in places:
        if file.is_file():
            return file
    looked = ', '.join(str(file) for file in dict.fromkeys(places))
    raise InputError(
        f'{bag}: no track file; looked for {looked}. Replay writes one '
        '(`python -m mot_compress_ros.replay`); the option tracks names another'
    )


def read_track_file(path: Path, *, n_frames: int) -> tuple[FrameTruth, ...]:
    """Boxes of each frame, from recorded tracks or from a ground truth of 9 columns.

    Raises:
        InputError: a line is of neither kind or out of range, a frame lies beyond the recording,
            or an id stands twice in a frame.
    """
    lines = list(text_lines(path, 'the tracks of a run'))
    if lines and lines[0][1].rstrip(', ').count(',') + 1 == _TRUTH_COLUMNS:
        return read_ground_truth(path, n_frames=n_frames)
    rows = [_track_row(line, where) for where, line in lines]
    table = np.array(rows, np.float64).reshape(-1, 7)
    last = int(table[:, 0].max(initial=0))
    if last > n_frames:
        raise InputError(
            f'{path}: frame {last}, but the recording has {n_frames} frames; is it the track '
            'file of another recording or topic?'
        )
    truth = tuple(_frame(table[table[:, 0] == frame]) for frame in range(1, n_frames + 1))
    for frame, here in enumerate(truth, start=1):
        if len(np.unique(here.ids)) != len(here):
            raise InputError(f'{path}: frame {frame}: an id stands twice; keep one of the rows')
    return truth


def _track_row(line: str, where: str) -> list[float]:
    """Columns frame, id, left, top, width, height, class of ours."""
    try:
        values = [float(text) for text in line.split(',')]
    except ValueError:
        values = []
    if len(values) != _TRACK_COLUMNS or not np.isfinite(values).all():
        raise InputError(
            f'{where}: expected frame,id,left,top,width,height,score,class,-1,-1 as replay '
            f'writes it, or the {_TRUTH_COLUMNS} columns of a ground truth; got {line!r}'
        )
    frame, track_id, left, top, width, height, _, number = values[:8]
    if frame < 1 or width <= 0 or height <= 0 or frame % 1 or track_id % 1:
        raise InputError(
            f'{where}: expected a frame from 1, a whole id, and a width and height above 0, got '
            f'{line!r}'
        )
    if number not in range(1, len(CLASS_NAMES) + 1):
        legal = ', '.join(f'{k} {name}' for k, name in enumerate(CLASS_NAMES, start=1))
        raise InputError(f'{where}: class {number:g}; legal: {legal}')
    return [frame, track_id, left, top, width, height, number - 1]


def _frame(rows: NDArray[np.float64]) -> FrameTruth:
    rows = rows[np.argsort(rows[:, 1], kind='stable')]
    return FrameTruth(
        boxes_xyxy_px=xywh_to_xyxy(rows[:, 2:6]),
        ids=rows[:, 1].astype(np.int64),
        class_ids=rows[:, 6].astype(np.int64),
        ignore=np.zeros(len(rows), np.bool_),
        visibility=np.ones(len(rows)),
    )


def _occurring(truth: Sequence[FrameTruth]) -> tuple[int, ...]:
    seen = [here.class_ids[~here.ignore] for here in truth]
    return tuple(int(class_id) for class_id in np.unique(np.concatenate(seen)))


def _size_wh(image: Path) -> tuple[int, int]:
    pixels = read_image(image)
    if pixels is None:
        raise InputError(f'{image}: not readable any more; remove {image.parent} and read again')
    return int(pixels.shape[1]), int(pixels.shape[0])


def _unpack(source: BagSource, folder: Path) -> None:
    """Every readable image of the topic, named by the number of its message."""
    with ProgressLine(len(source)) as line:
        for frame, message in source.with_messages():
            name = f'{frame.frame_index + 1:06d}'
            if message.compressed:
                payload = message.data.tobytes()
                suffix = '.png' if payload.startswith(_PNG_START) else '.jpg'
                (folder / f'{name}{suffix}').write_bytes(payload)
            else:
                _write_png(folder / f'{name}.png', frame.image, rgb=frame.color_order == 'rgb')
            line.update(frame.frame_index + 1, lambda: f'unpacking {source.topic}')
    if source.early_end:
        raise InputError(source.early_end)


def _write_png(path: Path, image: NDArray[np.uint8], *, rgb: bool) -> None:
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if rgb else image
    if not cv2.imwrite(str(path), bgr, [cv2.IMWRITE_PNG_COMPRESSION, 1]):
        raise InputError(f'{path}: cannot be written; is the disk full?')
