"""Small sets in the layouts as they are published: file names, field order, folder tree.

Each function writes one below `folder` and returns the path that its layout reads.
"""

from itertools import count
import json

import cv2
import numpy as np


def image(path, size_wh=(64, 48), value=90):
    """A grey image file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((size_wh[1], size_wh[0], 3), value, np.uint8))
    return path


def text(path, content):
    """A text file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def kitti_line(kind, box, *, lead='', truncated='0', occluded=0):
    """A line as the publisher writes it: 15 columns after `lead`."""
    corners = ' '.join(f'{v:f}' for v in box)
    size_place = '-1000.000000 -1000.000000 -1000.000000 -10.000000 -1.000000 -1.000000 -1.000000'
    return f'{lead}{kind} {truncated} {occluded} -10.000000 {corners} {size_place}\n'


def kitti_tracking(folder, images=True):
    """Two sequences of 3 and 2 frames, below `training`."""
    root = folder / 'training'
    lines = [
        kitti_line('DontCare', (0, 0, 5, 5), lead='0 -1 ', truncated='-1', occluded=-1),
        kitti_line('Van', (10, 10, 30, 20), lead='0 0 ', occluded=1),
        kitti_line('Cyclist', (40, 5, 50, 25), lead='0 2 '),
        kitti_line('Van', (11, 10, 31, 20), lead='2 0 ', truncated='2', occluded=2),
    ]
    text(root / 'label_02' / '0000.txt', ''.join(lines))
    text(
        root / 'label_02' / '0001.txt',
        kitti_line('Pedestrian', (1, 2, 9, 30), lead='1 7 ', occluded=3),
    )
    if images:
        for sequence, n in (('0000', 3), ('0001', 2)):
            for frame in range(n):
                image(root / 'image_02' / sequence / f'{frame:06d}.png', (62, 19))
    return folder


def kitti_object(folder):
    """Two images below `training`."""
    root = folder / 'training'
    for name, lines in {
        '000000': kitti_line('Pedestrian', (7.1, 1, 8, 3), truncated='0.25'),
        '000007': kitti_line('Car', (1, 2, 30, 12), truncated='0.88', occluded=3)
        + kitti_line('Misc', (4, 4, 9, 9))
        + kitti_line('DontCare', (5, 1, 5.6, 2), truncated='-1', occluded=-1),
    }.items():
        text(root / 'label_2' / f'{name}.txt', lines)
        image(root / 'image_2' / f'{name}.png', (62, 19))
    return folder


def bdd_label(category, box, **more):
    """A label of BDD100K."""
    corners = dict(zip(('x1', 'y1', 'x2', 'y2'), box, strict=True))
    return {'id': '0', 'category': category, 'box2d': corners, **more}


def bdd100k_detection(folder):
    """The edition of 2020 with three images, the last one without labels."""
    weather = {'weather': 'clear', 'scene': 'city street', 'timeofday': 'daytime'}
    seen = {'occluded': False, 'truncated': False, 'trafficLightColor': 'NA'}
    records = [
        {
            'name': 'b1c66a42-6f7d68ca.jpg',
            'attributes': weather,
            'timestamp': 10000,
            'labels': [
                bdd_label('car', (1.5, 2, 20, 12.25), attributes=seen),
                bdd_label('traffic light', (30, 1, 32, 5), attributes=seen),
                bdd_label('rider', (20, 10, 40, 30), attributes=seen),
                bdd_label('bicycle', (18, 20, 44, 40), attributes=seen),
                bdd_label('train', (50, 1, 60, 9), attributes=seen),
            ],
        },
        {
            'name': 'a91b7555-00000590.jpg',
            'attributes': weather,
            'timestamp': 10000,
            'labels': [bdd_label('pedestrian', (3, 3, 9, 20), attributes=seen)],
        },
        {'name': 'c91b7555-00000590.jpg', 'attributes': weather, 'timestamp': 10000},
    ]
    text(folder / 'labels' / 'det_20' / 'det_train.json', json.dumps(records))
    for record in records:
        image(folder / 'images' / '100k' / 'train' / record['name'])
    return folder


