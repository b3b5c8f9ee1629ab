"""Compare every exported graph of a bundle with torch in float32, and say what differs."""

from __future__ import annotations

import argparse

from offline_training.commands.export import add_image_arguments, report

HELP = 'compare the exported graphs of a bundle with torch'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('--model', required=True, help='bundle, a folder or a name')
    add_image_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Compare, print and write; returns 1 where a graph differs."""
    from mot_compress_ros.inference import load_bundle
    from mot_compress_ros.inference.graphs import graphs_of
    from offline_training.export.exporting import verify_graphs
    from offline_training.export.frames import letterboxed_images
    from offline_training.export.table import files_bytes, verdict_json
    from offline_training.report_files import check_writable

    check_writable(args.json)
    bundle = load_bundle(args.model)
    graphs = graphs_of(bundle.manifest.graphs)
    images = {
        size_wh: letterboxed_images(
            args.input, n=max(args.images, *(g.batch for g in graphs)), size_wh=size_wh
        )
        for size_wh in {graph.input_size_wh for graph in graphs}
    }
    verdicts = verify_graphs(bundle, images)
    found = [verdict_json(verdict, files_bytes(bundle, verdict)) for verdict in verdicts]
    report('verify', found, args)
    return int(any(verdict.failures for verdict in verdicts))
