"""Equation 1 by hand, and what its misprint would do."""

import math

import pytest
import torch

from mot_compress_ros.errors import InvalidOptionError
from offline_training.classification.lessons import LessonOptions, LESSONS
from offline_training.classification.losses import logit_loss, soft_target_loss


def softmax(values):
    exponents = [math.exp(v) for v in values]
    return [e / sum(exponents) for e in exponents]


STUDENT = [[1.0, 0.0, -1.0], [0.5, 2.0, 0.0]]
TEACHER = [[3.0, 1.0, 0.0], [0.0, 4.0, 1.0]]
LABELS = [0, 1]


def by_hand(temperature, alpha):
    total = 0.0
    for student, teacher, label in zip(STUDENT, TEACHER, LABELS, strict=True):
        p = softmax([v / temperature for v in teacher])
        q = softmax([v / temperature for v in student])
        divergence = sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
        truth = -math.log(softmax(student)[label])
        total += 2 * temperature**2 * alpha * divergence + (1 - alpha) * truth
    return total / len(LABELS)


def loss(temperature, alpha, student=STUDENT):
    return soft_target_loss(
        torch.tensor(student),
        torch.tensor(TEACHER),
        torch.tensor(LABELS),
        temperature=temperature,
        alpha=alpha,
    )


@pytest.mark.parametrize(('temperature', 'alpha'), [(1, 0.5), (4, 0.9), (2, 0), (3, 1)])
def test_equation_1_by_hand(temperature, alpha):
    assert float(loss(temperature, alpha)) == pytest.approx(by_hand(temperature, alpha), rel=1e-5)


def test_a_teacher_that_is_matched_leaves_the_labels_alone():
    found = float(loss(2.0, 0.9, student=TEACHER))
    truth = torch.nn.functional.cross_entropy(torch.tensor(TEACHER), torch.tensor(LABELS))
    assert found == pytest.approx(0.1 * float(truth), rel=1e-5)


def test_the_misprint_would_reward_the_wrong_class():
    """-y log(1 - y^) as printed falls with the right class's probability, ours rises."""

    def printed(logits):
        return -math.log(1 - softmax(logits)[0])

    sure, wrong = [5.0, 0.0, 0.0], [-5.0, 0.0, 0.0]
    assert printed(wrong) < printed(sure)
    ours = [float(loss(1.0, 0.0, student=[logits, STUDENT[1]])) for logits in (sure, wrong)]
    assert ours[0] < ours[1]


def test_no_gradient_reaches_the_teacher():
    student = torch.tensor(STUDENT, requires_grad=True)
    teacher = torch.tensor(TEACHER, requires_grad=True)
    labels = torch.tensor(LABELS)
    soft_target_loss(student, teacher, labels, temperature=2.0, alpha=0.5).backward()
    logit_loss(student, teacher, labels, alpha=1.0).backward()
    assert teacher.grad is None and student.grad.abs().sum() > 0


def test_squared_error_of_logits_by_hand():
    found = logit_loss(
        torch.tensor(STUDENT), torch.tensor(TEACHER), torch.tensor(LABELS), alpha=1.0
    )
    squares = [2.0**2, 1.0, 1.0, 0.5**2, 2.0**2, 1.0]
    assert float(found) == pytest.approx(sum(squares) / 6)


@pytest.mark.parametrize('kind', sorted(LESSONS))
def test_every_lesson_learns_from_what_it_is_given(kind):
    lesson = LESSONS[kind](LessonOptions(kind=kind))
    logits, labels = torch.tensor(STUDENT), torch.tensor(LABELS)
    assert float(lesson(logits, labels, torch.tensor(TEACHER))) > 0
    if kind != 'labels':
        with pytest.raises(InvalidOptionError, match='expected one, got none'):
            lesson(logits, labels, None)
