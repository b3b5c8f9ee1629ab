"""Every `python -m offline_training ...` that a page shows is understood by the real parsers."""

from pathlib import Path
import re
import shlex

import pytest

from offline_training.__main__ import build_parser

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / 'README.md', ROOT / 'samples' / 'README.md', *sorted((ROOT / 'docs').glob('*.md'))]
BLOCK = re.compile(r'^```.*?^```', re.DOTALL | re.MULTILINE)
INLINE = re.compile(r'`([^`\n]+)`')
START = re.compile(r'(?:^|[\s/])python3? -m offline_training ')


def commands(page: Path) -> list[list[str]]:
    """The words after `offline_training` of every command with arguments on a page."""
    text = page.read_text(encoding='utf-8').replace('\\\n', ' ')
    blocks = BLOCK.findall(text)
    lines = [line for block in blocks for line in block.splitlines()]
    lines += INLINE.findall(BLOCK.sub('', text))
    found = []
    for line in lines:
        start = START.search(line)
        words = shlex.split(line[start.end() :], comments=True) if start else []
        # A verb alone, or <command>, is talked about and not run.
        if len(words) > 1:
            found.append(words)
    return found


SHOWN = [(page, words) for page in PAGES for words in commands(page)]


def test_pages_show_every_kind_of_work():
    assert {words[0] for _, words in SHOWN} >= {
        'train',
        'evaluate',
        'benchmark',
        'synthesize',
        'pseudo-label',
    }


@pytest.mark.parametrize(
    ('page', 'words'),
    SHOWN,
    ids=[f'{page.name}-{words[0]}-{k}' for k, (page, words) in enumerate(SHOWN)],
)
def test_documented_commands_are_understood(page, words):
    args = build_parser().parse_args(words)
    assert args.command == words[0]
    for text in vars(args).get('set') or []:
        assert '=' in text
    if words[0] == 'train':
        assert (ROOT / args.recipe).is_file()
