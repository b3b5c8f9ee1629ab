"""Options of quantization."""

from __future__ import annotations

from dataclasses import dataclass, field

from mot_compress_ros.options import option

RANGES = ('default', 'minmax', 'mean_minmax', 'percentile', 'histogram')
PRESETS = ('performance', 'mixed')


@dataclass(frozen=True, kw_only=True)
class PtqConfig:
    """Post-training quantization by NNCF; weights are always symmetric and per channel."""

    preset: str = option(
        'mixed',
        'activations: performance makes all symmetric, mixed those asymmetric that have two signs',
        choices=PRESETS,
    )
    ranges: str = option(
        'default',
        'how the range of an activation is found. default: NNCF chooses; minmax: smallest and '
        'largest value of all frames; mean_minmax: their mean over the frames; percentile: mean '
        'of the quantiles; histogram: the range with the least error',
        choices=RANGES,
    )
    outliers: float = option(
        1e-4, 'percentile: share of values beyond each end', minimum=0.0, maximum=0.4
    )
    bias_correction: bool = option(True, 'shift biases so that the means of outputs are kept')
    fast_bias_correction: bool = option(
        True, 'from the statistics of one run, not by running the graph layer by layer'
    )
    float_last_layers: bool = option(
        True, 'leave the last 1x1 convolution of each head as it is: it costs hardly anything'
    )
    ignored: tuple[str, ...] = option(
        (), 'names of modules that stay as they are, with all that is in them, such as hm'
    )


@dataclass(frozen=True, kw_only=True)
class QatConfig:
    """Quantization-aware training with distillation from the network in float32."""

    steps: int = option(400, 'optimizer steps', minimum=1)
    batch_size: int = option(8, 'images per step', minimum=1)
    learning_rate: float = option(1e-4, 'of Adam at the start; falls to 0 by cosine', minimum=0.0)
    heatmap: float = option(1.0, 'weight of the heat map, cross entropy with the teacher')
    boxes: float = option(0.1, 'weight of box extents and offsets, L1 where the teacher sees')
    embeddings: float = option(1.0, 'weight of 1 - cosine of the embeddings, at the same cells')
    clip_norm: float = option(10.0, 'largest gradient norm', minimum=0.0)
    seed: int = option(317, 'of the order of the frames', minimum=0)


@dataclass(frozen=True, kw_only=True)
class BoundConfig:
    """How much a quantized network may lose."""

    score: str = option(
        'peaks',
        'peaks: F1 of the peaks against float32, without labels; ap50 and mota: on --validation',
        choices=('peaks', 'ap50', 'mota'),
    )
    max_drop: float = option(0.01, 'largest loss of the score, absolute', minimum=0.0, maximum=1.0)
    restored_layers: int = option(
        30, 'most operations that may be taken back to float to keep it', minimum=0
    )
    ranking_items: int = option(
        24, 'frames, those that lost most, on which operations are ranked', minimum=1
    )


@dataclass(frozen=True, kw_only=True)
class QuantizeConfig:
    """Options of `quantize`."""

    frames: int = option(128, 'frames that calibrate', minimum=1)
    min_score: float = option(
        0.2, 'smallest heat-map value of a detection in the scores', minimum=0.0, maximum=1.0
    )
    bound: BoundConfig = field(default_factory=BoundConfig)
    ptq: PtqConfig = field(default_factory=PtqConfig)
    qat: QatConfig = field(default_factory=QatConfig)
