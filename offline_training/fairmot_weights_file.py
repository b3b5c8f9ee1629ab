"""FairMOT's checkpoint files: read as plain tensors or refused, and written whole.

A `.pth` file is a pickle, and a pickle can run code. It is therefore read by torch's restricted
reader alone (`weights_only`), after a look at its first bytes and its size, and every tensor is
looked at before it is believed. Nothing of the optimizer's state is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import hashlib
from pathlib import Path
import re
import stat
import zipfile

import torch
from torch import Tensor

from mot_compress_ros.errors import InputError

# FairMOT's largest file with an optimizer is 260 MB; ten times that is no FairMOT checkpoint.
MAX_BYTES = 2 * 2**30
MAX_KEYS = 10_000
ALLOWED_PARTS = ('epoch', 'state_dict', 'optimizer')
FLOAT_TYPES = (torch.float32, torch.float16)
COUNTER = 'num_batches_tracked'
_ZIP_MAGIC = b'PK\x03\x04'
# torch.save before 1.6, which wrote the public files: a pickled magic number, then the rest.
_LEGACY_MAGIC = b'\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.'
# What people pass by mistake: first bytes -> what it is and what to do.
_FOREIGN = (
    (
        rb'\s*<(!DOCTYPE|html)',
        'a web page: a download that asked a question; fetch the file again',
    ),
    (rb'version https://git-lfs', 'a Git LFS pointer: run `git lfs pull` first'),
    (rb'.{7}\x00\{', 'a safetensors file: FairMOT checkpoints are written by torch.save'),
    (rb'\x80[\x02-\x05]', 'a bare pickle, which can run code when loaded'),
    (rb'\x1f\x8b|BZh|\xfd7zXZ|7z\xbc\xaf', 'a compressed archive: unpack it first'),
    (rb'\x89HDF', 'an HDF5 file'),
)


@dataclass(frozen=True, eq=False, kw_only=True)
class Checkpoint:
    """What a checkpoint file holds.

    Attributes:
        tensors: by key, as they stand in the file, on the CPU.
        epoch: as the file says; None in a bare state dict.
        ignored: parts of the file that were left alone.
        sha256: hash of the file.
    """

    tensors: Mapping[str, Tensor]
    epoch: int | None
    ignored: tuple[str, ...]
    sha256: str


def read_checkpoint(path: Path) -> Checkpoint:
    """Read `{'epoch', 'state_dict'[, 'optimizer']}` or a bare state dict.

    Raises:
        InputError: it is something else than plain tensors by key; the message says what.
    """
    _check_file(path)
    content = _load(path)
    if not isinstance(content, dict):
        raise InputError(
            f'{path}: holds a {type(content).__name__}, expected a state dict, or a dict with '
            f'{", ".join(ALLOWED_PARTS)}'
        )
    epoch: int | None = None
    ignored: tuple[str, ...] = ()
    state: object = content
    if 'state_dict' in content:
        unknown = sorted(str(key)[:60] for key in content if key not in ALLOWED_PARTS)
        if unknown:
            raise InputError(
                f'{path}: unknown parts {", ".join(unknown[:5])}; FairMOT writes '
                f'{", ".join(ALLOWED_PARTS)}'
            )
        state, epoch = content['state_dict'], _epoch(path, content.get('epoch'))
        ignored = ('optimizer',) if 'optimizer' in content else ()
    return Checkpoint(
        tensors=_checked_tensors(path, state), epoch=epoch, ignored=ignored, sha256=_sha256(path)
    )


def write_checkpoint(path: Path, tensors: Mapping[str, Tensor], *, epoch: int) -> None:
    """Write `{'epoch', 'state_dict'}` beside the place, then move it there in one go.

    Raises:
        InputError: the file is there already, or cannot be written.
    """
    if path.exists():
        raise InputError(f'{path}: is there already; remove it or give another name')
    part = path.with_name(f'.{path.name}.part')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save({'epoch': epoch, 'state_dict': dict(tensors)}, part)
        part.replace(path)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
        part.unlink(missing_ok=True)
        raise InputError(f'{path}: cannot be written ({error})') from error


def _check_file(path: Path) -> None:
    """The first bytes and the size, before anything reads the rest."""
    try:
        status = path.stat()
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            raise InputError(f'{path}: a pipe or a device, expected a file')
        size = status.st_size
        with path.open('rb') as file:
            head = file.read(64)
    except OSError as error:
        raise InputError(f'{path}: cannot be read ({error.strerror})') from None
    if size > MAX_BYTES:
        raise InputError(f'{path}: {size / 1e9:.1f} GB; a FairMOT checkpoint has up to 0.3 GB')
    if head.startswith(_ZIP_MAGIC):
        _check_zip(path, size)
    elif not head.startswith(_LEGACY_MAGIC):
        known = (text for pattern, text in _FOREIGN if re.match(pattern, head, re.DOTALL))
        text = next(known, f'begins with {head[:8]!r}, which torch.save never writes')
        raise InputError(f'{path}: not a FairMOT checkpoint: {text}')


def _check_zip(path: Path, size: int) -> None:
    """torch.save stores its parts as they are, so together they are smaller than the file."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise InputError(f'{path}: truncated or damaged ({error}); fetch the file again') from None
    names = {Path(part.filename).name for part in parts}
    if 'data.pkl' not in names:
        raise InputError(f'{path}: a zip archive, but not one of torch.save: it has no data.pkl')
    if 'constants.pkl' in names:
        raise InputError(f'{path}: a TorchScript program; give the checkpoint of the training')
    stored = all(part.compress_type == zipfile.ZIP_STORED for part in parts)
    unpacked = sum(part.file_size for part in parts)
    if not stored or unpacked > size:
        raise InputError(
            f'{path}: unpacks to {unpacked} bytes from {size}; torch.save never compresses, so '
            'this file was made otherwise and is not read'
        )


