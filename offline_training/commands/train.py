"""Train a joint detector and write it as a model bundle."""

from __future__ import annotations

import argparse
from pathlib import Path
import sys
from typing import TYPE_CHECKING

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.inference.checkpoint import load_bundle, ModelManifest, save_bundle
from mot_compress_ros.options import to_mapping

if TYPE_CHECKING:
    from torch import nn

    from mot_compress_ros.inference.checkpoint import Bundle
    from mot_compress_ros.networks import ArchitectureConfig
    from offline_training.datasets.training_images import TrainingSource
    from offline_training.recipes import Recipe

HELP = 'train a network and write it as a model bundle'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('recipe', type=Path, help='YAML recipe, such as config/training/*.yaml')
    parser.add_argument('--data', type=Path, required=True, help='folder of the data sets')
    parser.add_argument(
        '--output', type=Path, required=True, help='bundle to write; its last part is its name'
    )
    parser.add_argument(
        '--run', type=Path, help='folder of checkpoints and logs (default runs/<name>)'
    )
    parser.add_argument(
        '--init', help='bundle whose weights to start from, as after a first stage on boxes'
    )
    parser.add_argument(
        '--input-size',
        default='1088x608',
        metavar='WxH',
        help='input of the network in the vehicle, multiples of 32',
    )
    parser.add_argument('--device', default='cpu', choices=('cpu', 'cuda'), help='where to train')
    parser.add_argument('--threads', type=int, default=0, help='CPU threads; 0 takes all')
    parser.add_argument(
        '--set', action='append', default=[], metavar='KEY=VALUE', help='override a recipe value'
    )


def run(args: argparse.Namespace) -> int:
    """Train, or resume, and write the bundle."""
    import torch

    from mot_compress_ros.inference.backends.torch_eager import load_network
    from mot_compress_ros.networks import JointDetector
    from offline_training.command_options import parse_settings, parse_size
    from offline_training.datasets.classes import CLASS_NAMES
    from offline_training.datasets.collect import collect_sources
    from offline_training.datasets.sampler import PairSampler
    from offline_training.engine import train
    from offline_training.losses.joint import JointCriterion
    from offline_training.recipes import experiment_digest, read_recipe, RecipeConfig

    input_size_wh = parse_size(args.input_size, multiple=32)
    recipe = read_recipe(args.recipe, parse_settings(RecipeConfig, args.set))
    config = recipe.config
    init = open_init(args.init, config.architecture) if args.init else None
    sources = collect_sources(recipe.sources, args.data)
    for source in sources:
        boxes = sum(len(image.boxes_xyxy_px) for image in source.images)
        sys.stderr.write(f'{source.name}: {len(source.images)} images, {boxes} boxes\n')
    torch.manual_seed(config.train.seed)
    if args.threads:
        torch.set_num_threads(args.threads)
    sampler = PairSampler(
        sources,
        config=config.augment,
        batch_size=config.train.batch_size,
        n_class=len(CLASS_NAMES),
        seed=config.train.seed,
    )
    run_folder = args.run or Path('runs') / args.output.name
    network = load_network(init) if init else JointDetector(config.architecture)
    model = train(
        network,
        sampler,
        config.train,
        JointCriterion(config.loss),
        run_folder,
        device=args.device,
        digest=experiment_digest(
            config, sources, init_sha256=init.manifest.weights_sha256 if init else ''
        ),
    )
    write_bundle(
        model,
        args.output,
        recipe,
        sources,
        input_size_wh=input_size_wh,
        started_from=args.init or '',
    )
    sys.stderr.write(f'wrote {args.output}\n')
    return 0


def open_init(name: str, wanted: ArchitectureConfig) -> Bundle:
    """The bundle to start from.

    Raises:
        BundleError: it cannot be used.
        InvalidOptionError: its network is not the recipe's.
    """
    bundle = load_bundle(name)
    given = {**to_mapping(type(wanted)()), **bundle.manifest.architecture}
    expected = to_mapping(wanted)
    differing = [
        f'{key} {given.get(key)!r}, the recipe says {expected.get(key)!r}'
        for key in sorted({*given, *expected})
        if given.get(key) != expected.get(key)
    ]
    if differing:
        raise InvalidOptionError(
            f'--init {name}: has {"; ".join(differing)}; start from a bundle of the same '
            'architecture'
        )
    return bundle


def write_bundle(
    model: nn.Module,
    output: Path,
    recipe: Recipe,
    sources: list[TrainingSource],
    *,
    input_size_wh: tuple[int, int],
    started_from: str = '',
) -> None:
    """Write the trained network, half precision, with its manifest.

    Half precision halves the file; the runtimes compute in bf16, fp16 or from these values.
    """
    from offline_training.datasets.classes import CLASS_NAMES
    from offline_training.environment import command_line

    config = recipe.config
    manifest = ModelManifest(
        name=output.name,
        architecture=to_mapping(config.architecture),
        class_names=CLASS_NAMES,
        input_size_wh=input_size_wh,
        embedding_dim=config.architecture.embedding_dim,
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
    )
    state = model.state_dict()
    tensors = {
        key: (t.half() if t.is_floating_point() else t).cpu().numpy() for key, t in state.items()
    }
    save_bundle(output, manifest, tensors)
