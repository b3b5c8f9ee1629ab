"""Every runtime gives what the network itself gives, evaluated directly and indexed by hand."""

import sys

import numpy as np
import pytest
import torch

from mot_compress_ros.datatypes import Frame
from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.inference import BackendOptions, build_detector, DecodeConfig, load_bundle
from mot_compress_ros.inference.backends import AUTO, BACKENDS, DEVICES, SCRIPTED
from mot_compress_ros.inference.backends.scripted import write_scripted_bundle
from mot_compress_ros.inference.decode import find_peaks
from offline_training.export.exporting import try_graph
from offline_training.export.store import add_graph

NEEDS_CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device')
RUNTIMES = [
    pytest.param(name, marks=NEEDS_CUDA if name == 'torch_cuda_graph' else ())
    for name in BACKENDS
    if name != SCRIPTED
]
DECODE = DecodeConfig(min_score=0.05, max_detections=50)


@pytest.fixture(scope='module')
def bundle(tmp_path_factory, write_tiny_bundle):
    folder = write_tiny_bundle(tmp_path_factory.mktemp('models') / 'tiny')
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 96, 3), np.uint8)
    for engine, precision in (('openvino', 'fp32'), ('openvino', 'bf16'), ('onnx', 'fp32')):
        verdict, parts = try_graph(
            load_bundle(folder),
            engine=engine,
            precision=precision,
            input_size_wh=(96, 64),
            images_rgb=images,
        )
        add_graph(folder, verdict.graph, parts)
    return load_bundle(folder)


@pytest.fixture(params=RUNTIMES)
def runtime(request):
    return request.param


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (2, 64, 96, 3), np.uint8)


def make_backend(bundle, runtime, precision='fp32'):
    return BACKENDS[runtime]()(bundle, options_for(runtime, precision))


def options_for(runtime, precision='fp32'):
    device = 'cuda' if runtime == 'torch_cuda_graph' else 'cpu'
    return BackendOptions(backend=runtime, device=device, precision=precision, threads=1)


@pytest.fixture
def maps(images, make_tiny_network):
    """Raw maps of the network as it was saved: BatchNorm not folded, float32."""
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        return {name: value.numpy() for name, value in make_tiny_network()(x).items()}


def test_the_heat_map_is_that_of_the_network(bundle, runtime, images, maps):
    expected = 1 / (1 + np.exp(-maps['hm']))
    assert expected.std() > 0.05, 'the network does look at its input'
    heatmap = make_backend(bundle, runtime).run(images).heatmap
    assert (heatmap.dtype, heatmap.shape) == (np.float32, (2, 3, 16, 24))
    np.testing.assert_allclose(heatmap, expected, atol=2e-5)


def test_the_other_heads_are_read_at_the_cells(bundle, runtime, images, maps):
    output = make_backend(bundle, runtime).run(images)
    rng = np.random.default_rng(1)
    ys, xs = rng.integers(0, 16, 20), rng.integers(0, 24, 20)
    for image in range(2):
        values = output.gather(image, ys, xs)
        embeddings = maps['id'][image][:, ys, xs].T
        embeddings = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
        assert {v.dtype for v in (values.ltrb, values.offset, values.embeddings)} == {
            np.dtype(np.float32)
        }
        np.testing.assert_allclose(values.ltrb, maps['wh'][image][:, ys, xs].T, atol=1e-4)
        np.testing.assert_allclose(values.offset, maps['reg'][image][:, ys, xs].T, atol=1e-4)
        np.testing.assert_allclose(values.embeddings, embeddings, atol=1e-4)


def test_no_cells_give_no_rows(bundle, runtime, images):
    none = np.zeros(0, np.int64)
    values = make_backend(bundle, runtime).run(images).gather(1, none, none)
    shapes = (values.ltrb.shape, values.offset.shape, values.embeddings.shape)
    assert shapes == ((0, 4), (0, 2), (0, 8))


def test_an_image_gives_the_same_alone_and_in_a_batch(bundle, runtime, images):
    backend = make_backend(bundle, runtime)
    together = backend.run(images)
    for image in range(2):
        alone = backend.run(images[image : image + 1])
        np.testing.assert_allclose(together.heatmap[image], alone.heatmap[0], atol=1e-5)
        _, _, ys, xs = find_peaks(alone.heatmap[0], DECODE)
        a, b = together.gather(image, ys, xs), alone.gather(0, ys, xs)
        np.testing.assert_allclose(a.ltrb, b.ltrb, atol=1e-4)
        np.testing.assert_allclose(a.embeddings, b.embeddings, atol=1e-4)


