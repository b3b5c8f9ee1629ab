"""Which of nuScenes' key frames belong to one scene, found from the boxes alone.

An instance is an object of one scene. So images that show the same instance are of one scene, and
so are the images that the cameras of one vehicle took together. What is connected in this way
never spans two scenes; a scene in which hardly anything is seen may come in several parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

MAX_GAP_S = 1.5  # key frames come every 0.5 s
TOGETHER_S = 0.15  # six cameras are triggered in turn, within a turn of the lidar of 0.05 s


@dataclass(frozen=True, eq=False, kw_only=True)
class KeyFrame:
    """One image file, and its annotations; none where nothing was found in it."""

    filename: str
    timestamp_us: int
    records: Sequence[dict[str, Any]] = ()

    @property
    def stream(self) -> str:
        """Log and camera: `n015-2018-07-24-11-22-45+0800__CAM_FRONT`."""
        return Path(self.filename).stem.rpartition('__')[0] or Path(self.filename).parent.name

    @property
    def log(self) -> str:
        """Vehicle and start of the recording."""
        return self.stream.partition('__')[0]


def scene_parts(images: Sequence[KeyFrame]) -> dict[str, str]:
    """For the name of each image a name of its part: the same means the same scene."""
    parents: dict[str, str] = {}

    def root(node: str) -> str:
        while (above := parents.setdefault(node, node)) != node:
            parents[node] = parents[above]
            node = above
        return node

    for image in images:
        for record in image.records:
            parents[root(f'instance {record["instance_token"]}')] = root(image.filename)
    ordered = sorted(images, key=lambda image: (image.log, image.timestamp_us))
    for before, image in pairwise(ordered):
        gap_s = (image.timestamp_us - before.timestamp_us) / 1e6
        if image.log == before.log and gap_s < TOGETHER_S:
            parents[root(before.filename)] = root(image.filename)
    return {image.filename: root(image.filename) for image in images}


def cut_at_scenes(stream: Sequence[KeyFrame], parts: dict[str, str]) -> Iterator[list[KeyFrame]]:
    """The images of one camera by time, cut where a scene ends or no image came for `MAX_GAP_S`.

    Images without annotations stay where they lie between two of one scene.
    """
    images = sorted(stream, key=lambda image: image.timestamp_us)
    scene: list[KeyFrame] = []
    part = ''
    for before, image in pairwise((images[0], *images)):
        gap_s = (image.timestamp_us - before.timestamp_us) / 1e6
        own_part = parts.get(image.filename, part)
        if gap_s > MAX_GAP_S or own_part != part:
            yield from _without_empty_ends(scene)
            scene = []
        scene.append(image)
        part = own_part
    yield from _without_empty_ends(scene)


def _without_empty_ends(scene: list[KeyFrame]) -> Iterator[list[KeyFrame]]:
    """One list, or none where nothing is labelled."""
    labelled = [k for k, image in enumerate(scene) if image.records]
    if labelled:
        yield scene[labelled[0] : labelled[-1] + 1]
