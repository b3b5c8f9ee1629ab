"""Model bundles: a folder with `weights.safetensors` and its manifest `model.json`.

A bundle is data: nothing in it is ever unpickled or executed. What does not fit its manifest is
refused with the reason and the fix in one line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
import hashlib
import json
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_safetensors
from safetensors.numpy import save as save_safetensors

from mot_compress_ros.errors import BundleError
from mot_compress_ros.inference.manifest import (
    FORMAT,
    MANIFEST_FILE,
    ModelManifest,
    read_manifest,
)

__all__ = [
    'MANIFEST_FILE',
    'MODELS_PATH_VARIABLE',
    'WEIGHTS_FILE',
    'Bundle',
    'ModelManifest',
    'load_bundle',
    'model_roots',
    'resolve_bundle',
    'save_bundle',
]

WEIGHTS_FILE = 'weights.safetensors'
MODELS_PATH_VARIABLE = 'MOT_COMPRESS_MODELS'
WEIGHT_TYPES = ('F16', 'F32', 'F64')  # as safetensors calls them
# Networks without a heat map, by architecture: the last layer of their embeddings.
OTHER_LAYOUTS = {'cstrack': ('id.last.weight', 4)}
# What foreign checkpoints begin with: a zip (torch.save), or a bare pickle of protocol 2 to 5.
_PICKLE_STARTS = (b'PK\x03\x04', b'\x80\x02', b'\x80\x03', b'\x80\x04', b'\x80\x05')


@dataclass(frozen=True, eq=False, kw_only=True)
class Bundle:
    """A bundle that was read and found whole: its folder, manifest and tensors by key."""

    path: Path
    manifest: ModelManifest
    tensors: Mapping[str, NDArray[np.generic]]


def resolve_bundle(path_or_name: str | Path) -> Path:
    """The folder of a bundle given by path, or by name below one of the model folders.

    Names are looked up in `$MOT_COMPRESS_MODELS`, `./models`, and the package's `models` folder.

    Raises:
        BundleError: there is no such bundle; the message lists the names that exist.
    """
    if not str(path_or_name):
        raise BundleError('no model given: set the parameter or option "model" to a bundle folder')
    given = Path(path_or_name).expanduser()
    candidates = [given, *(root / given for root in model_roots())]
    for candidate in candidates:
        if (candidate / MANIFEST_FILE).is_file():
            return candidate
    if given.exists():
        raise BundleError(
            f'{given}: not a model bundle: it holds no {MANIFEST_FILE}; give the folder that '
            f'`python -m offline_training train` wrote'
        )
    names = sorted({p.parent.name for root in model_roots() for p in root.glob('*/model.json')})
    raise BundleError(f'{given}: no such model; known: {", ".join(names) or "none"}')


def model_roots() -> list[Path]:
    """Folders in which bundles are looked up by name, in order."""
    package = Path(__file__).resolve().parents[2]
    roots = [Path('models'), package / 'models']
    # An installed package lies in <prefix>/lib/pythonX/site-packages, its data in <prefix>/share.
    roots += [p / 'share' / 'mot_compress_ros' / 'models' for p in package.parents]
    if os.environ.get(MODELS_PATH_VARIABLE):
        roots.insert(0, Path(os.environ[MODELS_PATH_VARIABLE]))
    return [root for root in roots if root.is_dir()]


def load_bundle(path_or_name: str | Path) -> Bundle:
    """Read a bundle and verify its manifest, hash and class count.

    Raises:
        BundleError: anything does not fit; the message says what and how to mend it.
    """
    folder = resolve_bundle(path_or_name)
    manifest = read_manifest(folder / MANIFEST_FILE)
    tensors: Mapping[str, NDArray[np.generic]] = {}
    if manifest.weights_sha256:
        tensors = _read_weights(folder / WEIGHTS_FILE, manifest.weights_sha256)
        _check_types(folder / WEIGHTS_FILE, tensors)
        _check_heads(folder, manifest, tensors)
    return Bundle(path=folder, manifest=manifest, tensors=tensors)


def save_bundle(
    folder: Path, manifest: ModelManifest, tensors: Mapping[str, NDArray[np.generic]]
) -> Bundle:
    """Write a bundle, filling in the hash of its manifest, and return what a reader gets."""
    folder.mkdir(parents=True, exist_ok=True)
    digest = ''
    if tensors:
        whole = {key: np.require(tensor, requirements='C') for key, tensor in tensors.items()}
        data = save_safetensors(whole)
        digest = hashlib.sha256(data).hexdigest()
        (folder / WEIGHTS_FILE).write_bytes(data)
    content = {'format': FORMAT, **asdict(manifest), 'weights_sha256': digest}
    optional = ('teacher', 'embedding_space', 'calibrated_from', 'channels', 'graphs')
    for key in optional:  # said only where there is one
        if not content[key]:
            del content[key]
    (folder / MANIFEST_FILE).write_text(json.dumps(content, indent=2) + '\n')
    return load_bundle(folder)


def _read_weights(path: Path, sha256: str) -> dict[str, NDArray[np.generic]]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BundleError(
            f'{path}: cannot be read ({error.strerror}); copy the bundle anew'
        ) from None
    if data.startswith(_PICKLE_STARTS):
        raise BundleError(
            f'{path}: a pickle or torch.save file, which can run code when loaded; '
            f'convert it to safetensors with the training package'
        )
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise BundleError(
            f'{path}: sha256 is {found[:12]}…, {MANIFEST_FILE} says {sha256[:12]}…: '
            f'the file is truncated, damaged or of another model; copy the bundle anew'
        )
    try:
        tensors: dict[str, NDArray[np.generic]] = load_safetensors(data)
    except SafetensorError as error:
        raise BundleError(f'{path}: not a safetensors file ({error})') from None
    except Exception as error:  # a KeyError for BF16; what else, depends on the version
        raise BundleError(
            f'{path}: cannot be read ({type(error).__name__}: {error}); '
            f'weights must be of {", ".join(WEIGHT_TYPES)}'
        ) from None
    return tensors


def _check_types(path: Path, tensors: Mapping[str, NDArray[np.generic]]) -> None:
    """Whole numbers are counters of BatchNorm; as weights they would lack their scale."""
    for key, tensor in tensors.items():
        if tensor.dtype.kind != 'f' and not key.endswith('num_batches_tracked'):
            raise BundleError(
                f'{path}: {key} is of {tensor.dtype}; weights must be of {", ".join(WEIGHT_TYPES)}'
            )


def _check_heads(
    folder: Path, manifest: ModelManifest, tensors: Mapping[str, NDArray[np.generic]]
) -> None:
    """The last layers must agree with the class count and embedding length of the manifest."""
    pivots = bool(manifest.architecture.get('pivots'))
    embedding = ('pivot.weight', 2) if pivots else ('id.2.weight', 4)
    expected = [
        (('hm.2.weight', 4), len(manifest.class_names)),
        (embedding, manifest.embedding_dim),
    ]
    if manifest.architecture.get('name') in OTHER_LAYOUTS:  # classes: as the whole is loaded
        expected = [(OTHER_LAYOUTS[manifest.architecture['name']], manifest.embedding_dim)]
    for (key, dimensions), rows in expected:
        shape = tensors[key].shape if key in tensors else None
        if shape is None or len(shape) != dimensions or shape[0] != rows:
            raise BundleError(
                f'{folder}: {MANIFEST_FILE} wants {key} of shape ({rows}, ...) in {dimensions} '
                f'dimensions, the weights have {shape or "no such tensor"}'
            )
