"""The preset `byte` against a plain ByteTrack: an object and a filterpy filter per track."""

from plain_street import street
from plain_trackers import assert_same_tracks, PlainByte
import pytest

from mot_compress_ros.tracking import Tracker, TrackerConfig


@pytest.mark.parametrize('seed', [0, 1, 3, 4])
def test_same_tracks_as_the_plain_bytetrack(seed: int) -> None:
    fast, plain = Tracker(TrackerConfig.of('byte')), PlainByte()
    for stamp_ns, detections, _ in street(seed):
        tracks = fast.update(detections, stamp_ns=stamp_ns)
        assert_same_tracks(tracks, plain.update(detections, stamp_ns))
    # The scene was busy enough to mean something: every rule was used.
    assert plain.count > 20
    for rule in ('first', 'low', 'tentative', 'dropped', 'found again', 'expired', 'duplicates'):
        assert plain.events[rule] > 0, rule
