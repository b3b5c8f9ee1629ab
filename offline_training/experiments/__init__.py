"""Experiments: several trainings and evaluations that answer one question, and a table of them.

A member has HELP, `add_arguments(parser)` and `run(args)`. It trains or evaluates by the commands
a user would type (`runs`), so that each row of its table can be made again by hand, skips what is
finished, and writes its table as JSON and Markdown.
"""

MEMBERS = {
    'recipe': 'offline_training.experiments.recipe',
    'limits': 'offline_training.experiments.limits',
    'tracking': 'offline_training.experiments.tracking',
    'atttrack': 'offline_training.experiments.atttrack',
    'keyframe': 'offline_training.experiments.keyframe',
    'distillation': 'offline_training.experiments.distillation',
    'compression': 'offline_training.experiments.compression',
}
