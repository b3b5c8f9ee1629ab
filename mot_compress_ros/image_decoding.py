"""The payload of an image message or a bag record becomes a (H, W, 3) uint8 image.

Nothing here knows ROS: the bag reader and the node share it. Whatever cannot be decoded is refused
with the reason, because one bad message must not stop a stream.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
import struct
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.datatypes import ColorOrder
from mot_compress_ros.errors import UnsupportedImageError

Image = NDArray[np.uint8]
Pixels = NDArray[np.integer[Any]]  # as the message holds them, 8 or 16 bits
Buffer = bytes | bytearray | memoryview | NDArray[np.uint8]

# A damaged header may claim any size: refuse before memory is reserved for it. Four times the
# 16 megapixels of the largest automotive sensors.
MAX_PIXELS = 2**26

# Labels count the stored pixels, and a raw message of the same camera has no EXIF to turn it.
_AS_STORED = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION

_JPEG_START = b'\xff\xd8\xff'
_PNG_START = b'\x89PNG\r\n\x1a\n'
# SOF0..SOF15 hold the image size; 0xC4, 0xC8 and 0xCC are tables (ITU-T T.81, B.1.1.3).
_JPEG_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True, kw_only=True)
class _Encoding:
    """How the pixels of an encoding lie in memory, and how they become three channels."""

    channels: int
    order: ColorOrder = 'bgr'
    dtype: type[np.integer[Any]] = np.uint8
    convert: Callable[[Pixels], Pixels] | None = None  # None: a view
    even_width: bool = False


def _color(code: int) -> Callable[[Pixels], Pixels]:
    def convert(pixels: Pixels) -> Pixels:
        return cast(Pixels, cv2.cvtColor(pixels, code))

    return convert


def _mono16_to_bgr(pixels: Pixels) -> Pixels:
    """Full 16-bit scale to 8 bits, so 65535 becomes 255."""
    grey = cv2.convertScaleAbs(pixels, alpha=1 / 257)
    return cast(Pixels, cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR))


def _bayer(code: int) -> _Encoding:
    return _Encoding(channels=1, convert=_color(code))


_UYVY = _Encoding(channels=2, convert=_color(cv2.COLOR_YUV2BGR_UYVY), even_width=True)
_YUYV = _Encoding(channels=2, convert=_color(cv2.COLOR_YUV2BGR_YUY2), even_width=True)

# Names of sensor_msgs/image_encodings.hpp. OpenCV names a Bayer pattern by its second row and
# column, ROS by the first two pixels, hence the crossed letters.
_ENCODINGS: dict[str, _Encoding] = {
    'bgr8': _Encoding(channels=3),
    'rgb8': _Encoding(channels=3, order='rgb'),
    'bgra8': _Encoding(channels=4, convert=_color(cv2.COLOR_BGRA2BGR)),
    'rgba8': _Encoding(channels=4, convert=_color(cv2.COLOR_RGBA2BGR)),
    'mono8': _Encoding(channels=1, convert=_color(cv2.COLOR_GRAY2BGR)),
    'mono16': _Encoding(channels=1, dtype=np.uint16, convert=_mono16_to_bgr),
    'bayer_rggb8': _bayer(cv2.COLOR_BayerBG2BGR),
    'bayer_bggr8': _bayer(cv2.COLOR_BayerRG2BGR),
    'bayer_gbrg8': _bayer(cv2.COLOR_BayerGR2BGR),
    'bayer_grbg8': _bayer(cv2.COLOR_BayerGB2BGR),
    'yuv422': _UYVY,
    'uyvy': _UYVY,
    'yuv422_yuy2': _YUYV,
    'yuyv': _YUYV,
}
SUPPORTED_ENCODINGS = tuple(_ENCODINGS)


def decode_image(
    *, encoding: str, height: int, width: int, step: int, is_bigendian: bool, data: Buffer
) -> tuple[Image, ColorOrder]:
    """Decode the payload of a `sensor_msgs/Image`.

    Args:
        encoding: one of `SUPPORTED_ENCODINGS`.
        height: rows.
        width: columns.
        step: bytes from one row to the next, padding included.
        is_bigendian: byte order of 16-bit pixels.
        data: the pixels, any object with the buffer protocol.

    Returns:
        (H, W, 3) uint8 and its channel order. rgb8 and bgr8 come back as a read-only view of
        `data`; everything else is converted to a new BGR image.

    Raises:
        UnsupportedImageError: unknown encoding, zero size, a step that cannot hold a row, or
            fewer bytes than the header promises.
    """
    kind = _ENCODINGS.get(encoding)
    if kind is None:
        raise UnsupportedImageError(
            f'unknown encoding {encoding[:40]!r}; legal: {", ".join(SUPPORTED_ENCODINGS)}'
        )
    _check_layout(kind, encoding=encoding, height=height, width=width, step=step, have=_size(data))
    dtype = np.dtype(kind.dtype).newbyteorder('>' if is_bigendian else '<')
    pixel_bytes = kind.channels * dtype.itemsize
    pixels: Pixels = np.ndarray(
        (height, width, kind.channels),
        dtype,
        buffer=data,
        strides=(step, pixel_bytes, dtype.itemsize),
    )
    if kind.convert is None:
        pixels.setflags(write=False)
        return cast(Image, pixels), kind.order
    native = np.ascontiguousarray(pixels, dtype=dtype.newbyteorder('='))
    return cast(Image, _guarded(kind.convert, native, encoding)), kind.order


def decode_compressed(data: Buffer) -> Image:
    """Decode a JPEG or PNG file held in memory to (H, W, 3) uint8 BGR.

    Pixels come as they are stored: an EXIF rotation is not applied, since boxes and calibration
    refer to the stored image.

    Raises:
        UnsupportedImageError: neither JPEG nor PNG, truncated, damaged or absurdly large.
    """
    payload = bytes(data)
    if payload.startswith(_JPEG_START):
        width, height = _check_jpeg(payload)
    elif payload.startswith(_PNG_START):
        width, height = _check_png(payload)
    else:
        raise UnsupportedImageError(
            f'compressed image is neither JPEG nor PNG: {len(payload)} bytes, '
            f'first ones {payload[:4].hex() or "missing"}'
        )
    if not 0 < width * height <= MAX_PIXELS:
        raise UnsupportedImageError(
            f'compressed image claims {width} x {height} pixels; legal: 1 to {MAX_PIXELS}'
        )
    try:
        image = cv2.imdecode(np.frombuffer(payload, np.uint8), _AS_STORED)
    except cv2.error:
        image = None
    if image is None or image.shape != (height, width, 3):
        raise UnsupportedImageError('compressed image is damaged: its pixels do not decode')
    return cast(Image, image)


def read_image(path: Path) -> Image | None:
    """An image file as (H, W, 3) uint8, BGR, not turned by EXIF; None where it is no image."""
    image = cv2.imread(str(path), _AS_STORED)
    return None if image is None else np.asarray(image, np.uint8)


def _size(data: Buffer) -> int:
    return memoryview(cast(bytes, data)).nbytes


def _check_layout(
    kind: _Encoding, *, encoding: str, height: int, width: int, step: int, have: int
) -> None:
    """Raise UnsupportedImageError where the header and the payload do not fit each other."""
    if height < 1 or width < 1:
        raise UnsupportedImageError(f'image has no pixels: {width} x {height}')
    if height * width > MAX_PIXELS:
        raise UnsupportedImageError(f'image claims {width} x {height} pixels; legal: {MAX_PIXELS}')
    if kind.even_width and width % 2:
        raise UnsupportedImageError(f'{encoding}: expected an even width, got {width}')
    row = width * kind.channels * np.dtype(kind.dtype).itemsize
    if step < row:
        raise UnsupportedImageError(
            f'step of {step} bytes cannot hold a row: {width} pixels of {encoding} take {row}'
        )
    # Some drivers leave the padding of the last row out.
    need = step * (height - 1) + row
    if have < need:
        raise UnsupportedImageError(
            f'image data truncated: {width} x {height} {encoding} with step {step} takes '
            f'{need} bytes, got {have}'
        )


def _guarded(
    convert: Callable[[Pixels], Pixels],
    pixels: Pixels,
    encoding: str,
) -> Pixels:
    """Turn OpenCV's own errors, for instance of a one-pixel Bayer image, into ours."""
    try:
        return convert(pixels)
    except cv2.error as error:
        reason = str(error).strip().splitlines()[-1]
        raise UnsupportedImageError(f'{encoding}: OpenCV refuses the image: {reason}') from error


