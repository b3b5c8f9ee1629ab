"""How large a model is, in two ways that must not be mixed up.

*As shipped*: what the vehicle needs. BatchNorm is folded into its convolution; then every value
takes 4 bytes in fp32 and 2 in fp16, and in int8 a weight takes 1 byte, with one float32 scale per
output channel, while biases stay at 4 bytes. This counts values, not the file around them: the
header of a safetensors file adds some 20 kB.

*As in the paper*: the file that FairMOT's training leaves behind, which published comparisons of
compressed trackers report as "model size". It holds, for every parameter, the float32 weight and
Adam's two moments, so 12 bytes; the same for parameters that nothing reads (in DLA-34 the ImageNet
classifier `base.fc` and two dead projections); and the two moments, not the weights, of the
identity classifier of the loss, which is trained and then thrown away: 8 bytes for each of
N x (D + 1) values for N identities and embeddings of length D. So the figure grows with the
identities of the training set; FairMOT's public mix of sets has 14 455. It is 259.1 MB for
FairMOT's DLA-34, where 259.4 MB was reported; if Adam had no moments of what is unused, it would
be 254.7 MB. BatchNorm's statistics, some 0.1 MB, are left out.

1 MB is 10^6 bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import copy
from dataclasses import dataclass
import math

import torch
from torch import nn

from mot_compress_ros.networks import (
    ArchitectureConfig,
    fuse_batch_norm,
    JointDetector,
    resized,
)
from mot_compress_ros.networks.dla_blocks import DeepTree

FAIRMOT_IDENTITIES = 14_455
PRECISIONS = ('fp32', 'fp16', 'int8')
_COUNTER = 'num_batches_tracked'
_FLOAT_BYTES = {'fp32': 4, 'fp16': 2}
_MOMENTS_BYTES = 8
_WEIGHT_AND_MOMENTS_BYTES = 4 + _MOMENTS_BYTES
_IMAGENET_CLASSES = 1000


@dataclass(frozen=True, kw_only=True)
class ModelSizes:
    """Sizes of one network, in bytes.

    Attributes:
        parameters: trainable values of the network.
        shipped: by precision, see the module.
        paper: the training checkpoint, see the module.
        paper_classifier: how much of `paper` is the identity classifier.
        paper_dead: how much of `paper` are parameters that nothing reads.
    """

    parameters: int
    shipped: Mapping[str, int]
    paper: int
    paper_classifier: int
    paper_dead: int


def model_sizes(
    architecture: ArchitectureConfig,
    *,
    identities: int = FAIRMOT_IDENTITIES,
    channels: Mapping[str, Sequence[int]] | None = None,
) -> ModelSizes:
    """Sizes of a network of this architecture, trained on so many identities.

    `channels` are those of a pruned one, as its bundle states them.
    """
    with torch.device('meta'):  # shapes alone, no memory
        network = resized(JointDetector(architecture), channels or {})
    parameters = sum(p.numel() for p in network.parameters())
    dead = dead_parameters(network) * _WEIGHT_AND_MOMENTS_BYTES
    classifier = classifier_bytes(identities=identities, embedding_dim=architecture.embedding_dim)
    return ModelSizes(
        parameters=parameters,
        shipped=shipped_bytes(network),
        paper=parameters * _WEIGHT_AND_MOMENTS_BYTES + dead + classifier,
        paper_classifier=classifier,
        paper_dead=dead,
    )


def shipped_bytes(network: nn.Module) -> dict[str, int]:
    """Bytes by precision of a network, BatchNorm folded; the network itself is left as it is."""
    with torch.device('meta'):
        folded = fuse_batch_norm(copy.deepcopy(network).to('meta').eval())
    shapes = [
        tuple(value.shape) for key, value in folded.state_dict().items() if _COUNTER not in key
    ]
    values = sum(math.prod(shape) for shape in shapes)
    sizes = {name: values * size for name, size in _FLOAT_BYTES.items()}
    return {**sizes, 'int8': sum(_int8_bytes(shape) for shape in shapes)}


def classifier_bytes(*, identities: int, embedding_dim: int) -> int:
    """Adam's two moments of the identity classifier's weights and biases, float32."""
    return identities * (embedding_dim + 1) * _MOMENTS_BYTES


def dead_parameters(network: JointDetector) -> int:
    """Parameters in FairMOT's own files of this network that nothing reads.

    DLA-34's trunk comes with an ImageNet classifier, a 1x1 convolution with bias; and the outer
    trees of its levels 3 and 4 have a projection like that of the first tree inside them.
    """
    deep = [module for module in network.modules() if isinstance(module, DeepTree)]
    if not deep:
        return 0
    projections = sum(p.numel() for outer in deep for p in outer.tree1.project.parameters())
    channels = len(network.get_parameter('backbone.base.level5.root.conv.weight'))
    return _IMAGENET_CLASSES * (channels + 1) + projections


def _int8_bytes(shape: tuple[int, ...]) -> int:
    """A weight with its scales; vectors and single values stay float32."""
    if len(shape) < 2:
        return 4 * math.prod(shape)
    return math.prod(shape) + 4 * shape[0]
