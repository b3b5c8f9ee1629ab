"""The four heads of FairMOT: heat map, box extents, sub-cell offset and re-ID embedding."""

from __future__ import annotations

from torch import nn

# log((1 - 0.01) / 0.01) / 2: an untrained heat map answers about 0.1 everywhere (CornerNet).
HEATMAP_BIAS = -2.19
# By what they answer at each cell: class, box extents, identity, sub-cell offset.
HEADS = ('hm', 'wh', 'id', 'reg')


class Head(nn.Sequential):
    """3x3 convolution, activation, 1x1 convolution: (B, C, h, w) -> (B, n, h, w), raw values.

    Parameter names are those of the public layout: `0.weight`, `0.bias`, `2.weight`, `2.bias`.

    Args:
        channels: of the feature map.
        outputs: values per cell.
        hidden: channels between the two convolutions.
        activation: between them.
        last_std: deviation of the last layer's first weights; None draws them as torch does.
        bias: what an untrained heat map answers, as a logit; None for the other heads, whose
            biases all start at 0.
    """

    def __init__(
        self,
        channels: int,
        outputs: int,
        *,
        hidden: int,
        activation: type[nn.SiLU] | type[nn.ReLU] = nn.SiLU,
        last_std: float | None = None,
        bias: float | None = None,
    ) -> None:
        last = nn.Conv2d(hidden, outputs, 1, bias=True)
        if last_std is not None:
            nn.init.normal_(last.weight, std=last_std)
        first = nn.Conv2d(channels, hidden, 3, padding=1, bias=True)
        if bias is None:  # FairMOT leaves the first bias of the heat map alone, and no other
            nn.init.zeros_(first.bias)  # type: ignore[arg-type]
        nn.init.constant_(last.bias, bias or 0.0)  # type: ignore[arg-type]
        super().__init__(first, activation(inplace=True), last)
