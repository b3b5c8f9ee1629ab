"""Images for the comparison of runtimes, letterboxed."""

from __future__ import annotations

from collections.abc import Iterator
import itertools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.datatypes import Frame
from mot_compress_ros.errors import InputError
from mot_compress_ros.preprocess import letterbox_rgb

FPS = 3.0  # of the rendered scene: images that differ
_SCENE_SIZE_WH = (832, 480)
_EVERY = 5  # of a recording: neighbours show the same


def letterboxed_images(
    path: Path | None, *, n: int, size_wh: tuple[int, int]
) -> NDArray[np.uint8]:
    """Images (n, H, W, 3) RGB of a recording, or of a rendered scene where none is given.

    Args:
        path: bag, video or sequence folder; every 5th frame is taken.
        n: how many.
        size_wh: the network's input.

    Raises:
        InputError: the recording has fewer frames.
    """
    frames = _rendered(n) if path is None else itertools.islice(_recorded(path), 0, None, _EVERY)
    images = [letterbox_rgb(f, size_wh=size_wh)[0] for f in itertools.islice(frames, n)]
    if len(images) < n:
        raise InputError(
            f'{path}: has {len(images)} images where every {_EVERY}th is taken, fewer than {n}; '
            f'give a longer recording or a smaller --images'
        )
    return np.stack(images)


def _recorded(path: Path) -> Iterator[Frame]:
    from mot_compress_ros.sources import open_source

    # The rate says nothing here; a plain folder of images has to be given one.
    yield from open_source(path, camera='camera', fps_hz=FPS)


def _rendered(n: int) -> Iterator[Frame]:
    from offline_training.synthetic import generate, SceneConfig

    scene = SceneConfig(
        size_wh=_SCENE_SIZE_WH,
        fps=FPS,
        duration_s=n / FPS,
        seed=0,
        light='day',
        scenario='drive',
        surroundings='city',
    )
    for rendered in generate(scene):
        yield Frame(image=rendered.image_bgr, stamp_ns=0)
