"""Frames of a MOTChallenge sequence (`seqinfo.ini`, `img1/`) or of a plain folder of images."""

from __future__ import annotations

from collections.abc import Iterator
import configparser
from pathlib import Path
import re

from mot_compress_ros.datatypes import Frame
from mot_compress_ros.errors import InputError
from mot_compress_ros.image_decoding import read_image
from mot_compress_ros.sources.source import is_frame_rate, SourceOptions, stamp_of_index

SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp')


def is_image_folder(path: Path) -> bool:
    """Whether `path` is a MOTChallenge sequence or holds images."""
    return path.is_dir() and ((path / 'seqinfo.ini').is_file() or bool(_images(path)))


class ImageFolderSource:
    """Images in the order of the numbers in their names, at a fixed rate."""

    kind = 'sequence'
    missing, early_end = 0, ''

    def __init__(self, path: Path, options: SourceOptions) -> None:
        self.path = path
        self.camera = options.camera or 'camera'
        self.skipped = 0
        images, stated_hz = path, None
        if (path / 'seqinfo.ini').is_file():
            images, stated_hz = _sequence_info(path)
        self._images = _images(images)
        if not self._images:
            raise InputError(f'{images}: holds no images ({", ".join(SUFFIXES)})')
        self.fps = options.fps_hz or stated_hz or 0.0
        if not is_frame_rate(self.fps):
            found = 'has no frame rate' if stated_hz is None else f'frameRate is {stated_hz:g}'
            raise InputError(f'{path}: {found}; state it, in hertz, with --fps')

    def __len__(self) -> int:
        return len(self._images)

    def __iter__(self) -> Iterator[Frame]:
        self.skipped = 0
        for index, file in enumerate(self._images):
            image = read_image(file)
            if image is None:
                self.skipped += 1
                continue
            stamp_ns = stamp_of_index(index, self.fps)
            yield Frame(image=image, stamp_ns=stamp_ns, camera=self.camera, frame_index=index)


def _images(folder: Path) -> list[Path]:
    """Images of `folder`; 2.jpg comes before 10.jpg, as camera loggers count."""
    if not folder.is_dir():
        return []
    files = (file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)
    return sorted(files, key=lambda file: [_number(p) for p in re.split(r'(\d+)', file.name)])


def _number(part: str) -> tuple[int, str]:
    return (int(part), '') if part.isdigit() else (0, part)


def _sequence_info(path: Path) -> tuple[Path, float | None]:
    """Folder of the images, and frame rate in hertz if it is stated, from `seqinfo.ini`."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(path / 'seqinfo.ini', encoding='utf-8')
        section = parser['Sequence']
        return path / section.get('imDir', 'img1'), section.getfloat('frameRate')
    except (configparser.Error, KeyError, ValueError) as error:
        raise InputError(
            f'{path / "seqinfo.ini"}: cannot be read ({error}); it needs a section [Sequence] '
            'with imDir and frameRate'
        ) from error
