"""Every backbone goes into a bundle and runs from it in the vehicle's runtime."""

import numpy as np
import pytest
import torch

from mot_compress_ros.inference.backends import BackendOptions
from mot_compress_ros.inference.backends.torch_eager import TorchEagerBackend
from mot_compress_ros.inference.checkpoint import ModelManifest, save_bundle
from mot_compress_ros.networks import ArchitectureConfig, JointDetector
from mot_compress_ros.networks.backbones import BACKBONES
from mot_compress_ros.options import to_mapping


@pytest.mark.parametrize('name', BACKBONES)
def test_a_bundle_runs(name, tmp_path):
    torch.manual_seed(0)
    config = ArchitectureConfig(name=name, width=0.25, n_class=2, embedding_dim=8)
    network = JointDetector(config)
    manifest = ModelManifest(
        name=name,
        architecture=to_mapping(config),
        class_names=('pedestrian', 'vehicle'),
        input_size_wh=(96, 64),
        embedding_dim=8,
    )
    tensors = {key: value.numpy() for key, value in network.state_dict().items()}
    bundle = save_bundle(tmp_path / name, manifest, tensors)
    images = np.random.default_rng(0).integers(0, 256, (1, 64, 96, 3), np.uint8)
    with torch.inference_mode():
        given = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
        expected = network.eval()(given)['hm'].sigmoid()
    for precision, tolerance in (('fp32', 1e-5), ('bf16', 0.02)):
        options = BackendOptions(device='cpu', precision=precision)
        heat = TorchEagerBackend(bundle, options).run(images).heatmap
        np.testing.assert_allclose(heat, expected, atol=tolerance)
