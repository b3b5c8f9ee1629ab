from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
import yaml

from mot_compress_ros.errors import InputError, InvalidOptionError
from mot_compress_ros.image_decoding import read_image
from mot_compress_ros.preprocess import letterbox_rgb
from mot_compress_ros.sources import open_source
from offline_training.datasets.mot_writing import GroundTruthRow, SequenceWriter
from offline_training.quantization.calibration import (
    calibration_frames,
    calibration_samples,
    rendered_prior,
)
from offline_training.quantization.maps_backend import of_network

SIZE_WH = (96, 64)


@pytest.fixture(scope='session')
def reference(make_relu_network):
    network = make_relu_network()
    return of_network(network, network, name='float32')


@pytest.fixture
def labelled(tmp_path):
    """A set of two sequences of four frames."""
    for name, grey in (('dark', 40), ('light', 200)):
        writer = SequenceWriter(tmp_path / 'set' / name, fps=10)
        for _ in range(4):
            writer.add_image(np.full((48, 64, 3), grey, np.uint8))
        box = np.array([4.0, 4.0, 20.0, 30.0])
        writer.finish([GroundTruthRow(frame_index=0, track_id=1, xyxy_px=box, class_id=0)])
    return tmp_path / 'set'


def test_samples_are_the_frames_as_the_vehicle_letterboxes_them(frames, reference):
    """RGB, the aspect kept, grey above and below, planes first, 0..1."""
    samples = calibration_samples(frames, reference, input_size_wh=SIZE_WH)
    assert len(samples) == len(frames)
    for frame, sample in zip(frames, samples, strict=True):
        image, transform = letterbox_rgb(frame, size_wh=SIZE_WH)
        assert transform.top_px == 5  # 192 x 108 on 96 x 64
        assert sample.images.shape == (1, 3, 64, 96) and sample.images.dtype == np.float32
        expected = image.astype(np.float32).transpose(2, 0, 1) / 255
        assert np.array_equal(sample.images[0], expected)
        assert np.allclose(sample.images[0, :, 0], 128 / 255)
        assert sample.prior is None and len(sample.inputs) == 1


def test_colours_are_swapped_once(frames, reference):
    blue = replace(frames[0], image=np.full((64, 96, 3), (255, 0, 0), np.uint8))  # BGR
    (sample,) = calibration_samples([blue], reference, input_size_wh=SIZE_WH)
    assert sample.images[0, :, 30, 30].tolist() == [0.0, 0.0, 1.0]


@pytest.mark.parametrize(('fusion', 'planes'), [('concat', 3), ('gated', 5)])
def test_a_network_with_a_prior_sees_each_frame_with_and_without(
    frames, make_relu_network, fusion, planes
):
    network = make_relu_network(fusion=fusion)
    backend = of_network(network, network, name='float32')
    samples = calibration_samples(frames[:2], backend, input_size_wh=SIZE_WH)
    assert [s.prior.shape for s in samples] == [(1, planes, 16, 24)] * 4
    empty, told = samples[::2], samples[1::2]
    assert all(np.array_equal(a.images, b.images) for a, b in zip(empty, told, strict=True))
    assert not any(s.prior.any() for s in empty)
    assert all(s.prior[:, :3].max() > 0.2 for s in told)
    assert all(s.prior.min() >= 0 and s.prior.max() <= 1 for s in told)
    if planes == 5:  # the age of the first is 0.1 s, times the heat
        assert told[0].prior[0, 3].max() == pytest.approx(
            0.1 * told[0].prior[0, :3].max(), rel=0.05
        )


def test_a_prior_lies_where_the_network_finds_something(frames, make_relu_network):
    network = make_relu_network(fusion='concat')
    for head in (network.wh[2], network.reg[2]):  # boxes around the peaks
        torch.nn.init.zeros_(head.weight)
    backend = of_network(network, network, name='float32')
    (sample, _) = calibration_samples(frames[:1], backend, input_size_wh=SIZE_WH)
    heat = backend.run_planes(sample.images, sample.prior).heatmap[0]
    prior = rendered_prior(backend, sample.images, age_s=0.1)[0]
    class_id, y, x = np.unravel_index(heat.argmax(), heat.shape)
    near = prior[class_id, max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3]
    assert near.max() > 0.5 * heat.max()


def test_frames_are_taken_evenly_from_a_recording(painted_sequence):
    chosen = calibration_frames([painted_sequence], 3)
    assert [frame.frame_index for frame in chosen] == [2, 6, 10]
    everything = calibration_frames([painted_sequence], 99)
    assert len(everything) == len(open_source(painted_sequence))


def test_a_folder_of_images_and_a_bag_will_do(tmp_path, painted_images, bag_writer):
    for index, image in enumerate(painted_images[:3]):
        (tmp_path / 'images').mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / 'images' / f'{index}.png'), image)
        bag_writer.image(image)
    bag = bag_writer.write(tmp_path / 'bag', _mcap())
    frames = calibration_frames([tmp_path / 'images', bag], 6)
    assert len(frames) == 6
    for index in range(3):
        assert np.array_equal(frames[index].image, painted_images[index])
        assert np.array_equal(frames[3 + index].image, painted_images[index])


def _mcap():
    from rosbags.rosbag2 import StoragePlugin

    return StoragePlugin.MCAP


def test_a_labelled_set_gives_frames_of_all_its_sequences(labelled):
    greys = [frame.image[0, 0, 0] for frame in calibration_frames([labelled], 4)]
    assert sorted(grey > 100 for grey in greys) == [False, False, True, True]


def test_a_recipe_gives_frames_by_the_weights_of_its_sources(tmp_path, labelled):
    sources = [
        {'layout': 'mot', 'path': 'set/dark', 'weight': 3},
        {'layout': 'mot', 'path': 'set/light', 'weight': 1},
    ]
    recipe = tmp_path / 'recipe.yaml'
    recipe.write_text(yaml.safe_dump({'sources': sources}))
    frames = calibration_frames([recipe], 4, data=tmp_path)
    assert [bool(frame.image[0, 0, 0] > 100) for frame in frames] == [False, False, False, True]
    with pytest.raises(InvalidOptionError, match='--data'):
        calibration_frames([recipe], 4)


def test_what_holds_no_frame_is_refused(tmp_path):
    with pytest.raises(InputError):
        calibration_frames([tmp_path / 'nothing'], 4)
    assert read_image(tmp_path / 'nothing') is None
