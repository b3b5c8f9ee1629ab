"""Every layout keeps the contract, whatever its author thought of."""

import importlib

import numpy as np
from published_sets import SETS
import pytest

from mot_compress_ros.errors import InputError
from mot_compress_ros.options import describe
from offline_training.datasets import LAYOUTS
from offline_training.datasets.records import FrameTruth, SourceConfig

# Files of a layout that a split does not need.
NOT_READ = {
    ('pascal_voc', '000005.xml'),
    ('pascal_voc', 'val.txt'),
    ('pascal_voc', 'car_train.txt'),
}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('MOT_COMPRESS_CACHE', str(tmp_path / 'cache'))


def module_of(name):
    return importlib.import_module(LAYOUTS[name])


def config_of(name):
    return SourceConfig(layout=name, path='set')


@pytest.mark.parametrize('name', LAYOUTS)
def test_options_are_those_of_the_sources(name):
    assert {info.name for info in describe(SourceConfig)} >= module_of(name).OPTIONS


@pytest.mark.parametrize('name', LAYOUTS)
def test_nothing_is_recognised_in_nothing(name, tmp_path):
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'file').write_bytes(b'\x00\xff')
    for path in ('empty', 'missing', 'file', 'file/below', 300 * 'x'):
        assert module_of(name).recognises(tmp_path / path) is False


@pytest.mark.parametrize('name', LAYOUTS)
@pytest.mark.parametrize('path', ['empty_set', 'missing_set', 'junk_set'])
def test_nothing_is_refused_by_name(name, path, tmp_path):
    (tmp_path / 'empty_set').mkdir()
    (tmp_path / 'junk_set').write_bytes(b'\x00\xff')
    with pytest.raises(InputError, match=path):
        module_of(name).read(tmp_path / path, config_of(name))


def test_every_layout_has_a_set():
    assert set(LAYOUTS) - set(SETS) <= {'bag'}  # written by rosbags, in test_bag_layout


@pytest.mark.parametrize('name', SETS)
def test_a_set_is_first_recognised_by_its_own_layout(name, tmp_path):
    path = SETS[name](tmp_path / 'set')
    first = next(other for other in LAYOUTS if module_of(other).recognises(path))
    assert first == name


@pytest.mark.parametrize('name', SETS)
def test_what_is_read_is_whole(name, tmp_path):
    path = SETS[name](tmp_path / 'set')
    labelled = module_of(name).read(path, config_of(name))
    assert (labelled.path, labelled.layout) == (path, name)
    assert len(labelled) > 0
    legal = range(len(labelled.class_names))
    for image in labelled.images:
        check_rows(image, legal)
        assert image.path.is_file()
        assert image.ids is None or len(image.ids) == len(image)
    assert len({s.name for s in labelled.sequences}) == len(labelled.sequences)
    for sequence in labelled.sequences:
        assert sequence.fps > 0 and min(sequence.size_wh) > 0
        assert len(sequence.image_paths) in (0, len(sequence))
        assert all(image.is_file() for image in sequence.image_paths)
        for truth in sequence.truth:
            check_rows(truth, legal)
            check_sequence_rows(truth)


@pytest.mark.parametrize('name', SETS)
def test_what_is_no_text_is_named(name, tmp_path):
    """Labels that were overwritten, or downloaded as something else, give no traceback."""
    path = SETS[name](tmp_path / 'set')
    texts = ('.txt', '.csv', '.json', '.odgt', '.xml', '.ini')
    files = [file for file in sorted(path.rglob('*')) if file.suffix in texts]
    assert files
    for file in files:
        before = file.read_bytes()
        file.write_bytes(b'\xff\xfe\x00\x81junk\x00')
        try:
            module_of(name).read(path, config_of(name))
        except InputError as error:
            assert file.stem in str(error)
        else:
            assert (name, file.name) in NOT_READ
        file.write_bytes(before)


def check_rows(rows, legal):
    n = len(rows)
    assert (rows.boxes_xyxy_px.shape, rows.boxes_xyxy_px.dtype) == ((n, 4), np.float64)
    assert (rows.class_ids.shape, rows.class_ids.dtype) == ((n,), np.int64)
    assert (rows.ignore.shape, rows.ignore.dtype) == ((n,), np.bool_)
    assert set(rows.class_ids.tolist()) <= set(legal)
    assert (rows.boxes_xyxy_px[:, 2:] > rows.boxes_xyxy_px[:, :2]).all()


def check_sequence_rows(truth: FrameTruth):
    assert (truth.ids.shape, truth.ids.dtype) == ((len(truth),), np.int64)
    assert (truth.visibility.shape, truth.visibility.dtype) == ((len(truth),), np.float64)
    assert ((truth.visibility >= 0) & (truth.visibility <= 1)).all()
    active = truth.ids[~truth.ignore]
    assert len(np.unique(active)) == len(active)
