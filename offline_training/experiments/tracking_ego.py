"""Box-level synthetic drives whose camera turns and bounces, with the angular velocity known.

They are drawn where they are first needed: the same seeds give the same boxes.
"""

from __future__ import annotations

from pathlib import Path
import shutil

from offline_training import synthetic
from offline_training.experiments.tracking_code import source_hash
from offline_training.synthetic.box_scene import generate_boxes
from offline_training.synthetic.config import SceneConfig
from offline_training.synthetic.writers import write_boxes, WriteOptions

SEEDS = range(9200, 9204)  # on which nothing was chosen: constants were, on other seeds
FPS, DURATION_S, SIZE_WH = 30.0, 10.0, (1088, 608)


def draw(level: str, cache: Path) -> Path:
    """The folder of the sequences of a level of `synthetic.ego_levels`.

    Raises:
        InputError: it cannot be written.
        InvalidOptionError: there is no such level.
    """
    folder = cache / 'ego' / f'{level}-{source_hash(synthetic)}'
    for seed in SEEDS:
        sequence = folder / f'ego-{level}-{seed}'
        if sequence.exists():
            continue
        config = SceneConfig(
            size_wh=SIZE_WH, fps=FPS, duration_s=DURATION_S, seed=seed, ego=level, light='day'
        )
        part = folder.with_name(f'{folder.name}.part') / sequence.name
        shutil.rmtree(part, ignore_errors=True)
        write_boxes(generate_boxes(config), part, WriteOptions(fps=FPS))
        folder.mkdir(parents=True, exist_ok=True)
        part.replace(sequence)
    return folder
