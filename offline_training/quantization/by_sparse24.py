"""The method `sparse24`: what 2:4 sparsity costs and gains, as a row to compare with."""

from __future__ import annotations

import copy
from dataclasses import replace

from mot_compress_ros.networks import fuse_batch_norm
from offline_training.quantization.by_ptq import call_graph, graph_backend, job_graph
from offline_training.quantization.graph_files import model_bytes
from offline_training.quantization.openvino_ptq import compiled_for_cpu
from offline_training.quantization.sparse24 import (
    make_permanent,
    semi_structured_speedup,
    sparsify_24,
)
from offline_training.quantization.timing import median_ms
from offline_training.quantization.work import Job, Json, Outcome

# A 3x3 convolution of 64 channels at 152 x 272 cells as a product: outputs, inputs, cells.
PRODUCT = (64, 64 * 9, 152 * 272)


def quantize(job: Job) -> Outcome:
    """Mask the weights of the network, BatchNorm folded, and measure; nothing is trained."""
    network = fuse_batch_norm(copy.deepcopy(job.network).eval())
    report = sparsify_24(network)
    make_permanent(network)
    graphs = {
        'openvino float32': job_graph(job),
        'openvino float32, 2:4': job_graph(replace(job, network=network)),
    }
    compiled = {name: compiled_for_cpu(graph) for name, graph in graphs.items()}
    times = median_ms({name: call_graph(job, one) for name, one in compiled.items()})
    rows: dict[str, Json] = {
        name: {
            'bytes': model_bytes(graph),
            'ms': times[name],
            'score': job.whole_score(graph_backend(job, compiled[name])),
        }
        for name, graph in graphs.items()
    }
    speedup = semi_structured_speedup(*PRODUCT)
    facts = {
        'masked_layers': len(report.layers),
        'left_layers': len(report.left),
        'zeros': report.zeros / max(report.weights, 1),
        'gpu_speedup': 'not measured: no GPU with such kernels' if speedup is None else speedup,
    }
    return Outcome(rows=rows, facts=facts)
