"""The parts of a training loop; `offline_training.engine` puts them together.

`config` has the options, `optimizers` the optimizers and schedules by name, `trainer` one step,
`processes` what several processes tell each other, `checkpoints` the file a run goes on from,
`records` the logs, `interruption` the signals.
"""
