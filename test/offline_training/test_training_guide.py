"""The way from a folder of sequences to a model in docs/training.md, as it stands there."""

from pathlib import Path
import re
import shlex
import shutil
import subprocess
import sys

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEADING = '## From a folder of MOT data to a model in the node'


def guide_commands():
    """The commands of the first block below the heading."""
    text = (ROOT / 'docs' / 'training.md').read_text(encoding='utf-8')
    block = re.search(r'^```\n(.*?)^```', text[text.index(HEADING) :], re.DOTALL | re.MULTILINE)
    return [shlex.split(line) for line in block.group(1).splitlines()]


def test_the_way_goes_from_data_to_a_replay():
    verbs = [words[3] for words in guide_commands() if words[2] == 'offline_training']
    assert verbs[0] == 'synthesize' and {'train', 'evaluate', 'report'} <= set(verbs)
    assert guide_commands()[-1][2] == 'mot_compress_ros.replay'


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_command_of_the_guide_works(tmp_path):
    shutil.copytree(ROOT / 'config', tmp_path / 'config')
    for words in guide_commands():
        assert words[0] == 'python'
        done = subprocess.run(
            [sys.executable, *words[1:]], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f'{shlex.join(words)}:\n{done.stdout}\n{done.stderr}'
    assert (tmp_path / 'models' / 'mine' / 'model.json').is_file()
    assert '<svg' in (tmp_path / 'out' / 'mine.html').read_text(encoding='utf-8')
    assert (tmp_path / 'out' / 'mine_replay' / 'tracks.txt').is_file()
