"""How a student begins with the weights of a bundle that lacks what it has more."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.inference import Bundle, load_bundle
from mot_compress_ros.inference.backends.torch_eager import architecture_of, load_network
from mot_compress_ros.networks import (
    ArchitectureConfig,
    JointDetector,
    resized,
    spelled_out,
)
from mot_compress_ros.networks.fusions import FUSIONS
from mot_compress_ros.options import to_mapping


def open_start(name: str, wanted: ArchitectureConfig) -> Bundle:
    """The bundle to start from.

    A zero of the one is the published value of the other. A network with a fusion may start from
    one without, pivots from any, and any activation from any other, whose weights it trains on.
    One without a fusion may start from one whose heads are as large with it as without, such as a
    gate: told nothing, that one is the same network. A pruned network stays as it was pruned, and
    takes no other fusion.

    Raises:
        BundleError: it cannot be used.
        InvalidOptionError: its network is not the recipe's.
    """
    bundle = load_bundle(name)
    own = architecture_of(bundle)
    if bundle.manifest.channels and own.fusion != wanted.fusion:
        raise InvalidOptionError(
            f'--init {name}: is pruned and has architecture.fusion {own.fusion}, the recipe says '
            f'{wanted.fusion}; train the whole network with its fusion, then prune it'
        )
    can_change = own.fusion == 'none' or (
        wanted.fusion == 'none' and not FUSIONS[own.fusion].extra_channels(own.n_class)
    )
    fusion = wanted.fusion if can_change else own.fusion
    free = replace(own, fusion=fusion, pivots=wanted.pivots, activation=wanted.activation)
    given = to_mapping(spelled_out(free))
    expected = to_mapping(spelled_out(wanted))
    differing = [
        f'{key} {given[key]!r}, the recipe says {expected[key]!r}'
        for key in expected
        if given[key] != expected[key]
    ]
    if differing:
        raise InvalidOptionError(
            f'--init {name}: has {"; ".join(differing)}; start from a bundle of the same '
            'architecture'
        )
    return bundle


def started_network(bundle: Bundle, wanted: ArchitectureConfig) -> JointDetector:
    """A network `wanted` with the weights of a bundle that `open_start` has let pass.

    Layers that take more channels than there have zeros for them, so that without a prior, and
    with a fusion that starts as nothing, the network is the old one. What the bundle has no
    weights for starts as it is drawn, and what is drawn afterwards does not depend on it.
    """
    with torch.random.fork_rng(devices=()):
        network = resized(JointDetector(wanted), bundle.manifest.channels)
        given = load_network(bundle).state_dict()
    own = network.state_dict()
    shared = {key: _grown(given[key], value) for key, value in own.items() if key in given}
    network.load_state_dict({**own, **shared})
    return network


def _grown(given: Tensor, own: Tensor) -> Tensor:
    """The given weights in the place of the first channels; `own` where they cannot be."""
    if given.shape == own.shape:
        return given
    if given.shape[:1] != own.shape[:1]:  # a pivot layer of other identities
        return own
    grown = torch.zeros_like(own)
    grown[:, : given.shape[1]] = given
    return grown
