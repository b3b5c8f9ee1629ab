"""Which student may work beside which teacher.

A student that was trained with a teacher may depend on that one: where it takes a prior, it has
learned how far to trust that teacher's heat map, and where it shares the teacher's embeddings, the
tracker compares the two. With another teacher nothing would fail, and the tracks would be worse.
"""

from __future__ import annotations

from mot_compress_ros.errors import BundleError
from mot_compress_ros.inference.manifest import ModelManifest


def check_pair(student: ModelManifest, teacher: ModelManifest) -> None:
    """Check that a student that depends on its teacher is beside that one.

    Raises:
        BundleError: it is not, their classes differ, or so do the lengths of embeddings that are
            said to be of one space; the message says why, and what to do.
    """
    if teacher.class_names != student.class_names:
        raise BundleError(
            f'teacher {teacher.name} has the classes {", ".join(teacher.class_names)}, '
            f'student {student.name} has {", ".join(student.class_names)}; '
            f'use two models of the same classes'
        )
    if student.space == teacher.space and student.embedding_dim != teacher.embedding_dim:
        raise BundleError(
            f'student {student.name} and teacher {teacher.name} both have embeddings of the space '
            f'{student.space}, those of the student of length {student.embedding_dim}, but the '
            f'teacher has {teacher.embedding_dim}; export the one whose embedding_space is wrong '
            'again'
        )
    taught_by = student.teacher
    if not taught_by:
        return
    mapping = taught_by['mapping']
    takes_prior = student.architecture.get('fusion', 'none') != 'none'
    if mapping != 'none' and student.space != teacher.space:
        raise BundleError(
            f'student {student.name}: its embeddings are those of teacher {taught_by["name"]} '
            f'({mapping}, space {student.space}), but the teacher here is {teacher.name} of space '
            f'{teacher.space}; {_fix(student)}'
        )
    # What the teacher was before its scores were mapped has the same objects in its heat map.
    known = (teacher.weights_sha256, teacher.calibrated_from or teacher.weights_sha256)
    if takes_prior and taught_by['weights_sha256'] not in known:
        raise BundleError(
            f'student {student.name}: takes the heat map of teacher {taught_by["name"]} '
            f'(weights {taught_by["weights_sha256"][:12]}), but the teacher here is '
            f'{teacher.name} ({teacher.weights_sha256[:12]}); {_fix(student)}'
        )


def _fix(student: ModelManifest) -> str:
    return (
        f'take the teacher {student.teacher["name"]} that it was trained with, or train '
        f'{student.name} again with `train --teacher`'
    )