def test_bf16_stays_close_to_fp32(bundle, runtime, images):
    if runtime == 'onnx_runtime':
        with pytest.raises(InvalidOptionError, match='fp32, fp16, int8'):
            make_backend(bundle, runtime, precision='bf16')
        return
    exact = make_backend(bundle, runtime).run(images)
    rough = make_backend(bundle, runtime, precision='bf16').run(images)
    assert rough.heatmap.dtype == np.float32
    difference = np.abs(rough.heatmap - exact.heatmap)
    assert 0 < difference.max() < 0.15
    assert difference.mean() < 0.01
    _, _, ys, xs = find_peaks(exact.heatmap[0], DECODE)
    a, b = rough.gather(0, ys, xs), exact.gather(0, ys, xs)
    np.testing.assert_allclose(a.ltrb, b.ltrb, atol=0.05)
    np.testing.assert_allclose(np.linalg.norm(a.embeddings, axis=1), 1, atol=1e-3)
    assert (a.embeddings * b.embeddings).sum(axis=1).min() > 0.98


def test_a_detector_gives_the_boxes_around_the_peaks(bundle, runtime, images, maps):
    """The whole way by hand: peaks of the direct heat map, boxes of the direct maps."""
    detector = build_detector(bundle, options=options_for(runtime), decode=DECODE)
    frames = [Frame(image=image, stamp_ns=0, color_order='rgb') for image in images]
    for image, found in enumerate(detector.detect(frames)):
        heatmap = 1 / (1 + np.exp(-maps['hm'][image]))
        scores, class_ids, ys, xs = find_peaks(heatmap, DECODE)
        assert len(found) == len(scores) > 5
        np.testing.assert_allclose(found.scores, scores, atol=1e-4)
        assert found.class_ids.tolist() == class_ids.tolist()
        centre = np.stack([xs, ys]) + maps['reg'][image][:, ys, xs]
        left, top, right, bottom = maps['wh'][image][:, ys, xs]
        corners = [centre[0] - left, centre[1] - top, centre[0] + right, centre[1] + bottom]
        np.testing.assert_allclose(found.boxes_xyxy_px, 4 * np.stack(corners, 1), atol=1e-2)


def test_bgr_frames_are_turned_round(bundle, images):
    detector = build_detector(bundle, options=BackendOptions(precision='fp32'), decode=DECODE)
    rgb = Frame(image=images[0], stamp_ns=0, color_order='rgb')
    bgr = Frame(image=images[0][..., ::-1], stamp_ns=0, color_order='bgr')
    a, b = detector.detect([rgb, bgr])
    np.testing.assert_array_equal(a.boxes_xyxy_px, b.boxes_xyxy_px)


def test_two_models_of_one_name_have_embedding_spaces_of_their_own(
    tmp_path, images, write_tiny_bundle
):
    folders = [write_tiny_bundle(tmp_path / s / 'model', seed=int(s)) for s in '12']
    spaces = set()
    for folder in folders:
        detector = build_detector(load_bundle(folder), decode=DECODE)
        (found,) = detector.detect([Frame(image=images[0], stamp_ns=0)])
        assert found.embedding_space == detector.embedding_space
        spaces.add(found.embedding_space)
    assert len(spaces) == 2
    assert all(space.startswith('model@') for space in spaces)


def test_a_scripted_bundle_runs_scripted_and_nothing_else_does(tmp_path, bundle, runtime):
    scripted = load_bundle(write_scripted_bundle(tmp_path / 'scripted'))
    options = options_for(runtime)
    assert build_detector(scripted, options=options).backend.name == 'scripted'
    name = build_detector(bundle, options=options).backend.name
    assert name.endswith('(auto)') if runtime == AUTO else name.startswith(runtime)


def test_a_runtime_says_where_it_runs(runtime):
    options = options_for(runtime)
    assert DEVICES[runtime]()(options.device) == options.device


def test_heads_at_peaks_give_what_dense_heads_give(bundle, images):
    """At cells of the border too, around which a part of the window lies outside the map."""
    ys, xs = (values.reshape(-1) for values in np.mgrid[0:16:5, 0:24])  # rows 0, 5, 10 and 15
    found = []
    for heads in ('on', 'off'):
        options = BackendOptions(device='cpu', precision='fp32', sparse_heads=heads)
        output = BACKENDS['torch_eager']()(bundle, options).run(images)
        found.append((output.heatmap, output.gather(1, ys, xs)))
    (heat_a, a), (heat_b, b) = found
    np.testing.assert_array_equal(heat_a, heat_b)
    np.testing.assert_allclose(a.ltrb, b.ltrb, atol=1e-4)
    np.testing.assert_allclose(a.offset, b.offset, atol=1e-4)
    np.testing.assert_allclose(a.embeddings, b.embeddings, atol=1e-5)


def test_int8_is_refused_where_there_is_none(bundle):
    with pytest.raises(InvalidOptionError, match='backend openvino'):
        make_backend(bundle, 'torch_eager', precision='int8')


def test_a_cuda_graph_is_refused_without_a_cuda_device(bundle):
    options = BackendOptions(backend='torch_cuda_graph', device='cpu')
    with pytest.raises(InvalidOptionError, match='needs a CUDA device'):
        build_detector(bundle, options=options)


def test_a_runtime_that_is_not_installed_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, 'openvino', None)
    monkeypatch.delitem(sys.modules, 'mot_compress_ros.inference.backends.openvino', raising=False)
    with pytest.raises(InvalidOptionError, match='pip install openvino'):
        BACKENDS['openvino']()
