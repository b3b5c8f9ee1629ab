"""What a pruned detector still finds, by the scores that quantization is bounded with.

A detector whose channels were taken away finds little until it is trained on, and that is to be
seen in the report, not on the road.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import copy
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from mot_compress_ros.inference import Bundle, DecodeConfig, Detector
from mot_compress_ros.inference.backends.torch_eager import load_network
from mot_compress_ros.networks import fuse_batch_norm, JointDetector
from offline_training.quantization.calibration import calibration_frames, calibration_samples
from offline_training.quantization.maps_backend import of_network
from offline_training.quantization.scores import ScoreInput, SCORES


@dataclass(frozen=True, kw_only=True)
class JudgeOptions:
    """On what a network is judged.

    Attributes:
        score: a key of `quantization.scores.SCORES`.
        frames: inputs with frames, as of `calibration_frames`.
        count: how many frames of them.
        data: folder of a recipe's sources.
        validation: a labelled set, for scores that need one.
        settings: options of that set.
        min_score: smallest heat-map value of a detection.
    """

    score: str = 'peaks'
    frames: Sequence[Path] = ()
    count: int = 32
    data: Path | None = None
    validation: Path | None = None
    settings: Mapping[str, object] | None = None
    min_score: float = 0.3


class Judge:
    """Scores networks 0..1; 1 is that of the bundle's own where the score is `peaks`.

    Args:
        bundle: of the whole network.
        options: what is looked at.
        input_size_wh: of the networks.

    Raises:
        InputError: there are no frames, or the whole network finds nothing in them.
    """

    def __init__(
        self, bundle: Bundle, options: JudgeOptions, *, input_size_wh: tuple[int, int]
    ) -> None:
        from offline_training.evaluation.truth_sets import read_set

        self._bundle, self.options = bundle, options
        whole = load_network(bundle).eval()
        reference = self._detector(whole)
        backend = of_network(fuse_batch_norm(whole), whole, name='torch')
        frames = (
            calibration_frames(options.frames, options.count, data=options.data)
            if options.frames
            else []
        )
        samples = calibration_samples(frames, backend, input_size_wh=input_size_wh)
        truth = (
            read_set(options.validation, options.settings or {}) if options.validation else None
        )
        given = ScoreInput(samples=samples, reference=reference, truth=truth)
        self._score = SCORES[options.score](given)
        self._samples = samples

    def __call__(self, network: JointDetector) -> float:
        """The score of a network, which is left as it is."""
        score, _ = self._score(self._detector(network), range(len(self._score)))
        return float(score)

    def batches(self, size: int = 8) -> list[tuple[Tensor, ...]]:
        """What the network sees of the frames, as its inputs, in batches of `size`."""
        inputs = [tuple(torch.from_numpy(part) for part in s.inputs) for s in self._samples]
        starts = range(0, len(inputs), size)
        chunks = [inputs[start : start + size] for start in starts]
        return [tuple(torch.cat(parts) for parts in zip(*c, strict=True)) for c in chunks]

    def _detector(self, network: JointDetector) -> Detector:
        folded = fuse_batch_norm(copy.deepcopy(network).eval())
        config = DecodeConfig(min_score=self.options.min_score)
        backend = of_network(folded, folded, name='torch')
        return Detector(self._bundle.manifest, backend, config)
