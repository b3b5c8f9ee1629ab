"""Boxes, labels, trails and captions."""

import colorsys

import numpy as np
import pytest

from mot_compress_ros.datatypes import Tracks
from mot_compress_ros.drawing import color_of_id, draw_tracks, TrackPainter

NAMES = ('pedestrian', 'cyclist', 'vehicle')


def make_tracks(*boxes, ids=None, class_id=2):
    n = len(boxes)
    ones = np.ones(n, np.int64)
    return Tracks(
        stamp_ns=0,
        boxes_xyxy_px=np.array(boxes, np.float32).reshape(n, 4),
        scores=np.full(n, 0.87),
        class_ids=class_id * ones,
        track_ids=ids or np.arange(1, n + 1),
        velocities_px_s=np.zeros((n, 2)),
        states=ones,
        ages=ones,
        hits=ones,
        frames_since_update=0 * ones,
    )


def grey(width, height):
    image = np.full((height, width, 3), 128, np.uint8)
    image.setflags(write=False)  # a message's buffer is read-only
    return image


def test_image_is_left_untouched_and_box_has_its_color():
    image = grey(640, 480)
    drawn = draw_tracks(image, make_tracks([100, 100, 300, 300]), NAMES)
    assert (image == 128).all()
    assert np.abs(drawn[300, 200].astype(int) - color_of_id(1)).max() < 10, 'lower edge'
    inside = drawn[250, 200].astype(int)
    assert 0 < np.abs(inside - 128).max() < 40, 'the inside is tinted lightly'
    assert (drawn[400:, 400:] == 128).all(), 'far away nothing changes'


def test_no_tracks_and_no_caption_change_nothing():
    image = grey(640, 480)
    drawn = draw_tracks(image, Tracks.empty(stamp_ns=0), NAMES)
    assert drawn is not image
    np.testing.assert_array_equal(drawn, image)


@pytest.mark.parametrize('size_wh', [(1, 1), (16, 16), (320, 192), (1920, 1080)])
@pytest.mark.parametrize(
    'box',
    [(-50, -50, 5, 5), (0, 0, 0, 0), (1e6, 1e6, 2e6, 2e6), (-1e9, -1e9, 1e9, 1e9)],
    ids=['beyond the corner', 'empty', 'outside', 'huge'],
)
def test_any_box_can_be_drawn_on_any_image(size_wh, box):
    drawn = draw_tracks(grey(*size_wh), make_tracks(box), NAMES, caption='a caption')
    assert drawn.shape == (size_wh[1], size_wh[0], 3)
    assert TrackPainter(NAMES).paint(grey(*size_wh), make_tracks(box)).size


def test_unknown_class_is_shown_as_a_number():
    assert draw_tracks(grey(640, 480), make_tracks([10, 50, 200, 300], class_id=7), NAMES).size


def test_colors_are_stable_and_neighbours_differ():
    assert color_of_id(12) == color_of_id(12)
    hues = [colorsys.rgb_to_hsv(*(c / 255 for c in color_of_id(i)[::-1]))[0] for i in range(60)]
    steps = np.abs(np.diff(hues))
    assert np.minimum(steps, 1 - steps).min() > 0.2


def test_painter_leaves_a_trail_and_forgets_lost_tracks():
    painter = TrackPainter(NAMES)
    for x in range(0, 200, 10):
        painted = painter.paint(grey(640, 480), make_tracks([x, 100, x + 40, 200]))
    trail = painted[199:202, 60:180].reshape(-1, 3)
    assert (np.abs(trail.astype(int) - color_of_id(1)).max(axis=1) < 40).any()
    painter.paint(grey(640, 480), Tracks.empty(stamp_ns=0))
    alone = painter.paint(grey(640, 480), make_tracks([500, 100, 540, 200]))
    assert (alone[199:202, 60:180] == 128).all()


def test_small_pictures_are_enlarged_with_their_boxes():
    painted = TrackPainter(NAMES).paint(grey(160, 120), make_tracks([20, 40, 60, 100]))
    assert painted.shape == (480, 640, 3)
    edge = painted[400, 160].astype(int)
    assert np.abs(edge - color_of_id(1)).max() < 10, 'lower edge at 4 x 100'


def test_dropped_frame_is_marked():
    painted = TrackPainter(NAMES).paint(grey(640, 480), None, caption='frame 3')
    corner = painted[8:24, 600:630].astype(int).mean(axis=(0, 1))
    assert corner[2] > corner[0] + 50
    assert (painted[470:, :5] < 100).all(), 'the caption bar is dark'
