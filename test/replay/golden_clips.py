"""Golden clips: painted by the code below, so that generator and reference stay together.

Rectangles of pure red, green and blue are what the scripted backend sees as pedestrian, cyclist
and vehicle. Only whole-number arithmetic: the pixels are the same on every machine.

Painted objects never change their size and are always as sure, and so most presets of the tracker
agree about them: these clips test the pipeline. What tells the presets apart is in
`golden_detections`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import golden_detections as recorded
import numpy as np

from mot_compress_ros.datatypes import Frame
from mot_compress_ros.tracking import PRESETS

SIZE_WH = (320, 192)
STEP_NS = 100_000_000
START_NS = 1_000_000_000
RED, GREEN, BLUE = (0, 0, 255), (0, 255, 0), (255, 0, 0)  # BGR


@dataclass(frozen=True)
class ReplayCase:
    """A clip, the options it is replayed with, and how far boxes may be off.

    `seen` says what is seen in frame k where the clip has no pictures; `rotations` is what a
    gyroscope measured.
    """

    name: str
    clip: Callable[[], Iterator[Frame]]
    options: dict = field(default_factory=dict)
    has_teacher: bool = False
    seen: Callable[[int], list[recorded.Seen]] | None = None
    rotations: Callable[[], list[tuple[int, tuple[float, float, float]]]] | None = None
    box_tolerance_px: float = 0.01
    score_tolerance: float = 1e-6


def painted(index, rectangles, *, size_wh=SIZE_WH, stamp_ns=None):
    """A frame with rectangles (color, x, y, width, height)."""
    image = np.full((size_wh[1], size_wh[0], 3), 96, np.uint8)
    for color, x, y, width, height in rectangles:
        left, top = max(x, 0), max(y, 0)
        image[top : max(y + height, 0), left : max(x + width, 0)] = color
    return Frame(
        image=image,
        stamp_ns=START_NS + index * STEP_NS if stamp_ns is None else stamp_ns,
        frame_index=index,
    )


def street():
    """A car overtakes, a pedestrian walks against it, a cyclist enters late and leaves."""
    for i in range(30):
        scene = [(BLUE, 4 + 6 * i, 120, 60, 36), (RED, 300 - 3 * i, 50, 16, 50)]
        if 5 <= i < 24:
            scene.append((GREEN, 150 + i, 10 + 2 * i, 24, 40))
        yield painted(i, scene)


def crossing():
    """Two pedestrians pass each other with a gap of one pixel between their paths."""
    for i in range(30):
        yield painted(i, [(RED, 40 + 7 * i, 40, 20, 50), (RED, 250 - 7 * i, 91, 20, 50)])


def occlusion():
    """A car is hidden for five frames; another is there all the time; then nobody for four."""
    for i in range(30):
        scene = [(BLUE, 20 + 2 * i, 20, 50, 30)]
        if not 10 <= i < 15:
            scene.append((BLUE, 30 + 3 * i, 120, 60, 40))
        yield painted(i, [] if 24 <= i < 28 else scene)


def dropped_frames():
    """Every third frame is lost on the way; stamps say so."""
    for i in range(36):
        if i % 3 != 1:
            yield painted(i, [(BLUE, 5 * i, 100, 60, 40), (RED, 200, 10 + 2 * i, 16, 48)])


def broken_clock():
    """A duplicate, a late frame, a short bag that loops, a jump ahead, a longer bag that loops."""
    stamps = [*range(8), 7, 5, 8, 9, *range(2, 10), *range(110, 116), *range(50, 54)]
    for i, tick in enumerate(stamps):
        scene = [(BLUE, 10 + 4 * i, 100, 60, 40)]
        yield painted(i, scene, stamp_ns=START_NS + tick * STEP_NS)


def resolution_change():
    """The camera switches to twice the size and back; tracks begin anew each time."""
    for i in range(24):
        zoom = 2 if 8 <= i < 16 else 1
        scene = [(RED, zoom * (40 + 3 * i), zoom * 60, zoom * 18, zoom * 52)]
        yield painted(i, scene, size_wh=(zoom * SIZE_WH[0], zoom * SIZE_WH[1]))


def recorded_case(name, preset, **more):
    """A clip without pictures, as a preset of the tracker follows it."""
    return ReplayCase(
        f'{name}_{preset}',
        getattr(recorded, name),
        {'tracker.preset': preset, **more.pop('options', {})},
        seen=getattr(recorded, f'{name}_seen'),
        **more,
    )


CASES = {
    case.name: case
    for case in (
        ReplayCase('street', street),
        ReplayCase('street_with_teacher', street, {'keyframe.interval': 4}, has_teacher=True),
        ReplayCase('crossing', crossing),
        ReplayCase('occlusion', occlusion),
        ReplayCase('short_memory', occlusion, {'tracker.lost_buffer_s': 0.2}),
        ReplayCase('dropped_frames', dropped_frames),
        ReplayCase('broken_clock', broken_clock),
        ReplayCase('resolution_change', resolution_change),
        *(recorded_case('junction', preset) for preset in PRESETS),
        recorded_case('rivals', 'vehicle'),
        *(
            recorded_case(
                'turn',
                preset,
                options={'camera_motion.source': 'imu'},
                rotations=recorded.turn_rotations,
            )
            for preset in ('vehicle', 'ocsort')
        ),
    )
}
