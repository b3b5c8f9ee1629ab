"""One page that compares runs: what they scored, how fast they were, how they were trained.

A section is a module with

    section(runs: Sequence[Run]) -> Section | None
        what it has to say of the runs that it understands, in their order; None where there is
        none. A field that a run lacks is shown as a dash.

`SECTIONS` names them in the order of the page; a new one is one new file and one line.
`KINDS` names the runs that a section of its own speaks of; the others are listed by `other`.
"""

SECTIONS = (
    'offline_training.reports.sections.overview',
    'offline_training.reports.sections.accuracy',
    'offline_training.reports.sections.sequences',
    'offline_training.reports.sections.detection',
    'offline_training.reports.sections.reid',
    'offline_training.reports.sections.tradeoff',
    'offline_training.reports.sections.latency',
    'offline_training.reports.sections.sizes',
    'offline_training.reports.sections.streaming',
    'offline_training.reports.sections.training',
    'offline_training.reports.sections.recipe',
    'offline_training.reports.sections.other',
)
EVALUATIONS = ('evaluation', 'score')
BENCHMARK, STREAMING, TRAINING = 'benchmark pipeline', 'streaming', 'training'
SIZES, RECIPE = 'sizes', 'experiment_recipe'
KINDS = (*EVALUATIONS, BENCHMARK, STREAMING, TRAINING, SIZES, RECIPE)
