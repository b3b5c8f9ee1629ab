"""Public key layouts: a state dict as the network's published checkpoints name it.

Here every network is a `JointDetector`: keys `backbone.*` and `{hm,wh,id,reg}.*`. Below
`backbone.`, each backbone names its parameters as its publication does, so that the two layouts
differ by one prefix, which the table of backbones holds. Bundles and checkpoints of ours have the
network's own keys.
"""

from __future__ import annotations

from collections.abc import Mapping
import re
from typing import TypeVar

from mot_compress_ros.networks.backbones import BACKBONES

T = TypeVar('T')
OURS = 'backbone.'
DATA_PARALLEL = 'module.'  # of files saved from a network wrapped in DataParallel


def to_public(state: Mapping[str, T], name: str) -> dict[str, T]:
    """Entries of a `JointDetector` state dict under their public keys.

    Args:
        state: keys of the network, with any values.
        name: backbone family, a key of `BACKBONES`.
    """
    prefix = BACKBONES[name].public_prefix
    return {
        prefix + key.removeprefix(OURS) if key.startswith(OURS) else key: value
        for key, value in state.items()
    }


def is_dead(public_key: str, name: str) -> bool:
    """Whether public files of this family hold the key although nothing reads it."""
    return any(re.fullmatch(dead, public_key) for dead in BACKBONES[name].dead_keys)
