"""How long it will take: times of a step and of a frame, measured here before the work begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
import hashlib
import json
import time

from offline_training.experiments.atttrack_paper import Arm
from offline_training.experiments.atttrack_plan import contestant_of, Training
from offline_training.experiments.atttrack_training import network_options, seconds_of, Site
from offline_training.losses.config import TAUGHT
from offline_training.report_files import write_report

_MOST_IMAGES = 4  # of a measured step
_BESIDE_TRAINING = 1.25  # loss, optimizer, and batches where cores are few
_BESIDE_FRAME_S = 0.012  # reading, letterbox, decoding, tracking
_JUDGING_S = 2.0


@dataclass(frozen=True, kw_only=True)
class NetworkTimes:
    """Seconds for an image: forwards and backwards in training, and alone in use."""

    train_s: float
    use_s: float


@dataclass(frozen=True, kw_only=True)
class Job:
    """A part of the work and how long it should take; `seconds` is what is left of it."""

    name: str
    seconds: float
    is_done: bool


class Clock:
    """Estimates for one data set; what was measured once on this machine is kept in the run."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def training(self, training: Training) -> Job:
        """Of one training; a part that was done before is taken off."""
        site, mine = self._site, self._of(training.network)
        per_image = mine.train_s * _BESIDE_TRAINING
        if training.teacher:
            looks = int(training.told) + int(bool(_taught(training)))
            per_image += looks * self._of(training.teacher).use_s
        whole_s = site.steps(training) * site.preset.batch_size * per_image
        spent_s = seconds_of(site.folder(training)) or 0.0
        is_done = site.is_done(training)
        left_s = 0.0 if is_done else max(whole_s - spent_s, 0.0)
        steps = f'{site.steps(training)} steps: {training.what}'
        return Job(name=f'train {training.name}, {steps}', seconds=left_s, is_done=is_done)

    def scoring(self, arm: Arm) -> Job:
        """Of one evaluation with its turns of FPS; never taken for done."""
        contestant, preset = contestant_of(arm), self._site.preset
        student, *teacher = (self._of(name.partition('-')[0]) for name in contestant.trainings)
        share = 1 / arm.interval if teacher else 0.0
        frame_s = (1 - share) * student.use_s + sum(share * t.use_s for t in teacher)
        turns = preset.speed['frames'] * preset.speed['repeats']
        frames = self._site.halves.frames + turns
        seconds = frames * (frame_s + _BESIDE_FRAME_S) + _JUDGING_S
        return Job(name=f'score {arm.label}', seconds=seconds, is_done=False)

    def _of(self, network: str) -> NetworkTimes:
        return _measured(self._site, network)


def plan_text(jobs: Sequence[Job], *, title: str) -> str:
    """One line for each job, and the sum."""
    lines = [f'{title}:']
    for job in jobs:
        lines.append(f'  {"done" if job.is_done else duration(job.seconds):>8}  {job.name}')
    total_s = sum(job.seconds for job in jobs)
    return '\n'.join([*lines, f'  {duration(total_s):>8}  together'])


def duration(seconds: float) -> str:
    """For people: seconds, minutes or hours."""
    if seconds < 90:
        return f'{seconds:.0f} s'
    return f'{seconds / 60:.0f} min' if seconds < 5400 else f'{seconds / 3600:.1f} h'


def _taught(training: Training) -> list[str]:
    """Parts of its loss that look at the teacher's own answer."""
    return [name for name in TAUGHT if f'loss.{name}' in training.settings]


def _measured(site: Site, network: str) -> NetworkTimes:
    """Times of a network, from the file of the run where they stand."""
    from offline_training.environment import cpu_model

    content = {
        'network': {k: str(v) for k, v in site.preset.networks[network].items()},
        'size': site.preset.input_size_wh,
        'precision': str(site.preset.recipe.get('train.precision', '')),
        'on': [cpu_model(), site.device, site.threads],
    }
    key = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
    path = site.run / 'times' / f'{network}-{key}.json'
    try:
        kept: Mapping[str, float] = json.loads(path.read_text(encoding='utf-8'))
        return NetworkTimes(train_s=kept['train_s'], use_s=kept['use_s'])
    except (OSError, ValueError, KeyError):
        times = _time_network(site, network)
        write_report(path, {**content, 'train_s': times.train_s, 'use_s': times.use_s})
        return times


def _time_network(site: Site, network: str) -> NetworkTimes:
    """Of a step, and of an image."""
    import torch

    from mot_compress_ros.options import from_mapping
    from offline_training.recipes import RecipeConfig
    from offline_training.training.families import FAMILIES

    if site.threads:
        torch.set_num_threads(site.threads)
    given = network_options(site.preset.networks[network], n_class=site.n_class)
    names = ('heatmap', 'wh_l1', 'wh_giou', 'offset', 'reid')  # of one family only, and not used
    config = from_mapping(RecipeConfig, {**given, **{f'loss.{name}': 0.0 for name in names}})
    model = FAMILIES[config.family].make(config.network).to(site.device)
    n, (width, height) = min(_MOST_IMAGES, site.preset.batch_size), site.preset.input_size_wh
    images = torch.rand(n, 3, height, width, device=site.device)
    images = images.to(memory_format=torch.channels_last)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    low = site.preset.recipe.get('train.precision') != 'fp32'

    def step() -> None:
        with torch.autocast(site.device, torch.bfloat16, enabled=low):
            loss = torch.stack([m.float().square().mean() for m in model(images).values()]).sum()
        loss.backward()
        loss.item()  # waits for a GPU

    def look() -> None:
        next(iter(model(images[:1]).values())).sum().item()

    train_s = _shortest(step) / n
    model.eval()
    with torch.inference_mode(), torch.autocast(site.device, torch.bfloat16, enabled=low):
        use_s = _shortest(look)
    return NetworkTimes(train_s=train_s, use_s=use_s)


def _shortest(call: Callable[[], None]) -> float:
    """Seconds of the shortest of three calls: what else the machine does is not part of it."""
    times_s = []
    for _ in range(3):
        start_s = time.perf_counter()
        call()
        times_s.append(time.perf_counter() - start_s)
    return min(times_s)
