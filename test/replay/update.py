"""`python test/replay/update.py --all`: write the golden references anew, for review as a diff.

All cases at once and from a clean tree only, so that the commit named in `refs/COMMIT` is the code
that made them. A change that is meant as a refactoring shows no difference here.
"""

import argparse
from pathlib import Path
import subprocess
import sys

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from golden_clips import CASES  # noqa: E402
from golden_run import (  # noqa: E402
    COMMIT_FILE,
    differences,
    read_reference,
    reference_path,
    REFS,
    replay_case,
    write_reference,
)


def git(*arguments):
    command = ['git', '-C', str(ROOT), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def refusal(wants_all):
    """Why the references are not written; empty where they are."""
    if not wants_all:
        return 'pass --all: references of different code must not stand side by side'
    refs = REFS.relative_to(ROOT).as_posix()
    dirty = [line for line in git('status', '--porcelain').splitlines() if refs not in line]
    if dirty:
        return 'commit first, so that the references name the code that made them:\n' + '\n'.join(
            dirty
        )
    return ''


def update():
    """Write every reference; say what changed."""
    REFS.mkdir(exist_ok=True)
    for case in CASES.values():
        rows = replay_case(case)
        if reference_path(case).exists():
            changed = differences(case, read_reference(case), rows)
            sys.stdout.write('\n'.join(changed or [f'{case.name}: unchanged']) + '\n')
        write_reference(case, rows)
    for stale in set(REFS.glob('*.jsonl')) - {reference_path(c) for c in CASES.values()}:
        stale.unlink()
    COMMIT_FILE.write_text(git('rev-parse', 'HEAD'))


def main():
    parser = argparse.ArgumentParser(description='Write the golden references anew.')
    parser.add_argument('--all', action='store_true', help='all cases; there is no other way')
    reason = refusal(parser.parse_args().all)
    if reason:
        sys.stderr.write(f'refused: {reason}\n')
        return 1
    update()
    return 0


if __name__ == '__main__':
    sys.exit(main())
