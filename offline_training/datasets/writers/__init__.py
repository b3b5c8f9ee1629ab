"""Labelled sets written in the layouts of others: `data convert`.

A writer is a module with

    HELP: str
        the layout in one line
    write(labelled: LabelledSet, folder: Path) -> list[str]
        writes the set into an empty folder and returns what that layout cannot hold, one
        sentence each; raises InputError where it cannot hold the set at all

Images are hard links to the ones that were read, or copies where there can be no link; none is
coded again. `WRITERS` names them; a new one is one new file and one line.
"""

# Name of the layout: module.
WRITERS = {
    'mot': 'offline_training.datasets.writers.mot',
    'kitti_tracking': 'offline_training.datasets.writers.kitti_tracking',
    'coco': 'offline_training.datasets.writers.coco',
    'jde': 'offline_training.datasets.writers.jde',
}
