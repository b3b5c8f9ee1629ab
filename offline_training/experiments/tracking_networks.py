"""Detections and embeddings of our own networks on a sequence, computed once and kept in a file.

The file is named by weights and input of the network, the options of the decoding, and the images.
After a change of the code of preprocessing, networks or decoding, empty the folder.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np

from mot_compress_ros.datatypes import Detections
from mot_compress_ros.errors import InputError
from offline_training.datasets.records import LabelledSequence

if TYPE_CHECKING:
    from mot_compress_ros.inference import DecodeConfig, Detector
    from mot_compress_ros.inference.checkpoint import ModelManifest

# What the tracker may want at most: BYTE's second pass goes down to this score.
MIN_SCORE = 0.1


def own_detections(
    sequence: LabelledSequence, model: str, cache: Path, *, threads: int = 0
) -> list[Detections]:
    """One entry per frame, with the network's embeddings, down to `MIN_SCORE`.

    Args:
        sequence: with images.
        model: bundle, a folder or a name.
        cache: folder of the files.
        threads: CPU threads of the network; 0 leaves the choice to it.

    Raises:
        BundleError: the network cannot be used.
        InputError: there are no images, one cannot be read, or the file is damaged.
    """
    from mot_compress_ros.inference import DecodeConfig, load_bundle

    manifest = load_bundle(model).manifest
    decode = DecodeConfig(min_score=MIN_SCORE)
    key = _key(sequence, manifest, decode)
    path = cache / f'{sequence.name}-{manifest.name}-{key}.npz'
    if not path.exists():
        found = _detect(sequence, model, decode, threads=threads)
        cache.mkdir(parents=True, exist_ok=True)
        _write(path, found)
    return _read(path, n_frames=len(sequence))


def _detect(
    sequence: LabelledSequence, model: str, decode: DecodeConfig, *, threads: int
) -> list[Detections]:
    from mot_compress_ros.console import ProgressLine
    from mot_compress_ros.inference.backends import BackendOptions
    from mot_compress_ros.pipeline import PipelineConfig
    from offline_training.evaluation.inference import open_detector, sequence_frames

    config = PipelineConfig(runtime=BackendOptions(threads=threads), decode=decode)
    detector: Detector = open_detector(model, config)
    found: list[Detections] = []
    with ProgressLine(len(sequence)) as line:
        for frame in sequence_frames(sequence):
            found += detector.detect([frame])
            line.update(len(found), lambda: f'{sequence.name}: {detector.name}')
    return found


def _key(sequence: LabelledSequence, manifest: ModelManifest, decode: DecodeConfig) -> str:
    from mot_compress_ros.options import to_mapping

    content = {
        'weights': manifest.weights_sha256,
        'input_size_wh': list(manifest.input_size_wh),
        'decode': to_mapping(decode),
        'images': [[p.name, p.stat().st_size] for p in sequence.image_paths],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _write(path: Path, found: list[Detections]) -> None:
    part = path.with_name(f'{path.stem}.part.npz')
    np.savez_compressed(
        part,
        counts=np.array([len(d) for d in found], np.int64),
        boxes_xyxy_px=np.concatenate([d.boxes_xyxy_px for d in found]),
        scores=np.concatenate([d.scores for d in found]),
        class_ids=np.concatenate([d.class_ids for d in found]),
        embeddings=np.concatenate([d.embeddings for d in found]),
        embedding_space=np.array(found[0].embedding_space),
    )
    part.replace(path)


def _read(path: Path, *, n_frames: int) -> list[Detections]:
    try:
        with path.open('rb') as raw, np.load(raw, allow_pickle=False) as file:
            columns = {name: file[name] for name in file.files}
        counts, space = columns.pop('counts'), str(columns.pop('embedding_space'))
        ends = np.cumsum(counts)
        if len(counts) != n_frames:
            raise ValueError(f'{len(counts)} frames, expected {n_frames}')
        parts = [slice(end - count, end) for end, count in zip(ends, counts, strict=True)]
        return [
            Detections(**{name: c[rows] for name, c in columns.items()}, embedding_space=space)
            for rows in parts
        ]
    except (OSError, ValueError, KeyError, TypeError, BadZipFile) as error:
        raise InputError(f'{path}: damaged ({error}); remove it, and it is made again') from None
