"""Where frames come from: one file per kind of input, all behind the `Source` contract.

`open_source` picks the kind by looking at the path. A new kind is one new file and one line in
`KINDS`; kinds are asked in order. What a bag knows of the camera's motion comes from
`open_motion`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mot_compress_ros.errors import InputError
from mot_compress_ros.sources import bag, mot_folder, video
from mot_compress_ros.sources.bag_motion import BagMotion, MESSAGES, TurningFeed
from mot_compress_ros.sources.source import (
    FIRST_STAMP_NS,
    FPS_RANGE_HZ,
    Source,
    SourceOptions,
)

__all__ = [
    'FIRST_STAMP_NS',
    'FPS_RANGE_HZ',
    'KINDS',
    'BagMotion',
    'Kind',
    'Source',
    'SourceOptions',
    'TurningFeed',
    'open_motion',
    'open_source',
]


@dataclass(frozen=True)
class Kind:
    """A kind of input: whether a path is one, and how it is opened."""

    matches: Callable[[Path], bool]
    open: Callable[[Path, SourceOptions], Source]


KINDS: Mapping[str, Kind] = {
    'bag': Kind(bag.is_bag, bag.BagSource),
    'video': Kind(video.is_video, video.VideoSource),
    'sequence': Kind(mot_folder.is_image_folder, mot_folder.ImageFolderSource),
}


def open_source(
    path: str | Path,
    *,
    topic: str | None = None,
    camera: str | None = None,
    fps_hz: float | None = None,
) -> Source:
    """Open a bag, a video or a folder of images.

    Args:
        path: rosbag2 folder, `.mcap` or `.db3` file; video file; MOTChallenge sequence folder or
            a plain folder of images.
        topic: image topic, needed only where a bag holds several.
        camera: name of the camera; a bag's default follows its topic, others are 'camera'.
        fps_hz: frame rate of a plain folder of images.

    Raises:
        InputError: nothing readable is there; the message says what to do.
    """
    where = Path(path).expanduser()
    if not where.exists():
        raise InputError(f'{where}: no such file or folder')
    options = SourceOptions(topic=topic or '', camera=camera or '', fps_hz=fps_hz or 0.0)
    for kind in KINDS.values():
        if kind.matches(where):
            return kind.open(where, options)
    if where.suffix == '.bag':
        raise InputError(
            f'{where}: this is a ROS 1 bag; convert it with '
            f'`rosbags-convert --src {where} --dst {where.with_suffix("")}`'
        )
    if bag.storage_files(where):
        raise InputError(f'{where}: a recording without metadata.yaml; {bag.mending(where)}')
    raise InputError(
        f'{where}: not a rosbag2 folder or .mcap/.db3 file, not a video '
        f'({", ".join(video.SUFFIXES)}), not a folder with images '
        f'({", ".join(mot_folder.SUFFIXES)})'
    )


def open_motion(
    source: Source, *, motion_source: str, topic: str = '', info_topic: str = ''
) -> BagMotion | None:
    """What an input holds of the vehicle's motion; None where `motion_source` needs nothing.

    Args:
        source: the input.
        motion_source: value of the option `camera_motion.source`.
        topic: topic of the angular velocities, needed only where a bag holds several.
        info_topic: topic of the camera's `camera_info`; the one beside the images where empty.

    Raises:
        InputError: the input is no bag, or the bag does not hold it.
    """
    if motion_source not in MESSAGES:
        return None
    if not isinstance(source, bag.BagSource):
        raise InputError(
            f'{source.path}: camera_motion.source={motion_source} needs a bag that holds '
            f'{MESSAGES[motion_source]}; use image or none for a {source.kind}'
        )
    return BagMotion(
        source.path,
        source=motion_source,
        image_topic=source.topic,
        topic=topic,
        info_topic=info_topic,
    )
