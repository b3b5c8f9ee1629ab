"""What is written is read again: same boxes, ids and classes, same bytes of the images."""

from dataclasses import replace
import importlib
import json
import os
from pathlib import Path

import numpy as np
from own_sets import frame, images_set, sequence, sequences_set, single_image
from pycocotools.coco import COCO
import pytest

from mot_compress_ros.errors import InputError
from offline_training.datasets import jde as jde_layout
from offline_training.datasets import kitti_tracking as kitti_layout
from offline_training.datasets import mot_layout
from offline_training.datasets.classes import ALL_CLASSES, CYCLIST, PEDESTRIAN, VEHICLE
from offline_training.datasets.records import LabelledSet, SourceConfig
from offline_training.datasets.writers import coco, jde, kitti_tracking, mot, placing, WRITERS


def module_of(name):
    return importlib.import_module(WRITERS[name])


def files_below(folder):
    return {path for path in folder.rglob('*') if path.suffix in ('.png', '.jpg')}


@pytest.fixture
def out(tmp_path):
    (tmp_path / 'out').mkdir()
    return tmp_path / 'out'


@pytest.mark.parametrize('name', WRITERS)
def test_every_writer_links_images_and_leaves_them_as_they_are(name, tmp_path, out):
    labelled = sequences_set(tmp_path / 'in')
    assert module_of(name).HELP
    lost = module_of(name).write(labelled, out)
    assert all(isinstance(sentence, str) for sentence in lost)
    sources = [path for s in labelled.sequences for path in s.image_paths]
    assert {path.stat().st_ino for path in files_below(out)} == {p.stat().st_ino for p in sources}
    assert len(files_below(out)) == 10


@pytest.mark.parametrize('name', WRITERS)
def test_every_writer_takes_single_images_or_says_who_does(name, tmp_path, out):
    labelled = images_set(tmp_path / 'in')
    if name in ('mot', 'kitti_tracking'):
        with pytest.raises(InputError, match=r'2 single images.*--to coco'):
            module_of(name).write(labelled, out)
        return
    module_of(name).write(labelled, out)
    # Two images called a.jpg keep apart.
    assert len(files_below(out)) == 2


@pytest.mark.parametrize('name', WRITERS)
def test_a_missing_image_is_named(name, tmp_path, out):
    labelled = sequences_set(tmp_path / 'in')
    labelled.sequences[1].image_paths[2].unlink()
    with pytest.raises(InputError, match=r'2\.png'):
        module_of(name).write(labelled, out)


def assert_same_truth(mine, other, *, ignored=True):
    """Rows in any order; regions to ignore as (class, box)."""
    assert len(mine.truth) == len(other.truth)
    for a, b in zip(mine.truth, other.truth, strict=True):
        assert rows_of(a[~a.ignore]) == rows_of(b[~b.ignore])
        if ignored:
            assert regions_of(a) == regions_of(b)


def rows_of(truth):
    boxes = np.round(truth.boxes_xyxy_px, 2).tolist()
    return sorted(zip(truth.ids.tolist(), truth.class_ids.tolist(), boxes, strict=True))


def regions_of(truth):
    boxes = np.round(truth.boxes_xyxy_px[truth.ignore], 2).tolist()
    return sorted(zip(truth.class_ids[truth.ignore].tolist(), boxes, strict=True))


def test_mot_comes_back_whole(tmp_path, out):
    labelled = sequences_set(tmp_path / 'in')
    one = sequence(tmp_path / 'in', 'night', labelled=(VEHICLE,), fps=29.97003, origin='synthetic')
    labelled = replace(labelled, sequences=(*labelled.sequences, one))
    assert mot.write(labelled, out) == []
    again = mot_layout.read(out, SourceConfig())
    written = sorted(labelled.sequences, key=lambda s: s.name)
    for mine, other in zip(written, again.sequences, strict=True):
        assert_same_truth(mine, other)
        assert [t.visibility.tolist() for t in other.truth[:1]] == [[1.0, 0.6]]
        for name in ('name', 'fps', 'size_wh', 'labelled_class_ids', 'origin', 'has_identities'):
            assert getattr(mine, name) == getattr(other, name)
    assert [p.name for p in again.sequences[0].image_paths[:2]] == ['000001.png', '000002.png']