def _load(path: Path) -> object:
    try:
        return torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:  # the kinds of error differ by version, and all mean the same
        foreign = re.search(r'GLOBAL ([\w.]+)', str(error))
        if foreign:
            raise InputError(
                f'{path}: holds a pickled {foreign[1]}, which could run code when loaded; save '
                "{'epoch': epoch, 'state_dict': model.state_dict()} where it was made"
            ) from None
        first = (str(error).splitlines() or [''])[0][:160]
        raise InputError(
            f'{path}: truncated, damaged or not plain tensors ({type(error).__name__}: {first}); '
            'fetch the file again'
        ) from None


def _epoch(path: Path, value: object) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    raise InputError(f'{path}: epoch: expected a whole number, got a {type(value).__name__}')


def _checked_tensors(path: Path, state: object) -> dict[str, Tensor]:
    if not isinstance(state, dict) or not 0 < len(state) <= MAX_KEYS:
        what = f'{len(state)} keys' if isinstance(state, dict) else f'a {type(state).__name__}'
        raise InputError(f'{path}: state_dict: expected tensors by key, got {what}')
    for key, value in state.items():
        reason = _refusal(key, value)
        if reason:
            raise InputError(f'{path}: {str(key)[:80]}: {reason}')
    return {key: value.detach() for key, value in state.items()}


def _refusal(key: object, value: object) -> str:
    """Why a value is no plain tensor of weights; '' where it is one."""
    if not isinstance(key, str):
        return f'a key is a {type(key).__name__}, expected text'
    if not isinstance(value, Tensor):
        return f'a {type(value).__name__}, expected a tensor'
    if value.layout is not torch.strided or value.is_quantized or value.device.type != 'cpu':
        return f'a {value.layout} tensor on {value.device}, expected plain values'
    if value.is_nested or value.is_neg():
        return 'a nested or negated tensor, expected plain values'
    if value.numel() * value.element_size() > value.untyped_storage().nbytes():
        return f'shape {tuple(value.shape)} is more than the file holds'
    if key.endswith(COUNTER):
        return '' if value.dtype is torch.int64 else f'{value.dtype}, expected torch.int64'
    if value.dtype not in FLOAT_TYPES:
        return f'{value.dtype}, expected torch.float32 or torch.float16'
    return '' if bool(value.isfinite().all()) else 'has values that are NaN or infinite'


def _sha256(path: Path) -> str:
    with path.open('rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()