def bdd100k_mot(folder):
    """One video of three frames: a car, a crowd, and a rider who gets off."""
    video = 'b1c66a42-6f7d68ca'

    def label(identity, category, box, crowd=False):
        attributes = {'crowd': crowd, 'occluded': False, 'truncated': False}
        return bdd_label(category, box, attributes=attributes) | {'id': identity}

    labels = [
        [
            label('00130278', 'car', (1, 2, 20, 12)),
            label('00130305', 'rider', (20, 10, 40, 30)),
            label('00130306', 'bicycle', (18, 20, 44, 40)),
        ],
        [
            label('00130278', 'car', (2, 2, 21, 12)),
            label('00130400', 'pedestrian', (50, 1, 60, 20), crowd=True),
            label('00130305', 'rider', (21, 10, 41, 30)),
        ],
        [label('00130305', 'pedestrian', (22, 10, 42, 30))],
    ]
    frames = [
        {
            'name': f'{video}-{k + 1:07d}.jpg',
            'videoName': video,
            'frameIndex': k,
            'labels': found,
        }
        for k, found in enumerate(labels)
    ]
    text(folder / 'labels' / 'box_track_20' / 'train' / f'{video}.json', json.dumps(frames))
    for frame in frames:
        image(folder / 'images' / 'track' / 'train' / video / frame['name'])
    return folder


NUSCENES_LOG = 'n015-2018-07-24-11-22-45+0800'


def nuscenes_image(time_us, camera='CAM_FRONT'):
    """Name of a key frame, relative to the data root."""
    return f'samples/{camera}/{NUSCENES_LOG}__{camera}__{time_us}.jpg'


def nuscenes_2d(folder, version='v1.0-mini'):
    """One log of the front camera: scenes of three and one images, one of them without boxes."""
    numbers = count()

    def record(time_us, instance, category, box, *, ends, attributes=(), visibility='4'):
        token = f'{next(numbers):032x}'
        return {  # in the order in which the devkit writes them
            'sample_data_token': f'{time_us:032x}',
            'attribute_tokens': list(attributes),
            'category_name': category,
            'instance_token': instance * 32,
            'next': '' if 'next' in ends else 'f' * 32,
            'num_lidar_pts': 5,
            'num_radar_pts': 0,
            'prev': '' if 'prev' in ends else 'f' * 32,
            'sample_annotation_token': token,
            'visibility_token': visibility,
            'bbox_corners': list(box),
            'filename': nuscenes_image(time_us),
        }

    t0 = 1532402927612460
    t1, t2, t3 = t0 + 500_000, t0 + 1_000_000, t0 + 1_500_000
    ridden, parked = ('a' * 31 + '1',), ('a' * 31 + '2',)
    records = [
        record(t2, 'b', 'human.pedestrian.adult', (30, 1, 40, 40), ends=('next',)),
        record(t0, 'a', 'vehicle.car', (1, 2, 20, 12), ends=('prev',), visibility='1'),
        record(t0, 'b', 'human.pedestrian.adult', (20, 1, 30, 40), ends=('prev',)),
        record(t0, 'c', 'movable_object.trafficcone', (1, 1, 2, 4), ends=('prev',)),
        record(t0, 'd', 'vehicle.truck', (0, 7, 0, 30), ends=('prev',)),
        record(t3, 'e', 'vehicle.bicycle', (1, 1, 9, 9), ends=('prev', 'next'), attributes=ridden),
        record(
            t3, 'f', 'vehicle.bicycle', (9, 1, 19, 9), ends=('prev', 'next'), attributes=parked
        ),
    ]
    tables = folder / version
    text(tables / 'image_annotations.json', json.dumps(records))
    names = ('cycle.with_rider', 'cycle.without_rider')
    attributes = [
        {'token': token, 'name': name, 'description': ''}
        for (token,), name in zip((ridden, parked), names, strict=True)
    ]
    text(tables / 'attribute.json', json.dumps(attributes))
    for time_us in (t0, t1, t2, t3):
        image(folder / nuscenes_image(time_us), (160, 90))
    return folder


def voc_object(name, box, *, difficult=0, inside=''):
    """An object of VOC."""
    xmin, ymin, xmax, ymax = box
    return (
        f'\t<object>\n\t\t<name>{name}</name>\n\t\t<pose>Left</pose>\n'
        f'\t\t<truncated>0</truncated>\n\t\t<difficult>{difficult}</difficult>\n'
        f'\t\t<bndbox>\n\t\t\t<xmin>{xmin}</xmin>\n\t\t\t<ymin>{ymin}</ymin>\n'
        f'\t\t\t<xmax>{xmax}</xmax>\n\t\t\t<ymax>{ymax}</ymax>\n\t\t</bndbox>\n{inside}'
        '\t</object>\n'
    )


