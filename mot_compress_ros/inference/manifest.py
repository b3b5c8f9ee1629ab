"""`model.json`: what a bundle says of its model, every field checked before it is believed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
import json
from pathlib import Path
from typing import Any

from mot_compress_ros.errors import BundleError
from mot_compress_ros.inference.graphs import check_graphs

FORMAT = 1
MAX_EMBEDDING_DIM = 65536  # pivot vectors have one value for each identity of a training set
MAX_CHANNELS = 65536
MANIFEST_FILE = 'model.json'
# FairMOT's input: RGB / 255, no mean, no deviation. A bundle states it for other readers.
MAPPINGS = ('none', 'ifm', 'efm')
NORMALISATION = {'color_order': 'rgb', 'scale': 1 / 255, 'mean': [0, 0, 0], 'std': [1, 1, 1]}


@dataclass(frozen=True, kw_only=True)
class ModelManifest:
    """What `model.json` says of a model.

    Attributes:
        name: name of the model.
        architecture: what is needed to build the network (`networks.ArchitectureConfig`).
        class_names: names in order of class id.
        input_size_wh: width and height of the network's input, multiples of 32.
        embedding_dim: length of the re-ID embedding.
        embedding_space: of which model its embeddings can be compared with; '' is of none but
            itself.
        teacher: `name`, `weights_sha256` and `mapping` (one of `MAPPINGS`) of the model that
            taught this one; {} for none. The mapping says how the embeddings were brought
            together: `none`, `ifm` or `efm` (AttTrack, section 4.4).
        normalisation: colour order, scale, mean and std of the input, for readers of the bundle;
            anything but RGB / 255 is refused.
        weights_sha256: hash of the weights file, '' where a bundle has none.
        calibrated_from: hash of the weights before their scores were mapped to another scale; it
            sees the same objects in the same order. '' for none.
        training: how and on what it was trained, in words and numbers.
        metrics: what was measured with which command.
        channels: of a structurally pruned network, the channels in and out of every convolution,
            BatchNorm and linear layer whose size is not the architecture's, by dotted name.
        graphs: the exported graphs of the folder `graphs/`, as `inference.graphs.Graph` says.
    """

    name: str
    architecture: Mapping[str, Any]
    class_names: tuple[str, ...]
    input_size_wh: tuple[int, int]
    embedding_dim: int
    embedding_space: str = ''
    teacher: Mapping[str, str] = field(default_factory=dict)
    weights_sha256: str = ''
    calibrated_from: str = ''
    normalisation: Mapping[str, Any] = field(default_factory=lambda: dict(NORMALISATION))
    training: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    channels: Mapping[str, Sequence[int]] = field(default_factory=dict)
    graphs: tuple[Mapping[str, Any], ...] = ()

    @property
    def space(self) -> str:
        """Name of the space of its embeddings.

        Without one that it shares it is name and weights: two models of one name do not have the
        same embeddings.
        """
        return self.embedding_space or f'{self.name}@{self.weights_sha256[:12]}'


def read_manifest(path: Path) -> ModelManifest:
    """Read and check a manifest.

    Raises:
        BundleError: it is no JSON, or a key is missing, unknown or of a wrong value.
    """
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(
            f'{path}: not readable as JSON ({error}); copy the bundle anew'
        ) from None
    if not isinstance(content, dict):
        raise BundleError(f'{path}: expected a JSON object, got {type(content).__name__}')
    if content.pop('format', None) != FORMAT:
        raise BundleError(f'{path}: not of bundle format {FORMAT}; export the model again')
    try:
        return _manifest(content)
    except ValueError as error:
        raise BundleError(f'{path}: {error}; export the model again') from None


def _manifest(content: dict[str, object]) -> ModelManifest:
    """The manifest of a JSON object; ValueError says what does not fit."""
    unknown = sorted(content.keys() - {f.name for f in fields(ModelManifest)})
    missing = sorted(_REQUIRED - content.keys())
    if unknown or missing:
        raise ValueError(f'unknown keys: {unknown}, missing keys: {missing}')
    for key, value in content.items():
        try:
            _CHECKS[key](value)
        except ValueError as error:
            raise ValueError(f'{key}: {error}') from None
    manifest = ModelManifest(
        **{key: tuple(v) if isinstance(v, list) else v for key, v in content.items()}  # type: ignore[arg-type]
    )
    n_class = manifest.architecture.get('n_class', len(manifest.class_names))
    if n_class != len(manifest.class_names):
        raise ValueError(
            f'{len(manifest.class_names)} class names for a network of {n_class} classes'
        )
    return manifest


def _string(value: object) -> None:
    if not isinstance(value, str):
        raise ValueError(f'expected a string, got {value!r}')


def _name(value: object) -> None:
    _string(value)
    if not value:
        raise ValueError('expected a string, not empty')


def _object(value: object) -> None:
    if not isinstance(value, dict):
        raise ValueError(f'expected an object, got {value!r}')


def _architecture(value: object) -> None:
    _object(value)
    if isinstance(value, dict) and not isinstance(value.get('name', ''), str):
        raise ValueError(f'name: expected a string, got {value["name"]!r}')


def _class_names(value: object) -> None:
    names = _list(value)
    if not names or not all(isinstance(n, str) and n for n in names) or _repeats(names):
        raise ValueError(f'must be distinct, non-empty strings, got {names}')


def _input_size(value: object) -> None:
    size = _list(value)
    if len(size) != 2 or not all(_is_integer(s, 32, 8192) and s % 32 == 0 for s in size):
        raise ValueError(f'must be two multiples of 32, up to 8192, got {size}')


def _embedding_dim(value: object) -> None:
    if not _is_integer(value, 1, MAX_EMBEDDING_DIM):
        raise ValueError(f'expected an integer from 1 to {MAX_EMBEDDING_DIM}, got {value!r}')


def _teacher(value: object) -> None:
    _object(value)
    keys = {'name', 'weights_sha256', 'mapping'}
    texts = isinstance(value, dict) and all(isinstance(v, str) for v in value.values())
    if isinstance(value, dict) and value and (set(value) != keys or not texts):
        raise ValueError(f'expected the texts {", ".join(sorted(keys))}, got {value}')
    if isinstance(value, dict) and value and value['mapping'] not in MAPPINGS:
        raise ValueError(f'mapping: expected one of {", ".join(MAPPINGS)}, got {value["mapping"]}')


def _normalisation(value: object) -> None:
    _object(value)
    if value != NORMALISATION:
        raise ValueError(f'{value} is not {NORMALISATION}')


def _channels(value: object) -> None:
    _object(value)
    for name, pair in value.items() if isinstance(value, dict) else ():
        if not name or not isinstance(pair, list) or len(pair) != 2:
            raise ValueError(f'{name!r}: expected [channels in, channels out], got {pair!r}')
        if not all(_is_integer(n, 1, MAX_CHANNELS) for n in pair):
            raise ValueError(f'{name}: expected two numbers from 1 to {MAX_CHANNELS}, got {pair}')


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f'expected a list, got {value!r}')
    return value


def _repeats(names: list[str]) -> bool:
    return len(set(names)) != len(names)


def _is_integer(value: object, minimum: int, maximum: int) -> bool:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return whole and minimum <= value <= maximum  # type: ignore[operator]


_REQUIRED = frozenset({'name', 'architecture', 'class_names', 'input_size_wh', 'embedding_dim'})
_CHECKS: Mapping[str, Callable[[object], None]] = {
    'name': _name,
    'architecture': _architecture,
    'class_names': _class_names,
    'input_size_wh': _input_size,
    'embedding_dim': _embedding_dim,
    'embedding_space': _string,
    'teacher': _teacher,
    'weights_sha256': _string,
    'calibrated_from': _string,
    'normalisation': _normalisation,
    'training': _object,
    'metrics': _object,
    'channels': _channels,
    'graphs': check_graphs,
}
