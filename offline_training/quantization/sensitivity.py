"""What each layer costs in 8 bits: it alone, and all but it.

Played in torch (`fake_quant`), so a layer takes two passes over the samples and no graph. Alone, a
layer that is sensitive loses; all but it, the score rises where it is the one to leave in float.
"""

from __future__ import annotations

from collections.abc import Sequence
import copy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from mot_compress_ros.console import ProgressLine
from mot_compress_ros.networks import fuse_batch_norm
from offline_training.quantization.fake_quant import FakeQuantized
from offline_training.quantization.maps_backend import of_network
from offline_training.quantization.work import Job
from offline_training.report_files import write_text
from offline_training.reports.content import Chart, Theme
from offline_training.reports.runs import COLORS

MOST_DRAWN = 40
_WIDTH_IN = 9.6  # as wide as the page of a report
BAR = 0.4  # of the distance between two layers


@dataclass(frozen=True, kw_only=True)
class LayerCost:
    """Loss of score, the larger the worse.

    Attributes:
        name: dotted name of the layer.
        alone: with this layer alone in 8 bits, against float32.
        saved: how much all layers but this one lose less than all layers.
    """

    name: str
    alone: float
    saved: float

    def as_json(self) -> dict[str, Any]:
        """As it stands in reports."""
        return asdict(self)


def layer_sensitivity(job: Job) -> list[LayerCost]:
    """The cost of each convolution and linear layer, in order of the network."""
    network = fuse_batch_norm(copy.deepcopy(job.network).eval())
    inputs = [tuple(torch.from_numpy(part) for part in s.inputs) for s in job.samples]
    played = FakeQuantized(network, inputs)
    names = [name for name in played.layers if name != 'pivot']  # evaluated outside the network

    def lost(chosen: Sequence[str]) -> float:
        with played.playing(chosen) as module:
            return before - job.whole_score(of_network(module, job.network, name='fake int8'))

    before = job.whole_score(of_network(network, job.network, name='float32'))
    together = lost(names)
    costs = []
    with ProgressLine(len(names)) as line:
        for index, name in enumerate(names):
            others = [other for other in names if other != name]
            costs.append(LayerCost(name=name, alone=lost([name]), saved=together - lost(others)))
            line.update(index + 1, lambda: name)  # noqa: B023  drawn at once
    return costs


def draw_sensitivity(layers: Sequence[LayerCost], path: Path, *, score: str) -> None:
    """Draw the layers that cost most, the worst first, as SVG.

    Raises:
        InputError: it cannot be written.
    """
    from offline_training.benchmarks.association_plot import standalone_svg

    write_text(path, standalone_svg(sensitivity_chart(layers, score=score)))


def sensitivity_chart(layers: Sequence[LayerCost], *, score: str) -> Chart:
    """Two bars for each layer, at most `MOST_DRAWN` of them."""
    shown = sorted(layers, key=lambda layer: -max(layer.alone, layer.saved))[:MOST_DRAWN]
    kinds = {
        'it alone in 8 bits': [layer.alone for layer in shown],
        'saved by leaving it in float': [layer.saved for layer in shown],
    }

    def draw(figure: Any, theme: Theme) -> None:
        axes = figure.subplots()
        axes.grid(visible=False, axis='y')
        for k, (label, losses) in enumerate(kinds.items()):
            places = [index + (k - 0.5) * BAR for index in range(len(shown))]
            axes.barh(places, losses, 0.92 * BAR, color=COLORS[k], label=label)
        axes.set_yticks(range(len(shown)), [layer.name for layer in shown])
        axes.invert_yaxis()
        axes.axvline(0, color=theme.soft, linewidth=0.8)
        axes.set_xlabel(f'loss of {score}')
        axes.legend(loc='lower right')

    title = f'What layers cost in 8 bits: loss of {score}'
    height_in = 1.2 + 0.24 * len(shown)
    return Chart(
        name='sensitivity', title=title, width_in=_WIDTH_IN, height_in=height_in, draw=draw
    )