def test_ids_without_a_meaning_become_one_for_each_box(tmp_path, out):
    twice = frame((1, VEHICLE, (1, 1, 9, 9), False, 1.0), (1, VEHICLE, (20, 1, 29, 9), False, 1.0))
    nameless = sequence(tmp_path / 'in', truth=(twice,) * 5, has_identities=False)
    labelled = LabelledSet(path=tmp_path, layout='mot', sequences=(nameless,))
    mot.write(labelled, out)
    (again,) = mot_layout.read(out, SourceConfig()).sequences
    assert not again.has_identities
    ids = np.concatenate([truth.ids for truth in again.truth])
    assert len(set(ids.tolist())) == 10


def test_sequences_without_images_are_scored_in_either_layout(tmp_path, out):
    bare = sequence(tmp_path / 'in', image_paths=())
    labelled = LabelledSet(path=tmp_path, layout='kitti_tracking', sequences=(bare,))
    mot.write(labelled, out)
    (again,) = mot_layout.read(out, SourceConfig()).sequences
    assert (again.image_paths, again.size_wh) == ((), (64, 48))
    assert_same_truth(bare, again)
    (tmp_path / 'kitti').mkdir()
    kitti_tracking.write(labelled, tmp_path / 'kitti')
    (again,) = kitti_layout.read(tmp_path / 'kitti', SourceConfig()).sequences
    assert_same_truth(bare, again, ignored=False)
    with pytest.raises(InputError, match='comes without images'):
        jde.write(labelled, tmp_path)


def test_kitti_comes_back_but_for_what_is_said(tmp_path, out):
    labelled = sequences_set(tmp_path / 'in')
    lost = kitti_tracking.write(labelled, out)
    assert [sentence.partition(' regions')[0] for sentence in lost[:1]] == ['2']
    assert any('visibility' in sentence for sentence in lost)
    again = kitti_layout.read(out, SourceConfig())
    for mine, other in zip(labelled.sequences, again.sequences, strict=True):
        assert (mine.name, len(mine)) == (other.name, len(other))
        assert_same_truth(mine, other, ignored=False)
        # One region to ignore is ignored for every class.
        assert regions_of(other.truth[1]) == [(k, [1.0, 1.0, 9.0, 20.0]) for k in ALL_CLASSES]
        assert [t.visibility.tolist() for t in other.truth[:1]] == [[1.0, 0.6]]
    seqmap = (out / 'evaluate_tracking.seqmap.training').read_text()
    assert seqmap == 'drive empty 000000 000005\nwalk empty 000000 000005\n'
    line = (out / 'label_02' / 'drive.txt').read_text().splitlines()[0]
    assert line.startswith('0 3 Car 0 0 -10 10.250000 5.500000 30.500000 20.750000 -1 ')
    assert len(line.split()) == 17


def test_kitti_to_mot_to_kitti_changes_nothing(tmp_path, out):
    first, second = tmp_path / 'first', tmp_path / 'second'
    first.mkdir(), second.mkdir()
    kitti_tracking.write(sequences_set(tmp_path / 'in'), first)
    mot.write(kitti_layout.read(first, SourceConfig()), out)
    kitti_tracking.write(mot_layout.read(out, SourceConfig()), second)
    for name in ('label_02/drive.txt', 'label_02/walk.txt', 'evaluate_tracking.seqmap.training'):
        one, two = ((folder / name).read_text().splitlines() for folder in (first, second))
        assert sorted(one) == sorted(two)


