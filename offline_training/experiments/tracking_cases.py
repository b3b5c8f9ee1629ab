"""What presets of the tracker are tried on: detections, stamps and a judge for each sequence.

A case is one sequence with detections from one place, at one frame rate. Its kind is written
`data/detections`, such as `kitti/oracle`, and may be followed by `+motion` (`tud/public+image`):

- data: `tracking_truths.TRUTHS`;
- detections: `DETECTIONS` here, or the name or folder of a model bundle;
- motion: `tracking_motion.MOTIONS`, where the movement of the camera comes from.

Frame rates are made by keeping every n-th frame, dropped frames by leaving out some at random, of
detections and truth alike; stamps stay what they were. Only frames that are left are scored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.datatypes import Detections
from mot_compress_ros.errors import InputError
from mot_compress_ros.sources.source import stamp_of_index
from offline_training.datasets.detection_files import read_mot_detections, read_pointrcnn
from offline_training.evaluation.chosen_frames import ChosenFrames
from offline_training.evaluation.protocols.judge import SequenceJudge
from offline_training.experiments.tracking_motion import KeptFrames, open_motion
from offline_training.experiments.tracking_networks import MIN_SCORE, own_detections
from offline_training.experiments.tracking_noise import with_noise
from offline_training.experiments.tracking_truths import read_truths, TRUTHS, TruthSequence

CACHE = Path('runs/tracking')
FULL, DROPPED = 'full', 'dropped'
LADDER_HZ = (30.0, 15.0, 10.0, 8.0, 5.0)
RATES = (FULL, *(f'{rate:g}' for rate in LADDER_HZ), DROPPED)
DROPPED_SHARE = 0.2
_SEED = 317


@dataclass(frozen=True, kw_only=True)
class CaseOptions:
    """How cases are made.

    Attributes:
        min_score: own detections below it are left out, whatever a preset would do with them.
        cache: folder of what networks and images gave.
        threads: CPU threads of a network that has to run.
    """

    min_score: float = MIN_SCORE
    cache: Path = CACHE
    threads: int = 0


@dataclass(frozen=True, eq=False, kw_only=True)
class Case:
    """One sequence to track, T frames.

    Attributes:
        name: of the sequence.
        group: what its row is called.
        kind: `data/detections[+motion]`.
        rate: 'full', 'dropped', or the rung of the ladder, such as '10'.
        fps: frames per second that are left, on average.
        protocol: whose rules `judge` has.
        by_class: whether each class has a row of its own.
        judge: ground truth of the T frames.
        detections: T entries.
        stamps_ns: T stamps, ascending.
        camera_motion: T entries, the (3, 3) homography from the case's frame before to this one,
            None where it is not known; None altogether: the tracker is told nothing.
    """

    name: str
    group: str
    kind: str
    rate: str
    fps: float
    protocol: str
    by_class: bool
    judge: SequenceJudge
    detections: tuple[Detections, ...]
    stamps_ns: tuple[int, ...]
    camera_motion: tuple[NDArray[np.float64] | None, ...] | None = None

    def __len__(self) -> int:
        return len(self.detections)


DetectionsOf = Callable[[TruthSequence, CaseOptions], Sequence[Detections]]


@dataclass(frozen=True, kw_only=True)
class DetectionsSource:
    """Where detections come from: what the tables call it, and what makes them."""

    title: str
    make: DetectionsOf


def _oracle(truth: TruthSequence, options: CaseOptions) -> Sequence[Detections]:
    del options
    return truth.oracle


def _noisy(truth: TruthSequence, options: CaseOptions) -> Sequence[Detections]:
    del options
    return with_noise(truth.oracle, name=truth.name)


def _public(truth: TruthSequence, options: CaseOptions) -> Sequence[Detections]:
    del options
    return read_mot_detections(truth.folder / 'det' / 'det.txt', n_frames=len(truth))


def _pointrcnn(truth: TruthSequence, options: CaseOptions) -> Sequence[Detections]:
    del options
    return read_pointrcnn(truth.folder, truth.name, n_frames=len(truth))


DETECTIONS: Mapping[str, DetectionsSource] = {
    'oracle': DetectionsSource(title='oracle boxes', make=_oracle),
    'noise': DetectionsSource(title='oracle boxes with noise', make=_noisy),
    'public': DetectionsSource(title='public detections', make=_public),
    'pointrcnn': DetectionsSource(title='PointRCNN', make=_pointrcnn),
}

# What is compared where nobody says otherwise.
KINDS = (
    *('kitti/oracle', 'mot17/oracle', 'synthetic/oracle'),
    *('kitti/noise', 'mot17/noise', 'synthetic/noise'),
    *('kitti/pointrcnn', 'tud/public', 'eth/public'),
    *(
        f'{data}/{model}{motion}'
        for model in ('road_student', 'road_teacher')
        for data in ('tud', 'eth', 'synthetic')
        for motion in ('', '+image')
    ),
    *(
        f'{data}/{boxes}{motion}'
        for data in ('ego-city', 'ego-rough')
        for boxes in ('oracle', 'noise')
        for motion in ('', '+rotation')
    ),
)


def load_cases(
    data: Path,
    kinds: Sequence[str] = KINDS,
    *,
    rates: Sequence[str] = (FULL,),
    options: CaseOptions | None = None,
) -> list[Case]:
    """All cases of some kinds at some rates.

    Args:
        data: folder of the data sets.
        kinds: `data/detections[+motion]`.
        rates: 'full', 'dropped', or frames per second; a rung that changes nothing in a set of
            sequences is left out there.
        options: how they are made.

    Raises:
        InputError: a kind or rate is unknown, or files are missing or damaged.
        BundleError: a network cannot be used.
    """
    options = options or CaseOptions()
    return [case for kind in kinds for case in _of_kind(data, kind, rates, options)]


def _of_kind(data: Path, kind: str, rates: Sequence[str], options: CaseOptions) -> Iterator[Case]:
    names, _, moved = kind.partition('+')
    of, _, seen = names.partition('/')
    if not seen:
        raise InputError(f'kind {kind!r}: expected DATA/DETECTIONS, such as kitti/oracle')
    motion = open_motion(moved) if moved else None
    truths = read_truths(data, of, cache=options.cache)
    whole = [_full_rate(truth, kind, of=of, seen=seen, options=options) for truth in truths]
    if motion:
        whole = [replace(case, group=f'{case.group}, {motion.title}') for case in whole]
    for rate in distinct_rates([case.fps for case in whole], rates):
        for truth, case in zip(truths, whole, strict=True):
            rows = kept_rows(case, rate)
            fewer = at_rows(case, rows, rate=rate)
            if motion:
                kept = KeptFrames(truth=truth, rows=rows, detections=fewer.detections)
                fewer = replace(fewer, camera_motion=motion.estimate(kept, options.cache))
            yield fewer


def _full_rate(
    truth: TruthSequence, kind: str, *, of: str, seen: str, options: CaseOptions
) -> Case:
    source, truth_set = DETECTIONS.get(seen) or _network(seen), TRUTHS[of]
    note = ' (trained on)' if truth_set.trained_on and seen not in DETECTIONS else ''
    return Case(
        name=truth.name,
        group=f'{truth_set.title}, {source.title}{note}',
        kind=kind,
        rate=FULL,
        fps=truth.fps,
        protocol=truth.protocol,
        by_class=truth_set.by_class,
        judge=truth.judge,
        detections=tuple(source.make(truth, options)),
        stamps_ns=tuple(stamp_of_index(k, truth.fps) for k in range(len(truth))),
    )


def _network(bundle: str) -> DetectionsSource:
    """Detections of a model, whose name is not known to `DETECTIONS`."""

    def make(truth: TruthSequence, options: CaseOptions) -> Sequence[Detections]:
        if truth.labelled is None:
            raise InputError(
                f'{truth.name}: has no images for the network {bundle}; other detections are '
                f'{", ".join(DETECTIONS)}'
            )
        found = own_detections(
            truth.labelled, bundle, options.cache / 'detections', threads=options.threads
        )
        return [d[d.scores >= options.min_score] for d in found]

    return DetectionsSource(title=Path(bundle).name, make=make)


def distinct_rates(fps: Sequence[float], rates: Sequence[str]) -> list[str]:
    """The rates that make a difference for sequences of these frame rates, in order."""
    kept: dict[tuple[object, ...], str] = {}
    for rate in rates:
        if rate == DROPPED:
            kept[(DROPPED,)] = rate
        else:
            kept.setdefault(tuple(_every(f, rate) for f in fps), rate)
    return list(kept.values())


def _every(fps: float, rate: str) -> int:
    """Every how many-th frame comes closest to a rate."""
    if rate == FULL:
        return 1
    try:
        wanted = float(rate)
    except ValueError:
        wanted = 0.0
    if not wanted > 0:
        raise InputError(f'rate {rate!r}; legal: {FULL}, {DROPPED}, or frames per second')
    return max(1, round(fps / wanted))


def kept_rows(case: Case, rate: str) -> NDArray[np.int64]:
    """Which frames of `case`, which has all of them, a rate keeps."""
    if rate == DROPPED:
        # The same frames for every preset and kind of detections.
        chance = np.random.default_rng([_SEED, *case.name.encode()]).random(len(case))
        return np.flatnonzero(chance >= DROPPED_SHARE)
    return np.arange(0, len(case), _every(case.fps, rate))


def at_rows(case: Case, rows: NDArray[np.int64], *, rate: str) -> Case:
    """`case` with some of its frames; what is told of the camera's motion is left out."""
    if len(rows) == len(case):
        return replace(case, rate=rate, camera_motion=None)
    stamps_ns = tuple(case.stamps_ns[k] for k in rows)
    return replace(
        case,
        rate=rate,
        fps=case.fps * (1 - DROPPED_SHARE if rate == DROPPED else 1 / _every(case.fps, rate)),
        judge=ChosenFrames(case.judge, rows),
        detections=tuple(case.detections[k] for k in rows),
        stamps_ns=stamps_ns,
        camera_motion=None,
    )
