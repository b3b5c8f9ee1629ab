"""The figures of the paper (arXiv 2210.08648), cell by cell, as they are printed.

An arm is one way to track: networks, scheme and K. The same arm may stand in several tables, where
the paper does not always print the same figure (`INCONSISTENCIES`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

DLA34, YOLOV5 = 'dla34', 'yolov5'
FAMILIES = (DLA34, YOLOV5)
TITLES: Mapping[str, str] = {DLA34: 'DLA34', YOLOV5: 'YOLOv5'}
MEASURES: Mapping[str, str] = {
    'mota': 'MOTA',
    'idf1': 'IDF1',
    'hota': 'HOTA',
    'fps': 'FPS',
    'parameters_m': 'parameters, M',
}

# Scheme -> what it is. The teacher sees every K-th frame in all but the first three.
SCHEMES: Mapping[str, str] = {
    'teacher': 'teacher only',
    'mid': 'half of the channels, alone',
    'student': 'student only',
    'naive': 'naive mix',
    'still': 'AttTrack (IFM), no update',
    'shift': 'AttTrack (IFM), update by shift',
    'ifm': 'AttTrack, IFM',
    'efm': 'AttTrack, EFM',
    'none': 'AttTrack, no feature learning',
    'cross': 'AttTrack, EFM, DLA34 teacher',
    'layerwise': 'layer-wise',
    # Ours.
    'heat_gate': 'gated, IFM, heat map alone',
    'gated': 'gated, IFM, with age and uncertainty',
    'follow': "gated, IFM, at the tracker's places",
    'ego': 'gated, IFM, camera motion from the image',
}


@dataclass(frozen=True, order=True)
class Arm:
    """One way to track.

    Attributes:
        family: of the student, and of the teacher but for `cross`.
        scheme: one of `SCHEMES`.
        interval: K, frames from one teacher frame to the next; 0 where one network sees all.
    """

    family: str
    scheme: str
    interval: int = 0

    @property
    def label(self) -> str:
        """For people."""
        at = f', K = {self.interval}' if self.interval else ''
        return f'{TITLES[self.family]}, {SCHEMES[self.scheme]}{at}'


Figures = Mapping[str, float]  # measure -> value; MOTA and IDF1 in per cent


def _by_interval(
    scheme: str, figures: Mapping[str, Mapping[int, tuple[float, float]]]
) -> dict[Arm, Figures]:
    """MOTA and FPS by family and K."""
    return {
        Arm(family, scheme, k): {'mota': mota, 'fps': fps}
        for family, rows in figures.items()
        for k, (mota, fps) in rows.items()
    }


_EFM = {
    DLA34: {2: (65.30, 25.40), 4: (64.10, 28.36), 6: (63.80, 29.99)},
    YOLOV5: {2: (50.40, 44.69), 4: (46.90, 47.60), 6: (45.90, 48.83)},
}

TABLES: Mapping[str, Mapping[Arm, Figures]] = {
    '1': {
        Arm(YOLOV5, 'teacher'): {
            'idf1': 65.90,
            'mota': 62.40,
            'fps': 43.93,
            'parameters_m': 5.01,
        },
        Arm(YOLOV5, 'mid'): {'idf1': 63.20, 'mota': 56.90, 'fps': 46.16, 'parameters_m': 1.38},
        Arm(YOLOV5, 'student'): {
            'idf1': 44.70,
            'mota': 38.90,
            'fps': 59.32,
            'parameters_m': 0.31,
        },
    },
    '2': {
        Arm(DLA34, 'teacher'): {'mota': 68.30, 'fps': 20.78},
        Arm(YOLOV5, 'teacher'): {'mota': 62.40, 'fps': 40.46},
        Arm(DLA34, 'student'): {'mota': 61.40, 'fps': 37.69},
        Arm(YOLOV5, 'student'): {'mota': 38.90, 'fps': 59.32},
    },
    '3': {
        **_by_interval('ifm', {DLA34: {6: (63.00, 30.80)}, YOLOV5: {6: (43.60, 50.90)}}),
        **_by_interval('still', {DLA34: {6: (62.90, 31.30)}, YOLOV5: {6: (43.40, 52.24)}}),
        **_by_interval('naive', {DLA34: {6: (61.40, 31.65)}, YOLOV5: {6: (38.60, 53.13)}}),
    },
    '4': _by_interval(
        'ifm',
        {
            YOLOV5: {2: (48.50, 45.09), 4: (43.90, 49.96), 6: (43.60, 50.91)},
            DLA34: {2: (64.50, 26.24), 4: (63.20, 29.28), 6: (63.00, 30.80)},
        },
    ),
    '5': {
        **_by_interval('efm', {YOLOV5: _EFM[YOLOV5]}),
        **_by_interval(
            'cross', {YOLOV5: {2: (52.00, 28.72), 4: (47.70, 36.41), 6: (46.20, 40.32)}}
        ),
    },
    '6': {
        **_by_interval('efm', _EFM),
        **_by_interval(
            'ifm',
            {
                DLA34: {2: (64.50, 26.24), 4: (63.20, 29.28), 6: (63.10, 30.80)},
                YOLOV5: {2: (48.50, 45.09), 4: (43.90, 49.96), 6: (43.60, 50.91)},
            },
        ),
        **_by_interval(
            'none',
            {
                DLA34: {2: (64.30, 26.30), 4: (63.20, 29.59), 6: (63.20, 31.01)},
                YOLOV5: {2: (47.50, 45.57), 4: (43.20, 50.22), 6: (42.90, 51.03)},
            },
        ),
    },
    '7': {
        Arm(DLA34, 'teacher'): {'mota': 68.80, 'fps': 21.70},
        Arm(YOLOV5, 'teacher'): {'mota': 61.00, 'fps': 54.41},
        Arm(DLA34, 'student'): {'mota': 66.90, 'fps': 41.47},
        Arm(YOLOV5, 'student'): {'mota': 52.70, 'fps': 58.80},
    },
    '8': {
        **_by_interval(
            'efm',
            {
                DLA34: {2: (67.60, 27.99), 4: (67.40, 32.32), 6: (67.30, 35.19)},
                YOLOV5: {2: (56.50, 55.17), 4: (54.10, 56.13), 6: (52.90, 56.46)},
            },
        ),
        **_by_interval(
            'layerwise',
            {
                DLA34: {2: (65.90, 28.64), 4: (65.70, 32.55), 6: (65.60, 35.90)},
                YOLOV5: {2: (55.00, 56.63), 4: (52.60, 57.93), 6: (52.30, 58.39)},
            },
        ),
    },
}
CAPTIONS: Mapping[str, str] = {
    '1': 'Impact of model size on tracking performance',
    '2': 'Teacher-only and student-only',
    '3': 'Attention updated, not updated, and not told, K = 6',
    '4': 'Effect of K, IFM',
    '5': 'Another teacher, EFM',
    '6': 'Cross-model feature learning',
    '7': 'Teacher-only and student-only, second data set',
    '8': 'AttTrack (EFM) and layer-wise attention transfer, second data set',
    '7f': 'Figure 7: AttTrack (EFM) and layer-wise attention transfer over K',
    'beyond': 'Beyond the paper, at equal cost: the same steps, the same keyframes',
}
SECOND_SET = ('7', '8')  # MOT15 in the paper, the others MOT17
FIGURE = '7f'
BEYOND = 'beyond'  # no table of the paper
BEYOND_INTERVAL = 6
BEYOND_SCHEMES = ('student', 'naive', 'ifm', 'heat_gate', 'gated', 'follow', 'ego')
FIGURE_INTERVALS = tuple(range(2, 13))
FIGURE_SCHEMES = ('efm', 'layerwise')

# Where the paper does not agree with itself; found by reading the text beside its tables.
INCONSISTENCIES = (
    'YOLOv5 alone runs at 43.93 FPS in table 1 and at 40.46 in table 2.',
    'DLA34 with IFM at K = 6 has a MOTA of 63.00 in tables 3 and 4 and of 63.10 in table 6.',
    'YOLOv5 with IFM at K = 6 runs at 50.90 FPS in table 3 and at 50.91 in tables 4 and 6.',
    'EFM over IFM, DLA34, K = 2: section 5.6 says 0.9, table 6 says 0.80.',
    'IFM over no feature learning, DLA34: table 6 says 0.00 at K = 4 and -0.10 at K = 6, and '
    'section 5.6 calls it beneficial.',
    'The naive mix has the MOTA of the student alone (DLA34, 61.40) or less (YOLOv5, 38.60 and '
    '38.90), although the teacher sees every sixth frame of it.',
    'On MOT15 the layer-wise student with a teacher every K frames is worse than the student '
    'alone (DLA34 at every K; YOLOv5 at K = 4 and 6).',
    'Section 5.4 says that AttTrack is slower than the mix because it runs the teacher every 6 '
    'frames, and that the mix does so too.',
    'YOLOv5-small has a quarter of the channels in section 3.2, a quarter of the parameters in '
    'section 5.2, and a sixteenth of them in table 1.',
    'The abstract promises up to 12 points of MOTA over attention-based methods; in no table is '
    'AttTrack more than 1.7 above the layer-wise transfer. Section 5.7 says 4 for YOLOv5 at K = 2 '
    'to 4, read from figure 7, of which no number is printed.',
    'Section 4.1 feeds the fused features to box regression and re-ID, section 4.3 to the heat '
    'map and re-ID.',
    'The caption of table 6 has the student mimic the student; section 4.4 has it mimic the '
    'teacher.',
)
