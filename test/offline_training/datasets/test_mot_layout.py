import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from mot_compress_ros.errors import InputError
from offline_training.datasets.classes import CYCLIST, PEDESTRIAN, VEHICLE
from offline_training.datasets.mot_images import frame_ranges
from offline_training.datasets.mot_layout import (
    read,
    read_ground_truth,
    read_sequence,
    recognises,
    sequence_folders,
)
from offline_training.datasets.mot_writing import GroundTruthRow, SequenceWriter
from offline_training.datasets.records import SourceConfig

MOT15 = '1,1,50,191,61,141,1,-5.0,11.9,0.7\n2,1,51,191,61,141,1,-5.0,11.9,0.7\n'


def write_sequence(folder: Path, gt: str, *, frames: int = 2, info: str | None = None) -> Path:
    (folder / 'img1').mkdir(parents=True)
    (folder / 'gt').mkdir()
    for k in range(frames):
        image = np.full((48, 64, 3), k, np.uint8)
        cv2.imwrite(str(folder / 'img1' / f'{k + 1:06d}.jpg'), image)
    (folder / 'gt' / 'gt.txt').write_text(gt)
    if info is not None:
        (folder / 'seqinfo.ini').write_text(info)
    return folder


def test_mot15_dialect_holds_pedestrians(tmp_path):
    info = '[Sequence]\nname=Street\nimDir=img1\nframeRate=14\nseqLength=2\nimWidth=64\n'
    info += 'imHeight=48\nimExt=.jpg\n'
    sequence = read_sequence(write_sequence(tmp_path / 's', MOT15, info=info))
    assert (sequence.name, sequence.fps, sequence.size_wh, len(sequence)) == (
        'Street',
        14.0,
        (64, 48),
        2,
    )
    assert sequence.labelled_class_ids == (PEDESTRIAN,)
    first = sequence.truth[0]
    assert first.boxes_xyxy_px.tolist() == [[50, 191, 111, 332]]
    assert (first.ids.tolist(), first.class_ids.tolist()) == ([1], [PEDESTRIAN])
    assert not first.ignore.any()


@pytest.mark.parametrize(
    ('number', 'class_id', 'ignore'),
    [
        (1, PEDESTRIAN, False),
        (2, CYCLIST, False),
        (3, VEHICLE, False),
        (4, CYCLIST, True),
        (5, CYCLIST, False),
        (6, VEHICLE, True),
        (7, PEDESTRIAN, True),
        (8, PEDESTRIAN, True),
        (12, PEDESTRIAN, True),
    ],
)
def test_class_numbers(tmp_path, number, class_id, ignore):
    (tmp_path / 'gt.txt').write_text(f'1,1,10,10,5,5,1,{number},0.5\n')
    (truth,) = read_ground_truth(tmp_path / 'gt.txt')
    assert truth.class_ids.tolist() == [class_id]
    assert truth.ignore.tolist() == [ignore]
    assert truth.visibility.tolist() == [0.5]


def test_occluders_are_dropped_and_inactive_rows_ignored(tmp_path):
    (tmp_path / 'gt.txt').write_text('1,1,10,10,5,5,1,9,1\n1,2,10,10,5,5,0,3,1\n')
    (truth,) = read_ground_truth(tmp_path / 'gt.txt')
    assert truth.class_ids.tolist() == [VEHICLE]
    assert truth.ignore.tolist() == [True]


def test_frames_without_objects_and_blank_lines(tmp_path):
    (tmp_path / 'gt.txt').write_text('\n3,1,10,10,5,5,1,3,1\n\n')
    truth = read_ground_truth(tmp_path / 'gt.txt', n_frames=4)
    assert [len(t) for t in truth] == [0, 0, 1, 0]
    assert truth[0].boxes_xyxy_px.shape == (0, 4)
    (tmp_path / 'gt.txt').write_text('')
    assert read_ground_truth(tmp_path / 'gt.txt') == ()


