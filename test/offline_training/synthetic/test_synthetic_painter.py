import numpy as np

from offline_training.synthetic.canvas import Canvas, Shape
from offline_training.synthetic.painter_order import Footprint, paint_order

NORTH = np.pi / 2


def _bus() -> Footprint:
    """In the lane to the right, its middle 20 m ahead."""
    return Footprint(
        x_m=3.5, y_m=20.0, depth_m=20.0, heading_rad=NORTH, length_m=12.0, width_m=2.5
    )


def _person(x_m: float, y_m: float) -> Footprint:
    return Footprint(x_m=x_m, y_m=y_m, depth_m=y_m)


def test_without_long_things_the_farthest_comes_first():
    items = [_person(0, 5), _person(0.2, 30), _person(-0.1, 12)]
    assert paint_order(items, (0.0, 0.0)) == [1, 2, 0]


def test_a_person_beyond_the_bus_is_painted_before_it_though_nearer_than_its_middle():
    assert paint_order([_bus(), _person(5.5, 18.0)], (0.0, 0.0)) == [1, 0]


def test_a_person_this_side_of_the_bus_is_painted_after_it_though_farther_than_its_middle():
    assert paint_order([_bus(), _person(1.9, 23.0)], (0.0, 0.0)) == [0, 1]


def test_every_item_is_painted_once_even_when_things_hide_each_other_in_a_circle():
    ring = [
        Footprint(x_m=x, y_m=y, depth_m=y, heading_rad=h, length_m=12.0, width_m=1.0)
        for x, y, h in ((0, 20, 0.5), (4, 26, 2.6), (-4, 26, 1.57), (0, 24, 0.0))
    ]
    assert sorted(paint_order(ring, (0.0, 0.0))) == [0, 1, 2, 3]


def _square(left: float, top: float, side: float) -> Shape:
    corner = np.array([left - 0.5, top - 0.5])
    points = np.array([[0, 0], [side, 0], [side, side], [0, side]])
    return Shape(points_px=points + corner, colour=(0, 0, 255))


def test_painting_fills_image_and_owner_alike():
    canvas = Canvas(np.zeros((100, 120, 3), np.uint8))
    painted = canvas.paint([_square(20, 30, 40)], owner=7)
    assert painted is not None
    assert painted.bounds_xyxy_px == (19.5, 29.5, 59.5, 69.5)
    assert abs(painted.area_px - 1600) <= 90
    assert (canvas.owner[32:68, 22:58] == 7).all()
    assert (canvas.image[32:68, 22:58] == (0, 0, 255)).all()
    assert not canvas.owner[:28].any() and not canvas.image[72:].any()


def test_what_is_painted_later_takes_the_pixels():
    canvas = Canvas(np.zeros((100, 120, 3), np.uint8))
    canvas.paint([_square(20, 30, 40)], owner=7)
    canvas.paint([_square(40, 30, 40)], owner=8)
    assert np.count_nonzero(canvas.owner == 7) < 0.6 * np.count_nonzero(canvas.owner == 8)


def test_area_counts_what_is_beyond_the_border():
    canvas = Canvas(np.zeros((100, 120, 3), np.uint8))
    painted = canvas.paint([_square(-20, 30, 40)], owner=7)
    assert painted is not None
    assert abs(painted.area_px - 1600) <= 90
    assert abs(np.count_nonzero(canvas.owner == 7) - 800) <= 60


def test_nothing_is_painted_far_outside():
    canvas = Canvas(np.zeros((100, 120, 3), np.uint8))
    assert canvas.paint([_square(500, 30, 40)], owner=7) is None
    assert not canvas.owner.any()


def test_grain_brightens_and_leaves_the_outline():
    plain, bright = (Canvas(np.zeros((100, 120, 3), np.uint8)) for _ in range(2))
    shape = Shape(points_px=_square(20, 30, 40).points_px, colour=(60, 60, 60))
    plain.paint([shape], owner=7)
    bright.paint([shape], owner=7, grain=np.full((4, 4), 192, np.uint8))
    assert (plain.owner == bright.owner).all()
    assert plain.image[50, 40].tolist() == [60, 60, 60]
    assert bright.image[50, 40].tolist() == [90, 90, 90]
