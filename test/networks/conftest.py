"""Every shipped architecture, built once for all tests of this folder."""

import dataclasses
import functools

import pytest
import torch

from mot_compress_ros.networks import JointDetector
from mot_compress_ros.networks.zoo import ZOO


@functools.cache
def _build(name, n_class):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return JointDetector(dataclasses.replace(ZOO[name], n_class=n_class))


@pytest.fixture(scope='session')
def zoo_network():
    """Gives the network of a name of the zoo, seeded. It is shared: copy it before changing it."""

    def build(name, n_class=1):
        return _build(name, n_class).eval()

    return build