def test_labelled_classes_by_seqinfo_and_by_occurrence(tmp_path):
    rows = '1,1,10,10,5,5,1,3,1\n1,2,10,10,5,5,0,1,1\n'
    bare = read_sequence(write_sequence(tmp_path / 'bare', rows))
    assert bare.labelled_class_ids == (VEHICLE,)  # the pedestrian is to be ignored
    assert (bare.name, bare.fps, bare.size_wh) == ('bare', 30.0, (64, 48))
    assert bare.origin == 'real'
    info = '[Sequence]\nlabelledClasses=vehicle, pedestrian\n'
    stated = read_sequence(write_sequence(tmp_path / 'stated', rows, info=info))
    assert stated.labelled_class_ids == (PEDESTRIAN, VEHICLE)


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('1,1,10,10,5\n', 'expected 9 finite columns'),
        ('1,1,10,10,x,5,1,3,1\n', 'expected comma-separated numbers'),
        ('1,1,10,10,nan,5,1,3,1\n', 'finite'),
        ('1,1,10,10,0,5,1,3,1\n', 'width and height above 0'),
        ('1,1,10,10,5,5,1,77,1\n', 'class 77; legal ones'),
        ('1.5,1,10,10,5,5,1,3,1\n', 'expected a whole frame and id, got 1.5 and 1'),
        ('9,1,10,10,5,5,1,3,1\n', 'frame 9, but the sequence has frames 1 to 2'),
        ('0,1,10,10,5,5,1,3,1\n', 'frame 0'),
        ('1,1,10,10,5,5,1,3,1\n1,1,20,10,5,5,1,3,1\n', 'an identity stands twice'),
    ],
)
def test_what_is_wrong_is_said(tmp_path, line, message):
    (tmp_path / 'gt.txt').write_text(line)
    with pytest.raises(InputError, match=message):
        read_ground_truth(tmp_path / 'gt.txt', n_frames=2)


@pytest.mark.parametrize(
    ('info', 'message'),
    [
        ('name=x\n', r'\[Sequence\]'),
        ('[Sequence]\nframeRate=fast\n', 'frameRate: expected a number above 0'),
        ('[Sequence]\nframeRate=0\n', 'frameRate: expected a number above 0'),
        ('[Sequence]\nseqLength=9\n', '2 images, seqinfo.ini says 9'),
        ('[Sequence]\nlabelledClasses=car\n', 'car; legal ones: pedestrian'),
        ('[Sequence]\nimExt=.png\n', 'no images'),
        ('[Sequence]\norigin=game\n', "origin: got 'game', legal: real, synthetic"),
    ],
)
def test_damaged_seqinfo(tmp_path, info, message):
    with pytest.raises(InputError, match=message):
        read_sequence(write_sequence(tmp_path / 's', MOT15, info=info))


def test_missing_parts(tmp_path):
    with pytest.raises(InputError, match='no such sequence folder'):
        read_sequence(tmp_path / 'nowhere')
    folder = write_sequence(tmp_path / 's', MOT15)
    (folder / 'gt' / 'gt.txt').unlink()
    with pytest.raises(InputError, match='no such ground truth file'):
        read_sequence(folder)


def test_what_is_written_is_read_again(tmp_path):
    writer = SequenceWriter(
        tmp_path / 'made', fps=12.5, labelled_classes=('vehicle',), origin='synthetic'
    )
    for _ in range(2):
        writer.add_image(np.zeros((48, 64, 3), np.uint8))
    writer.finish(
        [
            GroundTruthRow(
                frame_index=1,
                track_id=4,
                xyxy_px=np.array([1.25, 2, 11, 22.5]),
                class_id=VEHICLE,
            ),
            GroundTruthRow(
                frame_index=0,
                track_id=5,
                xyxy_px=np.array([0, 0, 9, 9]),
                class_id=CYCLIST,
                active=False,
            ),
        ]
    )
    sequence = read_sequence(tmp_path / 'made')
    assert sequence.origin == 'synthetic'
    assert (sequence.fps, sequence.size_wh) == (12.5, (64, 48))
    assert sequence.labelled_class_ids == (VEHICLE,)
    assert sequence.truth[0].ignore.tolist() == [True]
    assert sequence.truth[1].boxes_xyxy_px.tolist() == [[1.25, 2, 11, 22.5]]
    with pytest.raises(InputError, match='already holds a sequence'):
        SequenceWriter(tmp_path / 'made', fps=10)