def voc_annotation(stem, objects):
    """An annotation file of VOC2007."""
    return (
        f'<annotation>\n\t<folder>VOC2007</folder>\n\t<filename>{stem}.jpg</filename>\n'
        '\t<source>\n\t\t<database>The VOC2007 Database</database>\n'
        '\t\t<annotation>PASCAL VOC2007</annotation>\n\t\t<image>flickr</image>\n\t</source>\n'
        '\t<size>\n\t\t<width>64</width>\n\t\t<height>48</height>\n\t\t<depth>3</depth>\n'
        f'\t</size>\n\t<segmented>0</segmented>\n{objects}</annotation>\n'
    )


def pascal_voc(folder):
    """VOC2007 with two images in `train` and one in `val`."""
    root = folder / 'VOCdevkit' / 'VOC2007'
    head = '\t\t<part><name>head</name><bndbox><xmin>2</xmin><ymin>2</ymin><xmax>4</xmax>'
    head += '<ymax>4</ymax></bndbox></part>\n'
    annotations = {
        '000012': voc_object('car', (1, 1, 64, 48)) + voc_object('dog', (3, 4, 9, 9)),
        '000017': voc_object('person', (20, 2, 30, 30), inside=head)
        + voc_object('bicycle', (16, 15, 36, 40))
        + voc_object('person', (50, 2, 60, 40), difficult=1)
        + voc_object('motorbike', (1, 30, 12, 40))
        + voc_object('train', (1, 1, 12, 10)),
        '000005': voc_object('chair', (5, 5, 20, 30)),
    }
    for stem, objects in annotations.items():
        text(root / 'Annotations' / f'{stem}.xml', voc_annotation(stem, objects))
        image(root / 'JPEGImages' / f'{stem}.jpg')
    main = root / 'ImageSets' / 'Main'
    text(main / 'train.txt', '000012\n000017\n')
    text(main / 'val.txt', '000005\n')
    text(main / 'car_train.txt', '000012  1\n000017 -1\n')
    return root


def crowdhuman(folder):
    """Two images."""
    head = {'hbox': [5, 5, 4, 4], 'head_attr': {'ignore': 0, 'occ': 0, 'unsure': 0}}
    lines = [
        {
            'ID': '273271,c9db000d5146c15',
            'gtboxes': [
                {
                    'fbox': [-5, 2, 20, 50],
                    'tag': 'person',
                    'vbox': [0, 2, 15, 46],
                    'extra': {'box_id': 0, 'occ': 1},
                    **head,
                },
                {
                    'fbox': [30, 2, 10, 30],
                    'tag': 'person',
                    'vbox': [30, 2, 10, 30],
                    'extra': {'box_id': 1, 'occ': 0, 'ignore': 1},
                    **head,
                },
                {
                    'fbox': [40, 0, 20, 20],
                    'tag': 'mask',
                    'vbox': [40, 0, 20, 20],
                    'extra': {'ignore': 1},
                    'hbox': [40, 0, 20, 20],
                    'head_attr': {},
                },
            ],
        },
        {'ID': '284193,faa9000f2678b5e', 'gtboxes': []},
    ]
    content = ''.join(f'{json.dumps(line)}\n' for line in lines)
    text(folder / 'annotation_train.odgt', content)
    for line in lines:
        image(folder / 'Images' / f'{line["ID"]}.jpg')
    return folder


def citypersons(folder):
    """One image each of two cities."""
    labelled = {
        'aachen_000000_000019': [
            ('pedestrian', [10, 5, 10, 24], 24000),
            ('rider', [30, 5, 10, 24], 25000),
            ('sitting person', [40, 5, 10, 14], 24001),
            ('person (other)', [50, 5, 10, 14], 24002),
            ('person group', [1, 1, 8, 8], 0),
            ('ignore', [20, 1, 8, 8], 0),
        ],
        'bochum_000000_000313': [],
    }
    for name, objects in labelled.items():
        city = name.split('_')[0]
        record = {
            'imgHeight': 48,
            'imgWidth': 64,
            'objects': [
                {'instanceId': number, 'bbox': box, 'bboxVis': box, 'label': label}
                for label, box, number in objects
            ],
        }
        path = folder / 'gtBboxCityPersons' / 'train' / city / f'{name}_gtBboxCityPersons.json'
        text(path, json.dumps(record))
        image(folder / 'leftImg8bit' / 'train' / city / f'{name}_leftImg8bit.png')
    return folder


