"""The categories of nuScenes as classes of the product.

| nuScenes | ours |
|---|---|
| human.pedestrian: adult, child, construction worker, police officer | pedestrian |
| human.pedestrian: stroller, wheelchair | ignore, pedestrian |
| human.pedestrian.personal_mobility (scooters, skateboards) | ignore, pedestrian and cyclist |
| vehicle: car, truck, bus, construction, emergency | vehicle |
| vehicle.trailer | ignore, vehicle |
| vehicle: bicycle, motorcycle, with the attribute cycle.with_rider | cyclist: the box has both |
| the same without it, static_object.bicycle_rack | ignore, cyclist |
| animal, movable_object | dropped |

Attributes are named by `attribute.json`, a table of the version's folder. `visibility_token` 1 to
4 are shares up to 0.4, 0.6, 0.8 and 1; they become the middle of their range.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mot_compress_ros.errors import InputError
from offline_training.datasets.classes import CYCLIST, PEDESTRIAN, VEHICLE
from offline_training.datasets.label_files import member, numbers, read_json
from offline_training.datasets.truth_rows import TruthRow

_HUMAN = 'human.pedestrian.'
_OBJECTS = {
    **dict.fromkeys(
        (
            f'{_HUMAN}{kind}'
            for kind in ('adult', 'child', 'construction_worker', 'police_officer')
        ),
        PEDESTRIAN,
    ),
    **dict.fromkeys(
        (
            'vehicle.car',
            'vehicle.truck',
            'vehicle.bus.bendy',
            'vehicle.bus.rigid',
            'vehicle.construction',
            'vehicle.emergency.ambulance',
            'vehicle.emergency.police',
        ),
        VEHICLE,
    ),
}
_IGNORED: dict[str, tuple[int, ...]] = {
    f'{_HUMAN}stroller': (PEDESTRIAN,),
    f'{_HUMAN}wheelchair': (PEDESTRIAN,),
    f'{_HUMAN}personal_mobility': (PEDESTRIAN, CYCLIST),
    'vehicle.trailer': (VEHICLE,),
    'static_object.bicycle_rack': (CYCLIST,),
}
_CYCLES = ('vehicle.bicycle', 'vehicle.motorcycle')
_DROPPED = ('animal', 'movable_object.')
_WITH_RIDER = 'cycle.with_rider'
_VISIBILITY = {'1': 0.2, '2': 0.5, '3': 0.7, '4': 0.9}


def tokens_with_rider(file: Path) -> frozenset[str]:
    """The tokens that say that a two-wheeler has a rider.

    Raises:
        InputError: the table is missing or damaged; without it every cyclist would be ignored.
    """
    table = read_json(file, "nuScenes' table of attributes, of the metadata archive")
    if not isinstance(table, list):
        raise InputError(f'{file}: expected a list of attributes')
    where = str(file)
    names = {member(a, 'token', str, where): member(a, 'name', str, where) for a in table}
    return frozenset(token for token, name in names.items() if name == _WITH_RIDER)


def product_rows(
    record: dict[str, Any], with_rider: frozenset[str], identity: int
) -> Iterator[TruthRow]:
    """The boxes of one annotation in classes of the product.

    Args:
        record: an annotation of the export.
        with_rider: see `tokens_with_rider`.
        identity: number of its instance.

    Raises:
        InputError: the category is unknown, or the box is not four numbers.
    """
    where, name = str(record['filename']), str(record['category_name'])
    box = numbers(record.get('bbox_corners'), 4, where)
    if name.startswith(_DROPPED) or box[2] <= box[0] or box[3] <= box[1]:
        return  # a projection that only touches the image's border has no area
    ridden = name in _CYCLES and not with_rider.isdisjoint(record.get('attribute_tokens') or ())
    if name in _OBJECTS or ridden:
        yield TruthRow(
            xyxy_px=box,
            class_id=_OBJECTS.get(name, CYCLIST),
            identity=identity,
            visibility=_VISIBILITY.get(str(record.get('visibility_token')), 1.0),
        )
        return
    if name not in _IGNORED and name not in _CYCLES:
        legal = ', '.join((*_OBJECTS, *_IGNORED, *_CYCLES, 'animal', 'movable_object.*'))
        raise InputError(f'{where}: category {name!r}; legal: {legal}')
    for class_id in _IGNORED.get(name, (CYCLIST,)):
        yield TruthRow(xyxy_px=box, class_id=class_id, ignore=True, identity=identity)
