"""A bundle in the layout of FairMOT's checkpoints; what was imported comes out as it went in."""

from __future__ import annotations

from collections.abc import Mapping
import hashlib
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
import torch
from torch import Tensor

from mot_compress_ros.errors import BundleError
from mot_compress_ros.inference.backends.torch_eager import load_network
from mot_compress_ros.inference.checkpoint import Bundle
from mot_compress_ros.networks.activations import PUBLISHED
from mot_compress_ros.networks.public_layout import DATA_PARALLEL, to_public
from offline_training.fairmot_weights import LAYOUT, LEFTOVERS_FILE, ORIGIN, SIGNATURES
from offline_training.fairmot_weights_file import COUNTER


def export_tensors(bundle: Bundle) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """A bundle's tensors as FairMOT names them, float32, and the keys that could not be restored.

    A bundle that was imported gets back what its file had: prefix, two-row box extents, left-over
    tensors. The latter are missing where their file is.

    Raises:
        BundleError: FairMOT has no such network, or the weights do not fit the manifest.
    """
    architecture = bundle.manifest.architecture
    name = str(architecture.get('name', ''))
    if architecture.get('fusion', 'none') != 'none' or architecture.get('pivots'):
        raise BundleError(
            f'{bundle.path}: {LAYOUT} has no network with a fusion or with pivots; export the '
            'student that it was started from'
        )
    if architecture.get('activation', PUBLISHED) != PUBLISHED:
        raise BundleError(
            f'{bundle.path}: {LAYOUT} has no network with activation '
            f'{architecture["activation"]}, expected {PUBLISHED}: its code would run these '
            'weights with another; export the network that it was started from'
        )
    if name not in SIGNATURES:
        raise BundleError(
            f'{bundle.path}: {LAYOUT} has no network {name!r}; it has {", ".join(SIGNATURES)}'
        )
    origin = origin_of(bundle)
    public = to_public(load_network(bundle).state_dict(), name)
    if origin.get('wh_rows') == 2:
        public |= {key: _two_rows(bundle, public[key]) for key in ('wh.2.weight', 'wh.2.bias')}
    if origin.get('batch_counters') is False:
        public = {key: value for key, value in public.items() if not key.endswith(COUNTER)}
    leftovers, missing = _leftovers(bundle, origin)
    prefix = DATA_PARALLEL if origin.get('key_prefix') == DATA_PARALLEL else ''
    whole = {**public, **leftovers}
    return {prefix + key: _single(value) for key, value in whole.items()}, missing


def _two_rows(bundle: Bundle, ltrb: Tensor) -> Tensor:
    """The inverse of `_four_rows`."""
    if not torch.equal(ltrb[:2], ltrb[2:]):
        raise BundleError(
            f'{bundle.path}: the manifest says that the boxes were of two rows, but the weights '
            'of left and right or of top and bottom differ; import the checkpoint again'
        )
    return ltrb[:2] * 2


def origin_of(bundle: Bundle) -> Mapping[str, Any]:
    """What an imported bundle says of its file; empty where it was not imported."""
    origin = bundle.manifest.training.get(ORIGIN, {})
    return origin if isinstance(origin, Mapping) and origin.get('layout') == LAYOUT else {}


def _leftovers(
    bundle: Bundle, origin: Mapping[str, Any]
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Left-over tensors of the import, and the keys of those whose file was removed."""
    keys = origin.get('leftovers')
    if not keys or not isinstance(keys, list):
        return {}, ()
    path = bundle.path / LEFTOVERS_FILE
    if not path.is_file():
        return {}, tuple(str(key) for key in keys)
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != origin.get('leftovers_sha256'):
        raise BundleError(
            f'{path}: damaged or of another bundle; import the checkpoint again, or remove the '
            'file to export without it'
        )
    try:
        tensors: dict[str, Tensor] = load_safetensors(data)
    except SafetensorError as error:
        raise BundleError(f'{path}: not a safetensors file ({error})') from None
    return tensors, ()


def _single(tensor: Tensor) -> Tensor:
    """Weights as float32, which is FairMOT's precision; counters as they are."""
    return tensor.float() if tensor.is_floating_point() else tensor
