"""Golden clips of detections: what a network may say at a junction and in a turn, without images.

Painted rectangles are seen alike in every frame, and of such objects the rules of most presets say
the same. Here boxes tremble and change their shape, scores fade, objects hide, stop, jump and
cross, and frames are missing, so that each preset of the tracker has an output of its own.

The code below is the generator. What trembles follows from `SEED` by CRC-32 and whole-number
arithmetic: the same on every machine and with every version of numpy.
"""

from dataclasses import dataclass
from itertools import pairwise
import math
from zlib import crc32

import numpy as np

from mot_compress_ros.datatypes import Detections, Frame
from mot_compress_ros.inference import Observation
from mot_compress_ros.preprocess import LetterboxTransform

SEED = 7
SIZE_WH = (1280, 720)
START_NS, STEP_NS = 1_000_000_000, 33_333_333  # the presets are published for 30 FPS
PEDESTRIAN, CYCLIST, CAR = range(3)
LOOKS = np.eye(6, 4, dtype=np.float32)  # nobody looks like another
LOOKS[4, 1:3] = LOOKS[5, [0, 3]] = 21 / 29, 20 / 29  # somewhat like 2 and 3; 20^2 + 21^2 = 29^2
FOCAL_PX = 1000.0
CAMERA_MATRIX = np.array([[FOCAL_PX, 0, 640], [0, FOCAL_PX, 360], [0, 0, 1]])


@dataclass(frozen=True)
class Seen:
    """One object in one frame: centre and sides in pixels, score in percent, row of `LOOKS`."""

    class_id: int
    x: int
    y: int
    w: int
    h: int
    percent: int
    look: int


class Recorded:
    """A detector that says of frame k what `seen` says of k, and does not look at it."""

    name = 'recorded'
    class_names = ('pedestrian', 'cyclist', 'vehicle')
    config = None

    def __init__(self, seen):
        self._seen = seen

    def warm_up(self):
        """Nothing to do."""

    takes_prior = False

    def observe(self, frames, health=None, *, priors=()):
        """Detections of each frame."""
        del health, priors
        return [
            Observation(
                detections=detections(self._seen(frame.frame_index)),
                heatmap=np.zeros((3, 1, 1), np.float32),
                transform=LetterboxTransform(scale_x=1, scale_y=1, left_px=0, top_px=0),
            )
            for frame in frames
        ]


def detections(objects):
    """The `Detections` of a list of `Seen`."""
    halves = np.array([[o.w, o.h] for o in objects]).reshape(-1, 2) / 2
    centres = np.array([[o.x, o.y] for o in objects]).reshape(-1, 2)
    return Detections(
        boxes_xyxy_px=np.concatenate([centres - halves, centres + halves], axis=1),
        scores=[o.percent / 100 for o in objects],
        class_ids=[o.class_id for o in objects],
        embeddings=LOOKS[[o.look for o in objects]],
        embedding_space='recorded',
    )


def blank(k):
    """Frame k; its picture takes no memory."""
    image = np.broadcast_to(np.uint8(96), (SIZE_WH[1], SIZE_WH[0], 3))
    return Frame(image=image, stamp_ns=START_NS + k * STEP_NS, frame_index=k)


# --- A junction -------------------------------------------------------------------------------


def junction():
    """Nearly a second, of which three frames are lost on the way; then a few frames in pauses."""
    yield from (blank(k) for k in (*range(28), 52, 53, 88, 89) if k not in (3, 14, 15))


def junction_seen(k):
    """Everybody at the junction in frame k."""
    everybody = [*car(k), *cyclist(k), *walkers(k), *newcomers(k), *parked(k)]
    return [trembling(one, k, i) for i, one in enumerate(everybody)]


def car(k):
    """It turns away, so that it gets narrower, and fades twice, the second time more."""
    percent = 38 if 5 <= k < 8 else 18 if 10 <= k < 12 else 92
    seen = Seen(CAR, 200 + 9 * k, 150, 140 - 4 * k, 71, percent, look=0)
    return [seen] if k < 18 else []


def cyclist(k):
    """Fast, then hidden for four frames; behind that it has stopped, and starts again later."""
    x = 100 + 20 * min(k, 8) + 12 * max(k - 19, 0)
    return [] if 9 <= k < 13 or k >= 22 else [Seen(CYCLIST, x, 300, 44, 60, 85, look=1)]


def walkers(k):
    """Two are about to meet, are hidden for two frames, and have passed each other with a jump.

    Overlap alone takes each for the other; direction and looks tell them apart.
    """
    if k not in (*range(9, 19), *range(21, 28)):
        return []
    jump = 13 if k >= 21 else 0
    looks = (4, 5) if k == 21 else (2, 3)
    return [
        Seen(PEDESTRIAN, 668 + 3 * k + jump, 500, 60, 120, 95, looks[0]),
        Seen(PEDESTRIAN, 791 - 3 * k - jump, 503, 60, 120, 82 if k < 26 else 66, looks[1]),
    ]


def newcomers(k):
    """Four cars, each sure enough for fewer presets; a tiny one that hardly overlaps itself.

    In the last frame the four jump: what overlap there is has to be weighed by the score.
    """
    x = 935 if k == 27 else 900
    four = enumerate((78, 66, 50, 24))
    near = [Seen(CAR, x + 92 * i, 90 + 4 * k, 60, 40, percent, look=i) for i, percent in four]
    far = Seen(CAR, 1240 - 5 * k, 600, 9, 9, 88, look=0)
    return near * (22 <= k < 28) + [far] * (24 <= k < 28)


