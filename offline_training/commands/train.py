"""Train a joint detector and write it as a model bundle."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mot_compress_ros.console import complain
from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.inference.checkpoint import ModelManifest, save_bundle
from mot_compress_ros.inference.manifest import MAX_EMBEDDING_DIM
from mot_compress_ros.options import to_mapping

if TYPE_CHECKING:
    from torch import nn, Tensor

    from mot_compress_ros.inference.checkpoint import Bundle
    from offline_training.datasets.training_images import TrainingSource
    from offline_training.recipes import Recipe, RecipeConfig
    from offline_training.training.processes import Processes

HELP = 'train a network and write it as a model bundle'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('recipe', type=Path, help='YAML recipe, such as config/training/*.yaml')
    parser.add_argument('--data', type=Path, required=True, help='folder of the data sets')
    parser.add_argument(
        '--output', type=Path, required=True, help='bundle to write; its last part is its name'
    )
    parser.add_argument(
        '--run',
        '--run-folder',  # torchrun takes `--run`, wherever it stands, for one of its own options
        type=Path,
        help='folder of checkpoints and logs (default runs/<name>)',
    )
    parser.add_argument(
        '--init', help='bundle whose weights to start from, as after a first stage on boxes'
    )
    parser.add_argument(
        '--teacher', help='bundle of the frozen teacher, where the recipe asks one'
    )
    parser.add_argument(
        '--teacher-output',
        type=Path,
        metavar='FOLDER',
        help='with loss.efm: bundle to write of the teacher with the shared pivots',
    )
    parser.add_argument(
        '--input-size',
        default='1088x608',
        metavar='WxH',
        help='input of the network in the vehicle, multiples of 32',
    )
    parser.add_argument('--device', default='cpu', choices=('cpu', 'cuda'), help='where to train')
    parser.add_argument('--threads', type=int, default=0, help='CPU threads; 0 takes all')
    parser.add_argument('--workers', type=int, default=1, help='threads that make batches')
    parser.add_argument(
        '--cache', type=Path, metavar='FOLDER', help='keep decoded frames here, 3 bytes a pixel'
    )
    parser.add_argument(
        '--cache-width',
        type=int,
        default=0,
        metavar='PX',
        help='keep wider frames at this width, and train on those',
    )
    parser.add_argument(
        '--tensorboard', action='store_true', help='write TensorBoard event files to the run too'
    )
    parser.add_argument(
        '--peer-timeout',
        type=float,
        default=600.0,
        metavar='S',
        help='under torchrun: seconds to wait for another process before giving up',
    )
    parser.add_argument(
        '--set', action='append', default=[], metavar='KEY=VALUE', help='override a recipe value'
    )


def run(args: argparse.Namespace) -> int:
    """Train, or resume, and write the bundle; 130 or 143 where a signal has stopped it."""
    from offline_training.training.interruption import TrainingInterruptedError
    from offline_training.training.processes import join_processes

    if args.workers < 1 or args.cache_width < 0 or (args.cache_width and not args.cache):
        raise InvalidOptionError(
            '--workers: at least 1; --cache-width: a width in pixels, together with --cache'
        )
    with join_processes(args.device, timeout_s=args.peer_timeout) as processes:
        try:
            _train(args, processes)
        except TrainingInterruptedError as stop:
            if processes.leads:
                complain(f'train: {stop}')
            return stop.exit_code
    return 0


def _train(args: argparse.Namespace, processes: Processes) -> None:
    import torch

    from mot_compress_ros.networks import fuse_batch_norm
    from offline_training.command_options import parse_settings, parse_size
    from offline_training.datasets.collect import collect_sources
    from offline_training.datasets.frame_cache import FrameCache, read_frame
    from offline_training.datasets.identities import number_identities
    from offline_training.distillation.levels import shared_channels
    from offline_training.distillation.teacher import open_teacher
    from offline_training.engine import train
    from offline_training.pruning.schedules import make_sparsifier
    from offline_training.recipes import read_recipe, RecipeConfig
    from offline_training.training.assembly import make_criterion, make_sampler, make_tutor
    from offline_training.training.families import FAMILIES, family_of

    input_size_wh = parse_size(args.input_size, multiple=32)
    recipe = _share_out(
        read_recipe(args.recipe, parse_settings(RecipeConfig, args.set)), processes
    )
    config = recipe.config
    family = FAMILIES[config.family]
    init = family.open_start(args.init, config.network) if args.init else None
    teacher = open_teacher(args.teacher, config, output=args.teacher_output)
    if args.teacher and teacher is None and processes.leads:
        complain('train: nothing in this recipe asks the teacher')
    sources, n_identities = number_identities(
        collect_sources(recipe.sources, args.data, n_class=len(config.class_names))
    )
    for source in sources if processes.leads else ():
        boxes = sum(len(image.boxes_xyxy_px) for image in source.images)
        complain(f'{source.name}: {len(source.images)} images, {boxes} boxes')
    recipe = _with_pivots(recipe, n_identities)
    config = recipe.config
    torch.manual_seed(config.train.seed)
    if args.threads:
        torch.set_num_threads(args.threads)
    read = FrameCache(args.cache, max_width_px=args.cache_width) if args.cache else read_frame
    wanted = config.network
    network = family.started(init, wanted) if init else family.make(wanted)
    with torch.random.fork_rng(devices=()):  # a student starts alike, whoever teaches it
        asked = fuse_batch_norm(family_of(teacher).load(teacher).eval()) if teacher else None
    model = train(
        network,
        make_sampler(config, sources, read=read),
        config.train,
        make_criterion(
            config,
            n_identities=n_identities,
            teacher_dim=asked.config.embedding_dim if asked else 0,
            channels=shared_channels(network, asked),
        ),
        args.run or Path('runs') / args.output.name,
        digest=_digest(args, config, sources, init, teacher),
        processes=processes,
        tutor=make_tutor(config, network, asked, device=processes.device),
        sparsifier=make_sparsifier(network, config.sparsity),
        workers=args.workers,
        tensorboard=args.tensorboard,
    )
    if not processes.leads:
        return
    write_bundle(
        model,
        args.output,
        recipe,
        sources,
        input_size_wh=input_size_wh,
        started_from=args.init or '',
        teacher=teacher,
        teacher_output=args.teacher_output,
    )
    complain(f'wrote {args.output}')


def _share_out(recipe: Recipe, processes: Processes) -> Recipe:
    """The recipe with its number of shards, where it left it to the number of processes."""
    train = recipe.config.train
    shared = replace(train, shards=train.shards or processes.size)
    return replace(recipe, config=replace(recipe.config, train=shared))


def _with_pivots(recipe: Recipe, n_identities: int) -> Recipe:
    """The recipe with one pivot for each identity of its data, where it learns them.

    Raises:
        InvalidOptionError: the recipe says another number, or they are too many for a bundle.
    """
    config = recipe.config
    if not config.loss.efm:
        return recipe
    if n_identities > MAX_EMBEDDING_DIM:
        raise InvalidOptionError(
            f'loss.efm: the sources have {n_identities} identities, each of which is a pivot, '
            f'expected at most {MAX_EMBEDDING_DIM}; every box of a single image is one: leave '
            'such sets out, or map embeddings by loss.ifm'
        )
    if config.architecture.pivots not in (0, n_identities):
        raise InvalidOptionError(
            f'architecture.pivots: got {config.architecture.pivots}, but the sources have '
            f'{n_identities} identities, and each is a pivot; leave it at 0'
        )
    architecture = replace(config.architecture, pivots=n_identities)
    return replace(recipe, config=replace(config, architecture=architecture))


def _digest(
    args: argparse.Namespace,
    config: RecipeConfig,
    sources: list[TrainingSource],
    init: Bundle | None,
    teacher: Bundle | None,
) -> str:
    """Stands for the experiment; smaller frames make it another one."""
    from offline_training.recipes import experiment_digest

    first = init.manifest.weights_sha256 if init else ''
    taught_by = teacher.manifest.weights_sha256 if teacher else ''
    digest = experiment_digest(config, sources, init_sha256=first, teacher_sha256=taught_by)
    return f'{digest} {args.cache_width}' if args.cache_width else digest


def write_bundle(
    model: nn.Module,
    output: Path,
    recipe: Recipe,
    sources: list[TrainingSource],
    *,
    input_size_wh: tuple[int, int],
    started_from: str = '',
    teacher: Bundle | None = None,
    teacher_output: Path | None = None,
) -> None:
    """Write the trained network, half precision, with its manifest.

    Half precision halves the file; the runtimes compute in bf16, fp16 or from these values.
    With `teacher_output` the teacher is written too, with the network's pivot layer.
    """
    from offline_training.distillation.teacher import student_space, taught_by, write_teacher
    from offline_training.environment import command_line
    from offline_training.pruning.removal import changed_channels
    from offline_training.training.families import FAMILIES

    config = recipe.config
    state = model.state_dict()
    tensors = {key: halved(tensor).cpu().numpy() for key, tensor in state.items()}
    if teacher and teacher_output:
        teacher = write_teacher(teacher, teacher_output, tensors, shared_with=output.name)
        complain(f'wrote {teacher_output}')
    mapping = config.mapping
    manifest = ModelManifest(
        name=output.name,
        architecture=to_mapping(FAMILIES[config.family].spelled_out(config.network)),
        class_names=config.class_names,
        input_size_wh=input_size_wh,
        embedding_dim=config.network.pivots or config.network.embedding_dim,
        embedding_space=student_space(teacher.manifest, tensors, mapping) if teacher else '',
        teacher=taught_by(teacher, mapping) if teacher else {},
        training={
            'command': command_line(),
            'started_from': Path(started_from).name,
            'data': {
                source.name: {
                    'images': len(source.images),
                    'boxes': sum(len(image.boxes_xyxy_px) for image in source.images),
                    'weight': source.weight,
                }
                for source in sources
            },
            'options': to_mapping(config),
        },
        channels=changed_channels(model),
    )
    save_bundle(output, manifest, tensors)


def halved(tensor: Tensor) -> Tensor:
    """Half precision where it can hold the values: a large variance would become infinite."""
    if not tensor.is_floating_point():
        return tensor
    half = tensor.half()
    return half if bool(half.isfinite().all()) else tensor.float()
