"""Draws image pairs: two views of one image, or two near frames of one sequence.

Most objects are then seen twice in a batch, which is what the re-ID loss compares; some are in one
of the two windows or frames only. Everything random comes from (seed, step), so that a resumed run
draws what an uninterrupted one would.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from mot_compress_ros.errors import InputError
from mot_compress_ros.image_decoding import read_image
from offline_training.datasets.augment import augment, AugmentConfig, AugmentedImage
from offline_training.datasets.targets import Batch, make_batch
from offline_training.datasets.training_images import TrainingImage, TrainingSource

MAX_GAP_FRAMES = 8


class PairSampler:
    """Batches of `batch_size` images (an even number): image 2k and 2k + 1 are a pair."""

    def __init__(
        self,
        sources: Sequence[TrainingSource],
        *,
        config: AugmentConfig,
        batch_size: int,
        n_class: int,
        seed: int,
    ) -> None:
        empty = [s.name for s in sources if not s.images]
        if empty or not sources:
            raise InputError(f'no training images in: {", ".join(empty) or "any source"}')
        self._sources = sources
        self._config = config
        self._pairs = batch_size // 2
        self._n_class = n_class
        self._seed = seed
        weights = np.array([s.weight for s in sources], np.float64)
        self._probabilities = weights / weights.sum()
        self._sequences = [
            {(i.sequence, i.frame_index): i for i in s.images if i.sequence} for s in sources
        ]

    def batch(self, step: int) -> Batch:
        """The batch of training step `step`; a pure function of the seed and the step."""
        rng = np.random.default_rng((self._seed, step))
        samples: list[AugmentedImage] = []
        for _ in range(self._pairs):
            first, second = self._draw_pair(rng)
            samples += [self._load(first, rng), self._load(second, rng)]
        return make_batch(samples, n_class=self._n_class)

    def batches(self, *, start: int, stop: int, ahead: int = 3) -> Iterator[Batch]:
        """Batches of steps `start` to `stop`, made `ahead` of time in a thread.

        One thread is enough: OpenCV works outside the interpreter lock.
        """
        with ThreadPoolExecutor(max_workers=1) as pool:
            queue: list[Future[Batch]] = [
                pool.submit(self.batch, step) for step in range(start, min(start + ahead, stop))
            ]
            for step in range(start, stop):
                ready = queue.pop(0).result()
                if step + ahead < stop:
                    queue.append(pool.submit(self.batch, step + ahead))
                yield ready

    def _draw_pair(self, rng: np.random.Generator) -> tuple[TrainingImage, TrainingImage]:
        index = int(rng.choice(len(self._sources), p=self._probabilities))
        images = self._sources[index].images
        first = images[rng.integers(len(images))]
        gap = int(rng.integers(-MAX_GAP_FRAMES, MAX_GAP_FRAMES + 1))
        partner = self._sequences[index].get((first.sequence, first.frame_index + gap), first)
        return first, partner

    def _load(self, labels: TrainingImage, rng: np.random.Generator) -> AugmentedImage:
        image = read_image(labels.path)
        if image is None:
            raise InputError(
                f'{labels.path}: not a readable image; run the data set download again'
            )
        return augment(image, labels, self._config, rng)
