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

UPDATES: Mapping[str, Update] = {'render': render, 'shift': shift, 'still': still}

__all__ = ['UPDATES', 'Canvas', 'Carried', 'Painting', 'Update']
