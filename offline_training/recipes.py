"""Training recipes: a short YAML file of differences from the defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
import hashlib
import json
from pathlib import Path
from typing import Any

import yaml

from mot_compress_ros.errors import InputError, InvalidOptionError
from mot_compress_ros.networks import ArchitectureConfig
from mot_compress_ros.networks.activations import PUBLISHED
from mot_compress_ros.networks.cstrack import CstrackConfig, FAMILY
from mot_compress_ros.options import from_mapping, option, to_mapping, Value
from offline_training.command_options import typed
from offline_training.datasets.augment import AugmentConfig
from offline_training.datasets.classes import CLASS_NAMES
from offline_training.datasets.sampler import SAMPLERS
from offline_training.datasets.training_images import TrainingSource
from offline_training.distillation.config import AttentionConfig
from offline_training.engine import TrainConfig
from offline_training.losses.config import LossConfig, NEWER
from offline_training.pruning.schedules import OFF, SparsityConfig
from offline_training.training.config import BESIDE_THE_RESULT

# Parts of the loss that read what only one kind of network has.
_OF_HEADS = (
    *('heatmap', 'wh_l1', 'wh_giou', 'offset', 'reid', 'identity_ce', 'triplet', 'circle'),
    *('ifm', 'efm', 'layerwise', 'prediction_difference', 'crosskd'),
)
_OF_ANCHORS = (
    *('anchor_box', 'anchor_objectness', 'anchor_class', 'anchor_identity', 'anchor_difference'),
)


@dataclass(frozen=True, kw_only=True)
class RecipeConfig:
    """Options of one training run; dotted names in YAML may be nested mappings."""

    family: str = option(
        'joint',
        'joint: a heat map and four heads (section architecture); cstrack: anchors (cstrack)',
        choices=('joint', FAMILY),
    )
    architecture: ArchitectureConfig = field(default_factory=ArchitectureConfig)
    cstrack: CstrackConfig = field(default_factory=CstrackConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    sampler: str = option(
        'pairs',
        'pairs: image pairs, by weight; epochs: every image once an epoch, as FairMOT does; '
        'keyframes: image pairs, each image with a key frame before it',
        choices=tuple(SAMPLERS),
    )
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    attention: AttentionConfig = field(default_factory=AttentionConfig)
    sparsity: SparsityConfig = field(default_factory=SparsityConfig)

    def __post_init__(self) -> None:
        if self.network.n_class > len(CLASS_NAMES):
            section = 'architecture' if self.family == 'joint' else self.family
            raise InvalidOptionError(
                f'{section}.n_class: got {self.network.n_class}, expected at most '
                f'{len(CLASS_NAMES)}: the data sets have {", ".join(CLASS_NAMES)}'
            )
        self._check_attention()
        self._check_family()

    def _check_family(self) -> None:
        """Each kind of network has maps that only its own parts of the loss read."""
        anchors = self.family == FAMILY
        wrong = [n for n in (_OF_HEADS if anchors else _OF_ANCHORS) if getattr(self.loss, n) > 0]
        named = [f'loss.{name}' for name in wrong]
        named += ['attention.prior'] if anchors and self.attention.prior != 'off' else []
        if named:
            other = 'networks with a heat map' if anchors else 'networks with anchors'
            raise InvalidOptionError(
                f'{", ".join(named)}: of {other}, and the family is {self.family}; set them to 0 '
                'or off, or take the other family'
            )

    def _check_attention(self) -> None:
        fusion, prior = self.architecture.fusion, self.attention.prior
        if (fusion == 'none') != (prior == 'off'):
            raise InvalidOptionError(
                f'architecture.fusion, attention.prior: got {fusion} and {prior}: a network that '
                'takes a prior is trained with one, and no other is; set both or neither'
            )
        if prior != 'off' and self.sampler != 'keyframes':
            raise InvalidOptionError(
                f'sampler: got {self.sampler} with attention.prior {prior}, expected keyframes: '
                'the others draw no key frames'
            )
        if self.sampler == 'keyframes' and self.augment.mosaic_probability:
            raise InvalidOptionError(
                'augment.mosaic_probability: expected 0 with the sampler keyframes, got '
                f'{self.augment.mosaic_probability:g}: a picture of four has no key frame'
            )
        if self.architecture.pivots and not self.loss.efm:
            raise InvalidOptionError(
                f'architecture.pivots: got {self.architecture.pivots} with loss.efm 0, which '
                'would leave the pivots untrained; give loss.efm a weight'
            )

    @property
    def network(self) -> ArchitectureConfig | CstrackConfig:
        """What the network is made of."""
        return self.cstrack if self.family == FAMILY else self.architecture

    @property
    def needs_teacher(self) -> bool:
        """Whether a teacher is asked in this training."""
        return self.attention.by_teacher(1.0) > 0 or self.loss.needs_teacher

    @property
    def mapping(self) -> str:
        """How the embeddings are brought together with a teacher's: one of the manifest's."""
        return 'efm' if self.loss.efm else 'ifm' if self.loss.ifm else 'none'

    @property
    def class_names(self) -> tuple[str, ...]:
        """What is learned: the first classes of the product, as many as the network has."""
        return CLASS_NAMES[: self.network.n_class]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A recipe file: its options and the data sets it draws from."""

    config: RecipeConfig
    sources: tuple[Mapping[str, object], ...]


