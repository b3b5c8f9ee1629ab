"""Tables 1 to 3 of the paper on compression, as printed.

Patil et al., "Real Time Object Tracking For Autonomous Driving Using Model Compression".
"""

from __future__ import annotations

from collections.abc import Mapping

Figures = Mapping[str, float]

# Accuracies in per cent, on a CPU (Intel i7-9750H); the size is of a training checkpoint.
TABLE_1: Mapping[str, Figures] = {
    name: dict(
        zip(
            ('train', 'val', 'test', 'seconds', 'checkpoint_mb', 'parameters_m'),
            figures,
            strict=True,
        )
    )
    for name, figures in {
        'base': (98.46, 95.55, 94.53, 1.15, 26.0, 2.16),
        'pruned-40': (99.1, 95.7, 95.06, 0.91, 26.0, 2.16),
        'pruned-20': (98.98, 95.77, 95.07, 0.94, 26.0, 2.16),
        'student': (93.22, 92.4, 91.66, 0.31, 6.4, 0.52),
        'base-kd': (95.92, 93.75, 92.0, 0.21, 6.4, 0.52),
        'pruned-kd': (97.25, 94.65, 93.3, 0.2, 6.4, 0.52),
        'int8': (87.5, 86.1, 85.85, 0.8, 2.2, 2.16),
    }.items()
}

# MOT15, the same CPU.
TABLE_2: Mapping[str, Figures] = {
    'dla34': {'map': 0.47, 'fps': 0.2, 'checkpoint_mb': 259.4},
    'yolov5s': {'map': 0.42, 'fps': 3.45, 'checkpoint_mb': 68.0},
    'yolov5s-pruned': {'map': 0.39, 'fps': 3.47, 'checkpoint_mb': 60.0},
}

# VOC2007. The size is of the weights: VGG-16-SSD of 26.8 M float32 values.
TABLE_3: Mapping[str, Figures] = {
    'teacher': {'map': 0.75, 'weights_mb': 107.3},
    'student': {'map': 0.68, 'weights_mb': 14.2},
    'student-kd': {'map': 0.72, 'weights_mb': 14.2},
    'teacher-pruned': {'map': 0.75, 'weights_mb': 107.3},
    'student-pruned-kd': {'map': 0.69, 'weights_mb': 14.2},
}