def test_sequences_are_found_by_either_sign_and_sorted_by_number(tmp_path):
    write_sequence(tmp_path / 'b', MOT15)
    write_sequence(tmp_path / 'a', MOT15, info='[Sequence]\n')
    (tmp_path / 'notes').mkdir()
    assert [p.name for p in sequence_folders(tmp_path)] == ['a', 'b']
    assert sequence_folders(tmp_path / 'b') == [tmp_path / 'b']
    with pytest.raises(InputError, match=r'expected seqinfo\.ini or gt/gt\.txt'):
        sequence_folders(tmp_path / 'notes')
    images = tmp_path / 'b' / 'img1'
    (images / '000001.jpg').rename(images / '10.jpg')
    (images / '000002.jpg').rename(images / '9.jpg')
    assert [p.name for p in read_sequence(tmp_path / 'b').image_paths] == ['9.jpg', '10.jpg']


def numbered(folder: Path, names: list[str], length: int | None) -> Path:
    """A sequence with images of these names."""
    write_sequence(folder, MOT15, frames=0)
    for name in names:
        cv2.imwrite(str(folder / 'img1' / name), np.zeros((48, 64, 3), np.uint8))
    if length is not None:
        (folder / 'seqinfo.ini').write_text(f'[Sequence]\nimDir=img1\nseqLength={length}\n')
    return folder


@pytest.mark.parametrize(
    ('numbers', 'length', 'message'),
    [
        ([1, 2, 5, 6, 8], 8, r'5 images, seqinfo\.ini says 8; 3 missing, frame 3-4, 7:'),
        ([1, 2], 6, r'seqinfo\.ini says 6; 4 missing, frame 3-6:'),
        ([4, 5, 6], 6, '3 missing, frame 1-3:'),
        ([1, 2, 4], 3, '3 images; 1 missing, frame 3:'),
        ([0, 1, 3], 4, '1 missing, frame 2:'),
        ([1, 3], None, '2 images; 1 missing, frame 2:'),
        ([1, 2, 3, 4], 3, r'seqinfo\.ini says 3; frame 4 beyond it'),
    ],
)
def test_missing_frames_are_named(tmp_path, numbers, length, message):
    folder = numbered(tmp_path / 's', [f'{k:06d}.jpg' for k in numbers], length)
    with pytest.raises(InputError, match=message):
        read_sequence(folder)


@pytest.mark.parametrize(
    ('names', 'length'),
    [
        (['000001.jpg', '000002.jpg'], 2),
        (['000000.jpg', '000001.jpg'], 2),
        (['000301.jpg', '000302.jpg'], 2),  # cut out of a longer one
        (['img_9.png', 'img_10.png'], None),
        (['left.jpg', 'right.jpg'], 2),  # no numbers: nothing to say about gaps
    ],
)
def test_whole_sequences_of_any_numbering(tmp_path, names, length):
    sequence = read_sequence(numbered(tmp_path / 's', names, length))
    assert [path.name for path in sequence.image_paths] == names


def test_a_frame_that_stands_twice_is_named(tmp_path):
    folder = numbered(tmp_path / 's', ['000001.jpg', '000002.jpg', '000002.png'], None)
    with pytest.raises(InputError, match='frame 2 stands there twice'):
        read_sequence(folder)


def test_long_lists_of_frames_end_in_dots():
    assert frame_ranges([1, 2, 3, 7, 9, 10]) == '1-3, 7, 9-10'
    assert frame_ranges(range(1, 100, 2)).endswith('21, 23, ...')
    assert frame_ranges([]) == ''


def test_test_sequences_are_refused_with_the_reason(tmp_path):
    folder = write_sequence(tmp_path / 'MOT17-01-DPM', MOT15)
    (folder / 'gt' / 'gt.txt').unlink()
    (folder / 'gt').rmdir()
    (folder / 'det').mkdir()
    with pytest.raises(InputError, match='MOTChallenge does not publish'):
        read_sequence(folder)