def jde(folder):
    """Three images of two sizes in two folders; person 3 is in two of them."""
    for name, size_wh, lines in (
        ('c1/s1.jpg', (64, 48), '0 3 0.500000 0.500000 0.250000 0.500000\n'),
        ('c1/s2.jpg', (100, 50), '0 3 0.5 0.5 0.2 1.0\n0 -1 0.1 0.5 0.2 0.4\n'),
        ('c2/s3.png', (64, 48), None),
        ('c2/s4.jpg', (64, 48), '0 5 0.5 0.5 0.5 0.5\n'),
    ):
        image(folder / 'images' / name, size_wh)
        if lines is not None:
            text((folder / 'labels_with_ids' / name).with_suffix('.txt'), lines)
    return folder


CIFAR10 = [
    'airplane',
    'automobile',
    'bird',
    'cat',
    'deer',
    'dog',
    'frog',
    'horse',
    'ship',
    'truck',
]


def cifar_record(label, seed):
    """A record of the binary version and the RGB image in it."""
    pixels = np.random.default_rng(seed).integers(0, 256, (3, 32, 32), np.uint8)
    return bytes([label]) + pixels.tobytes(), pixels.transpose(1, 2, 0)


def cifar(folder):
    """The binary version of CIFAR-10 with two images a batch."""
    root = folder / 'cifar-10-batches-bin'
    text(root / 'batches.meta.txt', '\n'.join(CIFAR10) + '\n\n')
    for batch in range(1, 6):
        records = [cifar_record(2 * batch - 2 + k, 2 * batch - 2 + k)[0] for k in range(2)]
        (root / f'data_batch_{batch}.bin').write_bytes(b''.join(records))
    tests = [cifar_record(k, 100 + k)[0] for k in range(10)]
    (root / 'test_batch.bin').write_bytes(b''.join(tests))
    return root


def cifar_folders(folder):
    """Classified images in folders: two classes in both splits."""
    for split, n in (('train', 2), ('test', 1)):
        for name in ('cat', 'truck'):
            for k in range(n):
                image(folder / split / name / f'{k:04d}.jpg', (32, 32))
    return folder


def mot(folder):
    """One MOT17 sequence of two frames."""
    root = folder / 'MOT17-02-SDP'
    info = '[Sequence]\nname=MOT17-02-SDP\nimDir=img1\nframeRate=30\nseqLength=2\n'
    text(root / 'seqinfo.ini', f'{info}imWidth=64\nimHeight=48\nimExt=.jpg\n')
    text(root / 'gt' / 'gt.txt', '1,1,5,5,10,20,1,1,1\n2,1,6,5,10,20,1,1,0.8\n')
    for frame in (1, 2):
        image(root / 'img1' / f'{frame:06d}.jpg')
    return folder


def bdd100k(folder):
    """The CSV form of labelled BDD100K frames."""
    text(folder / 'labels.csv', 'image,class,x1,y1,x2,y2\na.jpg,car,1,1,9,9\n')
    text(folder / 'splits.csv', 'image,split\na.jpg,train\n')
    image(folder / 'images' / 'a.jpg')
    return folder


def pennfudan(folder):
    """One Penn-Fudan image."""
    annotation = (
        '# Compatible with PASCAL Annotation Version 1.00\n'
        'Image filename : "PennFudanPed/PNGImages/FudanPed00001.png"\n'
        'Objects with ground truth : 1 { "PASpersonWalking" }\n'
        '# Details for pedestrian 1 ("PASpersonWalking")\n'
        'Bounding box for object 1 "PASpersonWalking" (Xmin, Ymin) - (Xmax, Ymax) : '
        '(10, 11) - (20, 40)\n'
    )
    text(folder / 'Annotation' / 'FudanPed00001.txt', annotation)
    image(folder / 'PNGImages' / 'FudanPed00001.png')
    return folder


SETS = {
    'mot': mot,
    'bdd100k': bdd100k,
    'pennfudan': pennfudan,
    'kitti_tracking': kitti_tracking,
    'kitti_object': kitti_object,
    'bdd100k_detection': bdd100k_detection,
    'bdd100k_mot': bdd100k_mot,
    'nuscenes_2d': nuscenes_2d,
    'pascal_voc': pascal_voc,
    'crowdhuman': crowdhuman,
    'citypersons': citypersons,
    'jde': jde,
    'cifar': cifar,
}
