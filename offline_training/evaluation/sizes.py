"""How large an evaluated model is, for its report."""

from __future__ import annotations

from typing import TypedDict

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.inference.manifest import ModelManifest
from mot_compress_ros.networks import ArchitectureConfig
from mot_compress_ros.options import from_mapping
from offline_training.model_sizes import FAIRMOT_IDENTITIES, model_sizes

_BYTES_PER_MB = 1e6


class Sizes(TypedDict):
    """Parameters; megabytes as shipped by precision; megabytes as in the paper."""

    parameters: int
    shipped_mb: dict[str, float]
    paper_mb: float
    paper_identities: int


def sizes_json(manifest: ModelManifest) -> Sizes | None:
    """Sizes both ways (`model_sizes`); None of a model that is no network, as the scripted one."""
    try:
        architecture = from_mapping(ArchitectureConfig, manifest.architecture)
    except InvalidOptionError:
        return None
    sizes = model_sizes(architecture, channels=manifest.channels)
    return Sizes(
        parameters=sizes.parameters,
        shipped_mb={name: size / _BYTES_PER_MB for name, size in sizes.shipped.items()},
        paper_mb=sizes.paper / _BYTES_PER_MB,
        paper_identities=FAIRMOT_IDENTITIES,
    )
