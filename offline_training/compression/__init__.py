"""From a trained model to one that a vehicle runs: a recipe of commands, each measured."""
