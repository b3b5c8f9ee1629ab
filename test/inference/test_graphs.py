"""The manifest's fields `graphs` and `channels`: what fits is read, everything else is refused."""

import json

import pytest

from mot_compress_ros.errors import BundleError
from mot_compress_ros.inference import load_bundle
from mot_compress_ros.inference.backends.scripted import write_scripted_bundle
from mot_compress_ros.inference.checkpoint import MANIFEST_FILE, save_bundle
from mot_compress_ros.inference.graphs import digest, export_command, Graph, graphs_of, paths_of

ENTRY = {
    'file': 'graphs/openvino_96x64.xml',
    'sha256': 'a' * 64,
    'weights_sha256': 'b' * 64,
    'engine': 'openvino',
    'precision': 'int8',
    'input_size_wh': [96, 64],
    'batch': 1,
    'sparse_heads': True,
    'head_activation': 'relu',
    'made_by': 'python -m offline_training quantize',
}


@pytest.fixture
def folder(tmp_path):
    return write_scripted_bundle(tmp_path / 'scripted')


def edit(folder, **changes):
    path = folder / MANIFEST_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return folder


def test_entries_are_read_as_they_were_written(folder):
    second = {**ENTRY, 'batch': 2, 'parity': {'peaks': 3}}
    manifest = load_bundle(edit(folder, graphs=[ENTRY, second])).manifest
    first, other = graphs_of(manifest.graphs)
    assert first.input_size_wh == (96, 64)
    assert first.as_json() == {**ENTRY, 'parity': {}}
    assert other.as_json() == second
    assert first.label == 'openvino int8 96x64 batch 1, heads at peaks'
    assert [path.name for path in paths_of(folder, first)] == [
        'openvino_96x64.xml',
        'openvino_96x64.bin',
    ]


def test_both_fields_survive_a_bundle_that_is_saved_again(folder):
    channels = {'backbone.model.1.conv': [8, 16]}
    manifest = load_bundle(edit(folder, graphs=[ENTRY], channels=channels)).manifest
    again = save_bundle(folder, manifest, {}).manifest
    assert again.channels == channels
    assert graphs_of(again.graphs) == graphs_of(manifest.graphs)


def test_a_bundle_without_them_does_not_name_them(folder):
    assert not {'graphs', 'channels'} & json.loads((folder / MANIFEST_FILE).read_text()).keys()


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'file': '../elsewhere.xml'}, 'file: expected graphs/NAME'),
        ({'file': 'graphs/../../elsewhere.xml'}, 'file: expected graphs/NAME'),
        ({'file': 'graphs/graph.onnx'}, r'ends in \.xml'),
        ({'sha256': 'abc'}, 'sha256: expected 64 hexadecimal digits'),
        ({'engine': 'tensorflow'}, 'engine: expected one of onnx, openvino'),
        ({'engine': ['onnx']}, 'engine: expected one of onnx, openvino'),
        ({'precision': 'int4'}, 'precision: expected one of fp32, fp16, bf16, int8'),
        ({'input_size_wh': [96, 60]}, 'two multiples of 32'),
        ({'input_size_wh': [96]}, 'two multiples of 32'),
        ({'batch': 0}, 'batch: expected a number from 1'),
        ({'batch': True}, 'batch: expected a number from 1'),
        ({'sparse_heads': 1}, 'sparse_heads: expected true or false'),
        ({'head_activation': 'gelu'}, 'head_activation: expected one of silu'),
        ({'made_by': 3}, 'made_by: expected text'),
        ({'parity': []}, 'parity: expected an object'),
        ({'more': 1}, r"unknown keys: \['more'\]"),
    ],
)
def test_an_entry_that_is_not_as_it_should_be(folder, changes, message):
    edit(folder, graphs=[ENTRY, {**ENTRY, 'batch': 2, **changes}])
    with pytest.raises(BundleError, match=rf'graphs: entry 1: .*{message}'):
        load_bundle(folder)


@pytest.mark.parametrize('value', [3, {'a': 1}, 'graphs', None])
def test_graphs_are_a_list(folder, value):
    with pytest.raises(BundleError, match='graphs: expected a list'):
        load_bundle(edit(folder, graphs=value))


def test_an_entry_is_an_object_with_all_keys(folder):
    with pytest.raises(BundleError, match='entry 0: expected an object'):
        load_bundle(edit(folder, graphs=[3]))
    less = {key: value for key, value in ENTRY.items() if key != 'sha256'}
    with pytest.raises(BundleError, match=r"missing keys: \['sha256'\]"):
        load_bundle(edit(folder, graphs=[less]))


def test_two_graphs_of_one_kind_are_refused(folder):
    twin = {**ENTRY, 'file': 'graphs/other.xml'}
    with pytest.raises(BundleError, match='two entries of the same engine'):
        load_bundle(edit(folder, graphs=[ENTRY, twin]))


@pytest.mark.parametrize(
    'value',
    [3, [], {'': [1, 2]}, {'conv': 3}, {'conv': [1]}, {'conv': [1, 0]}, {'conv': [1, 2.5]}],
)
def test_channels_that_are_not_pairs_of_counts(folder, value):
    with pytest.raises(BundleError, match='channels: '):
        load_bundle(edit(folder, channels=value))


def test_the_hash_is_that_of_all_files_in_order():
    assert digest([b'ab', b'c']) == digest([b'abc']) != digest([b'c', b'ab'])


def test_the_command_says_what_differs_from_the_defaults(tmp_path):
    graph = Graph(**{**ENTRY, 'input_size_wh': (96, 64)})
    command = export_command(
        tmp_path,
        engine='onnx',
        precision='fp32',
        input_size_wh=graph.input_size_wh,
        batch=2,
        sparse_heads=False,
    )
    assert command == (
        f'python -m offline_training export --model {tmp_path} --engines onnx --precision fp32 '
        '--input-size 96x64 --batch 2 --sparse-heads off'
    )
