"""A student that depends on its teacher goes with that one only; embedding spaces, pivots."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from mot_compress_ros.errors import BundleError
from mot_compress_ros.inference import BackendOptions, build_detector, check_pair, load_bundle
from mot_compress_ros.inference.backends.torch_eager import TorchEagerBackend
from mot_compress_ros.inference.checkpoint import ModelManifest, save_bundle
from mot_compress_ros.networks import ArchitectureConfig, JointDetector
from mot_compress_ros.options import to_mapping

SHA = 'a' * 64


def manifest(name='m', *, fusion='none', sha=SHA, **changes):
    return ModelManifest(
        name=name,
        architecture={'fusion': fusion},
        class_names=('pedestrian',),
        input_size_wh=(96, 64),
        embedding_dim=8,
        weights_sha256=sha,
        **changes,
    )


def by(teacher, mapping):
    return {'name': teacher.name, 'weights_sha256': teacher.weights_sha256, 'mapping': mapping}


TEACHER = manifest('teacher', sha='b' * 64)
OTHER = manifest('other', sha='c' * 64)


@pytest.mark.parametrize('teacher', [TEACHER, OTHER])
def test_a_student_of_nobody_goes_with_everyone(teacher):
    check_pair(manifest('student'), teacher)
    check_pair(manifest('student', fusion='concat'), teacher)  # was told the truth
    # Was taught layer by layer, and neither takes a prior nor has the teacher's embeddings.
    check_pair(manifest('student', teacher=by(TEACHER, 'none')), teacher)


def test_a_student_that_takes_a_prior_goes_with_its_teacher_only():
    student = manifest('student', fusion='gated', teacher=by(TEACHER, 'none'))
    check_pair(student, TEACHER)
    with pytest.raises(BundleError) as error:
        check_pair(student, OTHER)
    text = str(error.value)
    assert 'student student: takes the heat map of teacher teacher (weights bbbbbbbbbbbb)' in text
    assert 'the teacher here is other (cccccccccccc)' in text
    assert 'take the teacher teacher' in text and '`train --teacher`' in text


def test_a_teacher_whose_scores_were_mapped_is_still_the_one():
    student = manifest(
        'student', fusion='gated', teacher=by(TEACHER, 'ifm'), embedding_space=TEACHER.space
    )
    mapped = manifest(
        'mapped', sha='d' * 64, embedding_space=TEACHER.space, calibrated_from='b' * 64
    )
    check_pair(student, mapped)
    with pytest.raises(BundleError, match='takes the heat map of teacher teacher'):
        check_pair(student, dataclasses.replace(mapped, calibrated_from='c' * 64))
    unnamed = {'name': 'x', 'weights_sha256': '', 'mapping': 'none'}
    with pytest.raises(BundleError, match='takes the heat map of teacher x'):
        check_pair(manifest('student', fusion='gated', teacher=unnamed), OTHER)


def test_a_student_with_its_teachers_embeddings_goes_with_that_one_only():
    student = manifest('student', teacher=by(TEACHER, 'ifm'), embedding_space=TEACHER.space)
    check_pair(student, TEACHER)
    with pytest.raises(BundleError, match=r'space teacher@b{12}\), but the teacher here is other'):
        check_pair(student, OTHER)


def test_pivots_are_shared_by_both():
    teacher = dataclasses.replace(TEACHER, embedding_space='pivots@1')
    student = manifest('student', teacher=by(teacher, 'efm'), embedding_space='pivots@1')
    check_pair(student, teacher)
    with pytest.raises(BundleError, match='pivots@2'):
        check_pair(student, dataclasses.replace(teacher, embedding_space='pivots@2'))
    with pytest.raises(BundleError, match=f'of space {TEACHER.space}'):
        check_pair(student, TEACHER)  # the same network without the pivots


def test_embeddings_of_one_space_are_of_one_length():
    """Else every frame after the first of the other would be refused by the tracker."""
    teacher = dataclasses.replace(TEACHER, embedding_space='road')
    student = manifest('student', embedding_space='road')
    check_pair(student, teacher)
    with pytest.raises(BundleError, match=r'space road.*of length 8.*has 16'):
        check_pair(student, dataclasses.replace(teacher, embedding_dim=16))


def write(folder, *, pivots=0, **said):
    config = ArchitectureConfig(
        width=0.0625, n_class=1, embedding_dim=8, pivots=pivots, fusion='gated'
    )
    torch.manual_seed(0)
    network = JointDetector(config).eval()
    given = ModelManifest(
        name=folder.name,
        architecture=to_mapping(config),
        class_names=('pedestrian',),
        input_size_wh=(96, 64),
        embedding_dim=pivots or 8,
        **said,
    )
    tensors = {key: value.numpy() for key, value in network.state_dict().items()}
    return network, save_bundle(folder, given, tensors)


def test_what_a_bundle_says_of_its_teacher_comes_back(tmp_path):
    said = {'teacher': by(TEACHER, 'ifm'), 'embedding_space': TEACHER.space}
    _, bundle = write(tmp_path / 'student', **said)
    assert bundle.manifest.teacher == by(TEACHER, 'ifm')
    assert bundle.manifest.space == build_detector(bundle).embedding_space == TEACHER.space
    _, plain = write(tmp_path / 'plain')
    content = json.loads((tmp_path / 'plain' / 'model.json').read_text())
    assert not {'teacher', 'embedding_space', 'calibrated_from'} & set(
        content
    )  # as bundles of before
    assert plain.manifest.space == f'plain@{plain.manifest.weights_sha256[:12]}'


@pytest.mark.parametrize(
    ('teacher', 'message'),
    [
        ('x', 'teacher: expected an object'),
        ({'name': 'x'}, 'expected the texts mapping, name, weights_sha256'),
        ({'name': 1, 'weights_sha256': '', 'mapping': 'ifm'}, 'expected the texts'),
        ({**by(TEACHER, 'none'), 'mapping': 'both'}, 'expected one of none, ifm, efm, got both'),
    ],
)
def test_a_teacher_that_cannot_be_is_refused(tmp_path, teacher, message):
    write(tmp_path / 'm')
    path = tmp_path / 'm' / 'model.json'
    path.write_text(json.dumps({**json.loads(path.read_text()), 'teacher': teacher}))
    with pytest.raises(BundleError, match=message):
        load_bundle(tmp_path / 'm')


@pytest.mark.parametrize('precision', ['fp32', 'bf16'])
def test_pivot_vectors_are_what_a_runtime_gives_at_the_cells(tmp_path, precision):
    network, bundle = write(tmp_path / 'm', pivots=6)
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 96, 3), np.uint8)
    backend = TorchEagerBackend(bundle, BackendOptions(device='cpu', precision=precision))
    ys, xs = np.array([3, 0, 15]), np.array([5, 23, 0])
    prior = np.random.default_rng(1).random((2, 3, 16, 24), np.float32)
    assert backend.prior_planes == 3
    found = backend.run(images, prior).gather(1, ys, xs).embeddings
    with torch.no_grad():
        given = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
        vectors = network(given, torch.from_numpy(prior))['id'][1][:, ys, xs].T
        expected = network.embeddings(vectors).numpy()
    assert found.shape == (3, 6) and found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-4 if precision == 'fp32' else 0.05)
    none = np.zeros(0, np.int64)
    assert backend.run(images).gather(0, none, none).embeddings.shape == (0, 6)


def test_a_manifest_must_say_how_many_pivots(tmp_path):
    _, bundle = write(tmp_path / 'm', pivots=6)
    with pytest.raises(BundleError, match=r'wants pivot\.weight of shape \(7, \.\.\.\) in 2'):
        save_bundle(
            tmp_path / 'm', dataclasses.replace(bundle.manifest, embedding_dim=7), bundle.tensors
        )
