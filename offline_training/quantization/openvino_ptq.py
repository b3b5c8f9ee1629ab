"""Post-training int8 by NNCF: calibrated ranges, and layers taken back where a score falls.

Weights are quantized per output channel, activations per tensor. What must not lose more than a
bound is quantized whole first; then NNCF ranks the operations by what they cost and takes them
back to float32, the worst first, until the score is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
import re
from typing import Any

from mot_compress_ros.errors import InvalidDataError, InvalidOptionError
from mot_compress_ros.networks.heads import HEADS
from offline_training.quantization.calibration import Sample
from offline_training.quantization.config import BoundConfig, PtqConfig
from offline_training.quantization.float_graph import IMAGES, PRIOR
from offline_training.quantization.tools import load_nncf, silent_tools

# Score of a compiled graph over some items: the score, and the value of each item.
ScoreGraph = Callable[[Any, Sequence[int]], tuple[float, list[float]]]
QUANTIZED = 'FakeQuantize'
_OPERATOR = re.compile(r'(Conv|ConvTranspose|Gemm|MatMul|DeformConv)(_\d+)?')
_LAYERS = ('Convolution', 'GroupConvolution', 'ConvolutionBackpropData', 'MatMul')


@dataclass(frozen=True, kw_only=True)
class Bound:
    """A score that is to be kept.

    Attributes:
        score: of a compiled graph over items.
        items: how many there are.
        config: how much may be lost.
    """

    score: ScoreGraph
    items: int
    config: BoundConfig


@dataclass(frozen=True, eq=False, kw_only=True)
class Quantized:
    """An int8 graph.

    Attributes:
        model: `openvino.Model`.
        layers: convolutions and matrix products.
        int8_layers: those of them that compute in int8.
        score_before: of the graph in float32; None without a bound.
        score_after: of the int8 graph.
    """

    model: Any
    layers: int
    int8_layers: int
    score_before: float | None = None
    score_after: float | None = None


def quantize_graph(
    model: Any, samples: Sequence[Sample], config: PtqConfig, *, bound: Bound | None = None
) -> Quantized:
    """Quantize an `openvino.Model` in float32, which is left as it is.

    Args:
        model: with the inputs of `float_graph`.
        samples: that calibrate.
        config: the options.
        bound: what may be lost; None for whatever it costs.

    Raises:
        InvalidDataError: the bound cannot be kept with as many layers as may be taken back.
        InvalidOptionError: a name in `ptq.ignored` is of no layer.
    """
    nncf = load_nncf()
    with silent_tools():
        dataset = nncf.Dataset(list(samples), _inputs)
        if bound is None:
            return counted(
                nncf.quantize(model.clone(), dataset, **_options(model, samples, config))
            )
        return _bounded(model, dataset, bound, _options(model, samples, config))


def _bounded(model: Any, dataset: Any, bound: Bound, options: dict[str, Any]) -> Quantized:
    """NNCF's accuracy control, and the scores measured again on what came out."""
    nncf = load_nncf()

    def validate(compiled: Any, items: Iterable[int]) -> tuple[float, list[float]]:
        return bound.score(compiled, list(items))

    everything = range(bound.items)
    before, _ = bound.score(compiled_for_cpu(model), everything)
    advanced = options.pop('advanced_parameters')
    restorer = nncf.AdvancedAccuracyRestorerParameters(
        max_num_iterations=bound.config.restored_layers,
        ranking_subset_size=bound.config.ranking_items,
        num_ranking_workers=1,
    )
    quantized = nncf.quantize_with_accuracy_control(
        model.clone(),
        dataset,
        nncf.Dataset(list(everything)),
        validate,
        max_drop=bound.config.max_drop,
        drop_type=nncf.DropType.ABSOLUTE,
        advanced_quantization_parameters=advanced,
        advanced_accuracy_restorer_parameters=restorer,
        **options,
    )
    after, _ = bound.score(compiled_for_cpu(quantized, as_in_vehicle=True), everything)
    if before - after > bound.config.max_drop:
        raise InvalidDataError(
            f'{bound.config.score}: {before:.4f} in float32, {after:.4f} in int8: a loss of more '
            f'than bound.max_drop={bound.config.max_drop:g}, with '
            f'{bound.config.restored_layers} layers taken back at most; allow more of either, '
            'calibrate on more frames, or train with --method qat'
        )
    return counted(quantized, before=before, after=after)


