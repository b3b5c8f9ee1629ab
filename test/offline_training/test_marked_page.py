"""Parts of a page that commands rewrite."""

import pytest

from mot_compress_ros.errors import InputError
from offline_training.marked_page import between_markers

BEGIN, END = '<!-- speed: begin -->', '<!-- speed: end -->'


def test_only_what_stands_between_lines_of_markers_is_replaced():
    page = f'It has `{BEGIN}` and `{END}`.\n\n{BEGIN}\n\nold\n\n{END}\n\nrest\n{BEGIN}\n{END}\n'
    new = between_markers(page, 'speed', r'new \1')
    assert new == page.replace('\n\nold\n\n', '\n\nnew \\1\n\n')


@pytest.mark.parametrize('page', ['', f'{BEGIN}\n', f'{END}\n{BEGIN}\n', f'say {BEGIN}\n{END}\n'])
def test_a_page_without_both_lines_in_order_is_refused(page):
    with pytest.raises(InputError, match=f'needs the lines {BEGIN} and {END}'):
        between_markers(page, 'speed', 'new')
