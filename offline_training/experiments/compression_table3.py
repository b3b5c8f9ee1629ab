"""Table 3: a VGG-16-SSD teaches a MobileNetV2-SSDLite, itself whole or pruned."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from safetensors.torch import load_file, save_file
import torch

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.options import from_mapping
from offline_training.classification.measuring import file_bytes
from offline_training.classification.sparsity import pruned_at_once, share_of_zeros
from offline_training.experiments.compression_paper import TABLE_3
from offline_training.experiments.compression_presets import read_preset
from offline_training.experiments.compression_tables import (
    Claim,
    claims_text,
    Column,
    markdown_table,
    Row,
)
from offline_training.ssd.detection import mean_average_precision
from offline_training.ssd.images import read_boxed
from offline_training.ssd.networks import build_detector, SsdNet, SsdOptions
from offline_training.ssd.training import DetectorOptions, train_detector
from offline_training.studies import needed, Place, Step, Study

WEIGHTS_FILE = 'weights.safetensors'
COLUMNS = (
    Column(key='map', title='mAP', digits=3),
    Column(key='map_area', title='mAP, area', digits=3),
    Column(key='weights_mb', title='weights MB', digits=1),
    Column(key='shipped_int8_mb', title='int8 MB', digits=1),
    Column(key='parameters_m', title='parameters M', digits=3),
    Column(key='zeros', title='zeros %', digits=1),
)
CLAIMS = (
    Claim(text='KD over student', better='student-kd', worse='student', key='map', paper=0.04),
    Claim(
        text='pruned-teacher KD over student',
        better='student-pruned-kd',
        worse='student',
        key='map',
        paper=0.01,
    ),
    Claim(
        text='pruned-teacher KD over KD',
        better='student-pruned-kd',
        worse='student-kd',
        key='map',
        paper=-0.03,
    ),
    Claim(
        text='the same, teacher pruned step by step and fine-tuned',
        better='student-iterative-kd',
        worse='student-kd',
        key='map',
    ),
    Claim(
        text='iterative over one-shot pruning, the teacher itself',
        better='teacher-iterative',
        worse='teacher-pruned',
        key='map',
    ),
)
# 10^9 multiply-adds of an image of 300 px at full width, forwards; about.
_GMAC = {'vgg16': 31.4, 'mobilenetv2': 0.7}


@dataclass(frozen=True, kw_only=True)
class Detector:
    """One network of the table.

    Attributes:
        name: unique among those of a seed.
        what: for the reader.
        network: `teacher` or `student`.
        options: of `DetectorOptions`.
        start: whose weights it begins with.
        teacher: which detector teaches it.
        masked: share of the start's weights that become zero; nothing is trained.
    """

    name: str
    what: str
    network: str
    options: Mapping[str, Any] = field(default_factory=dict)
    start: str = ''
    teacher: str = ''
    masked: float = 0.0

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of those before it."""
        return tuple(name for name in (self.start, self.teacher) if name)


def detectors(preset: Mapping[str, Any]) -> list[Detector]:
    """All networks, each after those that it needs."""
    amount, more = preset['amount'], {**preset['teacher'], **preset['fine_tune']}
    per_cent = round(100 * amount)

    def student(name: str, what: str, teacher: str = '') -> Detector:
        return Detector(
            name=name,
            what=f'MobileNetV2-SSDLite, {what}',
            network='student',
            options=preset['student'],
            teacher=teacher,
        )

    def teacher(name: str, what: str, **values: Any) -> Detector:
        return Detector(
            name=name, what=f'VGG-16-SSD{what}', network='teacher', start='teacher', **values
        )

    return [
        Detector(name='teacher', what='VGG-16-SSD', network='teacher', options=preset['teacher']),
        teacher('teacher-pruned', f', {per_cent} % pruned in one shot', masked=amount),
        teacher(
            'teacher-iterative',
            f', {per_cent} % pruned step by step, fine-tuned',
            options={**more, 'pruned': amount, 'pruning': 'iterative'},
        ),
        teacher('teacher-longer', ', trained on as long', options=more),
        student('student', 'alone'),
        student('student-kd', 'taught by VGG-16-SSD', 'teacher'),
        student('student-pruned-kd', 'taught by the one pruned in one shot', 'teacher-pruned'),
        student('student-iterative-kd', 'taught by the iterative one', 'teacher-iterative'),
    ]


