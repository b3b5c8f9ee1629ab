"""XML from strangers, read with the standard library and without its traps.

A document type declaration is where entities are defined, which may grow to gigabytes or name
other files. Label files have none, so one that does is refused before anything is expanded.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from mot_compress_ros.errors import InputError


class _WithoutDoctype(ElementTree.TreeBuilder):
    """Builds elements; the parser calls `doctype` before it reads the declaration's content."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise InputError(
            'has a document type declaration (DOCTYPE), which label files do not need'
        )


def read_xml(path: Path) -> ElementTree.Element:
    """The root element of an XML file.

    Raises:
        InputError: the file is missing, damaged, or has a document type declaration.
    """
    parser = ElementTree.XMLParser(target=_WithoutDoctype())
    try:
        parser.feed(path.read_bytes())
        root: ElementTree.Element = parser.close()
    except InputError as error:
        raise InputError(f'{path}: {error}; remove it') from None
    except (OSError, ElementTree.ParseError) as error:
        raise InputError(f'{path}: missing, damaged or half-downloaded XML: {error}') from None
    return root
