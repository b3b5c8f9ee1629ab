"""Draws the images of each training step.

A sampler is built from the sources, the options of augmentation and the seed, and gives the batch
of any step. Everything random of a unit (a pair, or one image) comes from the seed, the step and
its number in the batch: a resumed run draws what an uninterrupted one would, and the units of a
batch are the same however many processes share it. `SAMPLERS` names the members.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.errors import InputError, InvalidOptionError
from mot_compress_ros.preprocess import STRIDE
from offline_training.datasets.augment import (
    augment,
    augment_repeatedly,
    AugmentConfig,
    AugmentedImage,
)
from offline_training.datasets.frame_cache import read_frame, StoredFrame
from offline_training.datasets.geometries.view import Repeat
from offline_training.datasets.key_frames import (
    Frames,
    key_frame_of,
    KeyFrame,
    KeySample,
    made_up_key_frame,
    truth_of,
)
from offline_training.datasets.mosaic import mosaic
from offline_training.datasets.targets import Batch, make_batch
from offline_training.datasets.training_images import TrainingImage, TrainingSource
from offline_training.distillation.config import AttentionConfig
from offline_training.distillation.prior import disturbed, painted

MAX_GAP_FRAMES = 8
_OTHERS = 3  # images that a mosaic takes beside its own


class Sampler(ABC):
    """Batches of `batch_size` images.

    `read` opens an image file: `read_frame`, or a `FrameCache`. `attention` and `steps`, those of
    the whole run, are for the sampler that draws key frames.
    """

    unit_images = 1  # images that are drawn together
    has_mosaics = True
    # Counted up where the same seed draws other samples than before: a run that began with the
    # old ones is not gone on with.
    edition = 1

    def __init__(
        self,
        sources: Sequence[TrainingSource],
        *,
        config: AugmentConfig,
        batch_size: int,
        n_class: int,
        seed: int,
        read: Callable[[Path], StoredFrame] = read_frame,
        attention: AttentionConfig | None = None,
        steps: int = 1,
    ) -> None:
        empty = [s.name for s in sources if not s.images]
        if empty or not sources:
            raise InputError(f'no training images in: {", ".join(empty) or "any source"}')
        self._sources = sources
        self._config = config
        self._units = batch_size // self.unit_images
        self._n_class = n_class
        self._seed = seed
        self._read = read
        self._attention = attention or AttentionConfig()
        self._steps = steps

    @abstractmethod
    def draw(self, rng: np.random.Generator, *, number: int) -> tuple[TrainingImage, ...]:
        """The `unit_images` images of unit `number`, counted from the first step."""

    @abstractmethod
    def draw_any(self, rng: np.random.Generator) -> TrainingImage:
        """One image more, as a mosaic wants."""

    def batch(self, step: int, *, shard: int = 0, n_shards: int = 1) -> Batch:
        """The batch of training step `step`, or one of its `n_shards` equal parts.

        A pure function of the seed, the step and which units are asked for.
        """
        share = self._units // n_shards
        samples: list[AugmentedImage] = []
        for unit in range(shard * share, (shard + 1) * share):
            rng = np.random.default_rng((self._seed, step, unit))
            images = self.draw(rng, number=step * self._units + unit)
            samples += [self._load(image, rng, step) for image in images]
        return make_batch(samples, n_class=self._n_class)

    def batches(
        self,
        *,
        start: int,
        stop: int,
        shards: Sequence[int] = (0,),
        n_shards: int = 1,
        workers: int = 1,
    ) -> Generator[list[Batch], None, None]:
        """For each step from `start` to `stop` its batch, as a list of the `shards` asked for.

        They are made ahead of time by `workers` threads: OpenCV works outside the interpreter
        lock.
        """

        def make(step: int) -> list[Batch]:
            return [self.batch(step, shard=shard, n_shards=n_shards) for shard in shards]

        ahead = workers + 2
        with ThreadPoolExecutor(max_workers=workers) as pool:
            queue: list[Future[list[Batch]]] = [
                pool.submit(make, step) for step in range(start, min(start + ahead, stop))
            ]
            try:
                for step in range(start, stop):
                    ready = queue.pop(0).result()
                    if step + ahead < stop:
                        queue.append(pool.submit(make, step + ahead))
                    yield ready
            finally:  # who stops in between does not wait for batches that nobody will use
                pool.shutdown(wait=False, cancel_futures=True)

    def _load(self, labels: TrainingImage, rng: np.random.Generator, step: int) -> AugmentedImage:
        whole = self._augmented(labels, rng)
        chance = self._config.mosaic_probability
        if not chance or rng.random() >= chance:
            return whole
        others = [self._augmented(self.draw_any(rng), rng) for _ in range(_OTHERS)]
        return mosaic([whole, *others], self._config, rng, n_class=self._n_class)

    def _augmented(self, labels: TrainingImage, rng: np.random.Generator) -> AugmentedImage:
        frame = self._read(labels.path)
        return augment(frame.image_bgr, frame.fit(labels), self._config, rng)


class PairSampler(Sampler):
    """Pairs: two views of one image, or two near frames of one sequence; by the sources' weights.

    Image 2k and 2k + 1 of a batch are a pair. Most objects are then seen twice in a batch, which
    is what the metric losses compare; some are in one of the two windows or frames only.
    """

    unit_images = 2

    def __init__(self, sources: Sequence[TrainingSource], **options: Any) -> None:
        super().__init__(sources, **options)
        weights = np.array([s.weight for s in sources], np.float64)
        self._probabilities = weights / weights.sum()
        self._sequences = [
            {(i.sequence, i.frame_index): i for i in s.images if i.sequence} for s in sources
        ]

    def draw(
        self, rng: np.random.Generator, *, number: int
    ) -> tuple[TrainingImage, TrainingImage]:
        """A random image of a random source, and its partner."""
        index, first = self._draw(rng)
        gap = int(rng.integers(-MAX_GAP_FRAMES, MAX_GAP_FRAMES + 1))
        partner = self._sequences[index].get((first.sequence, first.frame_index + gap), first)
        return first, partner

    def draw_any(self, rng: np.random.Generator) -> TrainingImage:
        """A random image of a random source."""
        return self._draw(rng)[1]

    def _draw(self, rng: np.random.Generator) -> tuple[int, TrainingImage]:
        index = int(rng.choice(len(self._sources), p=self._probabilities))
        images = self._sources[index].images
        return index, images[rng.integers(len(images))]


class KeyframeSampler(PairSampler):
    """Pairs as `PairSampler` draws them, each image with a key frame some frames before it.

    Both frames go through one geometry, with colours of their own. Key frames are drawn from a
    random stream of their own, so pictures and labels are those of `PairSampler` whatever the
    student is told. Without `attention.prior` no key frame is drawn.

    Raises:
        InvalidOptionError: mosaics are asked for, in which no frame has a key frame.
    """

    has_mosaics = False
    edition = 2  # key frames have a stream of their own; 1: they shared that of the pictures

    def __init__(self, sources: Sequence[TrainingSource], **options: Any) -> None:
        super().__init__(sources, **options)
        if self._config.mosaic_probability:
            raise InvalidOptionError(
                f'augment.mosaic_probability: got {self._config.mosaic_probability:g} with the '
                'sampler keyframes, expected 0: a picture of four has no key frame'
            )
        self._frames: dict[Path, Frames] = {
            image.path: frames for frames in self._sequences for image in frames.values()
        }

    def _load(self, labels: TrainingImage, rng: np.random.Generator, step: int) -> AugmentedImage:
        if self._attention.prior == 'off':
            return super()._load(labels, rng, step)
        frame = self._read(labels.path)
        sample, repeat = augment_repeatedly(frame.image_bgr, frame.fit(labels), self._config, rng)
        (own,) = rng.spawn(1)  # draws nothing from `rng`
        return replace(sample, key=self._key(labels, frame, repeat, own, step))

    def _key(
        self,
        labels: TrainingImage,
        frame: StoredFrame,
        repeat: Repeat,
        rng: np.random.Generator,
        step: int,
    ) -> KeySample:
        """What is known of a key frame of the image `labels` with the pixels `frame`."""
        attention = self._attention
        dropped = rng.random() < attention.drop
        asks = rng.random() < attention.by_teacher(step / self._steps)
        key = self._key_frame(labels, frame, rng)
        truth = truth_of(key, repeat, size_wh=self._config.size_wh)
        told = disturbed(truth, attention, rng, size_wh=self._config.size_wh)
        width, height = self._config.size_wh
        shape_hw = (height // STRIDE, width // STRIDE)
        planes = np.zeros((self._n_class + 2, *shape_hw), np.float32)
        picture = None
        if asks and not dropped:
            other = frame if key.motion is not None else self._read(key.image.path)
            picture = repeat.picture(key.pixels(other.image_bgr), rng)
        elif not dropped:
            planes = painted(
                told,
                update=attention.update,
                age_s=key.age_s,
                n_class=self._n_class,
                shape_hw=shape_hw,
            )
        return KeySample(
            planes=planes, truth=truth, age_s=key.age_s, fps=key.fps, picture_rgb=picture
        )

    def _key_frame(
        self, labels: TrainingImage, frame: StoredFrame, rng: np.random.Generator
    ) -> KeyFrame:
        """In pixels of `frame`, whatever size the frames are kept at."""
        gap = self._attention.max_gap_frames
        found = key_frame_of(labels, self._frames.get(labels.path, {}), rng, max_gap_frames=gap)
        if found is None:
            size_wh = (frame.image_bgr.shape[1], frame.image_bgr.shape[0])
            return made_up_key_frame(frame.fit(labels), rng, size_wh=size_wh, max_gap_frames=gap)
        return replace(
            found,
            image=frame.fit(found.image),
            velocities_px_s=found.velocities_px_s * frame.scale_xy,
        )


class EpochSampler(Sampler):
    """Single images, each once in an epoch, in an order of its own for every epoch (FairMOT).

    The sources' weights mean nothing here: each has the share of its number of images. Where an
    epoch does not end with a batch, the batch goes on into the next one; FairMOT drops the rest.
    """

    def __init__(self, sources: Sequence[TrainingSource], **options: Any) -> None:
        super().__init__(sources, **options)
        self._images = [image for source in sources for image in source.images]
        self._orders: dict[int, NDArray[np.int64]] = {}

    def draw(self, rng: np.random.Generator, *, number: int) -> tuple[TrainingImage]:
        """The next image of the epoch."""
        epoch, place = divmod(number, len(self._images))
        return (self._images[self._order(epoch)[place]],)

    def draw_any(self, rng: np.random.Generator) -> TrainingImage:
        """Any image."""
        return self._images[rng.integers(len(self._images))]

    def _order(self, epoch: int) -> NDArray[np.int64]:
        order = self._orders.get(epoch)
        if order is None:
            rng = np.random.default_rng((self._seed, epoch))
            order = rng.permutation(len(self._images))
            # Threads that make batches ahead may stand on both sides of an epoch's end.
            self._orders = {
                epoch: order,
                **{e: o for e, o in self._orders.items() if e > epoch - 2},
            }
        return order


SAMPLERS: dict[str, type[Sampler]] = {
    'pairs': PairSampler,
    'epochs': EpochSampler,
    'keyframes': KeyframeSampler,
}
