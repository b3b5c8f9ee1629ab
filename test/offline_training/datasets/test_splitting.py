import os
from pathlib import Path

import numpy as np
from own_sets import images_set, sequence, sequence_truth, sequences_set
import pytest

from mot_compress_ros.errors import InputError, InvalidOptionError
from offline_training.datasets import mot_layout
from offline_training.datasets.mot_layout import read_ground_truth
from offline_training.datasets.records import SourceConfig
from offline_training.datasets.splitting import cut, write_split


@pytest.mark.parametrize(
    ('frames', 'second'),
    # Length of the sequence, and of the second half that MOT17's half-val protocol scores.
    [(600, 299), (1050, 524), (837, 418), (525, 262), (654, 326)],
)
def test_halves_are_those_of_mot17s_protocol(tmp_path, frames, second):
    long = sequence(tmp_path, truth=(sequence_truth()[0],) * frames, image_paths=())
    train, val = cut(long)
    assert (len(train), len(val)) == (frames - second, second)


def test_the_parts_are_sequences_counted_from_one(tmp_path):
    (tmp_path / 'out').mkdir()
    labelled = sequences_set(tmp_path / 'in')
    parts = write_split(labelled, tmp_path / 'out')
    assert [len(s) for part in parts.values() for s in part] == [3, 3, 2, 2]
    train = mot_layout.read(tmp_path / 'out' / 'train', SourceConfig()).sequences
    val = mot_layout.read(tmp_path / 'out' / 'val', SourceConfig()).sequences
    assert [s.name for s in (*train, *val)] == [
        'drive_train',
        'walk_train',
        'drive_val',
        'walk_val',
    ]
    assert sorted(p.name for p in (tmp_path / 'out' / 'val').iterdir()) == ['drive', 'walk']
    whole = labelled.sequences[0]
    for first, part in ((0, train[0]), (3, val[0])):
        assert part.image_paths[0].name == '000001.png'
        for k, (image, truth) in enumerate(zip(part.image_paths, part.truth, strict=True)):
            assert image.samefile(whole.image_paths[first + k])
            mine = whole.truth[first + k]
            # Ids keep their numbers in both halves.
            assert sorted(truth.ids.tolist()) == sorted(mine.ids.tolist())
            assert np.sort(truth.boxes_xyxy_px, axis=0) == pytest.approx(
                np.sort(mine.boxes_xyxy_px, axis=0), abs=0.005
            )


def test_mot_challenges_own_rows_are_kept(tmp_path):
    """TrackEval takes distractors out (class 8 here), which to us are regions to ignore."""
    rows = [
        *(f'{k},1,{10 + k},5,20,30,1,1,0.5' for k in range(1, 6)),
        '2,7,1,2,3,4,0,8,1',
        '5,8,1,2,3,4,0,11,1',
        '5,9,40,2,3,4,0,7,0.25',
    ]
    whole = sequence(tmp_path / 'images')
    gt = tmp_path / 'in' / 'street' / 'gt' / 'gt.txt'
    gt.parent.mkdir(parents=True)
    gt.write_text('\n'.join(rows))
    (gt.parent.parent / 'img1').mkdir()
    for k, image in enumerate(whole.image_paths, start=1):
        image.rename(gt.parent.parent / 'img1' / f'{k}.png')
    (tmp_path / 'out').mkdir()
    write_split(mot_layout.read(tmp_path / 'in', SourceConfig()), tmp_path / 'out')
    written = [(tmp_path / 'out' / p / 'street/gt/gt.txt').read_text() for p in ('train', 'val')]
    assert written[0].splitlines() == [*rows[:3], rows[5]]
    assert written[1].splitlines() == [
        '1,1,14,5,20,30,1,1,0.5',
        '2,1,15,5,20,30,1,1,0.5',
        '2,8,1,2,3,4,0,11,1',
        '2,9,40,2,3,4,0,7,0.25',
    ]


def test_another_fraction(tmp_path):
    train, val = cut(sequence(tmp_path), 0.75)
    assert (len(train), len(val)) == (4, 1)
    for wrong in (0.0, 1.0, -0.5, float('nan')):
        with pytest.raises(InvalidOptionError, match='more than 0 and less than 1'):
            cut(sequence(tmp_path), wrong)
    with pytest.raises(InputError, match='5 frames give no second part'):
        cut(sequence(tmp_path), 0.9)


def test_single_images_are_not_cut(tmp_path):
    with pytest.raises(InputError, match='only sequences are cut'):
        write_split(images_set(tmp_path), tmp_path)


@pytest.mark.data
@pytest.mark.skipif('MOT_DATA' not in os.environ, reason='MOT_DATA names no data folder')
def test_the_published_second_halves_are_as_long():
    folder = Path(os.environ['MOT_DATA']) / 'mot17_val_gt'
    lengths = {'02': 600, '04': 1050, '05': 837, '09': 525, '10': 654}
    for name, length in lengths.items():
        truth = read_ground_truth(folder / f'MOT17-{name}' / 'gt.txt')
        assert len(truth) == length - (length // 2 + 1)
