"""Checkpoint files: plain tensors are read, everything else is refused and nothing in it runs."""

from collections import OrderedDict
import os
import pickle
import warnings
import zipfile

import numpy as np
import pytest
from safetensors.torch import save_file
import torch

from mot_compress_ros.errors import InputError
from offline_training import fairmot_weights_file
from offline_training.fairmot_weights_file import read_checkpoint, write_checkpoint


class Touch:
    """What an attacker would pickle: unpickling it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def state(**more):
    return {'a.weight': torch.arange(6.0).view(2, 3), 'n': torch.ones(2).half(), **more}


def saved(path, content, **options):
    torch.save(content, path, **options)
    return path


@pytest.fixture(params=[True, False], ids=['zip', 'legacy'])
def legacy(request):
    """Both formats of torch.save; the public files are of the old one."""
    return {'_use_new_zipfile_serialization': request.param}


def refused(path):
    with pytest.raises(InputError) as error:
        read_checkpoint(path)
    assert str(path) in str(error.value)
    return str(error.value)


@pytest.mark.parametrize('container', [dict, OrderedDict])
def test_a_whole_file_is_read(tmp_path, legacy, container):
    content = {'epoch': 7, 'state_dict': container(state()), 'optimizer': {'lr': [1, {}]}}
    read = read_checkpoint(saved(tmp_path / 'a.pth', content, **legacy))
    assert (read.epoch, read.ignored) == (7, ('optimizer',))
    assert list(read.tensors) == ['a.weight', 'n']
    assert torch.equal(read.tensors['a.weight'], state()['a.weight'])


def test_a_bare_state_dict_is_read(tmp_path, legacy):
    parameters = {key: torch.nn.Parameter(value) for key, value in state().items()}
    read = read_checkpoint(saved(tmp_path / 'a.pth', parameters, **legacy))
    assert read.epoch is None
    assert not read.tensors['n'].requires_grad


def test_pickled_code_is_named_and_never_run(tmp_path, legacy):
    trap = tmp_path / 'trap'
    for content in ({'epoch': 1, 'state_dict': state(), 'optimizer': Touch(trap)}, Touch(trap)):
        text = refused(saved(tmp_path / 'a.pth', content, **legacy))
        assert 'mkdir' in text and 'state_dict()' in text
    (tmp_path / 'b.pth').write_bytes(pickle.dumps(Touch(trap)))
    assert 'a bare pickle' in refused(tmp_path / 'b.pth')
    assert not trap.exists()


def test_a_whole_pickled_model_is_refused(tmp_path, legacy):
    model = torch.nn.Linear(2, 2)
    assert 'pickled torch.nn' in refused(saved(tmp_path / 'a.pth', {'model': model}, **legacy))


@pytest.mark.parametrize(
    ('content', 'text'),
    [
        ([torch.ones(1)], 'holds a list'),
        ({}, 'got 0 keys'),
        ({'state_dict': [1]}, 'got a list'),
        ({'state_dict': state(), 'config': 1}, 'unknown parts config'),
        ({'state_dict': state(), 'epoch': 'last'}, 'epoch: expected a whole number, got a str'),
        ({'state_dict': state(), 'epoch': True}, 'got a bool'),
        ({'state_dict': state(b=3)}, 'b: a int, expected a tensor'),
        ({'state_dict': {1: torch.ones(1)}}, 'a key is a int'),
        (state(b=torch.ones(2).double()), 'b: torch.float64'),
        (state(b=torch.ones(2).bfloat16()), 'b: torch.bfloat16'),
        (state(b=torch.ones(2, dtype=torch.int8)), 'b: torch.int8'),
        (state(b=torch.tensor([1, float('nan')])), 'b: has values that are NaN'),
        (state(b=torch.tensor([1, -float('inf')])), 'b: has values that are NaN or infinite'),
        (state(b=torch.eye(2).to_sparse()), 'b: a torch.sparse_coo tensor'),
        (state(b=torch.zeros(1).expand(10**12)), 'b: shape (1000000000000,) is more than'),
        (state(b=torch.zeros(3, device='meta')), 'tensor on meta'),
        (state(b=torch._neg_view(torch.ones(3))), 'b: a nested or negated tensor'),
        (state(**{'b.num_batches_tracked': torch.ones(())}), 'expected torch.int64'),
    ],
)
def test_what_is_no_plain_tensor_is_named(tmp_path, content, text):
    assert text in refused(saved(tmp_path / 'a.pth', content))


@pytest.mark.parametrize('share', [0.0, 0.02, 0.3, 0.6, 0.9, 0.999])
def test_truncated_files_are_refused(tmp_path, legacy, share):
    path = saved(tmp_path / 'a.pth', state(c=torch.randn(500)), **legacy)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    refused(path)


def test_flipped_bytes_are_refused_or_give_plain_tensors(tmp_path, legacy):
    path = saved(tmp_path / 'a.pth', {'epoch': 1, 'state_dict': state()}, **legacy)
    data, random = path.read_bytes(), np.random.default_rng(0)
    for _ in range(60):
        broken = bytearray(data)
        broken[random.integers(len(data))] ^= 1 << random.integers(8)
        path.write_bytes(broken)
        try:
            tensors = read_checkpoint(path).tensors
        except InputError:
            continue
        assert all(isinstance(value, torch.Tensor) for value in tensors.values())


@pytest.mark.parametrize(
    ('data', 'text'),
    [
        (b'', 'begins with'),
        (b'GIF89a', "begins with b'GIF89a'"),
        (b'\n<!DOCTYPE html><title>Google Drive - Virus scan warning', 'a web page'),
        (b'<html><body>', 'a web page'),
        (b'version https://git-lfs.github.com/spec/v1\noid', 'git lfs pull'),
        (b'\x1f\x8b\x08\x00', 'compressed archive'),
        (b'\x89HDF\r\n', 'HDF5'),
    ],
)
def test_other_files_are_named(tmp_path, data, text):
    (tmp_path / 'a.pth').write_bytes(data)
    assert text in refused(tmp_path / 'a.pth')


def test_a_safetensors_file_is_named(tmp_path):
    save_file(state(), tmp_path / 'a.pth')
    assert 'a safetensors file' in refused(tmp_path / 'a.pth')


def test_missing_files_and_folders_are_refused(tmp_path):
    assert 'No such file' in refused(tmp_path / 'a.pth')
    assert 'directory' in refused(tmp_path)


def zipped(path, parts, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, 'w', compression) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return path


def test_a_zip_bomb_is_not_unpacked(tmp_path):
    parts = {'a/data.pkl': b'\0', 'a/data/0': bytes(10**7)}
    text = refused(zipped(tmp_path / 'a.pth', parts, zipfile.ZIP_DEFLATED))
    assert 'torch.save never compresses' in text and 'unpacks to 10000001 bytes' in text


def test_other_archives_are_named(tmp_path):
    assert 'no data.pkl' in refused(zipped(tmp_path / 'a.pth', {'readme.txt': b'x'}))
    program = {'a/data.pkl': b'\0', 'a/constants.pkl': b'\0'}
    assert 'TorchScript' in refused(zipped(tmp_path / 'b.pth', program))


def test_too_large_a_file_is_not_opened(tmp_path, monkeypatch):
    path = saved(tmp_path / 'a.pth', state())
    monkeypatch.setattr(fairmot_weights_file, 'MAX_BYTES', path.stat().st_size - 1)
    assert 'GB; a FairMOT checkpoint has up to' in refused(path)


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / 'new' / 'a.pth'
    write_checkpoint(path, state(), epoch=3)
    read = read_checkpoint(path)
    assert read.epoch == 3 and list(read.tensors) == ['a.weight', 'n']
    assert list(path.parent.iterdir()) == [path]
    with pytest.raises(InputError, match='is there already'):
        write_checkpoint(path, state(), epoch=4)


def test_nested_tensors_are_refused(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # they are a prototype
        nested = torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])
    assert 'b: a nested' in refused(saved(tmp_path / 'a.pth', state(b=nested)))


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / 'a.pth')
    assert 'a pipe or a device' in refused(tmp_path / 'a.pth')


@pytest.mark.parametrize('claimed', [2**31 - 1, 10**12])
def test_a_storage_that_is_larger_than_its_file_is_refused(tmp_path, claimed):
    """The old format states how many values follow; nothing of them is there."""
    path = saved(
        tmp_path / 'a.pth', {'a': torch.ones(12_345)}, _use_new_zipfile_serialization=False
    )
    said, lie = pickle.dumps(12_345, 2)[2:-1], pickle.dumps(claimed, 2)[2:-1]
    data = path.read_bytes()
    assert data.count(said) == 2
    path.write_bytes(data.replace(said, lie))
    refused(path)
