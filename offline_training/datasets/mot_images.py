"""The images of a MOTChallenge sequence, and which of them are missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
import re

from mot_compress_ros.errors import InputError
from offline_training.datasets.records import IMAGE_SUFFIXES

_NUMBERED = re.compile(r'(.*?)(\d+)')
_MAX_RANGES = 12


def natural_key(path: Path) -> list[tuple[int, str]]:
    """Sorts 2.jpg before 10.jpg, as `mot_compress_ros.sources` does."""
    parts = re.split(r'(\d+)', path.name)
    return [(int(p), '') if p.isdigit() else (0, p) for p in parts]


def list_images(folder: Path, info: Mapping[str, str], *, length: int | None) -> tuple[Path, ...]:
    """The images of a sequence, one per frame, in order.

    Args:
        folder: the sequence.
        info: what `seqinfo.ini` says; `imDir` and `imExt` are read.
        length: number of frames that it states; None where it does not.

    Returns:
        Their paths; none where `seqinfo.ini` states a length and no `imDir`, and there is no
        `img1`: such a sequence was written without images.

    Raises:
        InputError: there is none, or some are missing or too many; the message names the frames.
    """
    images = folder / info.get('imDir', 'img1')
    if length is not None and 'imDir' not in info and not images.exists():
        return ()
    suffixes = {info['imExt'].lower()} if 'imExt' in info else set(IMAGE_SUFFIXES)
    entries = images.iterdir() if images.is_dir() else ()
    found = sorted((p for p in entries if p.suffix.lower() in suffixes), key=natural_key)
    if not found:
        raise InputError(
            f'{images}: no images ({", ".join(sorted(suffixes))}); imDir and imExt in '
            'seqinfo.ini name where they are'
        )
    numbers = _numbers(found)
    if numbers is not None:
        _check_numbers(images, numbers, length)
    elif length is not None and length != len(found):
        raise InputError(
            f'{images}: {len(found)} images, seqinfo.ini says {length}; unpack it again, '
            'or correct seqLength'
        )
    return tuple(found)


def _numbers(images: Sequence[Path]) -> list[int] | None:
    """The frame numbers in the names; None where the names are not one text and a number."""
    parts = [_NUMBERED.fullmatch(path.stem) for path in images]
    texts = {part.group(1) if part else None for part in parts}
    if len(texts) != 1 or None in texts:
        return None
    return [int(part.group(2)) for part in parts if part]


def _check_numbers(images: Path, numbers: list[int], length: int | None) -> None:
    """Refuse gaps, doubles and frames beyond the stated length; `numbers` are sorted."""
    doubles = sorted({a for a, b in pairwise(numbers) if a == b})
    if doubles:
        raise InputError(
            f'{images}: frame {frame_ranges(doubles)} stands there twice; keep one image of each'
        )
    # A sequence may be cut out of a longer one and keep its numbers; MOTChallenge counts from 1.
    whole = length is None or length == len(numbers)
    first = numbers[0] if whole else min(numbers[0], 1)
    last = numbers[-1] if length is None else first + length - 1
    if whole:
        last = max(last, numbers[-1])
    missing = sorted(set(range(first, last + 1)) - set(numbers))
    stated = '' if whole else f', seqinfo.ini says {length}'
    if missing:
        raise InputError(
            f'{images}: {len(numbers)} images{stated}; {len(missing)} missing, frame '
            f'{frame_ranges(missing)}: unpack the sequence again, or renumber the images and the '
            'labels without gaps'
        )
    extra = [number for number in numbers if number > last]
    if extra:
        raise InputError(
            f'{images}: {len(numbers)} images{stated}; frame {frame_ranges(extra)} beyond it: '
            'correct seqLength, or remove them'
        )


def frame_ranges(numbers: Iterable[int]) -> str:
    """`[1, 2, 3, 7]` to '1-3, 7'; what is too long to read ends in dots."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    shown = [str(a) if a == b else f'{a}-{b}' for a, b in ranges[:_MAX_RANGES]]
    return ', '.join(shown + ['...'] * (len(ranges) > _MAX_RANGES))
