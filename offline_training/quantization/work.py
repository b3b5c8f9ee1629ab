"""What a method of quantization is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.inference import Bundle, DecodeConfig, Detector
from mot_compress_ros.networks import JointDetector
from offline_training.quantization.calibration import Sample
from offline_training.quantization.config import QuantizeConfig
from offline_training.quantization.maps_backend import MapsBackend
from offline_training.quantization.scores import Score

Json = dict[str, Any]


@dataclass(frozen=True, eq=False, kw_only=True)
class Job:
    """What is to be quantized.

    Attributes:
        bundle: it comes from.
        network: of the bundle, float32, eval mode.
        samples: that calibrate, batch 1.
        score: what must not fall.
        config: the options.
        input_size_wh: width and height of the images.
        batch: images of the graph at a time.
        sparse_heads: whether the graph leaves box and re-ID heads to the peaks.
        teacher: who teaches where there is training; None for the network itself.
    """

    bundle: Bundle
    network: JointDetector
    samples: Sequence[Sample]
    score: Score
    config: QuantizeConfig
    input_size_wh: tuple[int, int]
    batch: int = 1
    sparse_heads: bool = True
    teacher: JointDetector | None = None

    def detector(self, backend: MapsBackend) -> Detector:
        """A detector that decodes what a backend says."""
        manifest = replace(self.bundle.manifest, input_size_wh=self.input_size_wh)
        return Detector(manifest, backend, DecodeConfig(min_score=self.config.min_score))

    def scored(self, backend: MapsBackend, items: Sequence[int]) -> tuple[float, list[float]]:
        """The score of a backend over some items."""
        return self.score(self.detector(backend), items)

    def whole_score(self, backend: MapsBackend) -> float:
        """The score of a backend over all items."""
        return self.scored(backend, range(len(self.score)))[0]


@dataclass(frozen=True, eq=False, kw_only=True)
class Outcome:
    """What a method made.

    Attributes:
        rows: of the table, by name: `bytes`, `ms`, `score`.
        facts: what is to be said besides.
        model: `openvino.Model` in int8; None for a method whose result the node cannot load.
        tensors: new weights of the bundle; None where they stayed.
    """

    rows: Mapping[str, Json]
    facts: Mapping[str, Any]
    model: Any = None
    tensors: Mapping[str, NDArray[np.generic]] | None = None
