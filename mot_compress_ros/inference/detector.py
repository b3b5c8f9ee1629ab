"""One network in use: letterbox, backend, decode. The teacher and the student are two of these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.datatypes import Detections, Frame
from mot_compress_ros.health import Health
from mot_compress_ros.inference.backends import Accelerated, Backend, Explained
from mot_compress_ros.inference.checkpoint import ModelManifest
from mot_compress_ros.inference.decode import decode, DecodeConfig
from mot_compress_ros.inference.prior import Prior
from mot_compress_ros.preprocess import letterbox_rgb, LetterboxTransform, STRIDE


@dataclass(frozen=True, eq=False, kw_only=True)
class Observation:
    """What a network made of one frame.

    Attributes:
        detections: in source pixels.
        heatmap: (n_class, h, w) float32 in 0..1, at stride 4 of the network's input.
        transform: where the frame lies in that input.
    """

    detections: Detections
    heatmap: NDArray[np.float32]
    transform: LetterboxTransform


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
        """Embeddings of two models can be compared where this is the same."""
        return self.manifest.space

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names in order of class id."""
        return self.manifest.class_names

    @property
    def takes_prior(self) -> bool:
        """Whether the network looks at what it is told beside the image."""
        return self.backend.prior_planes > 0

    @property
    def backend_reason(self) -> str:
        """Why this runtime and no other, in one line; '' where it was named."""
        return self.backend.reason if isinstance(self.backend, Explained) else ''

    def warm_up(self) -> None:
        """Evaluate a grey image, told and untold, so that no frame pays for lazy set-up."""
        width, height = self.manifest.input_size_wh
        grey = np.full((1, height, width, 3), 127, np.uint8)
        self.backend.run(grey)
        if self.takes_prior:
            self.backend.run(grey, self._no_priors(1))

    def work_apart(self, *, urgent: bool = False) -> None:
        """Let the device work on this network beside others, and before those not urgent."""
        if isinstance(self.backend, Accelerated):
            self.backend.work_apart(urgent=urgent)

    def free_memory(self) -> None:
        """Give back the memory that the runtime keeps for later, as after it ran out."""
        if isinstance(self.backend, Accelerated):
            self.backend.free_memory()

    def detect(
        self,
        frames: Sequence[Frame],
        health: Health | None = None,
        *,
        priors: Sequence[Prior | None] = (),
    ) -> list[Detections]:
        """The detections of `observe`."""
        return [seen.detections for seen in self.observe(frames, health, priors=priors)]

    def observe(
        self,
        frames: Sequence[Frame],
        health: Health | None = None,
        *,
        priors: Sequence[Prior | None] = (),
    ) -> list[Observation]:
        """What the network makes of each frame, evaluated as one batch.

        Args:
            frames: of any cameras and sizes.
            health: where stage times go.
            priors: Φ of each frame, None where there is none; () for none at all. A network that
                does not take a prior leaves them alone.
        """
        health = health or Health()
        with health.stage('preprocess'):
            size = self.manifest.input_size_wh
            images, transforms = zip(
                *(letterbox_rgb(f, size_wh=size) for f in frames), strict=True
            )
            batch = images[0][None] if len(images) == 1 else np.stack(images)  # (B, H, W, 3)
            told = self.takes_prior and any(prior is not None for prior in priors)
            planes = self._planes(priors, transforms) if told else None
        with health.stage('infer'):
            output = self.backend.run(batch, planes)
        with health.stage('decode'):
            space = self.embedding_space
            return [
                Observation(
                    detections=decode(
                        output, i, transform=t, config=self.config, embedding_space=space
                    ),
                    heatmap=output.heatmap[i],
                    transform=t,
                )
                for i, t in enumerate(transforms)
            ]

    def _planes(
        self, priors: Sequence[Prior | None], transforms: Sequence[LetterboxTransform]
    ) -> NDArray[np.float32]:
        """The priors (B, P, h, w) as the network takes them; zero where there is none."""
        planes = self._no_priors(len(transforms))
        n_class = len(self.class_names)
        for plane, prior, transform in zip(planes, priors, transforms, strict=bool(priors)):
            if prior is not None:
                all_planes = prior.planes(
                    transform, n_class=n_class, shape_hw=(plane.shape[1], plane.shape[2])
                )
                plane[:] = all_planes[: len(plane)]
        return planes

    def _no_priors(self, n: int) -> NDArray[np.float32]:
        width, height = self.manifest.input_size_wh
        planes = self.backend.prior_planes
        return np.zeros((n, planes, height // STRIDE, width // STRIDE), np.float32)
