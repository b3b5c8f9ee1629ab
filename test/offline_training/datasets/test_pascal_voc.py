from published_sets import pascal_voc, text, voc_annotation, voc_object
import pytest

from mot_compress_ros.errors import InputError
from offline_training.datasets.classes import CLASS_NAMES, CYCLIST, PEDESTRIAN, VEHICLE
from offline_training.datasets.collect import collect_sources
from offline_training.datasets.pascal_voc import read, VOC_CLASSES
from offline_training.datasets.records import SourceConfig

CONFIG = SourceConfig(layout='pascal_voc')
BOMB = """<?xml version="1.0"?>
<!DOCTYPE a [<!ENTITY x "xxxxxxxxxx"><!ENTITY y "&x;&x;&x;&x;&x;&x;&x;&x;&x;&x;">
<!ENTITY z "&y;&y;&y;&y;&y;&y;&y;&y;&y;&y;">]>
<annotation><object><name>&z;</name></object></annotation>
"""


def names_of(image):
    return [VOC_CLASSES[k] for k in image.class_ids.tolist()]


def test_the_classes_of_voc(tmp_path):
    labelled = read(pascal_voc(tmp_path), CONFIG)
    assert labelled.class_names == VOC_CLASSES
    assert len(set(VOC_CLASSES)) == 20
    car, people = labelled.images
    assert car.path.name == '000012.jpg'
    assert names_of(car) == ['car', 'dog']
    # Pixels from 1 in the file: this box is the whole image of 64 x 48.
    assert car.boxes_xyxy_px[0].tolist() == [0, 0, 64, 48]
    assert names_of(people) == ['person', 'bicycle', 'person', 'motorbike', 'train']  # no head
    assert people.ignore.tolist() == [False, False, True, False, False]
    assert people.labelled_class_ids == tuple(range(20))


def test_the_classes_of_the_product(tmp_path):
    config = SourceConfig(layout='pascal_voc', classes='product')
    labelled = read(pascal_voc(tmp_path), config)
    assert labelled.class_names == CLASS_NAMES
    car, people = labelled.images
    assert (car.class_ids.tolist(), car.ignore.tolist()) == ([VEHICLE], [False])
    assert people.class_ids.tolist() == [PEDESTRIAN, CYCLIST, CYCLIST, VEHICLE]
    assert people.ignore.tolist() == [True, False, True, True]
    assert people.boxes_xyxy_px[1].tolist() == [15, 1, 36, 40]
    assert people.labelled_class_ids == (PEDESTRIAN, CYCLIST)


def test_training_asks_for_the_classes_of_the_product(tmp_path):
    root = pascal_voc(tmp_path)
    entry = {'layout': 'pascal_voc', 'path': root.name, 'split': 'val'}
    with pytest.raises(InputError, match=r'aeroplane.*classes=product'):
        collect_sources([entry], root.parent)
    (source,) = collect_sources([{**entry, 'classes': 'product'}], root.parent)
    assert len(source.images) == 1


def test_splits(tmp_path):
    root = pascal_voc(tmp_path)
    (image,) = read(root, SourceConfig(layout='pascal_voc', split='val')).images
    assert names_of(image) == ['chair']
    with pytest.raises(InputError, match="no split 'test'; legal: train, val; expected"):
        read(root, SourceConfig(layout='pascal_voc', split='test'))
    with pytest.raises(InputError, match=r'car_train\.txt are no splits'):
        read(root, SourceConfig(layout='pascal_voc', split='car_train'))
    with pytest.raises(InputError, match='expected a folder such as VOC2007'):
        read(root.parent, CONFIG)


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-16'])
def test_entity_bombs_are_refused(tmp_path, encoding):
    root = pascal_voc(tmp_path)
    (root / 'Annotations' / '000012.xml').write_bytes(BOMB.encode(encoding))
    with pytest.raises(InputError, match=r'000012\.xml: has a document type declaration'):
        read(root, CONFIG)


def test_a_doctype_without_entities_is_refused_too(tmp_path):
    root = pascal_voc(tmp_path)
    outside = '<!DOCTYPE annotation SYSTEM "file:///etc/hostname"><annotation/>'
    text(root / 'Annotations' / '000012.xml', outside)
    with pytest.raises(InputError, match='DOCTYPE'):
        read(root, CONFIG)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (voc_annotation('000012', '')[:-20], 'half-downloaded XML'),
        ('<html></html>', 'expected an <annotation>, got <html>'),
        (voc_annotation('000012', voc_object('lorry', (1, 1, 2, 2))), "class 'lorry'; legal"),
        (voc_annotation('000012', voc_object('car', (9, 1, 2, 2))), 'x1 < x2'),
        (voc_annotation('000012', '<object><name>car</name></object>'), '4 finite numbers'),
    ],
)
def test_damaged_annotations(tmp_path, content, message):
    root = pascal_voc(tmp_path)
    text(root / 'Annotations' / '000012.xml', content)
    with pytest.raises(InputError, match=message) as caught:
        read(root, CONFIG)
    assert '000012.xml' in str(caught.value)


def test_half_of_the_set(tmp_path):
    root = pascal_voc(tmp_path)
    (root / 'Annotations' / '000017.xml').unlink()
    message = '1 of 2 images named in ImageSets/Main/train.txt have no annotation.*000017.xml'
    with pytest.raises(InputError, match=message):
        read(root, CONFIG)
    (root / 'JPEGImages' / '000012.jpg').unlink()
    with pytest.raises(InputError, match=r'1 of 2 images named in .* are missing.*JPEGImages/'):
        read(root, CONFIG)
