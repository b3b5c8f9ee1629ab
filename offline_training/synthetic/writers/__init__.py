"""Where generated frames go: write(frames, path, options) returns the path.

`write_boxes` is the one for frames without pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from offline_training.synthetic.scene import SyntheticFrame
from offline_training.synthetic.writers.bag import write_bag
from offline_training.synthetic.writers.boxes import write_boxes
from offline_training.synthetic.writers.mot import write_mot
from offline_training.synthetic.writers.options import STORAGES, truth_folder, WriteOptions
from offline_training.synthetic.writers.video import write_video

Writer = Callable[[Iterable[SyntheticFrame], Path, WriteOptions], Path]

# Format name: (writer, suffix of what it writes).
WRITERS: dict[str, tuple[Writer, str]] = {
    'mot': (write_mot, ''),
    'video': (write_video, '.mp4'),
    'bag': (write_bag, ''),
}

__all__ = ['STORAGES', 'WRITERS', 'WriteOptions', 'Writer', 'truth_folder', 'write_boxes']