def _check_jpeg(payload: bytes) -> tuple[int, int]:
    """Width and height of a whole JPEG; a truncated one, which libjpeg fills with grey, raises."""
    size: tuple[int, int] | None = None
    for marker, start, end in _jpeg_segments(payload):
        if marker in _JPEG_FRAME_MARKERS and end - start >= 5:
            height, width = struct.unpack_from('>HH', payload, start + 1)
            size = (width, height)
        if marker == 0xDA:  # start of scan: 0xFF is escaped from here on, so this is the real end
            if size is None or payload.find(b'\xff\xd9', end) < 0:
                break
            return size
    raise UnsupportedImageError(f'JPEG truncated or damaged: no end in {len(payload)} bytes')


def _jpeg_segments(payload: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end of each header segment; an embedded thumbnail is inside of one."""
    position = 2
    while position + 4 <= len(payload) and payload[position] == 0xFF:
        marker = payload[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        (length,) = struct.unpack_from('>H', payload, position + 2)
        end = position + 2 + length
        if end > len(payload) or length < 2:
            return
        yield marker, position + 4, end
        position = end


def _check_png(payload: bytes) -> tuple[int, int]:
    """Width and height of a whole PNG; a truncated one raises."""
    position = len(_PNG_START)
    size = struct.unpack_from('>II', payload, 16) if len(payload) >= 24 else (0, 0)
    while position + 12 <= len(payload):
        length, kind = struct.unpack_from('>I4s', payload, position)
        position += 12 + length
        if kind == b'IEND' and position <= len(payload):
            return size[0], size[1]
    raise UnsupportedImageError(f'PNG truncated or damaged: no end in {len(payload)} bytes')
