"""What is known of a bundle without running it."""

from __future__ import annotations

from typing import Any

from mot_compress_ros.inference import Bundle
from mot_compress_ros.inference.checkpoint import WEIGHTS_FILE
from mot_compress_ros.inference.graphs import graphs_of, paths_of


def facts_of(bundle: Bundle) -> dict[str, Any]:
    """Multiply-adds, parameters, and bytes of each file that a runtime would load.

    `bytes` has the weights' file and, by runtime and precision, the smallest exported graph.
    """
    from mot_compress_ros.inference.backends.torch_eager import load_network
    from offline_training.model_costs import count_costs

    size_wh = bundle.manifest.input_size_wh
    costs = count_costs(load_network(bundle), size_wh=size_wh)
    sizes = {'weights': (bundle.path / WEIGHTS_FILE).stat().st_size}
    for graph in graphs_of(bundle.manifest.graphs):
        name = f'{graph.engine} {graph.precision}'
        size = sum(path.stat().st_size for path in paths_of(bundle.path, graph))
        sizes[name] = min(size, sizes.get(name, size))
    return {
        'input_size_wh': list(size_wh),
        'macs': costs.macs,
        'parameters': costs.parameters,
        'bytes': sizes,
        'weights_sha256': bundle.manifest.weights_sha256,
    }
