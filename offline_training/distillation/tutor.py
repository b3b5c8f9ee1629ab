"""The frozen teacher beside a training: what it says of a shard, and how the student is asked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor

from mot_compress_ros.inference import DecodeConfig
from mot_compress_ros.inference.backends import PeakValues
from mot_compress_ros.inference.decode import decode
from mot_compress_ros.networks import JointDetector
from offline_training.datasets.key_frames import KeyBatch
from offline_training.datasets.targets import Batch
from offline_training.distillation.levels import evaluate, INSIDE, LEVELS, Network
from offline_training.distillation.prior import as_seen, NOTHING_MOVED, painted

BOXES = ('hm', 'wh', 'reg')


@dataclass(frozen=True, eq=False, kw_only=True)
class Lesson:
    """What a student is told of one shard, and what its criterion is told beside its maps.

    Attributes:
        prior: (B, P, h, w) of the student's fusion, None for none.
        taught: the teacher's raw maps of the same images by name, those that were asked for.
        pivots: the student's linear layer from raw re-ID vectors (K, D) to pivot vectors, where it
            has one.
        teachers_heads: last layers of the teacher's heads `hm` and `wh`, where they are wanted.
    """

    prior: Tensor | None = None
    taught: Mapping[str, Tensor] = field(default_factory=dict)
    pivots: Callable[[Tensor], Tensor] | None = None
    teachers_heads: Mapping[str, Callable[[Tensor], Tensor]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Curriculum:
    """What is asked of the teacher.

    Attributes:
        update: how its heat map is carried on, as `attention.update`.
        embeddings: whether its re-ID vectors are wanted.
        levels: whether the maps of its backbone are wanted.
        boxes: whether its heat map and boxes are wanted.
        inside: other maps that are wanted, names in `levels.INSIDE`.
    """

    update: str = 'render'
    embeddings: bool = False
    levels: bool = False
    boxes: bool = False
    inside: tuple[str, ...] = ()

    @classmethod
    def of(cls, asked: Collection[str], *, update: str) -> Curriculum:
        """What the parts of a loss ask for, by the names of their `asks`."""
        return cls(
            update=update,
            embeddings='id' in asked,
            levels=not set(LEVELS).isdisjoint(asked),
            boxes=not set(BOXES).isdisjoint(asked),
            inside=tuple(name for name in INSIDE if name in asked),
        )

    @property
    def heads(self) -> tuple[str, ...]:
        """Of the teacher, on the images of the batch."""
        hidden = {name.removesuffix('_hidden') for name in self.inside}
        asked = {'id': self.embeddings, **{n: self.boxes or n in hidden for n in BOXES}}
        return tuple(name for name, wanted in asked.items() if wanted)


class Tutor:
    """Makes a lesson of each shard; only what is asked for is computed.

    The teacher has no part in the optimizer and in checkpoints; it is put into eval mode and onto
    the device here, and stays as it is.

    Args:
        student: the network that is trained.
        teacher: None where its word is never needed.
        curriculum: what is asked for.
        device: where both are.
    """

    def __init__(
        self,
        student: Network,
        teacher: Network | None,
        curriculum: Curriculum,
        *,
        device: str,
    ) -> None:
        self._student, self._curriculum = student, curriculum
        self._teacher = teacher
        if teacher is not None:
            teacher.eval().requires_grad_(False)
            teacher.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.no_grad()
    def lesson(self, batch: Batch, images: Tensor, to_input: Callable[[Tensor], Tensor]) -> Lesson:
        """What the student is told.

        Args:
            batch: of one shard, on the device.
            images: its images as the networks take them.
            to_input: makes such images of (B, H, W, 3) uint8.
        """
        planes = self._student.prior_planes
        prior = None
        if batch.key is not None and planes:
            prior = self._prior(batch.key, to_input)[:, :planes]
        student, pivots = self._student, None
        if isinstance(student, JointDetector) and student.config.pivots:
            pivots = student.pivot_vectors
        return Lesson(
            prior=prior,
            taught=self._taught(images),
            pivots=pivots,
            teachers_heads=self._last_layers(),
        )

    def ask(self, images: Tensor, lesson: Lesson) -> dict[str, Tensor]:
        """The student's maps."""
        wanted = self._curriculum
        return evaluate(
            self._student, images, lesson.prior, levels=wanted.levels, inside=wanted.inside
        )

    def _taught(self, images: Tensor) -> dict[str, Tensor]:
        wanted = self._curriculum
        if self._teacher is None or not (wanted.heads or wanted.levels or wanted.inside):
            return {}
        return evaluate(
            self._teacher, images, heads=wanted.heads, levels=wanted.levels, inside=wanted.inside
        )

    def _last_layers(self) -> dict[str, Callable[[Tensor], Tensor]]:
        """Of the teacher's heads whose hidden maps are wanted."""
        hidden = [n for n in self._curriculum.inside if n.endswith('_hidden')]
        if self._teacher is None or not hidden:
            return {}
        heads = {name: name.removesuffix('_hidden') for name in hidden}
        return {head: self._teacher.get_submodule(f'{head}.2') for head in heads.values()}

    def _prior(self, key: KeyBatch, to_input: Callable[[Tensor], Tensor]) -> Tensor:
        """All planes of all images (B, n_class + 2, h, w)."""
        if not len(key.rows) or self._teacher is None:
            return key.planes
        output = _Boxes(evaluate(self._teacher, to_input(key.pictures), heads=BOXES))
        planes = key.planes.clone()
        planes[key.rows] = torch.from_numpy(
            np.stack([self._painted(output, index, key) for index in range(len(key.rows))])
        ).to(planes.device)
        return planes

    def _painted(self, output: _Boxes, index: int, key: KeyBatch) -> NDArray[np.float32]:
        heatmap = output.heatmap[index]
        found = decode(
            output,
            index,
            transform=NOTHING_MOVED,
            config=DecodeConfig(),
            embedding_space='',
        )
        return painted(
            as_seen(found, key.truths[index], fps=key.fps[index]),
            update=self._curriculum.update,
            age_s=key.ages_s[index],
            n_class=len(heatmap),
            shape_hw=(heatmap.shape[1], heatmap.shape[2]),
            heatmap=heatmap,
        )


class _Boxes:
    """A `NetworkOutput` without embeddings, which nobody asks of a key frame."""

    def __init__(self, maps: Mapping[str, Tensor]) -> None:
        self.heatmap: NDArray[np.float32] = maps['hm'].float().sigmoid().cpu().numpy()
        self._wh, self._reg = (maps[name].float().cpu().numpy() for name in ('wh', 'reg'))

    def gather(self, image_index: int, ys: NDArray[np.int64], xs: NDArray[np.int64]) -> PeakValues:
        """Boxes at K cells of one image."""
        return PeakValues(
            ltrb=self._wh[image_index][:, ys, xs].T,
            offset=self._reg[image_index][:, ys, xs].T,
            embeddings=np.zeros((len(ys), 0), np.float32),
        )