def compiled_for_cpu(model: Any, *, as_in_vehicle: bool = False) -> Any:
    """The model as the CPU runs it, for one batch as soon as it can be had.

    Args:
        model: `openvino.Model`.
        as_in_vehicle: compute what is not in int8 in bf16 where the processor has it, as the
            node's backend does, not in float32.
    """
    from mot_compress_ros.inference.backends.openvino_core import shared_core

    core = shared_core()
    has_bf16 = 'BF16' in core.get_property('CPU', 'OPTIMIZATION_CAPABILITIES')
    rest = 'bf16' if as_in_vehicle and has_bf16 else 'f32'
    hints = {'PERFORMANCE_HINT': 'LATENCY', 'INFERENCE_PRECISION_HINT': rest}
    return core.compile_model(model, 'CPU', hints)


def counted(model: Any, *, before: float | None = None, after: float | None = None) -> Quantized:
    """A quantized model with how many of its layers compute in int8."""
    layers = [op for op in model.get_ops() if op.get_type_name() in _LAYERS]
    return Quantized(
        model=model,
        layers=len(layers),
        int8_layers=sum(_input_is_quantized(op) for op in layers),
        score_before=before,
        score_after=after,
    )


def _input_is_quantized(layer: Any) -> bool:
    """Whether both data and weights come from quantizers."""
    data = layer.input_value(0).get_node()
    seen_through = ('MaxPool', 'Concat', 'Reshape', 'Interpolate')
    while data.get_type_name() in seen_through:
        data = data.input_value(0).get_node()
    return bool(data.get_type_name() == QUANTIZED)


def _inputs(sample: Sample) -> dict[str, Any]:
    return dict(zip((IMAGES, PRIOR), sample.inputs, strict=False))


def _options(model: Any, samples: Sequence[Sample], config: PtqConfig) -> dict[str, Any]:
    nncf = load_nncf()

    return {
        'preset': presets()[config.preset],
        'subset_size': len(samples),
        'fast_bias_correction': config.fast_bias_correction,
        'ignored_scope': nncf.IgnoredScope(names=ignored_operations(model, config)),
        'advanced_parameters': nncf.AdvancedQuantizationParameters(
            disable_bias_correction=not config.bias_correction,
            # The processors this is made for multiply int8 without overflow (VNNI, AMX).
            overflow_fix=nncf.OverflowFix.DISABLE,
            **range_parameters(config),
        ),
    }


def presets() -> Mapping[str, Any]:
    """NNCF's presets by name."""
    nncf = load_nncf()

    known = nncf.QuantizationPreset
    return {'performance': known.PERFORMANCE, 'mixed': known.MIXED}


def range_parameters(config: PtqConfig) -> dict[str, Any]:
    """NNCF's parameters of a member of `config.RANGES`; none where the choice is left to it."""
    parts = load_nncf().quantization.range_estimator
    quantile = parts.StatisticsCollectorParameters(
        statistics_type=parts.StatisticsType.QUANTILE,
        aggregator_type=parts.AggregatorType.MEAN,
        quantile_outlier_prob=config.outliers,
    )
    sets = parts.RangeEstimatorParametersSet
    known: Mapping[str, Any] = {
        'default': None,
        'minmax': sets.MINMAX,
        'mean_minmax': sets.MEAN_MINMAX,
        'percentile': parts.RangeEstimatorParameters(min=quantile, max=quantile),
        'histogram': sets.HISTOGRAM,
    }
    chosen = known[config.ranges]
    return {} if chosen is None else {'activations_range_estimator_params': chosen}


def ignored_operations(model: Any, config: PtqConfig) -> list[str]:
    """Names in the graph of the layers that stay in float32.

    Raises:
        InvalidOptionError: a module of `ptq.ignored` has no layer in the graph.
    """
    names = [op.get_friendly_name() for op in model.get_ops() if op.get_type_name() in _LAYERS]
    modules = list(config.ignored)
    last = [f'{head}.2' for head in HEADS] if config.float_last_layers else []
    found = set()
    for module in [*modules, *last]:
        of_module = [name for name in names if _is_of(name, module)]
        if not of_module and module in modules:
            raise InvalidOptionError(
                f'ptq.ignored: {module} has no convolution; the modules that have: '
                f'{", ".join(sorted({layer_name(n) for n in names}))}'
            )
        found.update(of_module)
    return sorted(found)


def layer_name(operation: str) -> str:
    """The dotted name of the torch module that an operation of an exported graph comes from.

    `/backbone/model.2/m/m.0/cv2/conv/Conv/WithoutBiases` is of `backbone.model.2.m.0.cv2.conv`:
    the tracer writes a module below a sequence with the name of the sequence before it.
    """
    places: list[str] = []
    for place in operation.split('/')[1:]:
        if _OPERATOR.fullmatch(place):
            break
        if places and place.startswith(f'{places[-1]}.'):
            places.pop()
        places.append(place)
    return '.'.join(places) or operation


def _is_of(operation: str, module: str) -> bool:
    name = layer_name(operation)
    return name == module or name.startswith(f'{module}.')
