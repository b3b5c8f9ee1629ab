"""What readers ask of image files without decoding them: are they there, how large are they."""

from __future__ import annotations

from collections.abc import Iterable
import os
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from mot_compress_ros.errors import InputError
from offline_training.datasets.records import IMAGE_SUFFIXES


def require_images(paths: Iterable[Path], *, named_in: Path | str, download: str) -> None:
    """Refuse a set of which images are missing. Lists each folder once: sets are large.

    Args:
        paths: the images that the labels name.
        named_in: where the labels name them.
        download: what to download or unpack again.

    Raises:
        InputError: some are missing; says how many, which is the first, and what to do.
    """
    wanted = list(paths)
    listings: dict[Path, frozenset[str]] = {}
    missing = []
    for path in wanted:
        folder = path.parent
        if folder not in listings:
            listings[folder] = file_names(folder)
        if path.name not in listings[folder]:
            missing.append(path)
    if missing:
        raise InputError(
            f'{len(missing)} of {len(wanted)} images named in {named_in} are missing, '
            f'the first: {missing[0]}; download or unpack {download} again'
        )


def require_labels(
    images: Iterable[str], labelled: Iterable[str], *, found_in: Path, download: str
) -> None:
    """Refuse a set whose images, or folders of images, are there and whose labels are not.

    Args:
        images: names of the images or folders that are there.
        labelled: those that have a label.
        found_in: where the images are.
        download: the labels to download or unpack again.

    Raises:
        InputError: some have none; says how many, which is the first, and what to do.
    """
    there = set(images)
    alone = sorted(there - set(labelled))
    if alone:
        raise InputError(
            f'{len(alone)} of {len(there)} in {found_in} have no label, the first: '
            f'{alone[0]}; download or unpack {download} again, or remove them'
        )


def is_readable(path: Path) -> bool:
    """Whether a file can be read, or a folder looked into; asking never raises."""
    is_folder = os.path.isdir(path)  # noqa: PTH112  # Path.is_dir raises where it may not look
    return os.access(path, os.R_OK | os.X_OK if is_folder else os.R_OK)


def file_names(folder: Path) -> frozenset[str]:
    """Names of what is in a folder; none where there is no such folder."""
    try:
        return frozenset(os.listdir(folder))  # noqa: PTH208  # a Path for each name is slow
    except OSError:
        return frozenset()


def is_image(name: str) -> bool:
    """Whether a file of this name is one that the project reads."""
    return name.lower().endswith(IMAGE_SUFFIXES)


def listed_images(folder: Path) -> list[Path]:
    """The images right in a folder, by name; none where there is no such folder."""
    return [folder / name for name in sorted(file_names(folder)) if is_image(name)]


def image_size_wh(path: Path) -> tuple[int, int]:
    """Width and height from the header of an image file, as stored: not turned by EXIF.

    Raises:
        InputError: it is not an image.
    """
    try:
        with Image.open(path) as image:
            return image.size
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise InputError(
            f'{path}: not an image that can be read ({error}); download it again'
        ) from None


def folder_names(folder: Path) -> list[str]:
    """Names of the folders in a folder, sorted; none where there is no such folder."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir())
    except OSError:
        return []