def test_detector_copies_of_mot17_are_read_once_unless_all_are_wanted(tmp_path):
    for name in ('MOT17-02-SDP', 'MOT17-02-DPM', 'MOT17-02-FRCNN', 'MOT17-04-FRCNN', 'DPM'):
        write_sequence(tmp_path / name, MOT15)
    once = read(tmp_path, SourceConfig())
    assert [s.name for s in once.sequences] == ['DPM', 'MOT17-02-DPM', 'MOT17-04-FRCNN']
    every = read(tmp_path, SourceConfig(detector_copies=True))
    assert len(every.sequences) == 5
    # Whoever names one copy gets it.
    asked = read(tmp_path / 'MOT17-02-SDP', SourceConfig())
    assert [s.name for s in asked.sequences] == ['MOT17-02-SDP']


def test_only_sequences_are_recognised(tmp_path):
    assert not recognises(tmp_path)
    assert not recognises(tmp_path / 'nowhere')
    write_sequence(tmp_path / 's', MOT15)
    assert recognises(tmp_path / 's')
    assert recognises(tmp_path)
    assert not recognises(tmp_path / 's' / 'img1' / '000001.jpg')


def test_ids_may_mean_nothing(tmp_path):
    folder = write_sequence(tmp_path / 's', MOT15, info='[Sequence]\nidentities=false\n')
    assert not read_sequence(folder).has_identities
    (folder / 'seqinfo.ini').write_text('[Sequence]\nidentities=no\n')
    with pytest.raises(InputError, match="identities: got 'no', legal: true, false"):
        read_sequence(folder)


def test_a_damaged_first_image_does_not_hide_the_size(tmp_path):
    folder = write_sequence(tmp_path / 's', MOT15)
    (folder / 'img1' / '000001.jpg').write_bytes(b'')
    assert read_sequence(folder).size_wh == (64, 48)
    (folder / 'img1' / '000002.jpg').write_bytes(b'')
    with pytest.raises(InputError, match='no image that can be read'):
        read_sequence(folder)


def test_a_sequence_may_be_written_without_images(tmp_path):
    (tmp_path / 'gt').mkdir()
    (tmp_path / 'gt' / 'gt.txt').write_text(MOT15)
    info = '[Sequence]\nseqLength=3\nimWidth=64\nimHeight=48\n'
    (tmp_path / 'seqinfo.ini').write_text(info)
    sequence = read_sequence(tmp_path)
    assert (len(sequence), sequence.image_paths) == (3, ())
    # As published, with imDir, the images are missing.
    (tmp_path / 'seqinfo.ini').write_text(f'{info}imDir=img1\n')
    with pytest.raises(InputError, match='no images'):
        read_sequence(tmp_path)


@pytest.mark.data
@pytest.mark.skipif('MOT_DATA' not in os.environ, reason='MOT_DATA names no data folder')
def test_the_real_sequences():
    data = Path(os.environ['MOT_DATA'])
    stadtmitte = read_sequence(data / 'mot15' / 'dev' / 'TUD-Stadtmitte')
    assert (len(stadtmitte), stadtmitte.fps) == (179, 25.0)
    assert stadtmitte.labelled_class_ids == (PEDESTRIAN,)
    ids = np.unique(np.concatenate([t.ids for t in stadtmitte.truth]))
    assert (len(ids), sum(len(t) for t in stadtmitte.truth)) == (10, 1156)
    sunnyday = read_sequence(data / 'mot15' / 'train' / 'ETH-Sunnyday')
    assert sum(int(t.ignore.sum()) for t in sunnyday.truth) == 43
    scooter = read_sequence(data / 'davis' / 'scooter-black')
    assert scooter.labelled_class_ids == (CYCLIST,)
    mot17 = read_ground_truth(data / 'mot17_val_gt' / 'MOT17-02' / 'gt.txt')
    assert any((~t.ignore).any() for t in mot17)


def test_images_alone_are_not_passed_over(tmp_path):
    write_sequence(tmp_path / 'a', MOT15)
    half = write_sequence(tmp_path / 'b', MOT15)
    (half / 'gt' / 'gt.txt').unlink()
    with pytest.raises(InputError, match=r'b/gt/gt\.txt: no such ground truth file'):
        read(tmp_path, SourceConfig())
