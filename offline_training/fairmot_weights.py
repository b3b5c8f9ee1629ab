"""FairMOT's public checkpoints as bundles, and back: nothing is guessed, nothing is lost.

Every key of a checkpoint is a tensor of the network, or one of the few left-overs that public
files are known to hold although nothing reads them; whatever else is there, lacks or has another
shape is refused by name. The bundle's manifest says what the file looked like
(`training.imported_from`), and the left-overs stay beside the weights in a file of their own,
which no runtime reads. So an import is exported again with equal keys and equal tensors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mot_compress_ros.errors import InputError
from mot_compress_ros.networks import ArchitectureConfig, JointDetector
from mot_compress_ros.networks.public_layout import DATA_PARALLEL, is_dead, to_public
from mot_compress_ros.options import from_mapping
from offline_training.fairmot_weights_file import Checkpoint, COUNTER

LEFTOVERS_FILE = 'leftovers.safetensors'
ORIGIN = 'imported_from'  # in the manifest's `training`
LAYOUT = 'FairMOT'
_MAX_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class Signature:
    """How a network is told from the keys of its checkpoint.

    Attributes:
        has: keys that it has.
        lacks: a part of keys that it does not have.
        widest: a key whose tensor has the most channels as rows.
        widest_channels: how many there are at width 1.
    """

    has: tuple[str, ...]
    widest: str
    widest_channels: int
    lacks: str = '\0'


_DEEP = 'base.level3.tree1.tree1.conv1.weight'
_SHALLOW = 'base.level3.tree1.conv1.weight'
_OFFSETS = 'dla_up.ida_0.proj_1.conv.conv_offset_mask.weight'
_DLA_WIDEST = 'base.level5.root.conv.weight'
# Architectures of ours that FairMOT's own layout describes.
SIGNATURES: Mapping[str, Signature] = {
    'yolov5_light': Signature(
        has=('backbone.model.0.conv.conv.weight',),
        widest='backbone.model.9.cv3.conv.weight',
        widest_channels=1024,
    ),
    'dla34_dcn': Signature(has=(_DEEP, _OFFSETS), widest=_DLA_WIDEST, widest_channels=512),
    'dla34_conv': Signature(
        has=(_DEEP,), lacks='conv_offset_mask', widest=_DLA_WIDEST, widest_channels=512
    ),
    'dla34_small': Signature(has=(_SHALLOW, _OFFSETS), widest=_DLA_WIDEST, widest_channels=512),
}


@dataclass(frozen=True, eq=False, kw_only=True)
class ImportedWeights:
    """A checkpoint made ours.

    Attributes:
        architecture: the network that the checkpoint is of.
        tensors: its state dict.
        leftovers: tensors by public key that nothing reads.
        origin: what the file looked like, for the manifest and the way back.
    """

    architecture: ArchitectureConfig
    tensors: Mapping[str, Tensor]
    leftovers: Mapping[str, Tensor]
    origin: Mapping[str, Any]


def import_weights(checkpoint: Checkpoint, *, file_name: str) -> ImportedWeights:
    """Find the network that a checkpoint is of, and give it its tensors.

    Box extents of two rows (width and height, FairMOT before `ltrb`) become four: the centre lies
    half of them from each side, so left = right = w / 2 and top = bottom = h / 2, exactly.

    Raises:
        InputError: it is of no network of FairMOT's that we have, or a key is unknown, missing or
            misshapen; the message names it.
    """
    prefix, public = _without_prefix(checkpoint.tensors, file_name)
    architecture = detect_architecture(public, file_name)
    expected = _expected(architecture)
    leftovers = {
        key: tensor
        for key, tensor in public.items()
        if key not in expected and is_dead(key, architecture.name)
    }
    used = {key: tensor for key, tensor in public.items() if key not in leftovers}
    wh_rows = _rows(public, 'wh.2.weight', file_name)
    if wh_rows == 2:
        used |= {key: _four_rows(used[key]) for key in ('wh.2.weight', 'wh.2.bias') if key in used}
    has_counters = any(key.endswith(COUNTER) for key in public)
    if not has_counters:  # torch before 0.4.1 did not count
        used |= {key: torch.tensor(0) for key in expected if key.endswith(COUNTER)}
    _check_keys(used, {key: shape for key, (_, shape) in expected.items()}, file_name)
    return ImportedWeights(
        architecture=architecture,
        tensors={own: used[key].contiguous() for key, (own, _) in expected.items()},
        # Copies: safetensors refuses tensors that share memory, as tied ones do.
        leftovers={
            k: t.clone(memory_format=torch.contiguous_format) for k, t in leftovers.items()
        },
        origin={
            'layout': LAYOUT,
            'file': file_name,
            'sha256': checkpoint.sha256,
            'epoch': checkpoint.epoch,
            'key_prefix': prefix,
            'wh_rows': wh_rows,
            'batch_counters': has_counters,
            'leftovers': sorted(leftovers),
        },
    )


def detect_architecture(public: Mapping[str, Tensor], file_name: str) -> ArchitectureConfig:
    """The network that public keys and shapes tell of.

    Raises:
        InputError: none of those that we have.
        InvalidOptionError: its class count, embedding or width is out of range.
    """
    for name, signature in SIGNATURES.items():
        has_all = all(key in public for key in signature.has)
        if has_all and not any(signature.lacks in key for key in public):
            widest = _rows(public, signature.widest, file_name)
            return from_mapping(
                ArchitectureConfig,
                {
                    'name': name,
                    'width': widest / signature.widest_channels,
                    'n_class': _rows(public, 'hm.2.weight', file_name),
                    'embedding_dim': _rows(public, 'id.2.weight', file_name),
                    'head_channels': _rows(public, 'hm.0.weight', file_name),
                },
            )
    shown = ', '.join(key[:60] for key in list(public)[:3])
    raise InputError(
        f'{file_name}: keys such as {shown} are of no network of {LAYOUT} that is known here: '
        f'{", ".join(SIGNATURES)}'
    )


def _without_prefix(
    tensors: Mapping[str, Tensor], file_name: str
) -> tuple[str, dict[str, Tensor]]:
    """The prefix `module.` of all keys or of none, and the tensors without it."""
    wrapped = [key for key in tensors if key.startswith(DATA_PARALLEL)]
    if wrapped and len(wrapped) < len(tensors):
        bare = next(key for key in tensors if not key.startswith(DATA_PARALLEL))
        raise InputError(
            f'{file_name}: {wrapped[0]} begins with {DATA_PARALLEL}, {bare[:80]} does not; '
            'expected all keys or none'
        )
    prefix = DATA_PARALLEL if wrapped else ''
    return prefix, {key.removeprefix(prefix): tensor for key, tensor in tensors.items()}


def _expected(architecture: ArchitectureConfig) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Public key -> own key and shape, of every tensor of the network."""
    with torch.device('meta'):  # shapes alone, no memory
        state = JointDetector(architecture).state_dict()
    public = to_public({key: key for key in state}, architecture.name)
    return {key: (own, tuple(state[own].shape)) for key, own in public.items()}


