"""A page of which commands rewrite the parts between markers."""

from __future__ import annotations

from pathlib import Path
import re

from mot_compress_ros.errors import InputError


def between_markers(page: str, name: str, text: str) -> str:
    """The page with `text` in its part `name`.

    Raises:
        InputError: it does not have both markers, in order.
    """
    begin, end = f'<!-- {name}: begin -->', f'<!-- {name}: end -->'
    # On lines of their own: a page may speak of its markers.
    marked = re.compile(rf'^{re.escape(begin)}$.*?^{re.escape(end)}$', re.DOTALL | re.MULTILINE)
    whole = f'{begin}\n\n{text}\n\n{end}'
    changed, count = marked.subn(lambda _: whole, page, count=1)
    if not count:
        raise InputError(f'the page to update needs the lines {begin} and {end}, in this order')
    return changed


def read_page(path: Path, name: str) -> str:
    """Its text; called before the work begins.

    Raises:
        InputError: it cannot be read, or has no part `name`.
    """
    try:
        page = path.read_text(encoding='utf-8')
    except OSError as error:
        raise InputError(f'{path}: no page that can be read ({error.strerror})') from None
    between_markers(page, name, '')
    return page
