"""Bundles: what fits is read, everything else is refused with the reason."""

import contextlib
from dataclasses import fields
import hashlib
import json
import pickle

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch

from mot_compress_ros.errors import BundleError
from mot_compress_ros.inference import build_detector
from mot_compress_ros.inference.backends.scripted import write_scripted_bundle
from mot_compress_ros.inference.backends.torch_eager import load_network
from mot_compress_ros.inference.checkpoint import (
    load_bundle,
    MANIFEST_FILE,
    ModelManifest,
    MODELS_PATH_VARIABLE,
    save_bundle,
    WEIGHTS_FILE,
)
from mot_compress_ros.networks import ArchitectureConfig, JointDetector
from mot_compress_ros.options import to_mapping

CLASSES = ('pedestrian', 'cyclist', 'vehicle')


@pytest.fixture
def folder(tmp_path):
    config = ArchitectureConfig(width=0.0625, embedding_dim=8)
    manifest = ModelManifest(
        name='tiny',
        architecture=to_mapping(config),
        class_names=CLASSES,
        input_size_wh=(96, 64),
        embedding_dim=8,
    )
    tensors = {k: v.numpy() for k, v in JointDetector(config).state_dict().items()}
    save_bundle(tmp_path / 'tiny', manifest, tensors)
    return tmp_path / 'tiny'


def edit(folder, **changes):
    path = folder / MANIFEST_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_round_trip(folder):
    bundle = load_bundle(folder)
    assert bundle.manifest.class_names == CLASSES
    network = load_network(bundle)
    for key, value in network.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), bundle.tensors[key])
    assert build_detector(bundle).class_names == CLASSES


def test_half_precision_weights_load(folder):
    bundle = load_bundle(folder)
    halves = {
        k: t.astype(np.float16) if t.dtype == np.float32 else t for k, t in bundle.tensors.items()
    }
    loaded = load_network(save_bundle(folder, bundle.manifest, halves))
    assert next(loaded.parameters()).dtype == torch.float32


def test_found_by_name(folder, monkeypatch):
    monkeypatch.setenv(MODELS_PATH_VARIABLE, str(folder.parent))
    assert load_bundle('tiny').path == folder
    with pytest.raises(BundleError, match=r'no such model; known:.*tiny'):
        load_bundle('tinny')


def test_empty_name_says_what_to_set():
    with pytest.raises(BundleError, match='no model given'):
        load_bundle('')


def test_truncated_weights(folder):
    path = folder / WEIGHTS_FILE
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(BundleError, match=r'truncated, damaged or of another model'):
        load_bundle(folder)


def test_wrong_hash(folder):
    edit(folder, weights_sha256='0' * 64)
    with pytest.raises(BundleError, match='sha256'):
        load_bundle(folder)


class Bomb:
    """Unpickling this would fail the test."""

    def __reduce__(self):
        return (pytest.fail, ('a pickle was loaded',))


