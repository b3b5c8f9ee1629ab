"""One turn of one contestant of `benchmark training`: some steps, timed."""

from __future__ import annotations

from collections.abc import Sequence
import ctypes
import gc
from pathlib import Path
import time

import numpy as np
import torch

from mot_compress_ros.networks import JointDetector
from offline_training.datasets.frame_cache import FrameCache, read_frame
from offline_training.datasets.identities import number_identities
from offline_training.datasets.sampler import Sampler
from offline_training.datasets.training_images import TrainingSource
from offline_training.recipes import RecipeConfig
from offline_training.training.assembly import make_criterion, make_sampler, make_tutor
from offline_training.training.processes import Processes
from offline_training.training.trainer import Trainer

_MIB = 2**20


def one_turn(
    *,
    config: RecipeConfig,
    sources: Sequence[TrainingSource],
    cache: Path | None,
    steps: int,
    warm_up: int,
    workers: int,
    device: str,
) -> dict[str, float]:
    """Train `warm_up` and then `steps` steps.

    Returns:
        `images_per_s` over the measured steps; medians in ms of a step (`step_ms`), of its wait
        for the batch (`data_ms`) and of the rest (`compute_ms`); `batch_ms`, a batch made while
        nothing else runs; `peak_memory_mib`, on CUDA that of tensors, else of the whole process
        with the frames it has mapped, and 0 where the system does not tell.
    """
    _restart_peak(device)
    numbered, n_identities = number_identities(sources)
    frames = FrameCache(cache) if cache else read_frame
    for source in numbered if cache else ():  # it is reading that is measured, not the first fill
        for image in source.images:
            frames(image.path)
    torch.manual_seed(config.train.seed)
    network = JointDetector(config.architecture)
    trainer = Trainer(
        network,
        make_criterion(config, n_identities=n_identities),
        config.train,
        processes=Processes(device=device),
        tutor=make_tutor(config, network, None, device=device),
    )
    sampler = make_sampler(config, numbered, read=frames)
    batch_ms = _batch_ms(sampler, warm_up=warm_up, steps=steps)
    times_s = _step_times_s(trainer, sampler, stop=warm_up + steps, workers=workers)[warm_up:]
    images = steps * config.train.batch_size
    medians = np.median(times_s, axis=0) * 1e3
    return {
        'images_per_s': float(images / times_s.sum()),
        'step_ms': float(np.median(times_s.sum(axis=1)) * 1e3),
        'data_ms': float(medians[0]),
        'compute_ms': float(medians[1]),
        'batch_ms': batch_ms,
        'peak_memory_mib': _peak_mib(device),
    }


def _batch_ms(sampler: Sampler, *, warm_up: int, steps: int) -> float:
    times_s = []
    for step in range(warm_up + steps):
        start_s = time.perf_counter()
        sampler.batch(step)
        times_s.append(time.perf_counter() - start_s)
    return float(np.median(times_s[warm_up:]) * 1e3)


def _step_times_s(
    trainer: Trainer, sampler: Sampler, *, stop: int, workers: int
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """(steps, 2): wait for the batch, and the rest of the step."""
    times_s = []
    batches = sampler.batches(start=0, stop=stop, workers=workers)
    for step in range(stop):
        start_s = time.perf_counter()
        shards = next(batches)
        ready_s = time.perf_counter()
        trainer.step(step, shards)
        if trainer.device.type == 'cuda':
            torch.cuda.synchronize()
        times_s.append((ready_s - start_s, time.perf_counter() - ready_s))
    return np.array(times_s)


def _restart_peak(device: str) -> None:
    """Forget the peak of the turn before, and give what it left over back to the system."""
    gc.collect()
    if device == 'cuda':
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        return
    try:
        ctypes.CDLL(None).malloc_trim(0)  # of the GNU C library; others have no such thing
        Path('/proc/self/clear_refs').write_text('5')  # proc(5): resets the peak, VmHWM
    except (OSError, AttributeError):
        return


def _peak_mib(device: str) -> float:
    if device == 'cuda':
        return torch.cuda.max_memory_allocated() / _MIB
    try:
        lines = Path('/proc/self/status').read_text(encoding='utf-8').splitlines()
    except OSError:
        return 0.0
    peaks_kib = [int(line.split()[1]) for line in lines if line.startswith('VmHWM')]
    return peaks_kib[0] / 1024 if peaks_kib else 0.0
