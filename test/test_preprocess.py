"""The letterbox: FairMOT's geometry, and an inverse good to 0.01 px."""

import cv2
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from mot_compress_ros.datatypes import Frame
from mot_compress_ros.preprocess import letterbox, letterbox_rgb

SIZE = (1088, 608)
sides = st.integers(2, 4000)


@given(width=sides, height=sides, data=st.data())
@settings(max_examples=100, deadline=None)
def test_undo_brings_boxes_back_to_a_hundredth_of_a_pixel(width, height, data):
    image = np.zeros((height, width, 3), np.uint8)
    _, transform = letterbox(image, size_wh=SIZE)
    corner = st.floats(-0.2, 1.2)
    boxes = np.array(data.draw(st.lists(st.tuples(*[corner] * 4), max_size=5))).reshape(-1, 4)
    boxes *= [width, height, width, height]
    assert np.abs(transform.undo(transform.apply(boxes)) - boxes).max(initial=0) < 0.01


@pytest.mark.parametrize(('width', 'height'), [(1920, 1080), (640, 480), (1242, 375), (333, 777)])
def test_a_painted_box_lands_where_the_transform_says(width, height):
    box = np.array([[width * 0.25, height * 0.5, width * 0.75, height * 0.875]]).round()
    image = np.zeros((height, width, 3), np.uint8)
    x1, y1, x2, y2 = box[0].astype(int)
    image[y1:y2, x1:x2] = 255
    padded, transform = letterbox(image, size_wh=SIZE)
    ys, xs = np.nonzero((padded > 190).all(axis=2))
    found = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
    assert np.abs(transform.apply(box)[0] - found).max() <= 1.0


def test_geometry_is_fairmots():
    """1920 x 1080 to 1088 x 608: ratio 0.5630, 1081 x 608, 3 grey columns left and 4 right."""
    padded, transform = letterbox(np.zeros((1080, 1920, 3), np.uint8), size_wh=SIZE)
    assert padded.shape == (608, 1088, 3)
    assert (transform.left_px, transform.top_px) == (3, 0)
    assert (padded[:, :3] == 128).all() and (padded[:, -4:] == 128).all()
    assert (padded[:, 3:-4] == 0).all()


@pytest.mark.parametrize('whole', [1, 2, 3])
def test_whole_steps_are_means_over_pixels(whole):
    shape = (whole * SIZE[1], whole * SIZE[0], 3)
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    padded, _ = letterbox(image, size_wh=SIZE)
    assert (padded == cv2.resize(image, SIZE, interpolation=cv2.INTER_AREA)).all()


@pytest.mark.parametrize('width', [1280, 1920, 2300, 2720, 3840])
def test_no_line_is_lost_between_pixels(width):
    """Thin posts far away: wherever a line of one pixel stands, it is seen in the small image."""
    image = np.zeros((width * 9 // 16, width, 3), np.uint8)
    image[:, 5::16] = 255
    padded, transform = letterbox(image, size_wh=(832, 480))
    row = padded[240, transform.left_px :, 0].astype(float)
    lines = np.add.reduceat(row, np.round(np.arange(0, width - 16, 16) * 832 / width).astype(int))
    assert lines[1:-1].min() > 0.3 * 255 * 832 / width


def test_a_smooth_picture_is_resized_as_by_area():
    y, x = np.mgrid[:1080, :1920]
    smooth = 127 + 60 * np.sin(x / 40) + 60 * np.cos(y / 25)
    image = np.repeat(smooth[..., None], 3, axis=2).astype(np.uint8)
    padded, _ = letterbox(image, size_wh=(800, 450))
    by_area = cv2.resize(image, (800, 450), interpolation=cv2.INTER_AREA)
    assert np.abs(padded.astype(int) - by_area).max() <= 2


@pytest.mark.parametrize('order', ['bgr', 'rgb'])
def test_network_sees_rgb_whatever_the_frame_holds(order):
    red = (0, 0, 255) if order == 'bgr' else (255, 0, 0)
    image = np.full((60, 100, 3), red, np.uint8)
    rgb, _ = letterbox_rgb(Frame(image=image, stamp_ns=0, color_order=order), size_wh=(64, 32))
    assert tuple(rgb[16, 32]) == (255, 0, 0)
    assert tuple(image[0, 0]) == red, 'the source image must not be written to'


def test_one_pixel_image_survives():
    padded, transform = letterbox(np.zeros((1, 1, 3), np.uint8), size_wh=SIZE)
    assert padded.shape == (608, 1088, 3)
    assert np.isfinite(transform.undo(np.array([[0, 0, 608, 608.0]]))).all()
