"""The base network and its student (section 4.1.1 of the paper).

Base: conv1, relu1, conv2, pool1, relu2, conv3, relu3, conv4, relu4, pool2, fc1, BatchNorm, relu5,
fc2. Student: conv1, relu1, conv2, pool1, relu2, fc1, BatchNorm, relu5, fc2. The paper gives no
widths, but parameters and the bytes of a checkpoint, which is 12 bytes a parameter (the weight and
Adam's two moments):

| | paper | widths taken here | parameters | 12 bytes each |
|---|---|---|---|---|
| base | 2.16 M, 26 MB | 32, 32, 64, 64 and 512 | 2 165 795 | 25.99 MB |
| student | 0.52 M, 6.4 MB | 16, 32 and 64 | 529 763 | 6.36 MB |

The paper cuts off digits of the base's parameters (2.166), so the student's 0.530 are its 0.52.
All kernels are 3 x 3 with padding 1, both poolings halve the image.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from torch import nn, Tensor

SIDE_PX = 32


@dataclass(frozen=True, kw_only=True)
class NetworkShape:
    """Widths of a network.

    Attributes:
        pairs: channels of the two convolutions before each pooling.
        hidden: outputs of fc1.
    """

    pairs: tuple[tuple[int, int], ...]
    hidden: int


BASE = NetworkShape(pairs=((32, 32), (64, 64)), hidden=512)
STUDENT = NetworkShape(pairs=((16, 32),), hidden=64)
SHAPES = {'base': BASE, 'student': STUDENT}


class SmallConvNet(nn.Module):
    """Images (B, 3, 32, 32) to logits (B, classes).

    Each layer is a module of its own, so that they can be fused and quantized one by one.
    """

    def __init__(
        self, shape: NetworkShape, *, classes: int = 3, side_px: int = SIDE_PX, norm: bool = True
    ) -> None:
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        before = 3
        for pair, (first, second) in enumerate(shape.pairs):
            a, b = 2 * pair + 1, 2 * pair + 2
            layers[f'conv{a}'] = nn.Conv2d(before, first, 3, padding=1)
            layers[f'relu{a}'] = nn.ReLU()
            layers[f'conv{b}'] = nn.Conv2d(first, second, 3, padding=1)
            # The paper's base has pool1 before relu2, but relu4 before pool2; a maximum and a
            # ReLU may change places, and a convolution next to its ReLU can be fused.
            layers[f'relu{b}'] = nn.ReLU()
            layers[f'pool{pair + 1}'] = nn.MaxPool2d(2)
            before = second
        side = side_px // 2 ** len(shape.pairs)
        layers['flatten'] = nn.Flatten()
        layers['fc1'] = nn.Linear(before * side * side, shape.hidden)
        if norm:
            layers['bn'] = nn.BatchNorm1d(shape.hidden)
        layers['relu5'] = nn.ReLU()
        layers['fc2'] = nn.Linear(shape.hidden, classes)
        self.layers = nn.Sequential(layers)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, classes)."""
        logits: Tensor = self.layers(images)
        return logits


def build_network(name: str, *, classes: int = 3, norm: bool = True) -> SmallConvNet:
    """A network of `SHAPES`."""
    return SmallConvNet(SHAPES[name], classes=classes, norm=norm)
