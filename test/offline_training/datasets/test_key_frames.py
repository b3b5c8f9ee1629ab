"""Which frame is the key frame, how its objects move, and that both frames go one way."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mot_compress_ros.errors import InvalidOptionError
from offline_training.datasets.augment import augment_repeatedly, AugmentConfig
from offline_training.datasets.geometries import GEOMETRIES
from offline_training.datasets.key_frames import (
    collect_keys,
    key_frame_of,
    KeySample,
    made_up_key_frame,
    truth_of,
)
from offline_training.datasets.sampler import KeyframeSampler, PairSampler
from offline_training.datasets.training_images import TrainingImage, TrainingSource
from offline_training.distillation.config import AttentionConfig
from offline_training.distillation.prior import NOTHING_MOVED, objects_of, painted

FPS = 20.0
SIZE = (160, 96)
AUGMENT = AugmentConfig(
    width_px=SIZE[0], height_px=SIZE[1], min_full_width_px=160.0, max_full_width_px=240.0
)
EXACT = AttentionConfig(prior='truth', drop=0.0, jitter=0.0, lost=0.0, false=0.0)


def labels(frame, boxes, identities, folder=Path('x'), sequence='s'):
    return TrainingImage(
        path=folder / f'{frame}.png',
        boxes_xyxy_px=np.array(boxes, np.float32).reshape(-1, 4),
        class_ids=np.zeros(len(boxes), np.int64),
        identities=np.array(identities, np.int64),
        ignore_xyxy_px=np.zeros((0, 4), np.float32),
        ignore_class_ids=np.zeros(0, np.int64),
        labelled_classes=(0, 1, 2),
        sequence=sequence,
        frame_index=frame,
        fps=FPS if sequence else 0.0,
    )


def moving(frame, speed=(2.0, 1.0), **given):
    """A box that moves on by `speed` pixels a frame, and one that stands still."""
    x, y = 40 + speed[0] * frame, 30 + speed[1] * frame
    boxes = [[x, y, x + 20, y + 30], [110, 60, 130, 80]]
    return labels(frame, boxes, [7, 8], **given)


def frames_of(images):
    return {(i.sequence, i.frame_index): i for i in images}


def test_a_key_frame_is_some_frames_before_and_velocities_are_those_of_earlier_frames():
    images = [moving(k) for k in range(12)]
    rng, gaps = np.random.default_rng(0), []
    for _ in range(60):
        key = key_frame_of(images[11], frames_of(images), rng, max_gap_frames=4)
        gaps.append(11 - key.image.frame_index)
        assert key.age_s == pytest.approx(gaps[-1] / FPS) and key.fps == FPS
        np.testing.assert_allclose(key.velocities_px_s, [[40, 20], [0, 0]], atol=1e-4)
    assert set(gaps) == {1, 2, 3, 4}


def test_velocity_is_not_known_of_an_object_that_was_just_born():
    images = [moving(0), labels(1, [[0, 0, 9, 9], [50, 0, 60, 9]], [7, 99]), moving(2)]
    rng = np.random.default_rng(0)
    key = key_frame_of(images[2], frames_of(images), rng, max_gap_frames=1)
    assert np.isfinite(key.velocities_px_s[0]).all() and np.isnan(key.velocities_px_s[1]).all()


def test_the_error_of_linear_motion_is_in_it():
    """An object under a constant acceleration: the earliest of three frames counts."""
    images = [labels(k, [[10 + k**2, 20, 30 + k**2, 40]], [1]) for k in range(10)]  # x = 20 + k^2
    key = key_frame_of(
        images[7],
        {('s', k): images[k] for k in (2, 3, 4, 5, 7)},
        np.random.default_rng(0),
        max_gap_frames=2,
    )
    assert key.image.frame_index == 5
    expected = (25 - 4) / (3 / FPS)
    np.testing.assert_allclose(key.velocities_px_s, [[expected, 0]], rtol=1e-6)


@pytest.mark.parametrize('sequence', ['', 's'])
def test_no_earlier_frame_no_key_frame(sequence):
    image = moving(0, sequence=sequence)
    others = frames_of([image, moving(50)]) if sequence else {}
    assert key_frame_of(image, others, np.random.default_rng(0), max_gap_frames=8) is None


def test_a_made_up_key_frame_moves_pixels_and_boxes_alike():
    """The centroid of a bright spot is in the middle of its box in both."""
    x, y = np.meshgrid(np.arange(160) + 0.5, np.arange(96) + 0.5)
    spot = 250 * np.exp(-((x - 70) ** 2 + (y - 50) ** 2) / 18)
    image = np.dstack([np.round(spot).astype(np.uint8)] * 3)
    still = labels(0, [[60, 40, 80, 60]] * 40, range(40), sequence='')
    for seed in range(5):
        rng = np.random.default_rng(seed)
        key = made_up_key_frame(still, rng, size_wh=(160, 96), max_gap_frames=8)
        weight = key.pixels(image)[..., 0].astype(float)
        weight[weight > 120] = np.where((x > 159) | (y > 95), 0, weight)[weight > 120]
        x1, y1, x2, y2 = key.image.boxes_xyxy_px[0].astype(float)
        inside = (x > x1) & (x < x2) & (y > y1) & (y < y2)
        part = weight * inside
        centre = np.array([(x * part).sum(), (y * part).sum()]) / part.sum()
        assert np.abs(centre - [(x1 + x2) / 2, (y1 + y2) / 2]).max() < 0.3
        way = np.array([70, 50]) - [(x1 + x2) / 2, (y1 + y2) / 2]
        known = np.isfinite(key.velocities_px_s[:, 0])
        assert 0.3 < known.mean() < 1
        # About the way it goes, with an error: never 3 deviations off in the mean of some 28.
        found = key.velocities_px_s[known] * key.age_s
        assert np.abs(found.mean(axis=0) - way).max() <= 0.3 * np.abs(way).max() + 1e-3
        assert found.std(axis=0).max() > 0.02 * np.abs(way).max()


@pytest.mark.parametrize('geometry', GEOMETRIES)
def test_both_frames_go_through_one_geometry(geometry):
    """The same frame again gives the same picture, but for its colours, and the same boxes."""
    config = AugmentConfig(geometry=geometry, width_px=160, height_px=96, flip_probability=0.5)
    image = np.random.default_rng(0).integers(0, 256, (96, 160, 3), np.uint8)
    image = cv2.GaussianBlur(image, (0, 0), 3)
    grey = AugmentConfig(**{**vars(config), 'saturation_value': 0.0})
    colours = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        found, repeat = augment_repeatedly(image, moving(3), grey, rng)
        np.testing.assert_array_equal(repeat.picture(image, rng), found.image_rgb)
        boxes = repeat.boxes(moving(3).boxes_xyxy_px)
        for box in found.boxes_xyxy_px:
            assert np.abs(boxes - box).max(axis=1).min() < 1e-3
        rng = np.random.default_rng(seed)
        found, repeat = augment_repeatedly(image, moving(3), config, rng)
        colours.append((repeat.picture(image, rng) != found.image_rgb).any())
    assert all(colours)


@pytest.mark.parametrize('geometry', GEOMETRIES)
def test_truth_moved_on_by_its_velocity_lies_on_the_frames_own_boxes(geometry):
    """Under any turn, zoom and mirror image, for objects that move linearly."""
    config = AugmentConfig(**{**vars(AUGMENT), 'geometry': geometry})
    images = [moving(k) for k in range(12)]
    seen = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        _, repeat = augment_repeatedly(np.zeros((96, 160, 3), np.uint8), images[11], config, rng)
        key = key_frame_of(images[11], frames_of(images), rng, max_gap_frames=6)
        truth = truth_of(key, repeat, size_wh=SIZE)
        now = repeat.boxes(images[11].boxes_xyxy_px)
        centres = (now[:, :2] + now[:, 2:]) / 2
        moved = truth.centres_px + truth.velocities_px_s * key.age_s
        for centre in moved:
            assert np.abs(centres - centre).max(axis=1).min() < 1e-3
        seen += len(truth)
    assert seen > 12


def test_a_batch_of_key_frames_knows_whom_the_teacher_is_to_look_at():
    nobody = objects_of(
        np.zeros((0, 4)),
        np.zeros(0, np.int64),
        scores=np.zeros(0),
        velocities_px_s=np.zeros((0, 2)),
        fps=10.0,
    )
    planes = np.ones((5, 4, 6), np.float32)
    picture = np.full((16, 24, 3), 9, np.uint8)
    told = KeySample(planes=planes, truth=nobody, age_s=0.1, fps=10.0)
    asked = KeySample(planes=planes * 0, truth=nobody, age_s=0.2, fps=20.0, picture_rgb=picture)
    batch = collect_keys([told, asked, told])
    assert batch.rows.tolist() == [1] and tuple(batch.pictures.shape) == (1, 16, 24, 3)
    assert (batch.ages_s, batch.fps) == ((0.2,), (20.0,))
    assert batch.planes[:, 0, 0, 0].tolist() == [1, 0, 1]
    assert len(collect_keys([told]).pictures) == 0
    assert collect_keys([None, None]) is None and collect_keys([]) is None


@pytest.fixture
def road(tmp_path):
    """Twelve frames of two objects, and a single image."""
    images = []
    for k in range(12):
        image = moving(k, folder=tmp_path)
        picture = np.full((96, 160, 3), 40, np.uint8)
        for box in image.boxes_xyxy_px.astype(int):
            picture[box[1] : box[3], box[0] : box[2]] = (40, 60, 220)
        cv2.imwrite(str(image.path), picture)
        images.append(image)
    single = labels(99, [[40, 30, 80, 70]], [50], folder=tmp_path, sequence='')
    cv2.imwrite(str(single.path), np.full((96, 160, 3), 90, np.uint8))
    return [
        TrainingSource(name='road', images=tuple(images), weight=3.0),
        TrainingSource(name='still', images=(single,), weight=1.0),
    ]


def sampler_of(sources, attention, batch_size=4, kind=KeyframeSampler, steps=10, **augment):
    config = AugmentConfig(**{**vars(AUGMENT), **augment})
    return kind(
        sources,
        config=config,
        batch_size=batch_size,
        n_class=3,
        seed=3,
        attention=attention,
        steps=steps,
    )


def test_without_a_prior_the_samples_are_the_pairs(road):
    own = sampler_of(road, AttentionConfig()).batch(2)
    pairs = sampler_of(road, None, kind=PairSampler).batch(2)
    assert torch.equal(own.images, pairs.images) and own.key is None


@pytest.mark.parametrize('prior', ['truth', 'mixed', 'teacher'])
def test_what_a_student_is_told_changes_no_picture(road, prior):
    """A plain student and one with a prior see the same pictures: both images of every pair."""
    plain = sampler_of(road, AttentionConfig())
    told = sampler_of(road, AttentionConfig(prior=prior))
    for step in (0, 5, 9):
        own, others = plain.batch(step), told.batch(step)
        assert torch.equal(own.images, others.images)
        assert torch.equal(own.heatmap, others.heatmap)
        assert own.identities.tolist() == others.identities.tolist()


def test_each_image_of_a_pair_has_a_key_frame_of_its_own(road):
    """Of one frame twice: gaps, and what is dropped, are drawn anew."""
    sampler = sampler_of(road[1:], AttentionConfig(prior='teacher', drop=0.5), batch_size=2)
    batches = [sampler.batch(step) for step in range(24)]
    asked = [b.key.rows.tolist() for b in batches]
    assert {tuple(rows) for rows in asked} == {(), (0,), (1,), (0, 1)}
    ages = [b.key.ages_s for b in batches if len(b.key.rows) == 2]
    assert any(first != second for first, second in ages)


def test_prior_peaks_at_the_objects_of_the_current_frame(road):
    """The exact truth, moved on linearly, of objects that do move linearly."""
    sampler = sampler_of(road[:1], replace(EXACT, max_gap_frames=2))
    known = hits = 0
    for step in range(12):
        batch = sampler.batch(step)
        heat = batch.key.planes[:, 0]  # all are of class 0
        assert batch.key.planes.shape == (4, 5, 24, 40)
        for index, y, x in zip(batch.image_index, batch.ys, batch.xs, strict=True):
            near = heat[index, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
            hits += int(near.max() > 0.29)  # a score is 0.3 at least
            known += 1
    assert known > 20 and hits > 0.8 * known  # a key frame of the first frames knows no velocity
    assert (batch.key.planes[:, 3].max() > 0) and (batch.key.planes[:, 1:3] == 0).all()


def test_dropped_priors_are_empty(road):
    every = sampler_of(road, AttentionConfig(prior='truth', drop=1.0)).batch(0)
    assert (every.key.planes == 0).all() and len(every.key.rows) == 0
    some = AttentionConfig(prior='truth', drop=0.5, lost=0.0)
    sampler = sampler_of(road, some, batch_size=8)
    full = [(sampler.batch(s).key.planes.amax(dim=(1, 2, 3)) > 0).float() for s in range(8)]
    assert 0.2 < torch.cat(full).mean() < 0.8


def test_mixed_goes_from_the_truth_to_the_teacher(road):
    attention = AttentionConfig(prior='mixed', drop=0.0)
    sampler = sampler_of(road, attention, batch_size=16, steps=10)
    asked = [len(sampler.batch(step).key.rows) for step in (0, 5, 9)]
    assert asked[0] == 0 and 3 <= asked[1] <= 13 and asked[2] >= 11
    always = sampler_of(road, AttentionConfig(prior='teacher', drop=0.0))
    batch = always.batch(0)
    assert batch.key.rows.tolist() == [0, 1, 2, 3] and (batch.key.planes == 0).all()
    assert batch.key.pictures.shape == batch.images.shape


def test_units_are_a_function_of_seed_and_step_in_any_number_of_shards(road):
    attention = AttentionConfig(prior='mixed')
    one, two = sampler_of(road, attention, 8), sampler_of(road, attention, 8)
    two.batch(0)
    whole = one.batch(6)
    parts = [two.batch(6, shard=k, n_shards=2) for k in range(2)]
    for name in ('planes', 'pictures'):
        joined = torch.cat([getattr(p.key, name) for p in parts if len(getattr(p.key, name))])
        assert torch.equal(getattr(whole.key, name), joined)
    rows = [*parts[0].key.rows.tolist(), *(parts[1].key.rows + 4).tolist()]
    assert whole.key.rows.tolist() == rows and 0 < len(rows) < 8
    assert not torch.equal(whole.images, one.batch(7).images)


def test_most_objects_are_there_twice_for_the_metric_losses(road):
    batch = sampler_of(road[:1], EXACT, batch_size=2, flip_probability=0.0).batch(1)
    assert len(batch.identities) > len(set(batch.identities.tolist()))


def test_mosaics_have_no_key_frame(road):
    with pytest.raises(InvalidOptionError, match='a picture of four has no key frame'):
        sampler_of(road, EXACT, mosaic_probability=0.5)


def test_smaller_frames_give_the_same_prior(road):
    """Labels and velocities follow frames that are kept at half their size."""
    from offline_training.datasets.frame_cache import read_frame, StoredFrame

    def half(path):
        small = cv2.resize(read_frame(path).image_bgr, (80, 48), interpolation=cv2.INTER_AREA)
        return StoredFrame(image_bgr=np.asarray(small, np.uint8), scale_xy=(0.5, 0.5))

    still = {'rotation_deg': 0.0, 'shear_deg': 0.0, 'flip_probability': 0.0}
    config = AugmentConfig(**{**vars(AUGMENT), **still, 'max_full_width_px': 160.0})
    options = {'config': config, 'batch_size': 4, 'n_class': 3, 'seed': 3, 'attention': EXACT}
    large = KeyframeSampler(road[:1], **options).batch(3).key.planes
    small = KeyframeSampler(road[:1], **options, read=half).batch(3).key.planes
    assert large.max() > 0.5
    torch.testing.assert_close(small, large, atol=2e-3, rtol=0)


def test_the_prior_of_training_is_that_of_the_vehicle():
    """At no age and with no motion it is the heat map that the network is to learn."""
    objects = objects_of(
        np.array([[40.0, 24, 72, 64]]),
        np.array([1]),
        scores=np.ones(1),
        velocities_px_s=np.zeros((1, 2)),
        fps=10.0,
    )
    planes = painted(objects, update='render', age_s=0.0, n_class=3, shape_hw=(24, 40))
    from offline_training.datasets.targets import draw_gaussian

    expected = np.zeros((24, 40), np.float32)
    draw_gaussian(expected, x=14, y=11, width=8, height=10)
    np.testing.assert_allclose(planes[1], expected, atol=1e-6)
    assert NOTHING_MOVED.scale_x == 1
