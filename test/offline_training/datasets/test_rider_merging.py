import numpy as np
import pytest

from offline_training.datasets.rider_merging import (
    ANY_PERSON,
    KNOWN_RIDER,
    pair_riders,
    union_box,
)

BICYCLE = (10.0, 40.0, 50.0, 70.0)
NONE = np.zeros((0, 4))


def pairs(people, wheels, rule=ANY_PERSON):
    return pair_riders(np.array(people, float), np.array(wheels, float), rule)


def test_a_person_on_a_bicycle():
    assert pairs([(20, 10, 40, 62)], [BICYCLE]) == [(0, 0)]


@pytest.mark.parametrize(
    'person',
    [
        (70, 10, 90, 62),  # beside it
        (45, 10, 65, 62),  # overlaps by a quarter of their width
        (20, 45, 40, 100),  # nearer to the camera, feet far below the tyres
        (20, 60, 40, 69),  # head below the hub: lies in front of it
        (20, -80, 40, 65),  # five times as tall as the bicycle
        (20, 0, 40, 41),  # floats above it
    ],
)
def test_a_person_who_does_not_ride(person):
    assert pairs([person], [BICYCLE]) == []


def test_a_known_rider_may_end_above_the_saddle():
    person = (20, 0, 40, 38)
    assert pairs([person], [BICYCLE]) == []
    assert pairs([person], [BICYCLE], KNOWN_RIDER) == [(0, 0)]
    assert pairs([(20, 0, 40, 28)], [BICYCLE], KNOWN_RIDER) == []  # too far above


def test_each_takes_the_one_that_fits_best_and_no_more():
    people = [(20, 10, 40, 62), (62, 10, 82, 62), (300, 0, 320, 50)]
    wheels = [(52, 40, 92, 70), BICYCLE]
    assert sorted(pairs(people, wheels)) == [(0, 1), (1, 0)]
    assert len(pairs([people[0], people[0]], [BICYCLE])) == 1


def test_nobody_and_nothing():
    assert pair_riders(NONE, NONE, ANY_PERSON) == []
    assert pair_riders(np.array([[0, 0, 1, 1.0]]), NONE, ANY_PERSON) == []


def test_union():
    assert union_box(np.array([0, 5, 10, 20.0]), np.array([5, 0, 12, 15.0])).tolist() == [
        0,
        0,
        12,
        20,
    ]
