"""The teacher's bundle in a training, and what the bundles say of each other afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.inference import Bundle, load_bundle
from mot_compress_ros.inference.checkpoint import ModelManifest, save_bundle
from mot_compress_ros.networks.cstrack import FAMILY
from offline_training.environment import command_line
from offline_training.losses.config import TAUGHT

if TYPE_CHECKING:
    from offline_training.recipes import RecipeConfig

Tensors = Mapping[str, NDArray[np.generic]]

PIVOTS = ('pivot.weight', 'pivot.bias')


def open_teacher(name: str | None, config: RecipeConfig, *, output: Path | None) -> Bundle | None:
    """The teacher of a recipe; None where the recipe never asks one.

    Args:
        name: of its bundle, None where none is given.
        config: the recipe.
        output: where it is to be written with the shared pivots, None for nowhere.

    Raises:
        BundleError: it cannot be used.
        InvalidOptionError: it is missing or does not fit the recipe.
    """
    if bool(output) != (config.mapping == 'efm'):
        raise InvalidOptionError(
            '--teacher-output: needed for loss.efm, which gives the teacher a layer shared with '
            f'the student, and for nothing else; loss.efm is {config.loss.efm:g}'
        )
    if not config.needs_teacher:
        return None
    if not name:
        raise InvalidOptionError(
            '--teacher: the recipe asks a teacher (attention.prior, or one of loss.'
            f'{", loss.".join(TAUGHT)}); pass its bundle'
        )
    bundle = load_bundle(name)
    if bundle.manifest.class_names != config.class_names:
        raise InvalidOptionError(
            f'--teacher {name}: finds {", ".join(bundle.manifest.class_names)}, the recipe learns '
            f'{", ".join(config.class_names)}; set architecture.n_class or take another teacher'
        )
    if (bundle.manifest.architecture.get('name') == FAMILY) != (config.family == FAMILY):
        raise InvalidOptionError(
            f'--teacher {name}: one of the two networks has anchors (cstrack) and the other has a '
            f'heat map, whose maps cannot be compared; the family of the recipe is {config.family}'
        )
    if config.mapping == 'ifm' and bundle.manifest.architecture.get('pivots'):
        raise InvalidOptionError(
            f'--teacher {name}: its embeddings are pivot vectors, which loss.ifm does not bring '
            'the student to; take the teacher without pivots'
        )
    return bundle


def pivot_space(tensors: Tensors) -> str:
    """Name of the space of pivot vectors: a hash of the layer that makes them."""
    digest = hashlib.sha256()
    for key in PIVOTS:
        digest.update(np.ascontiguousarray(tensors[key]).tobytes())
    return f'pivots@{digest.hexdigest()[:12]}'


def write_teacher(teacher: Bundle, output: Path, student: Tensors, *, shared_with: str) -> Bundle:
    """The teacher with the pivot layer of a trained student, as a bundle of its own.

    Args:
        teacher: the frozen one; its weights stay as they are.
        output: folder; its last part is the name.
        student: tensors of the student as they are written, which have the layer.
        shared_with: name of the student.
    """
    pivots = {key: student[key] for key in PIVOTS}
    count = len(pivots['pivot.bias'])
    manifest = replace(
        teacher.manifest,
        name=output.name,
        architecture={**teacher.manifest.architecture, 'pivots': count},
        embedding_dim=count,
        embedding_space=pivot_space(pivots),
        training={
            **teacher.manifest.training,
            'pivots': {
                'command': command_line(),
                'of_teacher': teacher.manifest.name,
                'of_teacher_sha256': teacher.manifest.weights_sha256,
                'shared_with': shared_with,
            },
        },
        metrics={},  # measured with other embeddings
    )
    return save_bundle(output, manifest, {**teacher.tensors, **pivots})


def taught_by(teacher: Bundle, mapping: str) -> dict[str, str]:
    """What a student's manifest says of its teacher."""
    manifest = teacher.manifest
    # What it was before its scores were mapped: they may be mapped again, and it is the same.
    weights = manifest.calibrated_from or manifest.weights_sha256
    return {'name': manifest.name, 'weights_sha256': weights, 'mapping': mapping}


def student_space(manifest: ModelManifest, tensors: Tensors, mapping: str) -> str:
    """The embedding space of a student taught by the teacher of `manifest`; '' for its own."""
    if mapping == 'efm':
        return pivot_space(tensors)
    return manifest.space if mapping == 'ifm' else ''