@pytest.mark.parametrize('how', ['pickle', 'torch'])
def test_pickles_are_refused_and_never_loaded(folder, how):
    path = folder / WEIGHTS_FILE
    if how == 'pickle':
        path.write_bytes(pickle.dumps(Bomb()))
    else:
        torch.save({'x': Bomb()}, path)
    edit(folder, weights_sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(BundleError, match='pickle'):
        load_bundle(folder)


def test_a_bare_pth_file_is_not_a_bundle(tmp_path):
    torch.save({'state_dict': {}}, tmp_path / 'model.pth')
    with pytest.raises(BundleError, match='not a model bundle'):
        load_bundle(tmp_path / 'model.pth')


def test_garbage_with_the_right_hash(folder):
    replace_weights(folder, b'garbage' * 10)
    with pytest.raises(BundleError, match='not a safetensors file'):
        load_bundle(folder)


def test_missing_weights(folder):
    (folder / WEIGHTS_FILE).unlink()
    with pytest.raises(BundleError, match='cannot be read'):
        load_bundle(folder)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'class_names': ['a', 'b']}, '2 class names for a network of 3 classes'),
        ({'class_names': ['a', 'a', 'b']}, 'distinct'),
        ({'class_names': []}, 'class_names'),
        ({'input_size_wh': [100, 64]}, 'multiples of 32'),
        ({'format': 99}, 'format'),
        ({'colour': 'red'}, 'unknown'),
        ({'normalisation': {'mean': [0.4]}}, 'normalisation'),
        ({'normalisation': None}, 'normalisation: expected an object, got None'),
        ({'embedding_dim': 16}, r'id.2.weight.*\(16, \.\.\.\)'),
        ({'embedding_dim': '8'}, "embedding_dim: expected an integer from 1 to 65536, got '8'"),
        ({'embedding_dim': True}, 'embedding_dim'),
        ({'embedding_dim': 0}, 'embedding_dim'),
        ({'architecture': 'yolo'}, "architecture: expected an object, got 'yolo'"),
        ({'architecture': None}, 'architecture: expected an object, got None'),
        ({'architecture': {'name': 7}}, 'architecture: name: expected a string, got 7'),
        ({'class_names': 'abc'}, "class_names: expected a list, got 'abc'"),
        ({'class_names': [1, 2, 3]}, 'class_names'),
        ({'class_names': None}, 'class_names'),
        ({'input_size_wh': 'ab'}, 'input_size_wh: expected a list'),
        ({'input_size_wh': [96.0, 64]}, 'multiples of 32'),
        ({'input_size_wh': [True, 64]}, 'multiples of 32'),
        ({'name': 5}, 'name: expected a string, got 5'),
        ({'name': ''}, 'name: expected a string, not empty'),
        ({'weights_sha256': 5}, 'weights_sha256: expected a string, got 5'),
        ({'weights_sha256': None}, 'weights_sha256'),
        ({'training': []}, r'training: expected an object, got \[\]'),
        ({'metrics': 'good'}, 'metrics: expected an object'),
    ],
)
def test_manifest_that_does_not_fit(folder, changes, message):
    edit(folder, **changes)
    with pytest.raises(BundleError, match=message) as caught:
        load_bundle(folder)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize('key', ['name', 'architecture', 'class_names', 'embedding_dim'])
def test_manifest_without_a_key(folder, key):
    path = folder / MANIFEST_FILE
    content = json.loads(path.read_text())
    del content[key]
    path.write_text(json.dumps(content))
    with pytest.raises(BundleError, match=key):
        load_bundle(folder)


def replace_weights(folder, data):
    (folder / WEIGHTS_FILE).write_bytes(data)
    edit(folder, weights_sha256=hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float8_e4m3fn])
def test_weights_of_a_type_numpy_lacks(folder, dtype):
    state = {key: torch.from_numpy(t.copy()) for key, t in load_bundle(folder).tensors.items()}
    replace_weights(folder, safetensors.torch.save({k: t.to(dtype) for k, t in state.items()}))
    with pytest.raises(BundleError, match='F16, F32, F64'):
        load_bundle(folder)


def test_weights_of_whole_numbers(folder):
    tensors = {k: t.astype(np.int8) for k, t in load_bundle(folder).tensors.items()}
    replace_weights(folder, safetensors.numpy.save(tensors))
    with pytest.raises(BundleError, match=r'int8.*F16, F32, F64'):
        load_bundle(folder)


@pytest.mark.parametrize('shape', [(), (3,), (3, 8)])
def test_heads_of_too_few_dimensions(folder, shape):
    tensors = {**load_bundle(folder).tensors, 'hm.2.weight': np.zeros(shape, np.float32)}
    replace_weights(folder, safetensors.numpy.save(tensors))
    with pytest.raises(BundleError, match=r'hm\.2\.weight'):
        load_bundle(folder)


@settings(max_examples=60, deadline=None)
@given(
    key=st.sampled_from([f.name for f in fields(ModelManifest)]),
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=4,
    ),
)
def test_no_value_of_a_manifest_gives_another_error(tmp_path_factory, key, value):
    folder = tmp_path_factory.mktemp('any') / 'scripted'
    edit(write_scripted_bundle(folder), **{key: value})
    with contextlib.suppress(BundleError):
        build_detector(load_bundle(folder))


def test_manifest_that_is_no_json(folder):
    (folder / MANIFEST_FILE).write_text('{')
    with pytest.raises(BundleError, match='not readable as JSON'):
        load_bundle(folder)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'width': 0.125}, 'do not fit the architecture'),
        ({'name': 'resnet'}, 'legal: yolov5_light'),
        ({'depth': 3}, 'unknown option depth'),
    ],
)
def test_architecture_that_does_not_fit_the_weights(folder, changes, message):
    content = json.loads((folder / MANIFEST_FILE).read_text())
    edit(folder, architecture={**content['architecture'], **changes})
    with pytest.raises(BundleError, match=message):
        build_detector(load_bundle(folder))
