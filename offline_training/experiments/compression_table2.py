"""Table 2: FairMOT with DLA-34, YOLOv5s, and YOLOv5s with zeros in a fifth of its weights.

Trained by `train`, scored by `evaluate`, timed by `benchmark pipeline`. mAP is COCO's average
precision at IoU 0.5; FPS is of the whole pipeline, one frame at a time.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from contextlib import redirect_stderr
import json
import os
from pathlib import Path
import statistics
from typing import Any

import torch

from mot_compress_ros.networks import ArchitectureConfig
from mot_compress_ros.options import from_mapping
from offline_training.benchmarks import pipeline as pipeline_benchmark
from offline_training.command_options import parse_size
from offline_training.commands import evaluate
from offline_training.environment import cpu_model
from offline_training.experiments.atttrack_training import (
    as_typed,
    run_typed,
)
from offline_training.experiments.compression_paper import TABLE_2
from offline_training.experiments.compression_presets import read_preset
from offline_training.experiments.compression_sequences import (
    open_sequences_of,
    Sequences,
    write_recipe,
)
from offline_training.experiments.compression_tables import (
    Claim,
    claims_text,
    Column,
    markdown_table,
    Row,
)
from offline_training.model_sizes import FAIRMOT_IDENTITIES, model_sizes
from offline_training.recipes import flatten
from offline_training.report_files import write_report
from offline_training.studies import needed, Place, Step, Study
from offline_training.training.interruption import TrainingInterruptedError

COLUMNS = (
    Column(key='map', title='mAP', digits=3),
    Column(key='mota', title='MOTA %', digits=1),
    Column(key='fps', title='FPS'),
    Column(key='checkpoint_mb', title='checkpoint MB', digits=1),
    Column(key='fp32_mb', title='fp32 MB', digits=1),
    Column(key='fp16_mb', title='fp16 MB', digits=1),
    Column(key='int8_mb', title='int8 MB', digits=1),
    Column(key='parameters_m', title='parameters M', digits=3),
    Column(key='zeros', title='zeros %', digits=1),
)
_SIZES = [column for column in COLUMNS if column.key.endswith(('_mb', '_m'))]
CLAIMS = (
    Claim(text='YOLOv5s over DLA-34', better='yolov5s', worse='dla34', key='map', paper=-0.05),
    Claim(text='pruned over YOLOv5s', better='yolov5s-pruned', worse='yolov5s', key='map',
          paper=-0.03),
    Claim(text='FPS: YOLOv5s over DLA-34', better='yolov5s', worse='dla34', key='fps',
          paper=3.25),
    Claim(text='FPS: pruned over YOLOv5s', better='yolov5s-pruned', worse='yolov5s', key='fps',
          paper=0.02),
)  # fmt: skip
LABELS = {
    'dla34': 'FairMOT, DLA-34',
    'yolov5s': 'FairMOT, YOLOv5s',
    'yolov5s-pruned': 'FairMOT, YOLOv5s, {:.0f} % L1 during training',
}
# What the paper measured, at the published widths.
PUBLISHED: Mapping[str, Mapping[str, object]] = {
    'dla34': {'name': 'dla34_dcn', 'n_class': 1, 'embedding_dim': 128},
    'yolov5s': {'name': 'yolov5_light', 'width': 0.5, 'n_class': 1, 'embedding_dim': 64},
}
_GMAC_PER_MPX = {'dla34': 136.0, 'yolov5s': 27.0}  # at the published widths, by million pixels
_PUBLISHED_WIDTH = {'dla34': 1.0, 'yolov5s': 0.5}


class TableTwo:
    """The study of one data set, several seeds and one preset."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._preset = preset = read_preset(args.preset, 'table2')
        self._run, self._device, self._threads = args.run, args.device, args.threads
        self._size_wh = parse_size(preset['input_size'], multiple=32)
        self.sequences: Sequences = open_sequences_of(
            [Path(path) for path in args.data],
            [Path(path) for path in args.dev],
            run=args.run / 'table2',
            most=preset['sequences'],
        )
        self.seeds = [args.seed + k for k in range(args.seeds)]
        self.names = needed(dict.fromkeys(LABELS, ()), args.only)
        steps = [
            step for seed in self.seeds for name in self.names for step in self._steps(name, seed)
        ]
        self.study = Study(steps, run=args.run / 'table2', data=self.sequences.digest)

    def options(self, name: str, seed: int) -> dict[str, object]:
        """Every option of the recipe that is not left at its default."""
        width, height = self._size_wh
        network = _network(name)
        options: dict[str, object] = {
            **flatten(self._preset['recipe']),
            **{f'architecture.{k}': v for k, v in self._preset['networks'][network].items()},
            'architecture.n_class': 1,
            'augment.width_px': width,
            'augment.height_px': height,
            'train.seed': seed,
        }
        if name != network:
            options['sparsity.schedule'] = 'repeated'
            options['sparsity.amount'] = self._preset['amount']
        return options

    def _steps(self, name: str, seed: int) -> list[Step]:
        options = self.options(name, seed)
        images = int(str(options['train.steps'])) * int(str(options['train.batch_size']))
        trained, scored = f'{name}@{seed}', f'{name}-scores@{seed}'
        return [
            Step(
                name=trained,
                what=f'train {self._label(name)}',
                content={'options': {k: str(v) for k, v in sorted(options.items())}},
                gmac=3 * images * self._gmac(name),
                make=lambda place: self._train(name, options, place),
            ),
            Step(
                name=scored,
                what='score it',
                content={},
                needs=(trained,),
                gmac=self.sequences.frames * self._gmac(name),
                make=lambda place: self._score(name, place.needs[trained], place),
            ),
        ]

    def _label(self, name: str) -> str:
        return LABELS[name].format(100 * self._preset['amount'])

    def _gmac(self, name: str) -> float:
        network = _network(name)
        width = float(self._preset['networks'][network].get('width', _PUBLISHED_WIDTH[network]))
        share = (width / _PUBLISHED_WIDTH[network]) ** 2
        return _GMAC_PER_MPX[network] * share * self._size_wh[0] * self._size_wh[1] / 1e6

    def _train(self, name: str, options: Mapping[str, object], place: Place) -> dict[str, Any]:
        recipe = place.folder / 'recipe.yaml'
        write_recipe(recipe, options, sources=self.sequences.sources)
        words = ['train', str(recipe), '--data', str(self.sequences.folder)]
        words += ['--output', str(place.folder / name), '--run', str(place.folder / 'run')]
        words += ['--input-size', self._preset['input_size'], '--device', self._device]
        code = run_typed([*words, '--threads', str(self._threads)])
        if code:
            raise TrainingInterruptedError(f'{name}: stopped', signum=code - 128)
        return {'zeros': 100 * _share_of_zeros(place.folder / name)}

    def _score(self, name: str, trained: Path, place: Place) -> dict[str, Any]:
        words = ['evaluate', '--model', str(trained / name), '--resamples', '0']
        words += ['--threads', str(self._threads), '--set', 'tracker.preset=fairmot']
        words += ['--data', *map(str, self.sequences.test)]
        parser = argparse.ArgumentParser(prog='evaluate')
        evaluate.add_arguments(parser)
        log = (place.folder / 'evaluate.log').open('w', encoding='utf-8')
        with log, redirect_stderr(log), as_typed(words):
            report = evaluate.evaluate(parser.parse_args(words[1:]))
        write_report(place.folder / 'evaluation.json', report)
        (origin,) = report['combined']
        found = report['combined_detection'][origin]['classes'].values()
        return {
            'map': statistics.fmean([one['ap50'] for one in found]) if found else 0.0,
            'mota': 100 * float(report['combined'][origin]['all']['mota']),
        }

    def plan_text(self) -> str:
        """What is done, what would be, and how long that takes."""
        return self.study.plan_text()

    def complete(self) -> None:
        """Train and score what is not yet."""
        self.study.complete()

    def rows(self) -> list[Row]:
        """One of each network; the speed is measured where it is not known."""
        speed = self._speed()
        rows = []
        for name in self.names:
            sizes = sizes_mb({'n_class': 1, **self._preset['networks'][_network(name)]})
            values: dict[str, list[float]] = {key: [mb] for key, mb in sizes.items()}
            values['fps'] = speed[name]
            for part in ('', '-scores'):
                found = [self.study.outcome(f'{name}{part}@{seed}') for seed in self.seeds]
                values |= {key: [float(f[key]) for f in found] for key in found[0]}
            rows.append(
                Row(name=name, label=self._label(name), values=values, paper=TABLE_2[name])
            )
        return rows

    def _speed(self) -> dict[str, list[float]]:
        """Frames per second, the median of turns that alternate, of the first seed's networks."""
        seed, path = self.seeds[0], self._run / 'table2' / 'speed.json'
        digests = [self.study.digest(f'{name}@{seed}')[:8] for name in self.names]
        key = f'{cpu_model()} {torch.get_num_threads()} {self._preset["speed"]} {digests}'
        known = json.loads(path.read_text(encoding='utf-8')) if path.is_file() else {}
        if key not in known:
            bundles = [str(self.study.folder(f'{name}@{seed}') / name) for name in self.names]
            words = ['--models', *bundles, '--size', self._preset['input_size'], '--frames']
            words += [str(self._preset['speed']['frames']), '--warm-up', '3', '--repeats']
            words += [str(self._preset['speed']['repeats']), '--threads', str(self._threads)]
            words += ['--input', str(self.sequences.one)]
            parser = argparse.ArgumentParser(prog='benchmark pipeline')
            pipeline_benchmark.add_arguments(parser)
            report: Any = pipeline_benchmark.measure(parser.parse_args(words))
            fps = {name: [report['models'][name]['frames_per_s']] for name in self.names}
            known[key] = {**fps, 'load_average': [os.getloadavg()[0]]}
            write_report(path, known)
        found: dict[str, list[float]] = known[key]
        return found

    def report(self) -> tuple[str, dict[str, Any]]:
        """The table as Markdown, and everything as plain values."""
        rows, published = self.rows(), published_sizes()
        parts = [
            self._caption(),
            markdown_table('network', COLUMNS, rows),
            claims_text(CLAIMS, rows, digits=3),
            'Sizes of the networks as published, by arithmetic, beside the same figures of the '
            'paper. Zeros are stored like other numbers, so pruning changes none of them; the '
            "paper's 60 MB is what a checkpoint without the identity classifier has:",
            markdown_table('network', _SIZES, published),
        ]
        content = {
            'rows': [row.to_json() for row in rows],
            'published': [row.to_json() for row in published],
            'seeds': self.seeds,
            'data': self.sequences.to_json(),
            'preset': self._preset,
        }
        return '\n\n'.join(part for part in parts if part), content

    def _caption(self) -> str:
        found, count = self.sequences, len(self.seeds)
        reduced = [
            f'{name} {self._preset["networks"][name].get("width", _PUBLISHED_WIDTH[name]):g} of '
            f'{_PUBLISHED_WIDTH[name]:g}'
            for name in PUBLISHED
        ]
        return (
            f'Table 2 on {found.what}: {found.images} images to train on, {found.frames} to '
            f'score, {count} seed{"s" if count > 1 else ""}; input {self._preset["input_size"]}, '
            f'widths {", ".join(reduced)}. A cell is ours (the paper: difference); theirs are '
            'of MOT15 at 1088x608, published widths and another CPU, so where these differ the '
            'differences between rows say more than those to the paper. The checkpoint, with '
            f'the state of Adam and the moments of a classifier of {FAIRMOT_IDENTITIES} '
            'identities, is what the paper calls model size.'
        )