def test_what_kitti_cannot_say_is_said(tmp_path, out):
    one = sequence(tmp_path / 'in', labelled=(PEDESTRIAN,), fps=25.0, origin='synthetic')
    lost = kitti_tracking.write(LabelledSet(path=tmp_path, layout='mot', sequences=(one,)), out)
    text = '\n'.join(lost)
    for part in ('only some classes', '(pedestrian)', '25 Hz', 'synthetic'):
        assert part in text


def test_coco_is_what_pycocotools_reads(tmp_path, out):
    labelled = images_set(tmp_path / 'in')
    both = replace(labelled, sequences=sequences_set(tmp_path / 'in').sequences[:1])
    coco.write(both, out)
    truth = COCO(str(out / 'annotations' / 'instances.json'))
    assert [c['name'] for c in truth.loadCats(truth.getCatIds())] == list(both.class_names)
    by_name = {image['file_name']: image for image in truth.loadImgs(truth.getImgIds())}
    assert len(by_name) == 7
    for name, image in by_name.items():
        assert (out / 'images' / name).is_file()
        assert (image['width'], image['height']) == (64, 48)
    left = truth.loadAnns(truth.getAnnIds(imgIds=by_name['left/a.jpg']['id']))
    assert [(a['category_id'] - 1, a['bbox'], a['iscrowd'], a['area']) for a in left] == [
        (PEDESTRIAN, [1, 2, 10, 30], 0, 300),
        (VEHICLE, [20, 5, 30, 20], 0, 600),
        (CYCLIST, [30, 30, 10, 15], 1, 150),
    ]
    assert 'track_id' not in left[0]
    first = by_name['drive/000001.png']
    assert (first['sequence'], first['frame_number']) == ('drive', 1)
    boxes = truth.loadAnns(truth.getAnnIds(imgIds=first['id']))
    assert [(a['track_id'], a['bbox']) for a in boxes] == [
        (3, [10.25, 5.5, 20.25, 15.25]),
        (7, [40, 10, 8.12, 20]),
    ]


def test_coco_takes_any_classes(tmp_path, out):
    labelled = replace(
        images_set(tmp_path / 'in'), class_names=('aeroplane', 'boat', 'cat', 'dog')
    )
    coco.write(labelled, out)
    document = json.loads((out / 'annotations' / 'instances.json').read_text())
    assert [c['name'] for c in document['categories']] == ['aeroplane', 'boat', 'cat', 'dog']
    for writer in (mot, kitti_tracking):
        strange = replace(labelled, images=(), sequences=sequences_set(tmp_path / 'in').sequences)
        with pytest.raises(InputError, match='classes aeroplane'):
            writer.write(strange, out)


def test_jde_holds_the_people_with_identities_over_the_whole_set(tmp_path, out):
    labelled = replace(
        sequences_set(tmp_path / 'in'),
        images=(
            single_image(tmp_path / 'in' / 'a.jpg', seed=1),
            single_image(tmp_path / 'in' / 'b.jpg', seed=2, ids=[6, -1, -1]),
            single_image(tmp_path / 'in' / 'c.jpg', seed=3, ids=[6, -1, -1]),
        ),
    )
    lost = jde.write(labelled, out)
    # 16 boxes are of the two sequences, 4 of them people; 9 of the images, 3 of them people.
    assert lost[0].startswith('18 boxes')
    assert (out / 'images.train').read_text().splitlines()[:4] == [
        'images/a.jpg',
        'images/b.jpg',
        'images/c.jpg',
        'images/drive/img1/000001.png',
    ]
    again = {i.path.relative_to(out / 'images').as_posix(): i for i in read_jde(out)}
    ids = {name: image.ids.tolist() for name, image in again.items() if len(image)}
    assert ids == {
        'a.jpg': [0],
        'b.jpg': [1],
        'c.jpg': [1],
        'drive/img1/000001.png': [2],
        'drive/img1/000004.png': [2],
        'walk/img1/000001.png': [3],
        'walk/img1/000004.png': [3],
    }
    walker = again['drive/img1/000001.png'].boxes_xyxy_px
    assert walker.tolist() == [pytest.approx([40, 10, 48.12, 30], abs=1e-4)]


