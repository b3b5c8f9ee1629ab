"""Image payloads: every encoding, row padding, and everything that must be refused."""

import array
import contextlib

import cv2
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from mot_compress_ros.errors import UnsupportedImageError
from mot_compress_ros.image_decoding import (
    decode_compressed,
    decode_image,
    MAX_PIXELS,
    SUPPORTED_ENCODINGS,
)

BLUE, GREEN, RED = (230, 40, 30), (20, 200, 50), (10, 60, 220)  # BGR


def picture(height=24, width=32):
    """Three vertical bands, blue, green and red, in BGR."""
    image = np.zeros((height, width, 3), np.uint8)
    image[:, : width // 4], image[:, width // 4 : width // 2] = BLUE, GREEN
    image[:, width // 2 :] = RED
    return image


def decode(data, *, encoding, height=24, width=32, step=None, is_bigendian=False):
    pixel_bytes = {'mono8': 1, 'bgr8': 3, 'rgb8': 3, 'mono16': 2}.get(encoding)
    return decode_image(
        encoding=encoding,
        height=height,
        width=width,
        step=step if step is not None else width * pixel_bytes,
        is_bigendian=is_bigendian,
        data=data,
    )


def to_bgr(image, order):
    return image[..., ::-1] if order == 'rgb' else image


@pytest.mark.parametrize('encoding', ['bgr8', 'rgb8'])
@pytest.mark.parametrize('padding', [0, 1, 7, 64])
def test_three_channels_are_a_read_only_view_of_the_message(encoding, padding):
    source = picture() if encoding == 'bgr8' else picture()[..., ::-1]
    rows = np.full((24, 32 * 3 + padding), 99, np.uint8)
    rows[:, : 32 * 3] = source.reshape(24, -1)
    data = array.array('B', rows.tobytes())

    image, order = decode(data, encoding=encoding, step=32 * 3 + padding)

    np.testing.assert_array_equal(to_bgr(image, order), picture())
    assert not image.flags.writeable
    data[0] = 123  # the image is the message's own memory
    assert image[0, 0, 0] == 123


@pytest.mark.parametrize('kind', [bytes, bytearray, memoryview, lambda b: array.array('B', b)])
def test_any_buffer_will_do(kind):
    image, _ = decode(kind(picture().tobytes()), encoding='bgr8')
    np.testing.assert_array_equal(image, picture())


def test_the_last_row_may_come_without_its_padding():
    rows = np.zeros((24, 100), np.uint8)
    rows[:, :96] = picture().reshape(24, -1)
    image, _ = decode(rows.tobytes()[:-4], encoding='bgr8', step=100)
    np.testing.assert_array_equal(image, picture())


@pytest.mark.parametrize(
    ('encoding', 'code'), [('bgra8', cv2.COLOR_BGR2BGRA), ('rgba8', cv2.COLOR_BGR2RGBA)]
)
def test_alpha_is_dropped(encoding, code):
    padded = np.pad(cv2.cvtColor(picture(), code).reshape(24, -1), ((0, 0), (0, 5)))
    image, order = decode(padded.tobytes(), encoding=encoding, step=133)
    assert order == 'bgr'
    np.testing.assert_array_equal(image, picture())


def test_mono8_is_repeated():
    grey = np.arange(24 * 32, dtype=np.uint8).reshape(24, 32)
    image, _ = decode(grey.tobytes(), encoding='mono8')
    np.testing.assert_array_equal(image, np.repeat(grey[..., None], 3, axis=2))


@pytest.mark.parametrize('is_bigendian', [False, True])
def test_mono16_is_scaled_from_its_full_range(is_bigendian):
    grey = np.array([[0, 257, 65535, 0x1234]], '>u2' if is_bigendian else '<u2')
    image, _ = decode(
        grey.tobytes(), encoding='mono16', height=1, width=4, is_bigendian=is_bigendian
    )
    assert image[0, :, 0].tolist() == [0, 1, 255, round(0x1234 / 257)]


@pytest.mark.parametrize('pattern', ['rggb', 'bggr', 'gbrg', 'grbg'])
def test_a_bayer_mosaic_gives_its_colours_back(pattern):
    plane = {'b': 0, 'g': 1, 'r': 2}
    image = picture(24, 48)
    mosaic = np.zeros((24, 48), np.uint8)
    for index, letter in enumerate(pattern):
        y, x = divmod(index, 2)
        mosaic[y::2, x::2] = image[y::2, x::2, plane[letter]]

    decoded, _ = decode(
        mosaic.tobytes(), encoding=f'bayer_{pattern}8', height=24, width=48, step=48
    )

    for x, colour in ((5, BLUE), (18, GREEN), (36, RED)):
        np.testing.assert_allclose(decoded[12, x], colour, atol=2)


@pytest.mark.parametrize('encoding', ['yuv422', 'uyvy', 'yuv422_yuy2', 'yuyv'])
def test_yuv422_gives_its_colours_back(encoding):
    """Packed by hand from the BT.601 equations with studio range."""
    b, g, r = np.moveaxis(picture().astype(float), 2, 0)
    y = 16 + 0.257 * r + 0.504 * g + 0.098 * b
    u = 128 - 0.148 * r - 0.291 * g + 0.439 * b
    v = 128 + 0.439 * r - 0.368 * g - 0.071 * b
    chroma = np.where(np.arange(32) % 2 == 0, u, v)
    luma_first = encoding in ('yuv422_yuy2', 'yuyv')
    packed = np.stack([y, chroma] if luma_first else [chroma, y], axis=2).round().astype(np.uint8)

    image, _ = decode(packed.tobytes(), encoding=encoding, step=64)

    np.testing.assert_allclose(image[12, [4, 12, 20]], [BLUE, GREEN, RED], atol=4)


@pytest.mark.parametrize(
    ('change', 'reason'),
    [
        ({'encoding': '32FC1'}, 'unknown encoding'),
        ({'encoding': ''}, 'unknown encoding'),
        ({'height': 0}, 'no pixels'),
        ({'width': 0}, 'no pixels'),
        ({'step': 0}, 'cannot hold a row'),
        ({'step': 95}, 'cannot hold a row'),
        ({'step': 2**31}, 'truncated'),
        ({'height': 25}, 'truncated'),
        ({'data': b''}, 'truncated'),
        ({'height': 2**16, 'width': 2**16, 'step': 3 * 2**16}, f'legal: {MAX_PIXELS}'),
        ({'encoding': 'uyvy', 'width': 31, 'step': 62}, 'even width'),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(change, reason):
    message = {
        'encoding': 'bgr8',
        'height': 24,
        'width': 32,
        'step': 96,
        'is_bigendian': False,
        'data': picture().tobytes(),
    }
    with pytest.raises(UnsupportedImageError, match=reason):
        decode_image(**{**message, **change})


@settings(max_examples=200, deadline=None)
@given(
    encoding=st.sampled_from((*SUPPORTED_ENCODINGS, 'nonsense')),
    height=st.integers(0, 20),
    width=st.integers(0, 20),
    step=st.integers(0, 100),
    is_bigendian=st.booleans(),
    data=st.binary(max_size=800),
)
def test_no_header_crashes_the_decoder(encoding, height, width, step, is_bigendian, data):
    try:
        image, order = decode_image(
            encoding=encoding,
            height=height,
            width=width,
            step=step,
            is_bigendian=is_bigendian,
            data=data,
        )
    except UnsupportedImageError:
        return
    assert image.shape == (height, width, 3)
    assert image.dtype == np.uint8
    assert order in ('bgr', 'rgb')


def encode(suffix, image=None):
    return cv2.imencode(suffix, picture(60, 80) if image is None else image)[1].tobytes()


def test_png_is_exact_and_jpeg_is_close():
    np.testing.assert_array_equal(decode_compressed(encode('.png')), picture(60, 80))
    difference = decode_compressed(encode('.jpg')).astype(int) - picture(60, 80)
    assert np.abs(difference).mean() < 5


def test_grey_and_alpha_files_become_three_channels():
    assert decode_compressed(encode('.png', np.zeros((6, 8), np.uint8))).shape == (6, 8, 3)
    assert decode_compressed(encode('.png', np.zeros((6, 8, 4), np.uint8))).shape == (6, 8, 3)


def test_a_jpeg_with_a_padded_buffer_is_whole():
    """V4L2 hands out the whole buffer, not only the bytes of the image."""
    assert decode_compressed(encode('.jpg') + bytes(500)).shape == (60, 80, 3)


def with_exif_rotation(jpeg):
    """Insert an APP1 segment whose orientation tag asks for a rotation by 90 degrees."""
    tiff = b'MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00'
    body = b'Exif\x00\x00' + tiff + b'\x00\x00\x00\x00' + b'\xff\xd8\xff\xd9'  # and a "thumbnail"
    return jpeg[:2] + b'\xff\xe1' + (len(body) + 2).to_bytes(2, 'big') + body + jpeg[2:]


def test_exif_rotation_is_ignored_and_a_thumbnail_does_not_hide_a_truncation():
    rotated = with_exif_rotation(encode('.jpg'))
    assert decode_compressed(rotated).shape == (60, 80, 3)
    with pytest.raises(UnsupportedImageError, match='truncated'):
        decode_compressed(rotated[:-100])


@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
@pytest.mark.parametrize('keep', [0.02, 0.3, 0.6, 0.95, 0.999])
def test_a_truncated_file_is_refused(suffix, keep):
    noise = np.random.default_rng(1).integers(0, 255, (60, 80, 3), np.uint8)
    whole = encode(suffix, noise)
    with pytest.raises(UnsupportedImageError):
        decode_compressed(whole[: int(len(whole) * keep)])


def test_a_png_with_flipped_bytes_is_refused():
    damaged = bytearray(encode('.png'))
    damaged[45:60] = bytes(15)
    with pytest.raises(UnsupportedImageError, match='damaged'):
        decode_compressed(damaged)


def test_a_header_that_claims_a_huge_image_is_refused_before_it_is_decoded():
    damaged = bytearray(encode('.png'))
    damaged[16:24] = (60000).to_bytes(4, 'big') * 2
    with pytest.raises(UnsupportedImageError, match='60000 x 60000'):
        decode_compressed(damaged)


@pytest.mark.parametrize('data', [b'', b'\xff', b'GIF89a', b'\x00' * 100])
def test_other_files_are_refused(data):
    with pytest.raises(UnsupportedImageError, match='neither JPEG nor PNG'):
        decode_compressed(data)


@settings(max_examples=100, deadline=None)
@given(
    start=st.sampled_from([b'\xff\xd8\xff', b'\x89PNG\r\n\x1a\n', b'']),
    rest=st.binary(max_size=300),
)
def test_no_bytes_crash_the_decoder(start, rest):
    with contextlib.suppress(UnsupportedImageError):
        assert decode_compressed(start + rest).ndim == 3
