"""The method `eager`: the paper's way, layer by layer in torch; a row to compare with.

Torch's eager mode has no int8 sums, concatenations and resizing of a network as it stands, so
every convolution turns its input into 8 bits and its output back ("float to integer conversions at
the time of inference hinder the improvement", section 4.3.1). The node does not load the result.
"""

from __future__ import annotations

import copy

import torch

from mot_compress_ros.networks import fuse_batch_norm
from offline_training.quantization.eager import convert_layers, state_bytes
from offline_training.quantization.maps_backend import of_network
from offline_training.quantization.timing import median_ms
from offline_training.quantization.work import Job, Json, Outcome


def quantize(job: Job) -> Outcome:
    """Every convolution of the job's network in 8 bits, BatchNorm folded."""
    folded = fuse_batch_norm(copy.deepcopy(job.network).eval())
    inputs = [tuple(torch.from_numpy(part) for part in s.inputs) for s in job.samples]
    eight = convert_layers(copy.deepcopy(folded), inputs)
    modules = {'torch float32': folded, 'torch eager int8': eight}
    with torch.inference_mode():
        times = median_ms(
            {name: (lambda module=module: module(*inputs[0])) for name, module in modules.items()}  # type: ignore[misc]
        )
    rows: dict[str, Json] = {
        name: {
            'bytes': state_bytes(module),
            'ms': times[name],
            'score': job.whole_score(of_network(module, job.network, name=name)),
        }
        for name, module in modules.items()
    }
    return Outcome(rows=rows, facts={'engine': torch.backends.quantized.engine})
