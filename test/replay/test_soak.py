"""Half an hour of a bad day: what must hold, holds to the end, and memory does not grow."""

from pathlib import Path

from golden_clips import BLUE, GREEN, painted, RED
import numpy as np
import pytest

from mot_compress_ros.assembly import build_pipeline
from mot_compress_ros.inference.backends.scripted import write_scripted_bundle

FRAMES = 18_000  # half an hour at 10 Hz
STEP_NS = 100_000_000


def resident_mib():
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    return pages * 4096 / 2**20


class Street:
    """Objects come and go; the clock stutters, repeats itself, jumps; images change their size."""

    def __init__(self, seed):
        self._rng = np.random.default_rng(seed)
        self._objects = []
        self._tick, self._zoom, self._index = 100, 1, 0

    def frame(self):
        rng = self._rng
        if rng.random() < 0.15 and len(self._objects) < 6:
            color = (RED, GREEN, BLUE)[rng.integers(3)]
            speed = int(rng.integers(-6, 7)) or 3
            self._objects.append([color, 160 - 40 * speed, int(rng.integers(10, 120)), speed])
        for entry in self._objects:
            entry[1] += entry[3]
        self._objects = [o for o in self._objects if -60 < o[1] < 380]
        if rng.random() < 0.001:
            self._zoom = 3 - self._zoom
        scene = [
            (color, self._zoom * x, self._zoom * y, self._zoom * 40, self._zoom * 30)
            for color, x, y, _ in self._objects
            if rng.random() > 0.05
        ]
        size = (self._zoom * 320, self._zoom * 192)
        self._index += 1
        return painted(self._index, scene, size_wh=size, stamp_ns=self._stamp_ns())

    def _stamp_ns(self):
        chance = self._rng.random()
        if chance < 0.01:
            return self._tick * STEP_NS  # a duplicate
        if chance < 0.02:
            return (self._tick - int(self._rng.integers(1, 15))) * STEP_NS  # overtaken
        self._tick += 1
        if chance < 0.022:
            self._tick += int(self._rng.integers(-40, 60))  # a bag that loops, a pause
        return self._tick * STEP_NS


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize('seed', [0, 1])
def test_a_bad_day(tmp_path, seed):
    teacher = str(write_scripted_bundle(tmp_path / 'teacher'))
    model = str(write_scripted_bundle(tmp_path / 'student'))
    pipeline = build_pipeline(cameras=['camera'], model=model, teacher=teacher)
    street, births, memory_mib = Street(seed), {}, []
    answered = late = duplicates = 0
    former = None
    for index in range(FRAMES):
        (tracks,) = pipeline.step([street.frame()])
        if tracks is None:
            late += 1
        elif tracks is former:
            duplicates += 1
        else:
            answered, former = answered + 1, tracks
            rows = zip(tracks.track_ids, tracks.ages, tracks.class_ids, strict=True)
            for track_id, age, class_id in rows:
                born = answered - int(age), int(class_id)
                assert births.setdefault(int(track_id), born) == born, 'an id is used once'
        if index % (FRAMES // 10) == 0:
            memory_mib.append(resident_mib())
    counters = pipeline.health.counters()
    assert (answered, late, duplicates) == (
        counters['frames_processed'],
        counters['late_frames'],
        counters['duplicate_stamps'],
    )
    assert min(late, duplicates, counters['tracker_resets'], counters['resolution_changes']) > 5
    assert len(births) > 500
    assert memory_mib[-1] - memory_mib[2] < 20
