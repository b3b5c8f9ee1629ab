"""A painted clip whose truth is known, and a bundle that sees it."""

import cv2
import numpy as np
import pytest

from mot_compress_ros.inference.backends.scripted import write_scripted_bundle

CLIP_FRAMES = 12
CLIP_SIZE_WH = (320, 192)
RED, GREEN, BLUE = (0, 0, 255), (0, 255, 0), (255, 0, 0)  # BGR: pedestrian, cyclist, vehicle


def painted_image(index):
    """A vehicle that drives right, a pedestrian that walks left, a cyclist from frame 4 on."""
    image = np.full((*CLIP_SIZE_WH[::-1], 3), 100, np.uint8)
    cv2.rectangle(image, (10 + 8 * index, 120), (57 + 8 * index, 151), BLUE, cv2.FILLED)
    cv2.rectangle(image, (280 - 4 * index, 40), (295 - 4 * index, 87), RED, cv2.FILLED)
    if index >= 4:
        cv2.rectangle(image, (130, 20 + 2 * index), (153, 59 + 2 * index), GREEN, cv2.FILLED)
    return image


@pytest.fixture(scope='session')
def painted_images():
    return [painted_image(index) for index in range(CLIP_FRAMES)]


@pytest.fixture(scope='session')
def painted_sequence(tmp_path_factory, painted_images):
    """A MOTChallenge folder at 10 Hz, its images lossless."""
    folder = tmp_path_factory.mktemp('clip') / 'painted'
    (folder / 'img1').mkdir(parents=True)
    (folder / 'seqinfo.ini').write_text(
        f'[Sequence]\nname=painted\nimDir=img1\nframeRate=10\nseqLength={CLIP_FRAMES}\n'
        f'imWidth={CLIP_SIZE_WH[0]}\nimHeight={CLIP_SIZE_WH[1]}\nimExt=.png\n'
    )
    for index, image in enumerate(painted_images):
        cv2.imwrite(str(folder / 'img1' / f'{index + 1:06d}.png'), image)
    return folder


@pytest.fixture(scope='session')
def scripted_bundle(tmp_path_factory):
    return write_scripted_bundle(tmp_path_factory.mktemp('models') / 'scripted')
