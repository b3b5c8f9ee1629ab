"""Measurements of speed. Each member has HELP, `add_arguments(parser)` and `run(args)`.

A member measures its contestants in turns, several times over, so that a machine that slows down
slows all of them down, and reports the median of the turns.
"""

MEMBERS = {
    'association': 'offline_training.benchmarks.association',
    'camera-motion': 'offline_training.benchmarks.camera_motion',
    'engines': 'offline_training.benchmarks.engines',
    'keyframe': 'offline_training.benchmarks.keyframe',
    'pipeline': 'offline_training.benchmarks.pipeline',
    'training': 'offline_training.benchmarks.training',
}
