"""Read the KITTI tracking benchmark: `label_02/0000.txt` and `image_02/0000/000000.png`.

Which type becomes which class, and what visibility is, is in `kitti_text`. The path is the folder
that holds `label_02`, or the one above `training`. Labels without `image_02` are a set to score
against: its sequences end with the last labelled frame, which in the published labels is the last
image too.
"""

from __future__ import annotations

from pathlib import Path

from mot_compress_ros.errors import InputError
from offline_training.datasets.classes import ALL_CLASSES
from offline_training.datasets.image_files import (
    file_names,
    folder_names,
    image_size_wh,
    is_readable,
    require_images,
    require_labels,
)
from offline_training.datasets.kitti_text import read_objects
from offline_training.datasets.records import LabelledSequence, LabelledSet, SourceConfig
from offline_training.datasets.truth_rows import frame_truth, require_unique_identities, TruthRow

OPTIONS = frozenset({'identities'})
FPS = 10.0
SIZE_WITHOUT_IMAGES_WH = (1242, 375)  # of most sequences; the others are up to 18 columns narrower
_LABELS, _IMAGES = 'label_02', 'image_02'


def recognises(path: Path) -> bool:
    """Whether labels of the tracking benchmark are there."""
    if not is_readable(path):
        return False
    return any((root / _LABELS).is_dir() for root in (path, path / 'training'))


def read(path: Path, config: SourceConfig) -> LabelledSet:
    """All labelled sequences, in order of their numbers; every class is labelled.

    Raises:
        InputError: there are no labels, a line is damaged, or images are missing in part.
    """
    root = path if (path / _LABELS).is_dir() else path / 'training'
    files = sorted((root / _LABELS).glob('*.txt'))
    if not files:
        raise InputError(
            f'{path}: no {_LABELS}/*.txt; expected the KITTI tracking layout, unpack '
            'data_tracking_label_2.zip'
        )
    images = root / _IMAGES
    require_labels(
        folder_names(images),
        (file.stem for file in files),
        found_in=images,
        download=f'{_LABELS}/ (data_tracking_label_2.zip)',
    )
    return LabelledSet(
        path=path,
        layout='kitti_tracking',
        sequences=tuple(
            _read_sequence(file, images / file.stem if images.is_dir() else None) for file in files
        ),
    )


def _read_sequence(label: Path, folder: Path | None) -> LabelledSequence:
    frames: dict[int, list[TruthRow]] = {}
    for where, labelled in read_objects(label, n_lead=2):
        frame = labelled.lead[0]
        if frame < 0:
            raise InputError(f'{where}: frame {frame}; expected 0 or more')
        frames.setdefault(frame, []).extend(labelled.tracking_rows(where))
    n_labelled = max(frames, default=-1) + 1
    paths = _image_paths(folder, label, n_labelled) if folder is not None else ()
    truth = tuple(
        require_unique_identities(frame_truth(frames.get(k, [])), f'{label}: frame {k}')
        for k in range(max(n_labelled, len(paths)))
    )
    return LabelledSequence(
        name=label.stem,
        fps=FPS,
        size_wh=image_size_wh(paths[0]) if paths else SIZE_WITHOUT_IMAGES_WH,
        image_paths=paths,
        truth=truth,
        labelled_class_ids=ALL_CLASSES,
    )


def _image_paths(folder: Path, label: Path, n_labelled: int) -> tuple[Path, ...]:
    """000000.png and on, without a gap, at least as far as the labels go."""
    present = [Path(name) for name in file_names(folder)]
    found = {p.stem: p.name for p in present if p.suffix in ('.png', '.jpg') and p.stem.isdigit()}
    n = max(n_labelled, max((int(stem) + 1 for stem in found), default=0))
    stems = (f'{k:06d}' for k in range(n))
    paths = tuple(folder / found.get(stem, f'{stem}.png') for stem in stems)
    require_images(paths, named_in=label, download=f'{_IMAGES}/ (data_tracking_image_2.zip)')
    return paths
