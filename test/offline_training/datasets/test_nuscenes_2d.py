import json
import shutil

from published_sets import image, nuscenes_2d, nuscenes_image, NUSCENES_LOG, text
import pytest

from mot_compress_ros.errors import InputError
from offline_training.datasets.classes import CYCLIST, PEDESTRIAN, VEHICLE
from offline_training.datasets.nuscenes_2d import read
from offline_training.datasets.records import SourceConfig

CONFIG = SourceConfig(layout='nuscenes_2d')
T0 = 1532402927612460
STEP = 500_000


def export_of(folder):
    return folder / 'v1.0-mini' / 'image_annotations.json'


def changed(folder, change):
    records = json.loads(export_of(folder).read_text())
    replaced = change(records)
    export_of(folder).write_text(json.dumps(records if replaced is None else replaced))
    return folder


def times_of(sequence):
    return [int(path.stem.rpartition('__')[2]) for path in sequence.image_paths]


def test_scenes_frames_and_rows(tmp_path):
    folder = nuscenes_2d(tmp_path)
    first, second = read(folder, CONFIG).sequences
    assert first.name == f'{NUSCENES_LOG}__CAM_FRONT_00'
    assert (first.fps, first.size_wh) == (pytest.approx(2.0), (160, 90))
    # The image in the middle has no box, so the export does not name it.
    assert times_of(first) == [T0, T0 + STEP, T0 + 2 * STEP]
    start, empty, end = first.truth
    assert start.class_ids.tolist() == [VEHICLE, PEDESTRIAN]  # neither cone nor the line of a box
    assert start.visibility.tolist() == [0.2, 0.9]
    assert start.boxes_xyxy_px[0].tolist() == [1, 2, 20, 12]
    assert len(empty) == 0
    assert (end.class_ids.tolist(), end.ids.tolist()) == ([PEDESTRIAN], [start.ids[1]])
    # Nobody of the last image is in the others: it is of another scene.
    assert times_of(second) == [T0 + 3 * STEP]
    assert second.truth[0].class_ids.tolist() == [CYCLIST, CYCLIST]
    assert second.truth[0].ignore.tolist() == [False, True]  # one has no rider


def test_without_the_table_nobody_would_be_known_to_ride(tmp_path):
    folder = nuscenes_2d(tmp_path)
    (folder / 'v1.0-mini' / 'attribute.json').unlink()
    with pytest.raises(
        InputError, match=r"attribute\.json: no such file; expected nuScenes' table"
    ):
        read(folder, CONFIG)


def test_the_version_may_be_named(tmp_path):
    folder = nuscenes_2d(tmp_path)
    named = read(folder / 'v1.0-mini', CONFIG)
    assert [s.image_paths for s in named.sequences] == [
        s.image_paths for s in read(folder, CONFIG).sequences
    ]
    shutil.copytree(folder / 'v1.0-mini', folder / 'v1.0-trainval')
    with pytest.raises(InputError, match=r'found 2: name a folder of v1\.0-mini, v1\.0-trainval'):
        read(folder, CONFIG)


def test_a_gap_ends_a_sequence(tmp_path):
    def later(records):
        for record in records:
            if record['filename'] == nuscenes_image(T0 + 2 * STEP):
                record['filename'] = nuscenes_image(T0 + 8 * STEP)

    folder = nuscenes_2d(tmp_path)
    image(folder / nuscenes_image(T0 + 8 * STEP))
    sequences = read(changed(folder, later), CONFIG).sequences
    assert [times_of(s)[0] for s in sequences] == [T0, T0 + 3 * STEP, T0 + 8 * STEP]
    assert [len(s) for s in sequences] == [1, 1, 1]


def test_cameras_are_sequences_of_their_own(tmp_path):
    def two_cameras(records):
        for record in records[:1]:
            record['filename'] = nuscenes_image(T0 + 2 * STEP, 'CAM_BACK')

    folder = nuscenes_2d(tmp_path)
    image(folder / nuscenes_image(T0 + 2 * STEP, 'CAM_BACK'))
    names = [s.name for s in read(changed(folder, two_cameras), CONFIG).sequences]
    assert names == [
        f'{NUSCENES_LOG}__{c}' for c in ('CAM_BACK_00', 'CAM_FRONT_00', 'CAM_FRONT_01')
    ]


def test_cameras_tell_that_a_scene_goes_on(tmp_path):
    """The front sees other objects than before, but one behind was there all the time."""

    def seen_behind(records):
        for time_us in (T0, T0 + 3 * STEP):
            behind = {**records[1], 'instance_token': 'g' * 32}
            behind['filename'] = nuscenes_image(time_us + 25_000, 'CAM_BACK')
            records.append(behind)

    folder = nuscenes_2d(tmp_path)
    for time_us in (T0, T0 + 3 * STEP):
        image(folder / nuscenes_image(time_us + 25_000, 'CAM_BACK'))
    lengths = {s.name: len(s) for s in read(changed(folder, seen_behind), CONFIG).sequences}
    assert lengths[f'{NUSCENES_LOG}__CAM_FRONT_00'] == 4


def test_a_time_in_the_records_comes_first(tmp_path):
    def reversed_times(records):
        for record in records:
            record['timestamp'] = 2 * T0 - int(record['filename'].split('__')[2][:-4])

    sequences = read(changed(nuscenes_2d(tmp_path), reversed_times), CONFIG).sequences
    assert times_of(sequences[-1])[-1] == T0


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda records: [], 'got none'),
        (
            lambda records: records[0].pop('instance_token') and None,
            'annotation 0: instance_token',
        ),
        (lambda records: records[1].update(category_name='vehicle.boat'), "'vehicle.boat'; legal"),
        (lambda records: records[1].update(bbox_corners=[1, 2]), '4 finite numbers'),
        (lambda records: records[1].update(filename='samples/CAM_FRONT/a.jpg'), 'microseconds'),
        (lambda records: records.append(records[1]), 'stands twice'),
    ],
)
def test_damaged_exports(tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        read(changed(nuscenes_2d(tmp_path), change), CONFIG)


def test_half_of_the_set(tmp_path):
    folder = nuscenes_2d(tmp_path)
    (folder / nuscenes_image(T0)).unlink()
    with pytest.raises(InputError, match=r'1 of 3 images .* are missing.*samples/ again'):
        read(folder, CONFIG)
    text(export_of(folder), export_of(folder).read_text()[:-20])
    with pytest.raises(InputError, match='half-downloaded JSON'):
        read(folder, CONFIG)
