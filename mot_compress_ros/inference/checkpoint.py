"""Model bundles: a folder with `weights.safetensors` and its manifest `model.json`.

A bundle is data: nothing in it is ever unpickled or executed. What does not fit its manifest is
refused with the reason and the fix in one line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_safetensors
from safetensors.numpy import save as save_safetensors

from mot_compress_ros.errors import BundleError

FORMAT = 1
MANIFEST_FILE = 'model.json'
WEIGHTS_FILE = 'weights.safetensors'
MODELS_PATH_VARIABLE = 'MOT_COMPRESS_MODELS'
# FairMOT's input: RGB / 255, no mean, no deviation. A bundle states it for other readers.
NORMALISATION = {'color_order': 'rgb', 'scale': 1 / 255, 'mean': [0, 0, 0], 'std': [1, 1, 1]}
# What foreign checkpoints begin with: a zip (torch.save), or a bare pickle of protocol 2 to 5.
_PICKLE_STARTS = (b'PK\x03\x04', b'\x80\x02', b'\x80\x03', b'\x80\x04', b'\x80\x05')


@dataclass(frozen=True, kw_only=True)
class ModelManifest:
    """What `model.json` says of a model.

    Attributes:
        name: name of the model, also of its embedding space.
        architecture: what is needed to build the network (`networks.ArchitectureConfig`).
        class_names: names in order of class id.
        input_size_wh: width and height of the network's input, multiples of 32.
        embedding_dim: length of the re-ID embedding.
        normalisation: colour order, scale, mean and std of the input, for readers of the bundle;
            anything but RGB / 255 is refused.
        weights_sha256: hash of the weights file, '' where a bundle has none.
        training: how and on what it was trained, in words and numbers.
        metrics: what was measured with which command.
    """

    name: str
    architecture: Mapping[str, Any]
    class_names: tuple[str, ...]
    input_size_wh: tuple[int, int]
    embedding_dim: int
    weights_sha256: str = ''
    normalisation: Mapping[str, Any] = field(default_factory=lambda: dict(NORMALISATION))
    training: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)


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
    manifest = _read_manifest(folder / MANIFEST_FILE)
    tensors: Mapping[str, NDArray[np.generic]] = {}
    if manifest.weights_sha256:
        tensors = _read_weights(folder / WEIGHTS_FILE, manifest.weights_sha256)
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
    (folder / MANIFEST_FILE).write_text(json.dumps(content, indent=2) + '\n')
    return load_bundle(folder)


def _read_manifest(path: Path) -> ModelManifest:
    try:
        content = json.loads(path.read_text())
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BundleError(
            f'{path}: not readable as JSON ({error}); copy the bundle anew'
        ) from None
    if not isinstance(content, dict):
        raise BundleError(f'{path}: expected a JSON object, got {type(content).__name__}')
    if content.pop('format', None) != FORMAT:
        raise BundleError(f'{path}: not of bundle format {FORMAT}; export the model again')
    try:
        manifest = ModelManifest(
            **{
                **content,
                'class_names': tuple(content['class_names']),
                'input_size_wh': tuple(content['input_size_wh']),
            }
        )
    except (KeyError, TypeError) as error:
        raise BundleError(f'{path}: a key is missing or unknown ({error})') from None
    _check_manifest(path, manifest)
    return manifest


def _check_manifest(path: Path, manifest: ModelManifest) -> None:
    names = manifest.class_names
    if (
        not names
        or not all(isinstance(n, str) and n for n in names)
        or len(set(names)) != len(names)
    ):
        raise BundleError(f'{path}: class_names must be distinct, non-empty strings, got {names}')
    size = manifest.input_size_wh
    whole = len(size) == 2 and all(isinstance(s, int) and 32 <= s <= 8192 for s in size)
    if not whole or any(s % 32 for s in size):
        raise BundleError(f'{path}: input_size_wh must be two multiples of 32, got {size}')
    n_class = manifest.architecture.get('n_class', len(names))
    if n_class != len(names):
        raise BundleError(f'{path}: {len(names)} class names for a network of {n_class} classes')
    if dict(manifest.normalisation) != NORMALISATION:
        raise BundleError(
            f'{path}: normalisation {dict(manifest.normalisation)} is not {NORMALISATION}'
        )


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
    return tensors


def _check_heads(
    folder: Path, manifest: ModelManifest, tensors: Mapping[str, NDArray[np.generic]]
) -> None:
    """The last layers must agree with the class count and embedding length of the manifest."""
    for key, rows in (
        ('hm.2.weight', len(manifest.class_names)),
        ('id.2.weight', manifest.embedding_dim),
    ):
        if key not in tensors or tensors[key].shape[0] != rows:
            found = tensors[key].shape[0] if key in tensors else 'no such tensor'
            raise BundleError(
                f'{folder}: {MANIFEST_FILE} wants {rows} rows in {key}, the weights have {found}'
            )
