"""Training images of sequences in MOTChallenge layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from offline_training.datasets.mot_layout import FrameTruth, read_sequence, sequence_folders
from offline_training.datasets.records import IdentityCounter, SourceConfig, TrainingImage

OPTIONS = frozenset({'origin_px', 'identities'})


def training_images(
    folder: Path, config: SourceConfig, counter: IdentityCounter
) -> list[TrainingImage]:
    """The frames of one sequence, or of all sequences right below `folder`.

    Raises:
        InputError: there is none, or one is damaged.
    """
    return [
        image for found in sequence_folders(folder) for image in _sequence(found, config, counter)
    ]


def _sequence(folder: Path, config: SourceConfig, counter: IdentityCounter) -> list[TrainingImage]:
    sequence = read_sequence(folder)
    ids = np.unique(
        np.concatenate([truth.ids for truth in sequence.truth] or [np.zeros(0, np.int64)])
    )
    numbers = dict(zip(ids.tolist(), counter.fresh(len(ids)).tolist(), strict=True))
    nameless_clip = -1 if config.identities else int(counter.fresh(1)[0])

    def identities(truth: FrameTruth) -> list[int]:
        if config.identities:
            return [numbers[i] for i in truth.ids.tolist()]
        return counter.fresh(len(truth)).tolist()

    images = []
    for index, (path, truth) in enumerate(zip(sequence.image_paths, sequence.truth, strict=True)):
        boxes = (truth.boxes_xyxy_px - config.origin_px).astype(np.float32)  # (N, 4)
        keep = ~truth.ignore
        images.append(
            TrainingImage(
                path=path,
                boxes_xyxy_px=boxes[keep],
                class_ids=truth.class_ids[keep],
                identities=np.array(identities(truth[keep]), np.int64),
                ignore_xyxy_px=boxes[truth.ignore],
                ignore_class_ids=truth.class_ids[truth.ignore],
                labelled_classes=sequence.labelled_class_ids,
                sequence=sequence.name if config.identities else '',
                frame_index=index,
                nameless_clip=nameless_clip,
            )
        )
    return images
