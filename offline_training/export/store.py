"""Graphs into the folder of a bundle: whole, or not at all.

A file's name ends in its hash, so no graph in use is ever written over: the manifest, which is
replaced last and at once, says which files count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
import json
from pathlib import Path

from mot_compress_ros.errors import BundleError
from mot_compress_ros.inference.checkpoint import MANIFEST_FILE
from mot_compress_ros.inference.graphs import digest, FOLDER, Graph, graphs_of, paths_of, SUFFIXES
from mot_compress_ros.inference.manifest import read_manifest
from offline_training.report_files import write_text


def named(graph: Graph, parts: Sequence[bytes]) -> Graph:
    """The entry with the hash of its files, and the name that follows from it."""
    sha256 = digest(parts)
    size = 'x'.join(map(str, graph.input_size_wh))
    heads = 'peaks' if graph.sparse_heads else 'dense'
    stem = f'{graph.engine}_{size}_b{graph.batch}_{heads}_{sha256[:10]}'
    return replace(graph, sha256=sha256, file=f'{FOLDER}/{stem}{SUFFIXES[graph.engine][0]}')


def write_files(folder: Path, graph: Graph, parts: Sequence[bytes]) -> None:
    """Write the files of a named graph below `folder`.

    Raises:
        BundleError: they cannot be written.
    """
    try:
        for path, part in zip(paths_of(folder, graph), parts, strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_name(f'{path.name}.part')
            unfinished.write_bytes(part)
            unfinished.replace(path)
    except OSError as error:
        raise BundleError(f'{folder}: cannot be written ({error.strerror or error})') from None


def add_graph(folder: Path, graph: Graph, parts: Sequence[bytes]) -> Path:
    """Put a graph into a bundle, in the place of one of the same kind; returns its first file.

    Args:
        folder: of the bundle.
        graph: its entry; file name and hash are filled in.
        parts: its files.

    Raises:
        BundleError: the bundle cannot be read, or not be written.
    """
    graph = named(graph, parts)
    write_files(folder, graph, parts)
    path = folder / MANIFEST_FILE
    kept = [g for g in graphs_of(read_manifest(path).graphs) if g.key != graph.key]
    content = json.loads(path.read_text(encoding='utf-8'))
    content['graphs'] = [g.as_json() for g in (*kept, graph)]
    write_text(path, json.dumps(content, indent=2) + '\n')
    _remove_unnamed(folder, [*kept, graph])
    return paths_of(folder, graph)[0]


def _remove_unnamed(folder: Path, graphs: Sequence[Graph]) -> None:
    """Remove files of graphs that the manifest no longer names."""
    named_files = {path for graph in graphs for path in paths_of(folder, graph)}
    suffixes = {suffix for of_engine in SUFFIXES.values() for suffix in of_engine}
    for path in (folder / FOLDER).iterdir():
        if path.is_file() and path.suffix in suffixes and path not in named_files:
            path.unlink()