def read_jde(folder):
    return jde_layout.read(folder, SourceConfig()).images


def test_jde_leaves_out_images_where_people_are_not_labelled(tmp_path, out):
    pair = sequences_set(tmp_path / 'in').sequences
    cars_only = replace(pair[1], labelled_class_ids=(VEHICLE,))
    labelled = LabelledSet(path=tmp_path, layout='mot', sequences=(pair[0], cars_only))
    lost = jde.write(labelled, out)
    assert lost[0].startswith('5 images')
    assert not (out / 'images' / 'walk').exists()
    with pytest.raises(InputError, match='pedestrian or person'):
        jde.write(replace(labelled, sequences=(cars_only,)), out)


def test_names_cannot_leave_the_folder_nor_meet(tmp_path):
    one, two = sequences_set(tmp_path).sequences
    strange = replace(one, name='../../etc/x y')
    assert placing.sequence_names([strange, two]) == ['_.._etc_x_y', 'walk']
    with pytest.raises(InputError, match='two sequences are called walk'):
        placing.sequence_names([two, two])


def test_images_on_another_file_system_are_copied(tmp_path, monkeypatch):
    (tmp_path / 'a.jpg').write_bytes(b'pixels')
    (tmp_path / 'link.jpg').symlink_to(tmp_path / 'a.jpg')

    def refuse(*_: object) -> None:
        raise OSError(18, 'Invalid cross-device link')

    placing.place_image(tmp_path / 'link.jpg', tmp_path / 'out' / 'linked.jpg')
    monkeypatch.setattr(os, 'link', refuse)
    placing.place_image(tmp_path / 'link.jpg', tmp_path / 'out' / 'copied.jpg')
    linked, copied = (tmp_path / 'out' / name for name in ('linked.jpg', 'copied.jpg'))
    assert linked.samefile(tmp_path / 'a.jpg') and not linked.is_symlink()
    assert copied.read_bytes() == b'pixels' and not copied.samefile(tmp_path / 'a.jpg')


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    output = tmp_path / 'set'
    with pytest.raises(RuntimeError), placing.appearing_folder(output) as folder:
        (folder / 'half').write_text('')
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    (tmp_path / '.set.part').mkdir()
    (tmp_path / '.set.part' / 'of a run that was killed').write_text('')
    with placing.appearing_folder(output) as folder:
        (folder / 'whole').write_text('')
    assert [path.name for path in output.iterdir()] == ['whole']
    with pytest.raises(InputError, match='already there'), placing.appearing_folder(output):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ['set']


@pytest.mark.data
@pytest.mark.skipif('MOT_DATA' not in os.environ, reason='MOT_DATA names no data folder')
def test_a_real_sequence_goes_through_both_layouts(tmp_path, out):
    labelled = mot_layout.read(Path(os.environ['MOT_DATA']) / 'mot15' / 'dev', SourceConfig())
    (tmp_path / 'back').mkdir()
    kitti_tracking.write(labelled, out)
    mot.write(kitti_layout.read(out, SourceConfig()), tmp_path / 'back')
    again = mot_layout.read(tmp_path / 'back', SourceConfig())
    pairs = zip(labelled.sequences[0].truth, again.sequences[0].truth, strict=True)
    for mine, other in ((a[~a.ignore], b[~b.ignore]) for a, b in pairs):
        assert (mine.ids.tolist(), mine.class_ids.tolist()) == (
            other.ids.tolist(),
            other.class_ids.tolist(),
        )
        # Left and width are each written with two decimals.
        assert other.boxes_xyxy_px == pytest.approx(mine.boxes_xyxy_px, abs=0.0101)
