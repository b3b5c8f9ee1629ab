"""Boxes, labels, trails and captions."""

import colorsys

import numpy as np
import pytest

from mot_compress_ros.datatypes import Tracks
from mot_compress_ros.drawing import (
    color_of_id,
    draw_tracks,
    source_text,
    TEACHER_COLOR,
    TrackPainter,
)
from mot_compress_ros.frame_source import FrameSource

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


KEYFRAME = FrameSource(network='teacher', since_keyframe=0, heard_stamp_ns=0)
FOLLOWER = FrameSource(network='student', since_keyframe=3)
LATE = FrameSource(network='student', since_keyframe=2, heard_stamp_ns=0)
UNTAUGHT = FrameSource(network='student', since_keyframe=None)


def teacher_colored(image):
    """Mask (H, W) of the pixels that have the teacher's colour."""
    return np.abs(image.astype(int) - TEACHER_COLOR).max(axis=2) < 10


def with_source(source, size_wh=(640, 480), caption='camera   frame 61   t = 4.00 s   8 tracks'):
    tracks = Tracks.empty(stamp_ns=0)
    return draw_tracks(grey(*size_wh), tracks, NAMES, caption=caption, source=source)


@pytest.mark.parametrize('size_wh', [(640, 480), (832, 468), (1920, 1080), (3840, 2160)])
def test_keyframe_has_a_filled_tag_and_a_line_and_others_have_not(size_wh):
    marked = teacher_colored(with_source(KEYFRAME, size_wh))
    rows, columns = np.nonzero(marked)
    top = rows.min()
    assert marked[top : top + 2].all(), 'a line as wide as the picture'
    assert marked[-1, -10:].all(), 'the filled corner'
    assert columns[rows > (top + size_wh[1]) // 2].min() > 0.6 * size_wh[0], 'the tag is small'
    for source in (FOLLOWER, UNTAUGHT, None):
        assert not teacher_colored(with_source(source, size_wh)).any()


def test_tag_keeps_to_the_bar_that_a_caption_has_anyway():
    plain, marked = with_source(None), with_source(KEYFRAME)
    changed = np.nonzero((plain != grey(640, 480)).any(axis=2))[0].min()
    np.testing.assert_array_equal(marked[:changed], grey(640, 480)[:changed])
    text_end = 250  # the caption's letters stay as they are below the line
    np.testing.assert_array_equal(marked[-15:, :text_end], plain[-15:, :text_end])


def test_late_result_gets_a_frame_and_no_line():
    marked = teacher_colored(with_source(LATE))
    rows, columns = np.nonzero(marked)
    assert marked[rows.min()].sum() < 150
    inside = marked[rows.min() + 2 : rows.max() - 1, columns.min() + 2 : columns.max() - 1]
    assert inside.size and not inside.any()


def test_tag_says_how_many_frames_ago_the_keyframe_was():
    assert [source_text(s) for s in (KEYFRAME, FOLLOWER, LATE, UNTAUGHT)] == [
        'teacher',
        'student +3',
        'student +2',
        'student',
    ]
    three = with_source(FOLLOWER)
    four = with_source(FrameSource(network='student', since_keyframe=4))
    assert (three != four).any()


def test_tag_is_legible_at_vga():
    """Dark letters on amber: strokes of more than one pixel's area, at a contrast of 7 or more."""
    tag = with_source(KEYFRAME)[-14:, -50:]
    ink = (tag.astype(int).max(axis=2) < 110).sum()
    assert ink > 60
    assert contrast(TEACHER_COLOR, (18, 20, 24)) > 7


def contrast(one_bgr, other_bgr):
    """WCAG 2.1 contrast ratio."""
    lights = sorted(relative_luminance(c) for c in (one_bgr, other_bgr))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def relative_luminance(bgr):
    linear = [
        c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in np.array(bgr) / 255
    ]
    return 0.0722 * linear[0] + 0.7152 * linear[1] + 0.2126 * linear[2]


def test_debug_image_and_recording_draw_the_same():
    """Both in the size of the image, so that nothing is enlarged; a first frame has no trails."""
    tracks = make_tracks([100, 100, 300, 300])
    for source in (KEYFRAME, FOLLOWER, LATE, UNTAUGHT, None):
        live = draw_tracks(grey(640, 480), tracks, NAMES, caption='camera', source=source)
        painter = TrackPainter(NAMES)
        recorded = painter.paint(grey(640, 480), tracks, caption='camera', source=source)
        np.testing.assert_array_equal(live, recorded)


@pytest.mark.parametrize('size_wh', [(1, 1), (16, 16), (60, 400)])
def test_tag_fits_on_anything(size_wh):
    for source in (KEYFRAME, FOLLOWER):
        assert with_source(source, size_wh).shape == (size_wh[1], size_wh[0], 3)
        assert with_source(source, size_wh, caption='').shape == (size_wh[1], size_wh[0], 3)
