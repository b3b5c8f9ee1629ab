"""Who takes part in `benchmark association`: our presets, and trackers of others.

A member is a module with

    names() -> tuple[str, ...]
        its contestants
    package() -> str
        where they come from; 'ours', or a name on the package index
    missing() -> str
        '' where all it needs is installed, else what has to be installed
    make(name: str, *, fps: float) -> Contestant
        a fresh one, with the settings its makers recommend

`MEMBERS` names them; a new one is one new file and one line.
"""

MEMBERS = {
    'ours': 'offline_training.benchmarks.association_rivals.ours',
    'trackers': 'offline_training.benchmarks.association_rivals.trackers_library',
    'norfair': 'offline_training.benchmarks.association_rivals.norfair_library',
    'filterpy': 'offline_training.benchmarks.association_rivals.textbook_sort',
}
