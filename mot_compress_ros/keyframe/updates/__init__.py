"""How the teacher's heat map is carried to a later frame.

A member is a function `(carried, canvas) -> Painting`: it reads what is known of the keyframe and
of its objects now (`Carried`) and paints it in the cells of another network's map (`Canvas`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mot_compress_ros.keyframe.updates.painting import Canvas, Carried, Painting
from mot_compress_ros.keyframe.updates.render import render
from mot_compress_ros.keyframe.updates.shift import shift
from mot_compress_ros.keyframe.updates.still import still

Update = Callable[[Carried, Canvas], Painting]

UPDATES: Mapping[str, Update] = {
    'render': render,
    'shift': shift,
    'still': still,
    'follow': render,  # at other places: see FOLLOWING
}
# Members whose objects are where the tracker expects them now, with all that it saw since the
# keyframe; the others' move on from the keyframe by themselves, as in AttTrack.
FOLLOWING = frozenset({'follow'})

__all__ = ['FOLLOWING', 'UPDATES', 'Canvas', 'Carried', 'Painting', 'Update']
