"""Frames from the cache are the frames of the files."""

from concurrent.futures import ThreadPoolExecutor
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mot_compress_ros.errors import InputError
from offline_training.datasets import frame_cache
from offline_training.datasets.augment import AugmentConfig
from offline_training.datasets.frame_cache import FrameCache, read_frame
from offline_training.datasets.sampler import PairSampler
from offline_training.datasets.training_images import TrainingImage, TrainingSource


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / 'picture.png'
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 255, (60, 90, 3), dtype=np.uint8))
    return path


def labels(path):
    return TrainingImage(
        path=path,
        boxes_xyxy_px=np.array([[30, 10, 60, 40]], np.float32),
        class_ids=np.array([2]),
        identities=np.array([4]),
        ignore_xyxy_px=np.array([[0, 0, 9, 6]], np.float32),
        ignore_class_ids=np.array([0]),
        labelled_classes=(0, 1, 2),
    )


def sampler(image, **options):
    config = AugmentConfig(
        width_px=96, height_px=64, min_full_width_px=96.0, max_full_width_px=128.0
    )
    source = TrainingSource(name='one', images=(image,), weight=1.0)
    return PairSampler([source], config=config, batch_size=2, n_class=3, seed=0, **options)


def test_batches_are_the_same_bytes(picture, tmp_path):
    cache = FrameCache(tmp_path / 'cache')
    for step in (0, 1, 0):  # decoded and kept, then read
        plain = sampler(labels(picture)).batch(step)
        cached = sampler(labels(picture), read=cache).batch(step)
        for name, value in vars(plain).items():
            same = value is None or torch.equal(value, getattr(cached, name))
            assert same, name
    assert len(list((tmp_path / 'cache').rglob('*.npy'))) == 1


def test_a_kept_frame_is_not_decoded_again_and_a_changed_one_is(picture, tmp_path, monkeypatch):
    cache = FrameCache(tmp_path / 'cache')
    first = cache(picture).image_bgr.copy()
    decoded = []
    monkeypatch.setattr(
        frame_cache, 'read_frame', lambda path: (decoded.append(path), read_frame(path))[1]
    )
    assert np.array_equal(cache(picture).image_bgr, first)
    assert not decoded
    cv2.imwrite(str(picture), 255 - first)
    os.utime(picture, ns=(1, 1))
    assert np.array_equal(cache(picture).image_bgr, 255 - first)
    assert decoded == [picture]


def test_frames_are_mapped_read_only(picture, tmp_path):
    image = FrameCache(tmp_path / 'cache')(picture).image_bgr
    assert isinstance(image.base, np.memmap)
    with pytest.raises(ValueError, match='read-only'):
        image[0, 0, 0] = 1


def test_a_smaller_frame_takes_its_labels_with_it(picture, tmp_path):
    """90 x 60 at a width of 30: everything divided by three."""
    frame = FrameCache(tmp_path / 'cache', max_width_px=30)(picture)
    assert frame.image_bgr.shape == (20, 30, 3)
    whole = read_frame(picture)
    means = whole.image_bgr.reshape(20, 3, 30, 3, 3).mean(axis=(1, 3))
    assert np.abs(frame.image_bgr - means).max() <= 1
    fitted = frame.fit(labels(picture))
    np.testing.assert_allclose(fitted.boxes_xyxy_px, [[10, 10 / 3, 20, 40 / 3]], rtol=1e-6)
    np.testing.assert_allclose(fitted.ignore_xyxy_px, [[0, 0, 3, 2]], rtol=1e-6)
    assert fitted.identities.tolist() == [4]
    plain = labels(picture)
    assert whole.fit(plain) is plain
    assert FrameCache(tmp_path / 'cache', max_width_px=90)(picture).scale_xy == (1.0, 1.0)


def test_a_frame_that_is_not_whole_is_made_again(picture, tmp_path):
    cache = FrameCache(tmp_path / 'cache')
    wanted = cache(picture).image_bgr.copy()
    (kept,) = (tmp_path / 'cache').rglob('*.npy')
    content = kept.read_bytes()
    for broken in (content[:100], content[:-10], b''):
        kept.write_bytes(broken)
        assert np.array_equal(cache(picture).image_bgr, wanted)


def test_many_may_share_a_folder(picture, tmp_path):
    caches = [FrameCache(tmp_path / 'cache') for _ in range(8)]
    wanted = read_frame(picture).image_bgr
    with ThreadPoolExecutor(8) as pool:
        for frame in pool.map(lambda cache: cache(picture), caches):
            assert np.array_equal(frame.image_bgr, wanted)
    (kept,) = [p for p in (tmp_path / 'cache').rglob('*') if p.is_file()]
    assert kept.suffix == '.npy', 'nothing half-written is left'


def test_what_cannot_be_read_or_kept_is_said(picture, tmp_path):
    cache = FrameCache(tmp_path / 'cache')
    text = tmp_path / 'text.png'
    text.write_text('no image')
    for path in (text, tmp_path / 'none.png'):
        with pytest.raises(InputError, match='not a readable image'):
            cache(path)
    with pytest.raises(InputError, match='the cache cannot be written'):
        FrameCache(text)(picture)
    assert Path(text).read_text() == 'no image'
