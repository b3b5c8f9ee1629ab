"""Labelled sets of any layout, and how training draws from them.

A layout is a module with

    OPTIONS: frozenset[str]
        the names of the options of `records.SourceConfig` that have a meaning for it only
    training_images(folder, config, counter) -> list[TrainingImage]
        raises InputError where the set is missing or damaged

`LAYOUTS` names them; a new one is one new file and one line.
"""

# Name in a recipe: module.
LAYOUTS = {
    'mot': 'offline_training.datasets.mot_training',
    'bdd100k': 'offline_training.datasets.bdd100k',
    'pennfudan': 'offline_training.datasets.pennfudan',
}
