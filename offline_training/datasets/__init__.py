"""Labelled sets of any layout, and how training draws from them.

A layout is a module with

    OPTIONS: frozenset[str]
        the names of the options of `records.SourceConfig` that have a meaning for it only
    recognises(path: Path) -> bool
        whether a folder or file looks like this layout; cheap, and never raises
    read(path: Path, config: SourceConfig) -> LabelledSet
        raises InputError where the set is missing, damaged or only half there, and says what is
        missing

`LAYOUTS` names them; a new one is one new file and one line. A folder that several recognise is
of the first.
"""

# Name in a recipe: module.
LAYOUTS = {
    'mot': 'offline_training.datasets.mot_layout',
    'bdd100k': 'offline_training.datasets.bdd100k',
    'pennfudan': 'offline_training.datasets.pennfudan',
    'bag': 'offline_training.datasets.bag_layout',
    'kitti_tracking': 'offline_training.datasets.kitti_tracking',
    'kitti_object': 'offline_training.datasets.kitti_object',
    'bdd100k_detection': 'offline_training.datasets.bdd100k_detection',
    'bdd100k_mot': 'offline_training.datasets.bdd100k_mot',
    'nuscenes_2d': 'offline_training.datasets.nuscenes_2d',
    'pascal_voc': 'offline_training.datasets.pascal_voc',
    'crowdhuman': 'offline_training.datasets.crowdhuman',
    'citypersons': 'offline_training.datasets.citypersons',
    'jde': 'offline_training.datasets.jde',
    'cifar': 'offline_training.datasets.cifar',
}
