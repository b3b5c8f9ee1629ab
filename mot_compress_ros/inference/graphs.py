"""Exported graphs of a bundle: which there are, and that they are those of its weights.

A graph is a file in the bundle's folder `graphs/` that a runtime other than torch reads; the
manifest names it. It is refused where its bytes are not those that passed the parity check, or
where it was made of other weights than the bundle's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, MISSING
import hashlib
from pathlib import Path
import re
from typing import Any, TYPE_CHECKING

from mot_compress_ros.errors import BundleError

if TYPE_CHECKING:
    from mot_compress_ros.inference.checkpoint import Bundle

FOLDER = 'graphs'
# The files of each engine, after the one that is named: OpenVINO keeps weights beside the graph.
SUFFIXES: Mapping[str, tuple[str, ...]] = {'onnx': ('.onnx',), 'openvino': ('.xml', '.bin')}
PRECISIONS = ('fp32', 'fp16', 'bf16', 'int8')
ACTIVATIONS = ('silu', 'relu', 'relu6', 'hardswish')  # between the layers of a head
MAX_BATCH = 64
_FILE = re.compile(rf'{FOLDER}/[A-Za-z0-9_][A-Za-z0-9._-]*')
_SHA256 = re.compile(r'[0-9a-f]{64}')


@dataclass(frozen=True, kw_only=True)
class Graph:
    """One entry of `graphs` in `model.json`.

    Inputs: `images` (B, 3, H, W) float32, RGB in 0..1, and `prior` (B, P, H / 4, W / 4) where the
    network takes one. Outputs: `hm` (B, n_class, H / 4, W / 4) after the sigmoid; dense graphs
    have the raw maps `wh`, `reg` and `id` too, sparse ones instead the maps (B, C, H / 4, W / 4)
    that these heads read, each named `feature_` and the heads: `feature_wh_reg_id`.

    Attributes:
        file: below the bundle, with the suffix of its engine.
        sha256: of the bytes of its files, one after the other in the order of `SUFFIXES`.
        weights_sha256: of the bundle's weights that it was made of.
        engine: a name in `SUFFIXES`.
        precision: what it is to be run in; several precisions may share one file.
        input_size_wh: width and height of its images.
        batch: images it takes at a time.
        sparse_heads: whether box and re-ID heads are left to be evaluated at the peaks.
        head_activation: what lies between the two layers of a head.
        made_by: the command that made it.
        parity: what the comparison with torch in fp32 found (`export`), by name.
    """

    file: str
    sha256: str
    weights_sha256: str
    engine: str
    precision: str
    input_size_wh: tuple[int, int]
    batch: int
    sparse_heads: bool
    head_activation: str
    made_by: str
    parity: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[object, ...]:
        """What no two graphs of a bundle have in common."""
        return (self.engine, self.precision, self.input_size_wh, self.batch, self.sparse_heads)

    @property
    def label(self) -> str:
        """For people: `openvino int8 832x480 batch 1, heads at peaks`."""
        size = 'x'.join(map(str, self.input_size_wh))
        heads = 'heads at peaks' if self.sparse_heads else 'dense heads'
        return f'{self.engine} {self.precision} {size} batch {self.batch}, {heads}'

    def as_json(self) -> dict[str, Any]:
        """As it stands in `model.json`."""
        return {**asdict(self), 'input_size_wh': list(self.input_size_wh)}


def graphs_of(entries: Iterable[Mapping[str, Any]]) -> list[Graph]:
    """The graphs that a checked manifest names."""
    return [Graph(**{**e, 'input_size_wh': tuple(e['input_size_wh'])}) for e in entries]


def read_graph(bundle: Bundle, graph: Graph) -> tuple[bytes, ...]:
    """The bytes of a graph's files, those that were hashed, in the order of `SUFFIXES`.

    Raises:
        BundleError: a file is missing, is not the one that passed the parity check, or was made
            of other weights; the message says which command makes it anew.
    """
    where = bundle.path / graph.file
    if graph.weights_sha256 != bundle.manifest.weights_sha256:
        raise BundleError(
            f'{where}: made of the weights {graph.weights_sha256[:12]}…, the bundle has '
            f'{bundle.manifest.weights_sha256[:12]}…; {export_hint(bundle.path, graph)}'
        )
    try:
        parts = tuple(path.read_bytes() for path in paths_of(bundle.path, graph))
    except OSError as error:
        raise BundleError(
            f'{where}: cannot be read ({error.strerror}); {export_hint(bundle.path, graph)}'
        ) from None
    found = digest(parts)
    if found != graph.sha256:
        raise BundleError(
            f'{where}: sha256 is {found[:12]}…, model.json says {graph.sha256[:12]}…: the file is '
            f'damaged or of another export; {export_hint(bundle.path, graph)}'
        )
    return parts


def paths_of(folder: Path, graph: Graph) -> list[Path]:
    """The files of a graph of the bundle in `folder`."""
    first = folder / graph.file
    return [first.with_suffix(suffix) for suffix in SUFFIXES[graph.engine]]


def digest(parts: Iterable[bytes]) -> str:
    """The hash of a graph's files."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(part)
    return whole.hexdigest()


