"""Bring a bundle's scores to the scale of another's, or to probabilities.

Which detections are right is judged on labelled sets (IoU 0.5), a logistic regression per network
says how sure a score is, and the map from one to the other is written into the last layer of the
heat map. So nothing is computed at run time, every runtime has it, and what is detected in which
order stays as it was. Take sets to train on, never those that the model is to be judged by.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.console import ProgressLine, say
from mot_compress_ros.errors import BundleError, InputError, InvalidOptionError

if TYPE_CHECKING:
    from mot_compress_ros.inference import Bundle, Detector
    from offline_training.datasets.records import FrameTruth, LabelledImage, LabelledSet
    from offline_training.evaluation.calibration import ScoreMap
    from offline_training.evaluation.detection_scores import DetectionEvidence, JudgedDetections

HELP = "bring a model's scores to the scale of another's, or to probabilities"
LAST_LAYER = 'hm.2'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    from offline_training.commands.evaluate import add_set_arguments

    parser.add_argument('--model', required=True, help='bundle whose scores are to be mapped')
    parser.add_argument(
        '--like', help='bundle whose scores they should mean (default: probabilities)'
    )
    parser.add_argument('--data', type=Path, nargs='+', required=True, help='labelled sets')
    add_set_arguments(parser)
    parser.add_argument('--every', type=int, default=5, help='use every Nth image of a set')
    parser.add_argument(
        '--per-class', action='store_true', help='a map for each class (default: one for all)'
    )
    parser.add_argument('--threads', type=int, default=0, help='CPU threads; 0: all')
    parser.add_argument('--output', type=Path, required=True, help='bundle to write')
    parser.add_argument('--json', type=Path, help='write precision by score here')


def run(args: argparse.Namespace) -> int:
    """Judge, fit and write; returns the exit code."""
    from mot_compress_ros.inference import load_bundle
    from mot_compress_ros.inference.checkpoint import save_bundle
    from offline_training.environment import command_line
    from offline_training.evaluation.calibration import reliability_rows
    from offline_training.report_files import check_writable, write_report

    check_writable(args.json)
    if args.output.exists():
        raise InputError(f'{args.output}: is there already; remove it or give another folder')
    if args.every < 1:
        raise InvalidOptionError(f'--every {args.every}: expected 1 or more')
    bundle = load_bundle(args.model)
    _check(bundle, load_bundle(args.like) if args.like else None)
    own, other = judged_on(args.model, args), judged_on(args.like, args) if args.like else None
    n_class = len(bundle.manifest.class_names)
    maps = score_maps(own, other, n_class=n_class, per_class=args.per_class)
    manifest = replace(
        bundle.manifest,
        name=args.output.resolve().name,
        embedding_space=bundle.manifest.space,  # its embeddings are what they were
        calibrated_from=bundle.manifest.calibrated_from or bundle.manifest.weights_sha256,
        graphs=(),  # exported ones have the old scores
        metrics={},
        training={
            **bundle.manifest.training,
            'score_calibration': {
                'command': command_line(),
                'maps': {
                    bundle.manifest.class_names[k]: {'slope': m.slope, 'offset': m.offset}
                    for k, m in maps.items()
                },
            },
        },
    )
    written = save_bundle(args.output, manifest, with_maps(bundle.tensors, maps))
    rows = {'before': reliability_rows(own), 'after': reliability_rows(mapped(own, maps))}
    if other is not None:
        rows['like'] = reliability_rows(other)
    say(_table(rows))
    for class_id, m in maps.items():
        name = manifest.class_names[class_id]
        say(f'{name}: logit = {m.slope:.3f} * logit {m.offset:+.3f}')
    say(f'wrote {written.path}')
    if args.json:
        write_report(
            args.json,
            {
                'kind': 'calibration',
                'command': command_line(),
                'maps': manifest.training['score_calibration']['maps'],
                'precision_by_score': rows,
            },
        )
    return 0


def judged_on(model: str, args: argparse.Namespace) -> JudgedDetections:
    """Which detections of a bundle on the sets are right.

    Raises:
        InputError: a set cannot be read, or has no images.
    """
    from mot_compress_ros.options import from_mapping
    from mot_compress_ros.pipeline import PipelineConfig
    from offline_training.commands.evaluate import open_sets, set_settings
    from offline_training.evaluation.detection_scores import judge_detections
    from offline_training.evaluation.inference import open_detector

    detector = open_detector(
        model, from_mapping(PipelineConfig, {'runtime.threads': args.threads})
    )
    sets = open_sets(args.data, set_settings(args))
    return judge_detections(
        [e for _, found in sets for e in evidence(found, detector, args.every)]
    )


def evidence(labelled: LabelledSet, detector: Detector, every: int) -> Iterator[DetectionEvidence]:
    """Labels and detections of every Nth image of a set, sequence by sequence."""
    from offline_training.evaluation.detection_scores import DetectionEvidence, LabelledBoxes
    from offline_training.evaluation.inference import detect_images

    groups: list[tuple[str, Sequence[Path], Sequence[FrameTruth | LabelledImage], set[int]]] = [
        (s.name, s.image_paths[::every], s.truth[::every], set(s.labelled_class_ids))
        for s in labelled.sequences
    ]
    if chosen := labelled.images[::every]:
        common = set.intersection(*(set(image.labelled_class_ids) for image in chosen))
        groups.append(('images', [image.path for image in chosen], chosen, common))
    for name, paths, truth, class_ids in groups:
        if len(paths) != len(truth):
            raise InputError(f'{name}: labels without images; scores need both')
        with ProgressLine(len(paths)) as line:
            show = partial(_show, line, name)
            found = detect_images(paths, detector, progress=show)
        boxes = [
            LabelledBoxes(boxes_xyxy_px=t.boxes_xyxy_px, class_ids=t.class_ids, ignore=t.ignore)
            for t in truth
        ]
        known = sorted(class_ids & set(range(len(detector.class_names))))
        yield DetectionEvidence(truth=boxes, found=found, class_ids=known)


def score_maps(
    own: JudgedDetections, other: JudgedDetections | None, *, n_class: int, per_class: bool
) -> dict[int, ScoreMap]:
    """The map of each class id.

    Args:
        own: of the model.
        other: of the one whose scores they should mean; None for probabilities.
        n_class: classes of both.
        per_class: whether each is fitted alone.

    Raises:
        InvalidDataError: there is too little to fit on.
    """
    from offline_training.evaluation.calibration import fit_probability, of_class

    def fitted(class_id: int | None) -> ScoreMap:
        maps = []
        for what, judged in (('--model', own), ('--like', other)):
            if judged is not None:
                chosen = judged if class_id is None else of_class(judged, class_id)
                where = '' if class_id is None else f', class {class_id}'
                maps.append(fit_probability(chosen, what=f'{what}{where}'))
        return maps[0] if other is None else maps[0].then_undo(maps[1])

    if per_class:
        return {class_id: fitted(class_id) for class_id in range(n_class)}
    return dict.fromkeys(range(n_class), fitted(None))


def mapped(judged: JudgedDetections, maps: Mapping[int, ScoreMap]) -> JudgedDetections:
    """The detections with the scores that the new bundle gives them."""
    scores = judged.scores.copy()
    for class_id, score_map in maps.items():
        rows = judged.class_ids == class_id
        scores[rows] = score_map(scores[rows])
    return replace(judged, scores=scores)


def with_maps(
    tensors: Mapping[str, NDArray[np.generic]], maps: Mapping[int, ScoreMap]
) -> dict[str, NDArray[np.generic]]:
    """The tensors with each class' map in its row of the heat map's last layer."""
    weight, bias = f'{LAST_LAYER}.weight', f'{LAST_LAYER}.bias'
    new_weight, new_bias = tensors[weight].copy(), tensors[bias].copy()
    for class_id, m in maps.items():
        new_weight[class_id] = m.slope * new_weight[class_id]
        new_bias[class_id] = m.slope * new_bias[class_id] + m.offset
    return {**tensors, weight: new_weight, bias: new_bias}


def _show(line: ProgressLine, name: str, done: int) -> None:
    line.update(done, lambda: name)


def _check(bundle: Bundle, like: Bundle | None) -> None:
    """Whether the scores of the bundle can be mapped.

    Raises:
        BundleError: it has no weights, or the other has other classes.
    """
    if f'{LAST_LAYER}.weight' not in bundle.tensors:
        raise BundleError(
            f'{bundle.path}: has no heat map of its own whose scores could be mapped'
        )
    if like is not None and like.manifest.class_names != bundle.manifest.class_names:
        raise BundleError(
            f'{like.path}: has the classes {", ".join(like.manifest.class_names)}, {bundle.path} '
            f'has {", ".join(bundle.manifest.class_names)}; give a model of the same classes'
        )


def _table(rows: Mapping[str, Sequence[Mapping[str, float | int | None]]]) -> str:
    """Precision and recall in per cent from each score on, of each network."""
    from offline_training.evaluation.calibration import THRESHOLDS
    from offline_training.evaluation.tables import markdown_table

    header = [
        'from score',
        *(f'{name}: {what}' for name in rows for what in ('precision', 'recall')),
    ]
    lines = []
    for index, threshold in enumerate(THRESHOLDS):
        values = [row[index][what] for row in rows.values() for what in ('precision', 'recall')]
        cells = ['' if v is None else f'{100 * v:.1f}' for v in values]
        lines.append([f'{threshold:.1f}', *cells])
    return markdown_table(header, lines)
