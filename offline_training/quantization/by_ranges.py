"""The method `ranges`: each way to find the ranges of activations, as rows to choose by.

Each quantizes the same graph on the same samples, without a bound; nothing is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from offline_training.quantization.by_ptq import call_graph, graph_backend, in_batches, job_graph
from offline_training.quantization.config import PRESETS, PtqConfig, RANGES
from offline_training.quantization.graph_files import model_bytes
from offline_training.quantization.openvino_ptq import compiled_for_cpu, quantize_graph
from offline_training.quantization.timing import median_ms
from offline_training.quantization.work import Job, Json, Outcome


def quantize(job: Job) -> Outcome:
    """Quantize in every way of `ways`, and measure all in turns."""
    graph = job_graph(job)
    batched = in_batches(job.samples, job.batch)
    models = {'float32': graph} | {
        name: quantize_graph(graph, batched, config).model
        for name, config in ways(job.config.ptq).items()
    }
    compiled = {
        name: compiled_for_cpu(model, as_in_vehicle=name != 'float32')
        for name, model in models.items()
    }
    times = median_ms({name: call_graph(job, one) for name, one in compiled.items()})
    rows: dict[str, Json] = {
        name: {
            'bytes': model_bytes(model),
            'ms': times[name],
            'score': job.whole_score(graph_backend(job, compiled[name])),
        }
        for name, model in models.items()
    }
    return Outcome(rows=rows, facts={'samples': len(job.samples)})


def ways(given: PtqConfig) -> Mapping[str, PtqConfig]:
    """The options as given with each choice of ranges, the other preset, and no correction."""
    other = next(preset for preset in PRESETS if preset != given.preset)
    return {
        **{f'int8, {ranges}': replace(given, ranges=ranges) for ranges in RANGES},
        f'int8, {given.ranges}, {other}': replace(given, preset=other),
        f'int8, {given.ranges}, biases as they are': replace(given, bias_correction=False),
    }
