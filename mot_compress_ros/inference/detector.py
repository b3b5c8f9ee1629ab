"""One network in use: letterbox, backend, decode. The teacher and the student are two of these."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mot_compress_ros.datatypes import Detections, Frame
from mot_compress_ros.health import Health
from mot_compress_ros.inference.backends import Backend
from mot_compress_ros.inference.checkpoint import ModelManifest
from mot_compress_ros.inference.decode import decode, DecodeConfig
from mot_compress_ros.preprocess import letterbox_rgb


class Detector:
    """Frames in, detections out, in source pixels."""

    def __init__(self, manifest: ModelManifest, backend: Backend, config: DecodeConfig) -> None:
        self.manifest = manifest
        self.backend = backend
        self.config = config

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.manifest.name

    @property
    def embedding_space(self) -> str:
        """Name and weights: two models of one name do not have the same embeddings."""
        return f'{self.manifest.name}@{self.manifest.weights_sha256[:12]}'

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names in order of class id."""
        return self.manifest.class_names

    def warm_up(self) -> None:
        """Evaluate one grey image, so that the first frame does not pay for lazy set-up."""
        width, height = self.manifest.input_size_wh
        self.backend.run(np.full((1, height, width, 3), 127, np.uint8))

    def detect(self, frames: Sequence[Frame], health: Health | None = None) -> list[Detections]:
        """Detections of each frame, evaluated as one batch; stage times go to `health`."""
        health = health or Health()
        with health.stage('preprocess'):
            size = self.manifest.input_size_wh
            images, transforms = zip(
                *(letterbox_rgb(f, size_wh=size) for f in frames), strict=True
            )
            batch = np.stack(images)  # (B, H, W, 3)
        with health.stage('infer'):
            output = self.backend.run(batch)
        with health.stage('decode'):
            space = self.embedding_space
            return [
                decode(output, i, transform=t, config=self.config, embedding_space=space)
                for i, t in enumerate(transforms)
            ]