def export_hint(folder: Path, wanted: Graph) -> str:
    """The command that makes a graph, as a sentence."""
    return (
        'make it with `'
        + export_command(
            folder,
            engine=wanted.engine,
            precision=wanted.precision,
            input_size_wh=wanted.input_size_wh,
            batch=wanted.batch,
            sparse_heads=wanted.sparse_heads,
        )
        + '`'
    )


def export_command(
    folder: Path,
    *,
    engine: str,
    precision: str,
    input_size_wh: tuple[int, int],
    batch: int = 1,
    sparse_heads: bool = True,
) -> str:
    """The command line that makes such a graph; int8 ones come from calibration."""
    verb = 'quantize' if precision == 'int8' else 'export'
    command = f'python -m offline_training {verb} --model {folder}'
    if verb == 'export':
        command += f' --engines {engine} --precision {precision}'
    else:
        command += ' --calibration DATA'
    command += f' --input-size {"x".join(map(str, input_size_wh))}'
    command += '' if batch == 1 else f' --batch {batch}'
    return command if sparse_heads else f'{command} --sparse-heads off'


def check_graphs(value: object) -> None:
    """Check the value of `graphs` in a manifest.

    Raises:
        ValueError: says what does not fit.
    """
    if not isinstance(value, list):
        raise ValueError(f'expected a list, got {value!r}')
    for index, entry in enumerate(value):
        try:
            _check_entry(entry)
        except ValueError as error:
            raise ValueError(f'entry {index}: {error}') from None
    keys = [graph.key for graph in graphs_of(value)]
    if len(set(keys)) != len(keys):
        raise ValueError('two entries of the same engine, precision, size, batch and heads')


def _check_entry(entry: object) -> None:
    if not isinstance(entry, dict):
        raise ValueError(f'expected an object, got {entry!r}')
    known = {f.name: f for f in fields(Graph)}
    required = {n for n, f in known.items() if f.default_factory is MISSING}
    unknown, missing = sorted(entry.keys() - known.keys()), sorted(required - entry.keys())
    if unknown or missing:
        raise ValueError(f'unknown keys: {unknown}, missing keys: {missing}')
    for key, (legal, fits) in _ENTRY_CHECKS.items():
        if key in entry and not fits(entry[key]):
            raise ValueError(f'{key}: expected {legal}, got {entry[key]!r}')
    suffix = SUFFIXES[entry['engine']][0]
    if not entry['file'].endswith(suffix):
        raise ValueError(f'file: expected one that ends in {suffix}, got {entry["file"]}')


def _is_text(pattern: re.Pattern[str]) -> Any:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_one_of(names: Iterable[str]) -> Any:
    return lambda value: isinstance(value, str) and value in names


def _is_size(value: object) -> bool:
    whole = isinstance(value, list) and len(value) == 2
    return whole and all(_is_count(s, 8192) and s % 32 == 0 for s in value)  # type: ignore[attr-defined]


def _is_count(value: object, maximum: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= maximum


_ENTRY_CHECKS: Mapping[str, tuple[str, Any]] = {
    'file': (f'{FOLDER}/NAME of letters, digits, dot, dash and underscore', _is_text(_FILE)),
    'sha256': ('64 hexadecimal digits', _is_text(_SHA256)),
    'weights_sha256': ('64 hexadecimal digits', _is_text(_SHA256)),
    'engine': (f'one of {", ".join(SUFFIXES)}', _is_one_of(SUFFIXES)),
    'precision': (f'one of {", ".join(PRECISIONS)}', _is_one_of(PRECISIONS)),
    'input_size_wh': ('two multiples of 32, up to 8192', _is_size),
    'batch': (f'a number from 1 to {MAX_BATCH}', lambda value: _is_count(value, MAX_BATCH)),
    'sparse_heads': ('true or false', lambda value: isinstance(value, bool)),
    'head_activation': (f'one of {", ".join(ACTIVATIONS)}', _is_one_of(ACTIVATIONS)),
    'made_by': ('text', lambda value: isinstance(value, str)),
    'parity': ('an object', lambda value: isinstance(value, dict)),
}