def _rows(public: Mapping[str, Tensor], key: str, file_name: str) -> int:
    if key not in public:
        raise InputError(f'{file_name}: lacks {key}, which every {LAYOUT} checkpoint has')
    if public[key].ndim != 4:
        raise InputError(
            f'{file_name}: {key} has the shape {tuple(public[key].shape)}, expected 4 dimensions'
        )
    return int(public[key].shape[0])


def _check_keys(
    given: Mapping[str, Tensor], expected: Mapping[str, tuple[int, ...]], file_name: str
) -> None:
    wrong = [f'{key[:80]} is unknown' for key in given if key not in expected]
    wrong += [f'{key} is missing' for key in expected if key not in given]
    wrong += [
        f'{key} has the shape {tuple(given[key].shape)}, expected {shape}'
        for key, shape in expected.items()
        if key in given and tuple(given[key].shape) != shape
    ]
    if wrong:
        more = f'; and {len(wrong) - _MAX_NAMED} more' if len(wrong) > _MAX_NAMED else ''
        raise InputError(f'{file_name}: {"; ".join(wrong[:_MAX_NAMED])}{more}')


def _four_rows(wh: Tensor) -> Tensor:
    """Rows w, h -> rows left, top, right, bottom; float32, for fp16 cannot halve its smallest."""
    return torch.cat([wh, wh]).float() / 2