def read_recipe(path: Path, overrides: Mapping[str, object] | None = None) -> Recipe:
    """Read a recipe; `overrides` are dotted names that win over the file.

    Raises:
        InputError: not a YAML mapping with `sources`.
        InvalidOptionError: an unknown key or an illegal value, or a source that is no mapping.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise InputError(f'{path}: not readable as YAML ({error})') from None
    if not isinstance(content, dict) or not isinstance(content.get('sources'), list):
        raise InputError(f'{path}: expected a mapping with a list `sources`')
    sources = tuple(content.pop('sources'))
    wrong = [source for source in sources if not isinstance(source, Mapping)]
    if wrong:
        raise InvalidOptionError(
            f'{path}: sources: expected mappings such as {{layout: mot, path: road}}, '
            f'got {wrong[0]!r}'
        )
    values = typed(RecipeConfig, {**flatten(content), **(overrides or {})})
    return Recipe(config=from_mapping(RecipeConfig, values), sources=sources)


def flatten(content: Mapping[str, Any], prefix: str = '') -> dict[str, object]:
    """Nested mappings to dotted names."""
    flat: dict[str, object] = {}
    for key, value in content.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, prefix=f'{prefix}{key}.'))
        else:
            flat[f'{prefix}{key}'] = value
    return flat


def experiment_digest(
    config: RecipeConfig,
    sources: Sequence[TrainingSource],
    *,
    init_sha256: str = '',
    teacher_sha256: str = '',
) -> str:
    """A hash of everything that makes the result of a run what it is.

    Args:
        config: how often a checkpoint or a log is written is left out: it changes nothing.
        sources: their names, weights, and numbers of images and boxes.
        init_sha256: hash of the weights to start from.
        teacher_sha256: hash of the weights of the teacher that is asked, '' for none.
    """
    options = to_mapping(config)
    for name in BESIDE_THE_RESULT:
        del options[f'train.{name}']
    if config.architecture.activation == PUBLISHED:  # runs from before the option go on
        del options['architecture.activation']
    options = _without_the_unused(options, config)
    if config.sparsity.schedule == OFF:  # the same
        options = {k: v for k, v in options.items() if not k.startswith('sparsity.')}
    sets = [
        [s.name, s.weight, len(s.images), sum(len(image.boxes_xyxy_px) for image in s.images)]
        for s in sources
    ]
    content: list[object] = [options, sets, init_sha256, teacher_sha256]
    edition = SAMPLERS[config.sampler].edition
    content += [edition] if edition > 1 else []  # runs of the first go on under their old name
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _without_the_unused(options: dict[str, Value], config: RecipeConfig) -> dict[str, Value]:
    """Less what makes no difference and was not there before, so that older runs go on.

    That is each part of the loss that came with the thesis or with anchors and has no weight, the
    options of those that learn from a teacher, and the family that is not trained.
    """
    weights = {f'loss.{name}' for name in NEWER if not getattr(config.loss, name)}
    groups = [] if config.family == FAMILY else ['family', 'cstrack.']
    groups += [] if any(getattr(config.loss, n) for n in NEWER) else ['loss.distillation.']
    return {
        name: value
        for name, value in options.items()
        if name not in weights and not name.startswith(tuple(groups))
    }
