"""The kinds of networks that recipes train, and how one of each begins and is read.

A member of `FAMILIES` is named by a recipe's `family`; what it is made of is the recipe's section
of that name, or `architecture` for the joint detector.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.inference import Bundle, load_bundle
from mot_compress_ros.inference.backends.torch_dense import load_dense_network
from mot_compress_ros.inference.backends.torch_eager import load_network
from mot_compress_ros.networks import ArchitectureConfig, JointDetector, spelled_out
from mot_compress_ros.networks.cstrack import Cstrack, CstrackConfig
from mot_compress_ros.options import from_mapping, to_mapping
from offline_training.distillation.start import open_start, started_network

Network = JointDetector | Cstrack
Config = ArchitectureConfig | CstrackConfig


@dataclass(frozen=True, kw_only=True)
class Family:
    """What `train` must know of a kind of network.

    Attributes:
        make: a new network.
        load: the network of a bundle.
        open_start: the bundle of a name to start from, checked against what is wanted.
        started: a network that begins with the weights of such a bundle.
        spelled_out: the configuration as a manifest says it.
    """

    make: Callable[[Any], Network]
    load: Callable[[Bundle], Network]
    open_start: Callable[[str, Any], Bundle]
    started: Callable[[Bundle, Any], Network]
    spelled_out: Callable[[Any], Config]


def _open_dense_start(name: str, wanted: CstrackConfig) -> Bundle:
    """The bundle, which must be of the same architecture.

    Raises:
        BundleError: it cannot be used.
        InvalidOptionError: its network is not the recipe's.
    """
    bundle = load_bundle(name)
    expected = to_mapping(wanted)
    given = dict(bundle.manifest.architecture)
    if given.get('name') == wanted.name:
        given = dict(to_mapping(from_mapping(CstrackConfig, given)))
    if given != expected:
        raise InvalidOptionError(
            f'--init {name}: has {given}, the recipe says {expected}; start from a bundle of the '
            'same architecture'
        )
    return bundle


def _started_dense(bundle: Bundle, wanted: CstrackConfig) -> Cstrack:
    return load_dense_network(bundle)


def _as_it_is(config: CstrackConfig) -> CstrackConfig:
    return config


FAMILIES: Mapping[str, Family] = {
    'joint': Family(
        make=JointDetector,
        load=load_network,
        open_start=open_start,
        started=started_network,
        spelled_out=spelled_out,
    ),
    'cstrack': Family(
        make=Cstrack,
        load=load_dense_network,
        open_start=_open_dense_start,
        started=_started_dense,
        spelled_out=_as_it_is,
    ),
}


def family_of(bundle: Bundle) -> Family:
    """The family of a bundle's network."""
    name = str(bundle.manifest.architecture.get('name'))
    return FAMILIES.get(name, FAMILIES['joint'])
