import json

from published_sets import bdd100k_mot, image
import pytest

from mot_compress_ros.errors import InputError
from offline_training.datasets.bdd100k_mot import read
from offline_training.datasets.classes import CYCLIST, PEDESTRIAN, VEHICLE
from offline_training.datasets.records import SourceConfig

CONFIG = SourceConfig(layout='bdd100k_mot')
VIDEO = 'b1c66a42-6f7d68ca'


def labels_of(folder):
    return folder / 'labels' / 'box_track_20' / 'train' / f'{VIDEO}.json'


def changed(folder, change):
    frames = json.loads(labels_of(folder).read_text())
    labels_of(folder).write_text(json.dumps(change(frames) or frames))
    return folder


def test_identities_classes_and_crowds(tmp_path):
    (sequence,) = read(bdd100k_mot(tmp_path), CONFIG).sequences
    assert (sequence.name, sequence.fps, sequence.size_wh) == (VIDEO, 5.0, (64, 48))
    assert sequence.image_paths[0].name == f'{VIDEO}-0000001.jpg'
    riding, alone, walking = sequence.truth
    car, rider = 1, 2  # numbered in order of the labels' ids
    assert riding.class_ids.tolist() == [VEHICLE, CYCLIST]
    assert riding.ids.tolist() == [car, rider]
    assert riding.boxes_xyxy_px[1].tolist() == [18, 10, 44, 40]
    # The crowd, and the rider whose bicycle is hidden.
    assert alone.class_ids.tolist() == [VEHICLE, PEDESTRIAN, CYCLIST, PEDESTRIAN]
    assert alone.ignore.tolist() == [False, True, True, True]
    assert alone.ids.tolist() == [car, 4, rider, rider]
    assert (walking.class_ids.tolist(), walking.ids.tolist()) == ([PEDESTRIAN], [rider])
    assert not walking.ignore.any()


def test_frames_are_ordered_by_their_number(tmp_path):
    def first_edition(frames):
        for frame in frames:
            frame['index'] = frame.pop('frameIndex')
        return frames[::-1]

    folder = bdd100k_mot(tmp_path)
    (before,) = read(folder, CONFIG).sequences
    (after,) = read(changed(folder, first_edition), CONFIG).sequences
    assert after.image_paths == before.image_paths
    assert [t.ids.tolist() for t in after.truth] == [t.ids.tolist() for t in before.truth]


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (
            lambda frames: frames[:1] + frames[2:],
            'frameIndex is not 0 to 1, each once; missing: 1',
        ),
        (lambda frames: [*frames, frames[0]], 'frameIndex is not 0 to 3'),
        (lambda frames: frames[0]['labels'][0].pop('id') and None, 'frame 0: a car has no id'),
        (lambda frames: frames[0]['labels'].append(frames[0]['labels'][0]), '1 stands twice'),
        (lambda frames: frames[0].pop('name') and None, 'frame 0: name: expected str'),
        (lambda frames: {'frames': frames}, 'expected a list of frames'),
    ],
)
def test_damaged_labels(tmp_path, change, message):
    with pytest.raises(InputError, match=message) as caught:
        read(changed(bdd100k_mot(tmp_path), change), CONFIG)
    assert f'{VIDEO}.json' in str(caught.value)


def test_half_of_the_labels(tmp_path):
    folder = bdd100k_mot(tmp_path)
    image(folder / 'images' / 'track' / 'train' / 'another-video' / '0000001.jpg')
    message = '1 of 2 in .*images/track/train have no label, the first: another-video.*unpack'
    with pytest.raises(InputError, match=message):
        read(folder, CONFIG)


def test_half_of_the_images(tmp_path):
    folder = bdd100k_mot(tmp_path)
    (folder / 'images' / 'track' / 'train' / VIDEO / f'{VIDEO}-0000002.jpg').unlink()
    with pytest.raises(InputError, match=f'1 of 3 images named in {VIDEO}.json are missing'):
        read(folder, CONFIG)
    with pytest.raises(InputError, match='no labels/box_track_20/val'):
        read(folder, SourceConfig(layout='bdd100k_mot', split='val'))
