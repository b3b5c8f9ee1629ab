"""What the writers share: folders that appear whole, and images that are linked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
import os
from pathlib import Path
import re
import shutil

from mot_compress_ros.errors import InputError
from offline_training.datasets.records import LabelledImage, LabelledSequence, LabelledSet


@contextmanager
def appearing_folder(output: Path) -> Iterator[Path]:
    """An empty folder that is renamed to `output` once everything is in it.

    Raises:
        InputError: `output` already holds something, or cannot be written.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise InputError(f'{output}: already there; remove it or name another folder')
    part = output.with_name(f'.{output.name}.part')
    try:
        if part.exists():
            shutil.rmtree(part)  # of a run that was killed
        part.mkdir(parents=True)
        yield part
        if output.exists():
            output.rmdir()
        part.rename(output)
    except OSError as error:
        raise InputError(f'{output}: cannot be written ({error})') from error
    finally:
        if part.exists():
            shutil.rmtree(part)


def place_image(source: Path, target: Path) -> None:
    """The same file under another name: a hard link, or a copy on another file system.

    Raises:
        InputError: there is no such image, or it cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    real = source.resolve()  # a link to a symbolic link would break when that is moved
    try:
        os.link(real, target)
    except FileNotFoundError as error:
        raise InputError(f'{source}: no such image ({error})') from error
    except OSError:
        shutil.copyfile(real, target)


def sequence_names(sequences: Sequence[LabelledSequence]) -> list[str]:
    """A name for each sequence that is fit for a file.

    Raises:
        InputError: two have the same.
    """
    names = [re.sub(r'[^\w.-]+', '_', sequence.name).strip('.') or '_' for sequence in sequences]
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        raise InputError(f'two sequences are called {", ".join(doubles)}; convert them apart')
    return names


def image_names(images: Sequence[LabelledImage]) -> list[Path]:
    """The place of each image relative to the deepest folder that holds them all."""
    if not images:
        return []
    paths = [image.path.absolute() for image in images]
    root = os.path.commonpath([path.parent for path in paths])
    return [path.relative_to(root) for path in paths]


def refuse_single_images(labelled: LabelledSet, layout: str) -> None:
    """Raise InputError where a set holds images without an order."""
    if labelled.images:
        raise InputError(
            f'{labelled.path}: holds {len(labelled.images)} single images, and {layout} knows '
            'sequences only; write them with --to coco or --to jde'
        )


def labelled_note(labelled: LabelledSet) -> list[str]:
    """That some images label only some classes, for a layout that cannot say so."""
    everything = set(range(len(labelled.class_names)))
    units = [unit.labelled_class_ids for unit in labelled.sequences]
    units += [unit.labelled_class_ids for unit in labelled.images]
    partial = [class_ids for class_ids in units if set(class_ids) != everything]
    if not partial:
        return []
    named = sorted(
        '+'.join(labelled.class_names[class_id] for class_id in class_ids) or 'nothing'
        for class_ids in set(partial)
    )
    return [
        f'only some classes are labelled in {len(partial)} of {len(units)} sequences or images '
        f'({"; ".join(named)}): the layout does not say so, and what is not labelled looks absent'
    ]
