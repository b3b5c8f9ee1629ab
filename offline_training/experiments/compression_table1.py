"""Table 1: pruning, distillation and quantization of the three-class network."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
import json
import math
import os
from pathlib import Path
import statistics
from typing import Any

from safetensors.torch import load_file, save_file
import torch
from torch import nn

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.options import from_mapping
from offline_training.classification.images import read_splits
from offline_training.classification.measuring import (
    checkpoint_mb,
    parameters,
    quantized_mb,
    seconds_of_passes,
    shipped_mb,
)
from offline_training.classification.networks import build_network, SmallConvNet
from offline_training.classification.sparsity import share_of_zeros
from offline_training.classification.training import (
    accuracy,
    ClassifierOptions,
    normalised,
    train_classifier,
)
from offline_training.environment import cpu_model
from offline_training.experiments.compression_classifiers import Classifier, classifiers, MMAC
from offline_training.experiments.compression_paper import TABLE_1
from offline_training.experiments.compression_presets import read_preset
from offline_training.experiments.compression_tables import (
    Claim,
    claims_text,
    Column,
    markdown_table,
    Row,
)
from offline_training.quantization.eager import quantize_eager, without_batch_norm
from offline_training.report_files import write_report
from offline_training.studies import needed, Place, Step, Study

WEIGHTS_FILE = 'weights.safetensors'
_CALIBRATED, _AT_ONCE = 300, 100  # images
COLUMNS = (
    Column(key='train', title='train %'),
    Column(key='val', title='val %'),
    Column(key='test', title='test %'),
    Column(key='seconds', title='test set, s', digits=3),
    Column(key='checkpoint_mb', title='checkpoint MB'),
    Column(key='shipped_fp32_mb', title='weights fp32 MB'),
    Column(key='shipped_int8_mb', title='int8 MB'),
    Column(key='parameters_m', title='parameters M', digits=3),
    Column(key='zeros', title='zeros %', digits=1),
)
CLAIMS = (
    Claim(text='20 % pruned over base', better='one_shot-20', worse='base', paper=0.54),
    Claim(text='the same over base trained as long', better='one_shot-20', worse='base-longer'),
    Claim(text='40 % pruned over base', better='one_shot-40', worse='base', paper=0.53),
    Claim(text='the same over base trained as long', better='one_shot-40', worse='base-longer'),
    Claim(text='base + KD over student', better='base-kd', worse='student', paper=0.34),
    Claim(text='pruned + KD over student', better='pruned-kd', worse='student', paper=1.64),
    Claim(text='pruned over base teacher', better='pruned-kd', worse='base-kd', paper=1.3),
    Claim(text='the same, our recipe', better='ours-pruned-kd', worse='ours-base-kd'),
    Claim(text='folded over removed BatchNorm', better='int8-folded', worse='int8-without-norm'),
    Claim(text='goal: small network with pruned teacher', better='ours-pruned-kd', least=93.3),
    Claim(text='goal: the same in int8', better='ours-int8', least=93.3),
    Claim(text='goal: its MB at int8', better='ours-int8', key='shipped_int8_mb', most=1.7),
)


class TableOne:
    """The study of one data set, several seeds and one preset."""

    def __init__(self, args: argparse.Namespace) -> None:
        if len(args.data) != 1 or args.seeds < 1:
            raise InvalidOptionError(
                f'--table 1: expected one --data and --seeds of at least 1, got {len(args.data)} '
                f'and {args.seeds}'
            )
        self._preset = read_preset(args.preset, 'table1')
        self._source, self._device = str(args.data[0]), args.device
        self.splits = read_splits(self._source, most=self._preset['images_per_class'])
        splits = self.splits
        self._parts = {'train': splits.train, 'val': splits.val, 'test': splits.test}
        self.seeds = [args.seed + k for k in range(args.seeds)]
        known = {one.name: one for one in classifiers(self._preset)}
        names = needed({name: one.needs for name, one in known.items()}, args.only)
        self._known = {name: known[name] for name in names}
        self.study = Study(
            [self._step(one, seed) for seed in self.seeds for one in self._known.values()],
            run=args.run / 'table1',
            data=self.splits.digest,
        )

    def _step(self, one: Classifier, seed: int) -> Step:
        epochs, images = one.options.get('epochs', 0), len(self.splits.train)
        asked = epochs if one.options.get('augment') else 1  # the same images are asked once
        taught = asked * MMAC['base'] if one.teacher else 0.0
        return Step(
            name=_name(one.name, seed),
            what=one.what,
            content={**asdict(one), 'seed': seed},
            needs=tuple(_name(name, seed) for name in one.needs),
            gmac=images * (3 * epochs * MMAC[one.network] + taught) / 1e3,
            make=lambda place: self._make(one, seed, place),
        )

    def _make(self, one: Classifier, seed: int, place: Place) -> dict[str, Any]:
        chosen: dict[str, Any] = {}
        if one.best_of or one.int8:
            chosen['start'] = one.start or _best(one.best_of, seed, place)
            state = load_file(place.needs[_name(chosen['start'], seed)] / WEIGHTS_FILE)
        else:
            state, chosen = self._trained(one, seed, place)
        save_file({key: value.contiguous() for key, value in state.items()}, _weights(place))
        count = parameters(build_network(one.network, norm=one.norm)) / 1e6
        network = self._open(one, place.folder)
        accuracies = {name: accuracy(network, images) for name, images in self._parts.items()}
        figures = accuracies | (int8_sizes(network) if one.int8 else float_sizes(network))
        return {**figures, 'parameters_m': count, 'chosen': chosen}

    def _trained(
        self, one: Classifier, seed: int, place: Place
    ) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        chosen: dict[str, Any] = {}
        if one.tuned_by:
            best = self._known[_best(one.tuned_by, seed, place)].options
            chosen = {key: best[key] for key in ('lesson.temperature', 'lesson.alpha')}
        options = from_mapping(ClassifierOptions, {**one.options, **chosen, 'seed': seed})
        torch.manual_seed(seed)
        network = build_network(one.network, norm=one.norm)
        if one.start:
            network = self._open_trained(one.start, seed, place)
        teacher = self._open_trained(one.teacher, seed, place) if one.teacher else None
        trained = train_classifier(
            network,
            self.splits.train,
            options,
            place.folder,
            teacher=teacher,
            device=self._device,
            digest=place.digest,
        )
        return trained.state_dict(), chosen

    def _open_trained(self, name: str, seed: int, place: Place) -> SmallConvNet:
        return opened(self._known[name], place.needs[_name(name, seed)])

    def _open(self, one: Classifier, folder: Path) -> nn.Module:
        """In int8 where it is; what its activations are is seen on the validation images."""
        network = opened(one, folder)
        if not one.int8:
            return network
        levels = torch.from_numpy(self.splits.val.images[:_CALIBRATED])
        bare = without_batch_norm(network) if one.int8 == 'removed' else network
        return quantize_eager(bare, [normalised(part) for part in levels.split(_AT_ONCE)])

    def plan_text(self) -> str:
        """What is done, what would be, and how long that takes."""
        return self.study.plan_text()

    def complete(self) -> None:
        """Train what is not trained yet."""
        self.study.complete()

    def rows(self) -> list[Row]:
        """One of each network that is no part of a sweep; the speed is measured where missing."""
        speed = self._speed()
        rows = []
        for one in self._known.values():
            if '-sweep-' in one.name:
                continue
            names = [_name(one.name, seed) for seed in self.seeds]
            figures = [{**self.study.outcome(name), 'seconds': speed[name]} for name in names]
            keys = [k for k, v in figures[0].items() if isinstance(v, (int, float))]
            values = {key: [float(f[key]) for f in figures] for key in keys}
            rows.append(
                Row(name=one.name, label=one.what, values=values, paper=_paper_of(one.name))
            )
        return rows

    def _speed(self) -> dict[str, float]:
        """Seconds of a pass over the test set, by step."""
        names = [n for n in self.study.steps if '-sweep-' not in n]
        threads = torch.get_num_threads()
        path = self.study.folder(names[0]).parent / 'speed.json'
        key = f'{cpu_model()} threads {threads} repeats {self._preset["repeats"]}'
        known: dict[str, dict[str, float]] = (
            json.loads(path.read_text(encoding='utf-8')) if path.is_file() else {}
        )
        found = known.get(key, {})
        digests = {name: self.study.digest(name) for name in names}
        if not set(digests.values()) <= set(found):
            networks: dict[str, nn.Module] = {
                name: self._open(self._known[name.partition('@')[0]], self.study.folder(name))
                for name in names
            }
            turns = seconds_of_passes(networks, self.splits.test, repeats=self._preset['repeats'])
            found = {digests[n]: statistics.median(values) for n, values in turns.items()}
            load = {'load_average': os.getloadavg()[0]}
            write_report(path, {**known, key: {**found, **load}})
        return {name: found[digest] for name, digest in digests.items()}

    def report(self) -> tuple[str, dict[str, Any]]:
        """The table as Markdown, and everything as plain values."""
        rows = self.rows()
        text = markdown_table('network', COLUMNS, rows)
        chosen = self._chosen()
        content = {
            'rows': [row.to_json() for row in rows],
            'chosen': chosen,
            'seeds': self.seeds,
            'images': {
                'train': len(self.splits.train),
                'val': len(self.splits.val),
                'test': len(self.splits.test),
                'classes': list(self.splits.train.class_names),
            },
            'preset': self._preset,
        }
        notes = '; '.join(f'{name}: {_words(value)}' for name, value in chosen.items())
        parts = [self._caption(), text, claims_text(CLAIMS, rows)]
        parts += [f'Chosen on validation: {notes}.'] if notes else []
        return '\n\n'.join(part for part in parts if part), content

    def _chosen(self) -> dict[str, Any]:
        return {
            name: chosen
            for name in self.study.steps
            if (chosen := self.study.outcome(name)['chosen'])
            and self._known[name.partition('@')[0]].int8 == ''
        }

    def _caption(self) -> str:
        splits, count = self.splits, len(self.seeds)
        names = ', '.join(splits.train.class_names)
        rendered = ' Rendered shapes, no CIFAR.' if self._source == 'rendered' else ''
        return (
            f'Table 1, three classes ({names}): {len(splits.train)} images to train on, '
            f'{len(splits.val)} to choose by, {len(splits.test)} to test on, {count} seed'
            f'{"s" if count > 1 else ""}.{rendered} A cell is ours (the paper: difference); the '
            'rows that are ours alone have none. Seconds are of one pass over the test set in '
            f'batches of 256, {torch.get_num_threads()} CPU threads, median of '
            f'{self._preset["repeats"]}. The checkpoint, with the state of Adam, is what the '
            'paper calls model size; of int8 it is the file of the weights. By the number '
            'of test images alone a figure of 94 % is uncertain by ± '
            f'{_uncertainty(len(splits.test)):.2f}.'
        )


def open_table(args: argparse.Namespace) -> TableOne:
    """The table that the options ask for.

    Raises:
        InputError: data or preset cannot be used.
        InvalidOptionError: an option cannot.
    """
    return TableOne(args)


def _uncertainty(images: int) -> float:
    """Half of the interval of 95 % of an accuracy of 94 %, in per cent."""
    return 100 * 1.96 * math.sqrt(0.94 * 0.06 / images)


def _words(chosen: Mapping[str, Any]) -> str:
    return ', '.join(f'{key.removeprefix("lesson.")} {value}' for key, value in chosen.items())


def _name(name: str, seed: int) -> str:
    return f'{name}@{seed}'


def _weights(place: Place) -> Path:
    return place.folder / WEIGHTS_FILE


def _best(names: Sequence[str], seed: int, place: Place) -> str:
    """The first of those with the best accuracy on validation."""
    return max(names, key=lambda name: place.outcome(_name(name, seed))['val'])


def _paper_of(name: str) -> Mapping[str, float]:
    """The paper does not say how its two pruned networks were; all schedules are beside them."""
    schedule, _, amount = name.rpartition('-')
    if schedule and amount.isdigit():
        return TABLE_1.get(f'pruned-{amount}', {})
    return TABLE_1.get({'int8-without-norm': 'int8'}.get(name, name), {})


def opened(one: Classifier, folder: Path) -> SmallConvNet:
    """A network of float weights, as it was left in its folder."""
    network = build_network(one.network, norm=one.norm)
    network.load_state_dict(load_file(folder / WEIGHTS_FILE))
    return network.eval()


def float_sizes(network: nn.Module) -> dict[str, float]:
    """Sizes in MB by both definitions, and the share of zeros in per cent."""
    assert isinstance(network, SmallConvNet)
    shipped = {f'shipped_{name}_mb': mb for name, mb in shipped_mb(network).items()}
    zeros = 100 * share_of_zeros(network)
    return {**shipped, 'checkpoint_mb': checkpoint_mb(network), 'zeros': zeros}


def int8_sizes(network: nn.Module) -> dict[str, float]:
    """The file of the weights, which is all there is."""
    mb = quantized_mb(network)
    return {'checkpoint_mb': mb, 'shipped_int8_mb': mb}
