"""A tiny network of ReLU, its bundle, and frames with something in them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mot_compress_ros.datatypes import Frame
from mot_compress_ros.inference import load_bundle
from mot_compress_ros.inference.checkpoint import ModelManifest, save_bundle
from mot_compress_ros.networks import JointDetector
from mot_compress_ros.options import to_mapping
from offline_training.quantization.calibration import calibration_samples
from offline_training.quantization.config import QuantizeConfig
from offline_training.quantization.maps_backend import of_network
from offline_training.quantization.scores import PeakAgreement, ScoreInput
from offline_training.quantization.work import Job

SIZE_WH = (96, 64)
CLASS_NAMES = ('pedestrian', 'cyclist', 'vehicle')


@pytest.fixture(scope='session')
def make_relu_network(make_tiny_network):
    """The tiny network, with ReLU, or with more of its architecture changed."""

    def make(**changes):
        plain = make_tiny_network()
        torch.manual_seed(7)
        network = JointDetector(replace(plain.config, activation='relu', **changes)).eval()
        state = plain.state_dict()
        own = network.state_dict()
        own.update({k: v for k, v in state.items() if k in own and own[k].shape == v.shape})
        network.load_state_dict(own)
        with torch.no_grad():
            network.hm[2].weight.mul_(0.2)
            network.hm[2].bias.fill_(-1.0)
        return network

    return make


@pytest.fixture(scope='session')
def write_bundle(make_relu_network):
    def write(folder, **changes):
        network = make_relu_network(**changes)
        manifest = ModelManifest(
            name=folder.name,
            architecture=to_mapping(network.config),
            class_names=CLASS_NAMES,
            input_size_wh=SIZE_WH,
            embedding_dim=network.config.embedding_dim,
        )
        save_bundle(folder, manifest, {k: v.numpy() for k, v in network.state_dict().items()})
        return folder

    return write


@pytest.fixture(scope='session')
def frames():
    """Coarse noise, so that a network sees shapes."""
    rng = np.random.default_rng(5)
    coarse = rng.integers(0, 256, (6, 9, 16, 3), dtype=np.uint8)
    images = coarse.repeat(12, axis=1).repeat(12, axis=2)  # 192 x 108
    return [
        Frame(image=image, stamp_ns=0, camera='camera', frame_index=i)
        for i, image in enumerate(images)
    ]


@pytest.fixture
def make_job(tmp_path, write_bundle, make_relu_network, frames):
    def make(config=QuantizeConfig(), *, sparse_heads=True, batch=1, **changes):  # noqa: B008
        bundle = load_bundle(write_bundle(tmp_path / 'tiny', **changes))
        network = make_relu_network(**changes)
        reference = of_network(network, network, name='float32')
        samples = calibration_samples(frames, reference, input_size_wh=SIZE_WH)
        job = Job(
            bundle=bundle,
            network=network,
            samples=samples,
            score=None,
            config=config,
            input_size_wh=SIZE_WH,
            sparse_heads=sparse_heads,
            batch=batch,
        )
        given = ScoreInput(samples=samples, reference=job.detector(reference))
        return replace(job, score=PeakAgreement(given))

    return make
