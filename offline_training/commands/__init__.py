"""Commands of `python -m offline_training`: one verb, one file.

A member states `HELP`, `add_arguments(parser)` and `run(args) -> exit code`, and stands in the
dictionary of `offline_training.__main__`.
"""
