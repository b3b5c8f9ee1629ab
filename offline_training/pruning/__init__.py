"""Pruning: networks without the channels that they miss least, or with zeros for weights.

A method is a function of a network and a goal, and reports what it changed. A member of `METHODS`
is made of `MethodOptions` and has

    measure: str
        what its goals are of, for people
    begin(network: JointDetector) -> None
        looks at the whole network, before anything else
    goals(network: JointDetector) -> list[float]
        what each step aims at
    prune(network: JointDetector, goal: float) -> JointDetector
        another network that meets the goal, without training; the given one is left as it is.
        Raises InvalidOptionError where none does
    holding: Mapping[str, object]
        recipe options that keep what a step did while the network is trained on
    needs_training: bool
        whether nothing comes of a step without the training after it

`METHODS` names them; `work` runs them with training between the steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from offline_training.pruning.contract import Method, MethodOptions

MakeMethod = Callable[[MethodOptions], Method]


def _structured() -> MakeMethod:
    from offline_training.pruning.methods import Structured

    return Structured


def _unstructured() -> MakeMethod:
    from offline_training.pruning.methods import Unstructured

    return Unstructured


# Imported when called: training itself needs a part of this package, and methods need recipes.
METHODS: Mapping[str, Callable[[], MakeMethod]] = {
    'structured': _structured,
    'unstructured': _unstructured,
}
