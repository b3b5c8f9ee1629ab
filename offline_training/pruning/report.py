"""What pruning changed, before and after in one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TYPE_CHECKING
import zlib

from mot_compress_ros.inference import Bundle
from mot_compress_ros.inference.backends.torch_eager import load_network
from mot_compress_ros.inference.checkpoint import WEIGHTS_FILE
from offline_training.evaluation.tables import markdown_table
from offline_training.model_costs import count_costs
from offline_training.model_sizes import PRECISIONS, shipped_bytes
from offline_training.pruning.unstructured import sparsity_report

if TYPE_CHECKING:
    from offline_training.pruning.judging import Judge
    from offline_training.pruning.work import Step


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a bundle's network costs.

    Attributes:
        macs: multiply-adds of one image, zeros among them.
        parameters: trainable values, zeros among them.
        weights_not_zero: of the convolutions.
        sparsity: share of zeros in the weights of the convolutions, 0..1.
        layer_sparsity: the same of each convolution, by its name.
        shipped_bytes: by precision, BatchNorm folded (`model_sizes`); zeros are stored.
        file_bytes: of weights.safetensors.
        zipped_bytes: of that file as an archive (DEFLATE, level 6).
        forward_ms: median of the forward pass, None where it was not measured.
        score: what `judging` says, None where nobody looked.
    """

    macs: int
    parameters: int
    weights_not_zero: int
    sparsity: float
    layer_sparsity: dict[str, float]
    shipped_bytes: dict[str, int]
    file_bytes: int
    zipped_bytes: int
    forward_ms: float | None = None
    score: float | None = None

    def as_json(self) -> dict[str, Any]:
        """As it stands in reports."""
        return asdict(self)


def facts_of(
    bundle: Bundle,
    *,
    input_size_wh: tuple[int, int],
    forward_ms: float | None = None,
    score: float | None = None,
) -> Facts:
    """Count a bundle's network."""
    network = load_network(bundle)
    costs = count_costs(network, size_wh=input_size_wh)
    zeros = sparsity_report(network)
    data = (bundle.path / WEIGHTS_FILE).read_bytes()
    return Facts(
        macs=costs.macs,
        parameters=costs.parameters,
        weights_not_zero=zeros.weights - zeros.zeros,
        sparsity=zeros.sparsity,
        layer_sparsity={layer.name: layer.sparsity for layer in zeros.layers},
        shipped_bytes=shipped_bytes(network),
        file_bytes=len(data),
        zipped_bytes=len(zlib.compress(data, 6)),
        forward_ms=forward_ms,
        score=score,
    )


def step_facts(
    step: Step, judge: Judge | None, *, input_size_wh: tuple[int, int]
) -> dict[str, Any]:
    """What a step aimed at and has, and what it scores before and after its training."""
    facts = facts_of(step.bundle, input_size_wh=input_size_wh)
    return {
        'goal': step.goal,
        'macs': facts.macs,
        'parameters': facts.parameters,
        'sparsity': facts.sparsity,
        'score_pruned': judge(load_network(step.pruned)) if judge else None,
        'score_tuned': judge(load_network(step.tuned)) if judge and step.tuned else None,
    }


def facts_table(before: Facts, after: Facts, *, score: str, forward: str) -> str:
    """Both, and what is left in per cent.

    Args:
        before: of the whole network.
        after: of the pruned one.
        score: what the score is called.
        forward: where the forward pass was timed.
    """
    rows = [
        _row('GMAC', before.macs / 1e9, after.macs / 1e9, digits=3),
        _row('parameters, M', before.parameters / 1e6, after.parameters / 1e6, digits=3),
        _row(
            'weights not zero, M',
            before.weights_not_zero / 1e6,
            after.weights_not_zero / 1e6,
            digits=3,
        ),
        ['zeros in convolutions, %', *(f'{100 * f.sparsity:.1f}' for f in (before, after)), ''],
        *(
            _row(f'{p}, MB', before.shipped_bytes[p] / 1e6, after.shipped_bytes[p] / 1e6)
            for p in PRECISIONS
        ),
        _row('file, MB', before.file_bytes / 1e6, after.file_bytes / 1e6),
        _row('file zipped, MB', before.zipped_bytes / 1e6, after.zipped_bytes / 1e6),
    ]
    if before.forward_ms is not None and after.forward_ms is not None:
        rows.append(_row(f'{forward}, ms', before.forward_ms, after.forward_ms))
    if before.score is not None and after.score is not None:
        rows.append(['score ' + score, f'{before.score:.3f}', f'{after.score:.3f}', ''])
    return markdown_table(['', 'before', 'after', 'left'], rows)


def steps_table(steps: Sequence[Mapping[str, Any]], *, measure: str, score: str) -> str:
    """A row for each step: what it aimed at, what it has, what it scores before and after."""
    rows = [
        [
            f'{number}',
            f'{step["goal"]:.4g}',
            f'{step["macs"] / 1e9:.3f}',
            f'{step["parameters"] / 1e6:.3f}',
            f'{100 * step["sparsity"]:.1f}',
            *(f'{v:.3f}' if (v := step[key]) is not None else '' for key in _SCORES),
        ]
        for number, step in enumerate(steps, start=1)
    ]
    head = ['step', f'goal, {measure}', 'GMAC', 'parameters, M', 'zeros, %']
    return markdown_table([*head, f'{score}, pruned', f'{score}, trained'], rows)


_SCORES = ('score_pruned', 'score_tuned')


def _row(name: str, before: float, after: float, *, digits: int = 2) -> list[str]:
    left = f'{100 * after / before:.1f} %' if before else ''
    return [name, f'{before:.{digits}f}', f'{after:.{digits}f}', left]