def sizes_mb(architecture: Mapping[str, object]) -> dict[str, float]:
    """Sizes of a network by both definitions, in 10^6 bytes, and parameters in millions."""
    sizes = model_sizes(from_mapping(ArchitectureConfig, architecture))
    shipped = {f'{name}_mb': size / 1e6 for name, size in sizes.shipped.items()}
    return {
        'checkpoint_mb': sizes.paper / 1e6,
        **shipped,
        'parameters_m': sizes.parameters / 1e6,
    }


def published_sizes() -> list[Row]:
    """Of the networks that the paper measured, and of a checkpoint without the classifier."""
    rows = []
    for name, architecture in PUBLISHED.items():
        values = {key: [mb] for key, mb in sizes_mb(architecture).items()}
        rows.append(Row(name=name, label=LABELS[name], values=values, paper=_size_of(name)))
    sizes = model_sizes(from_mapping(ArchitectureConfig, PUBLISHED['yolov5s']))
    bare = {**rows[-1].values, 'checkpoint_mb': [(sizes.paper - sizes.paper_classifier) / 1e6]}
    label = 'the same checkpoint without the classifier, beside "YOLOv5s + Pruning"'
    paper = _size_of('yolov5s-pruned')
    return [*rows, Row(name='yolov5s-bare', label=label, values=bare, paper=paper)]


def _size_of(name: str) -> dict[str, float]:
    return {'checkpoint_mb': TABLE_2[name]['checkpoint_mb']}


def _network(name: str) -> str:
    return name.removesuffix('-pruned')


def _share_of_zeros(bundle: Path) -> float:
    """Of the weights of the convolutions."""
    from mot_compress_ros.inference import load_bundle

    weights = [t for t in load_bundle(bundle).tensors.values() if t.ndim == 4]
    return float(sum((t == 0).sum() for t in weights) / sum(t.size for t in weights))


def open_table(args: argparse.Namespace) -> TableTwo:
    """The table that the options ask for.

    Raises:
        InputError: data or preset cannot be used.
        InvalidOptionError: an option cannot.
    """
    return TableTwo(args)
