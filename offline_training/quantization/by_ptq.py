"""The method `ptq`: post-training int8 of the exported graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from offline_training.quantization.calibration import Sample
from offline_training.quantization.float_graph import float_graph
from offline_training.quantization.graph_files import model_bytes
from offline_training.quantization.maps_backend import MapsBackend, of_graph
from offline_training.quantization.openvino_ptq import (
    Bound,
    compiled_for_cpu,
    quantize_graph,
    Quantized,
)
from offline_training.quantization.timing import median_ms
from offline_training.quantization.work import Job, Json, Outcome


def quantize(job: Job) -> Outcome:
    """Calibrate and quantize; the bound is kept.

    Raises:
        InvalidDataError: the bound cannot be kept.
    """
    graph = job_graph(job)

    def score(compiled: Any, items: Sequence[int]) -> tuple[float, list[float]]:
        return job.scored(graph_backend(job, compiled), items)

    bound = Bound(score=score, items=len(job.score), config=job.config.bound)
    batched = in_batches(job.samples, job.batch)
    result = quantize_graph(graph, batched, job.config.ptq, bound=bound)
    return graph_outcome(job, graph, result)


def job_graph(job: Job) -> Any:
    """The graph of the job's network in float32."""
    return float_graph(
        job.network,
        input_size_wh=job.input_size_wh,
        batch=job.batch,
        sparse_heads=job.sparse_heads,
    )


def graph_outcome(job: Job, graph: Any, result: Quantized) -> Outcome:
    """Rows of a graph before and after, timed in turns."""
    models = {'openvino float32': graph, 'openvino int8': result.model}
    compiled = {
        'openvino float32': compiled_for_cpu(graph),
        'openvino int8': compiled_for_cpu(result.model, as_in_vehicle=True),
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
    facts = {'layers': result.layers, 'int8_layers': result.int8_layers}
    return Outcome(rows=rows, facts=facts, model=result.model)


def call_graph(job: Job, compiled: Any) -> Callable[[], object]:
    """Evaluates a compiled graph on the first samples, to be timed."""
    inputs = list(in_batches(job.samples, job.batch)[0].inputs)
    return lambda: compiled(inputs)


def graph_backend(job: Job, compiled: Any) -> MapsBackend:
    """The backend of a compiled graph of the job's batch, which takes any number of images."""
    return of_graph(compiled, job.network, name='openvino cpu', batch=job.batch)


def in_batches(samples: Sequence[Sample], batch: int) -> list[Sample]:
    """Samples joined to inputs of `batch` images; the last is filled up from the first."""
    if batch == 1:
        return list(samples)
    count = -(-len(samples) // batch) * batch
    rows = [samples[index % len(samples)] for index in range(count)]
    return [_joined(rows[start : start + batch]) for start in range(0, count, batch)]


def _joined(samples: Sequence[Sample]) -> Sample:
    priors = [sample.prior for sample in samples if sample.prior is not None]
    return Sample(
        images_rgb=np.concatenate([sample.images_rgb for sample in samples]),
        prior=np.concatenate(priors) if priors else None,
    )
