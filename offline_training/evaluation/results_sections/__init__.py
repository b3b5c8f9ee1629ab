"""What the page of results says of a report, one module for each kind of report.

A section is a module with

    section(report: Mapping[str, Any]) -> str
        Markdown that begins with a heading of the second level and ends with an empty line; the
        report is a JSON file of one of our commands, also of an older version of it

`SECTIONS` names them by the report's `kind`; a new kind is one new file and one line.
"""

# The `kind` that stands in the JSON file: module.
SECTIONS = {
    'evaluation': 'offline_training.evaluation.results_sections.evaluation',
    'score': 'offline_training.evaluation.results_sections.score',
    'benchmark association': (
        'offline_training.evaluation.results_sections.benchmark_association'
    ),
    'benchmark camera-motion': (
        'offline_training.evaluation.results_sections.benchmark_camera_motion'
    ),
    'benchmark pipeline': 'offline_training.evaluation.results_sections.benchmark_pipeline',
    'streaming': 'offline_training.evaluation.results_sections.streaming',
    'streaming_modes': 'offline_training.evaluation.results_sections.streaming_modes',
    'benchmark training': 'offline_training.evaluation.results_sections.benchmark_training',
    'sizes': 'offline_training.evaluation.results_sections.sizes',
    'experiment_recipe': 'offline_training.evaluation.results_sections.experiment_recipe',
    'experiment_limits': 'offline_training.evaluation.results_sections.experiment_limits',
}