class TableThree:
    """The study of one data set, several seeds and one preset."""

    def __init__(self, args: argparse.Namespace) -> None:
        if len(args.data) != 1:
            raise InvalidOptionError(f'--table 3: expected one --data, got {len(args.data)}')
        self._preset = preset = read_preset(args.preset, 'table3')
        self._device = args.device
        self.images = read_boxed(
            str(args.data[0]), side_px=preset['side_px'], most=preset['images']
        )
        self._networks = {
            'teacher': SsdOptions(
                side_px=preset['side_px'],
                width=preset['teacher_width'],
                norm=preset['teacher_norm'],
            ),
            'student': SsdOptions(
                backbone='mobilenetv2', side_px=preset['side_px'], width=preset['student_width']
            ),
        }
        self.seeds = [args.seed + k for k in range(args.seeds)]
        known = {one.name: one for one in detectors(preset)}
        names = needed({name: one.needs for name, one in known.items()}, args.only)
        self._known = {name: known[name] for name in names}
        self.study = Study(
            [self._step(one, seed) for seed in self.seeds for one in self._known.values()],
            run=args.run / 'table3',
            data=self.images.digest,
        )

    def _step(self, one: Detector, seed: int) -> Step:
        passes = one.options.get('epochs', 0) * len(self.images.train) * (not one.masked)
        taught = self._gmac('teacher') if one.teacher else 0.0
        return Step(
            name=f'{one.name}@{seed}',
            what=one.what,
            content={
                **asdict(one),
                'shape': asdict(self._networks[one.network]),
                'seed': seed,
            },
            needs=tuple(f'{name}@{seed}' for name in one.needs),
            gmac=passes * (3 * self._gmac(one.network) + taught),
            make=lambda place: self._make(one, seed, place),
        )

    def _gmac(self, network: str) -> float:
        shape = self._networks[network]
        return _GMAC[shape.backbone] * (shape.side_px / 300) ** 2 * shape.width**2

    def _make(self, one: Detector, seed: int, place: Place) -> dict[str, Any]:
        torch.manual_seed(seed)
        network = self._opened(one.start, seed, place) if one.start else self._new(one.network)
        if one.masked:
            pruned_at_once(network, one.masked)
        else:
            network = train_detector(
                network,
                self.images.train,
                from_mapping(DetectorOptions, {**one.options, 'seed': seed}),
                place.folder,
                teacher=self._opened(one.teacher, seed, place) if one.teacher else None,
                device=self._device,
                digest=place.digest,
            )
        state = {key: value.contiguous() for key, value in network.state_dict().items()}
        save_file(state, place.folder / WEIGHTS_FILE)
        return measured(network) | mean_average_precision(network, self.images.test)

    def _new(self, network: str) -> SsdNet:
        return build_detector(self._networks[network], classes=len(self.images.class_names))

    def _opened(self, name: str, seed: int, place: Place) -> SsdNet:
        network = self._new(self._known[name].network)
        network.load_state_dict(load_file(place.needs[f'{name}@{seed}'] / WEIGHTS_FILE))
        return network.eval()

    def plan_text(self) -> str:
        """What is done, what would be, and how long that takes."""
        return self.study.plan_text()

    def complete(self) -> None:
        """Train what is not trained yet."""
        self.study.complete()

    def rows(self) -> list[Row]:
        """One of each network."""
        rows = []
        for one in self._known.values():
            found = [self.study.outcome(f'{one.name}@{seed}') for seed in self.seeds]
            values = {key: [float(f[key]) for f in found] for key in found[0]}
            paper = TABLE_3.get(one.name, {})
            rows.append(Row(name=one.name, label=one.what, values=values, paper=paper))
        return rows

    def report(self) -> tuple[str, dict[str, Any]]:
        """The table as Markdown, and everything as plain values."""
        rows = self.rows()
        parts = [
            self._caption(),
            markdown_table('network', COLUMNS, rows),
            claims_text(CLAIMS, rows, digits=3),
        ]
        content = {
            'rows': [row.to_json() for row in rows],
            'seeds': self.seeds,
            'images': {
                'origin': self.images.origin,
                'train': len(self.images.train),
                'test': len(self.images.test),
                'classes': list(self.images.class_names),
            },
            'preset': self._preset,
        }
        return '\n\n'.join(part for part in parts if part), content

    def _caption(self) -> str:
        images, preset, count = self.images, self._preset, len(self.seeds)
        same = images.origin.startswith('VOC')
        note = '' if same else " This is not VOC: its mAP and the paper's are of different tasks."
        widths = f'{preset["teacher_width"]:g} and {preset["student_width"]:g}'
        norm = ', with BatchNorm in VGG-16' if preset['teacher_norm'] else ''
        return (
            f'Table 3 on {images.origin}, {len(images.class_names)} classes: {len(images.train)} '
            f'images to train on, {len(images.test)} to score, {count} '
            f'seed{"s" if count > 1 else ""}; input {preset["side_px"]} px, widths {widths} of '
            f'the teacher and the student{norm}, all from random weights (the paper begins with '
            f'weights of ImageNet).{note} A cell is ours (the paper: difference). mAP is of '
            'VOC2007, at 11 recalls; beside it the area under the curve. The size is of the '
            "network's file."
        )


def measured(network: SsdNet) -> dict[str, float]:
    """Sizes in MB, 10^6 bytes, parameters, and the share of zeros in per cent."""
    tensors = list(network.parameters())
    int8 = sum(p.numel() + 4 * p.shape[0] if p.dim() > 1 else 4 * p.numel() for p in tensors)
    return {
        'weights_mb': file_bytes(network.state_dict()) / 1e6,
        'shipped_int8_mb': int8 / 1e6,
        'parameters_m': sum(p.numel() for p in tensors) / 1e6,
        'zeros': 100 * share_of_zeros(network),
    }


def open_table(args: argparse.Namespace) -> TableThree:
    """The table that the options ask for.

    Raises:
        InputError: data or preset cannot be used.
        InvalidOptionError: an option cannot.
    """
    return TableThree(args)
