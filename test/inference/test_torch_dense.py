"""A CSTrack bundle from file to detections, by the seam that other networks do not take."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mot_compress_ros.datatypes import Frame
from mot_compress_ros.errors import BundleError, InvalidOptionError
from mot_compress_ros.inference import (
    BackendOptions,
    build_detector,
    DecodeConfig,
    device_of,
    load_bundle,
    ModelManifest,
)
from mot_compress_ros.inference.backends import FindsBoxes
from mot_compress_ros.inference.backends.torch_dense import load_dense_network
from mot_compress_ros.inference.backends.torch_eager import architecture_of
from mot_compress_ros.inference.checkpoint import save_bundle
from mot_compress_ros.networks.cstrack import Cstrack, CstrackConfig
from mot_compress_ros.options import to_mapping

CONFIG = CstrackConfig(width=0.0625, depth=0.33, n_class=2, embedding_dim=6, id_channels=8)
CPU = BackendOptions(device='cpu')


@pytest.fixture(scope='module')
def network():
    """It finds something in noise."""
    torch.manual_seed(0)
    network = Cstrack(CONFIG).eval()
    with torch.no_grad():
        for layer in network.boxes:
            layer.weight.normal_(std=2.0)
            layer.bias.view(3, -1)[:, 4] += 5.0
            layer.bias.view(3, -1)[:, 5:] += 3.0
    return network


@pytest.fixture(scope='module')
def bundle(network, tmp_path_factory):
    manifest = ModelManifest(
        name='dense',
        architecture=to_mapping(CONFIG),
        class_names=('pedestrian', 'vehicle'),
        input_size_wh=(96, 64),
        embedding_dim=6,
    )
    tensors = {key: value.numpy() for key, value in network.state_dict().items()}
    return save_bundle(tmp_path_factory.mktemp('models') / 'dense', manifest, tensors)


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8)


def frame_of(image):
    return Frame(image=image, stamp_ns=0, camera='front', frame_index=0)


def test_a_detector_finds_what_the_network_says(bundle, network, image):
    detector = build_detector(
        load_bundle(bundle.path), options=CPU, decode=DecodeConfig(min_score=0.3)
    )
    detector.warm_up()
    (found,) = detector.detect([frame_of(image)])
    assert 0 < len(found) <= 500 and found.embedding_space == bundle.manifest.space
    assert (np.diff(found.scores) <= 0).all() and found.scores.min() >= 0.3
    assert found.embeddings.shape == (len(found), 6)
    np.testing.assert_allclose(np.linalg.norm(found.embeddings, axis=1), 1, atol=1e-5)
    with torch.no_grad():
        rgb = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 255
        maps = network(rgb)
    # The embedding is that of the cell of stride 8 which holds the centre.
    centre = (found.boxes_xyxy_px[:, :2] + found.boxes_xyxy_px[:, 2:]) / 2
    cells = np.clip((centre // 8).astype(int), 0, [11, 7])
    inside = (np.abs(centre / 8 - np.round(centre / 8)) > 1e-3).all(axis=1)
    expected = maps['id'][0][:, cells[:, 1], cells[:, 0]].T
    expected = torch.nn.functional.normalize(expected, dim=1).numpy()
    np.testing.assert_allclose(found.embeddings[inside], expected[inside], atol=1e-3)


def test_few_are_the_best_of_many(bundle, image):
    def scores(**options):
        decode = DecodeConfig(min_score=0.3, **options)
        (found,) = build_detector(bundle, options=CPU, decode=decode).detect([frame_of(image)])
        return found.scores

    np.testing.assert_array_equal(scores(max_detections=3), scores()[:3])


def test_an_image_gives_the_same_alone_and_in_a_batch(bundle, image):
    detector = build_detector(bundle, options=CPU, decode=DecodeConfig(min_score=0.3))
    (alone,) = detector.detect([frame_of(image)])
    assert len(alone) > 3
    _, second = detector.detect([frame_of(image[::-1].copy()), frame_of(image)])
    np.testing.assert_allclose(second.boxes_xyxy_px, alone.boxes_xyxy_px, atol=1e-2)


def test_its_heat_map_is_where_the_boxes_are(bundle, image):
    detector = build_detector(bundle, options=CPU, decode=DecodeConfig(min_score=0.3))
    (seen,) = detector.observe([frame_of(image)])
    assert seen.heatmap.shape == (2, 16, 24) and seen.heatmap.dtype == np.float32
    best = seen.detections[np.array([0])]
    assert seen.heatmap[best.class_ids[0]].max() == pytest.approx(best.scores[0], abs=1e-5)
    assert 0 <= seen.heatmap.min() <= seen.heatmap.max() <= 1


def test_values_at_cells_are_those_of_the_boxes(bundle, image):
    detector = build_detector(bundle, options=CPU)
    output = detector.backend.run(image[None])
    assert isinstance(output, FindsBoxes)
    ys, xs = np.array([3, 9]), np.array([5, 20])
    values = output.gather(0, ys, xs)
    assert values.ltrb.shape == (2, 4) and values.embeddings.shape == (2, 6)
    sides = values.ltrb[:, :2] + values.ltrb[:, 2:]
    assert (sides > 0).all() and not values.offset.any()


def test_it_runs_on_its_own_runtime_whichever_is_named(bundle):
    for name in ('torch_eager', 'openvino', 'onnx_runtime'):
        detector = build_detector(bundle, options=BackendOptions(backend=name, device='cpu'))
        assert detector.backend.name == 'torch_dense cpu fp32' and not detector.takes_prior
    assert device_of(bundle, CPU) == 'cpu'
    with pytest.raises(InvalidOptionError, match='fp32, bf16, fp16'):
        build_detector(bundle, options=BackendOptions(device='cpu', precision='int8'))


def test_what_reads_heat_maps_refuses_it(bundle):
    with pytest.raises(BundleError, match='architecture'):
        architecture_of(bundle)


def test_wrong_tensors_are_refused(bundle):
    tensors = dict(bundle.tensors)
    del tensors['reciprocal.0.own']
    with pytest.raises(BundleError, match=r'reciprocal\.0\.own'):
        load_dense_network(replace(bundle, tensors=tensors))
    other = {**bundle.manifest.architecture, 'width': 0.125}
    with pytest.raises(BundleError, match='size mismatch'):
        load_dense_network(replace(bundle, manifest=replace(bundle.manifest, architecture=other)))
    unknown = {**bundle.manifest.architecture, 'height': 3}
    with pytest.raises(BundleError, match='unknown option height'):
        load_dense_network(
            replace(bundle, manifest=replace(bundle.manifest, architecture=unknown))
        )


def test_a_manifest_of_another_length_is_refused(bundle, tmp_path):
    manifest = replace(bundle.manifest, embedding_dim=7)
    with pytest.raises(BundleError, match=r'id\.last\.weight of shape \(7'):
        save_bundle(tmp_path / 'other', manifest, bundle.tensors)
