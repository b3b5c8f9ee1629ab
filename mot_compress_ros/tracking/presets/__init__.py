"""Published trackers, and ours, as values of `TrackerConfig` and rounds of the association.

A member is a module with `DEFAULTS`, the options it was published with, `rounds(config)`, and
`uses_embeddings(config)`.
Everything else, such as the life of a track or the filter, is the same code for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from mot_compress_ros.tracking.config import TrackerConfig
from mot_compress_ros.tracking.presets import botsort, byte, fairmot, ocsort, sort, vehicle
from mot_compress_ros.tracking.rounds import Round

__all__ = ['PRESETS', 'Preset']


class Preset(Protocol):
    """What a member of this folder offers."""

    DEFAULTS: TrackerConfig

    def rounds(self, config: TrackerConfig) -> tuple[Round, ...]:
        """The rounds of the association, in order."""

    def uses_embeddings(self, config: TrackerConfig) -> bool:
        """Whether any round looks at embeddings; else tracks need not remember them."""


PRESETS: Mapping[str, Preset] = {
    'vehicle': vehicle,
    'sort': sort,
    'fairmot': fairmot,
    'byte': byte,
    'ocsort': ocsort,
    'botsort': botsort,
}
