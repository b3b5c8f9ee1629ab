"""`average`: the mean of bundles of one network."""

from dataclasses import replace
import json

import numpy as np
import pytest

from mot_compress_ros.errors import InputError, InvalidOptionError
from mot_compress_ros.inference.checkpoint import load_bundle, ModelManifest, save_bundle
from mot_compress_ros.networks import ArchitectureConfig, JointDetector
from mot_compress_ros.options import to_mapping
from offline_training.__main__ import main
from offline_training.commands.average import average, shares_of

TINY = ArchitectureConfig(name='yolov5_light', width=0.125, n_class=1, embedding_dim=4)


def bundle(folder, *, weight, dtype=np.float32, **changes):
    """A tiny network whose every number is `weight`."""
    network = JointDetector(TINY)
    manifest = ModelManifest(
        name=folder.name,
        architecture=to_mapping(network.config),
        class_names=('pedestrian',),
        input_size_wh=(64, 32),
        embedding_dim=4,
        training={'of': folder.name, 'data': {'set': 1}},
        teacher={'name': 'a', 'weights_sha256': 'b', 'mapping': 'ifm'},
        embedding_space='a@b',
    )
    tensors = {
        key: np.full(value.shape, weight, dtype if value.is_floating_point() else np.int64)
        for key, value in network.state_dict().items()
    }
    return save_bundle(folder, replace(manifest, **changes), tensors)


def test_the_mean_by_shares_in_the_type_of_the_last(tmp_path):
    first = bundle(tmp_path / 'first', weight=1)
    last = bundle(tmp_path / 'last', weight=5, dtype=np.float16)
    mean = average([first, last], [0.25, 0.75])
    assert mean.keys() == last.tensors.keys()
    for key, tensor in mean.items():
        counted = key.endswith('num_batches_tracked')
        assert tensor.dtype == (np.int64 if counted else np.float16)
        assert (tensor == (5 if counted else 4)).all(), key


def test_the_written_bundle_says_what_it_is_made_of(tmp_path):
    parts = [bundle(tmp_path / name, weight=w) for name, w in (('a', 1), ('b', 3))]
    words = ['average', str(tmp_path / 'a'), str(tmp_path / 'b'), '--output', str(tmp_path / 'ab')]
    assert main(words) == 0
    made = load_bundle(tmp_path / 'ab')
    assert made.manifest.name == 'ab'
    assert all((t == 2).all() for k, t in made.tensors.items() if 'num_batches_tracked' not in k)
    assert [m['weights_sha256'] for m in made.manifest.training['average_of']] == [
        part.manifest.weights_sha256 for part in parts
    ]
    assert made.manifest.training['last_of_them']['of'] == 'b'
    assert made.manifest.training['data'] == {'set': 1}
    # It is a network of its own: nobody taught it, and its embeddings are in nobody's space.
    assert (made.manifest.teacher, made.manifest.embedding_space) == ({}, '')
    assert 'teacher' not in json.loads((tmp_path / 'ab' / 'model.json').read_text())
    assert main(words) == 2, 'nothing is overwritten'


def test_other_networks_are_refused(tmp_path):
    first = bundle(tmp_path / 'first', weight=1)
    other = bundle(tmp_path / 'other', weight=1, class_names=('vehicle',))
    with pytest.raises(InputError, match='class_names is'):
        average([first, other], [0.5, 0.5])


@pytest.mark.parametrize('shares', [[1.0], [1.0, -0.5], [0.0, 0.0], [1.0, float('nan')]])
def test_shares_that_do_not_fit_are_refused(shares):
    with pytest.raises(InvalidOptionError, match='one for each of 2'):
        shares_of(shares, n=2)


def test_shares_are_brought_to_one():
    assert shares_of(None, n=4) == [0.25] * 4
    assert shares_of([1, 3], n=2) == [0.25, 0.75]
    with pytest.raises(InvalidOptionError, match='two or more'):
        shares_of(None, n=1)