def parked(k):
    """A car that is hidden twice: not as long as most presets remember it, and longer."""
    return [Seen(CAR, 60, 600, 18, 18, 88, look=1)] * (k in (25, 26, 52, 88, 89))


def trembling(seen, k, i):
    """`seen`, number i in frame k, some pixels off and not quite as sure."""
    reach = 3 if seen.w > 20 else 0
    x, y, w, h = (tremble(k, i, side, reach=reach) for side in 'xywh')
    percent = seen.percent + tremble(k, i, 'score', reach=2)
    sides = seen.w + w, seen.h + h
    return Seen(seen.class_id, seen.x + x, seen.y + y, *sides, percent, seen.look)


def tremble(*key, reach):
    """A whole number in -reach..reach that depends on `key` and `SEED` alone."""
    return crc32(repr((SEED, *key)).encode()) % (2 * reach + 1) - reach


# --- Rivals -----------------------------------------------------------------------------------

BETWEEN_X, ALIKE_X = 216, 636  # where the preset decides otherwise than without its part
AWAY_PX = (44, 48)  # as far as it reaches, and just beyond
LAST_CALL = 10  # the frame in which tracks compete


def rivals():
    """Frames in which each part of the preset `vehicle` has something to decide."""
    yield from (blank(k) for k in range(LAST_CALL + 3))


def rivals_seen(k):
    """Nobody moves but the tiny ones; nothing trembles, so that each decision is a close one."""
    return [*queue(k), *shapes(k), *returning(k), *tiny(k)]


def queue(k):
    """Of two cars one hides for long, then both are gone; a third is seen between their places.

    Where the other one is after so long is less certain: its box is grown more, and fits as well.
    The time since it was seen speaks against it.
    """
    front = [Seen(CAR, 200, 150, 60, 40, 90, look=0)] * (k < LAST_CALL)
    hidden = [Seen(CAR, 240, 150, 60, 40, 86, look=1)] * (k < 3)
    between = [Seen(CAR, BETWEEN_X, 150, 60, 40, 82, look=2)] * (k >= LAST_CALL)
    return [*front, *hidden, *between]


def shapes(k):
    """A car and a pole; then a box of the shape of the car, nearer to the pole."""
    first = LAST_CALL - 3
    car_and_pole = [
        Seen(CAR, 600, 150, 64, 40, 90, look=0),
        Seen(CAR, 640, 150, 40, 64, 86, look=1),
    ]
    alike = [Seen(CAR, ALIKE_X, 150, 64, 40, 82, look=2)]
    return car_and_pole * (first <= k < LAST_CALL) + alike * (k >= LAST_CALL)


def returning(k):
    """Two cyclists, who are seen for three frames and long after, some way from there."""
    return [
        Seen(CYCLIST, 100 + 300 * i + (away if k >= LAST_CALL else 0), 400, 40, 40, 90 - i, look=i)
        for i, away in enumerate(AWAY_PX)
        if k < 3 or k >= LAST_CALL
    ]


def tiny(k):
    """Far cars that overlap little from frame to frame: one that is surer than the other."""
    return [
        Seen(CAR, 1100 - 7 * k, 300 + 50 * i, 9, 9, percent, look=i)
        for i, percent in enumerate((88, 50))
        if k >= LAST_CALL
    ]


# --- A turn -----------------------------------------------------------------------------------

TURN_FRAMES = 13


def turn():
    """Frames of a camera that turns to the left and back to nearly straight ahead."""
    yield from (blank(k) for k in range(TURN_FRAMES))


def turn_rate_rad_s(k):
    """Yaw rate at the stamp of frame k: 1.2 rad/s, which moves the picture 40 px a frame."""
    return 1.2 if 3 <= k < 7 else -0.9 if 8 <= k < 11 else 0.0


def turn_rotations():
    """(stamp, angular velocity about x forward, y left, z up) for every frame."""
    return [(blank(k).stamp_ns, (0.0, 0.0, turn_rate_rad_s(k))) for k in range(TURN_FRAMES)]


def yaw_rad(k):
    """How far the camera has turned by frame k; between two frames its rate changes evenly."""
    rates = [turn_rate_rad_s(i) for i in range(k + 1)]
    return sum(a + b for a, b in pairwise(rates)) / 2 * STEP_NS / 1e9


def turn_seen(k):
    """Three who stand in a row, as close as the picture moves in a frame; one hides for a while.

    What stands still moves to the right where the camera turns to the left.
    """
    angles = [-0.16 + 0.045 * i + yaw_rad(k) for i in range(3) if i != 1 or not 5 <= k < 7]
    looks = [i for i in range(3) if i != 1 or not 5 <= k < 7]
    return [
        Seen(
            PEDESTRIAN,
            round(CAMERA_MATRIX[0, 2] + FOCAL_PX * math.tan(angle)),
            round(CAMERA_MATRIX[1, 2] + FOCAL_PX * 0.05 / math.cos(angle)),
            *(34, 90),
            90 - look,
            look,
        )
        for angle, look in zip(angles, looks, strict=True)
    ]
