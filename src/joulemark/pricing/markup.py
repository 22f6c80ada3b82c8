"""XML of strangers: read whole and bounded, without document types, so that no entity is expanded and nothing else is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from xml.etree.ElementTree import Element, ParseError, XMLParser

from joulemark.errors import FormatError

MAX_BYTES: Final = 16 << 20
MAX_DEPTH: Final = 32
DECLARATIONS: Final = ("<!DOCTYPE", "<!ENTITY")
"""What begins a document type. Where none is declared, the five entities of XML itself are all there are."""


def tree(body: bytes, where: str) -> Element:
    """The root element of the XML in `body`, which is UTF-8 whatever it says of itself.

    Raises FormatError, naming `where`, for what is too long or too deep, is cut off or damaged, or declares a document type.
    """
    if len(body) > MAX_BYTES:
        raise FormatError(f"{where} has {len(body)} bytes, more than {MAX_BYTES}", "ask for a shorter time")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError(f"{where} is not UTF-8", "the reply is damaged, or of another service") from error
    if any(mark in text for mark in DECLARATIONS):
        raise FormatError(
            f"{where} declares a document type, which no price list needs", "check the address: the reply is not a price list"
        )
    parser = XMLParser(encoding="utf-8")
    try:
        parser.feed(text.encode())
        root: Element = parser.close()
    except ParseError as error:
        raise FormatError(f"{where} is not valid XML: {error}", "the reply is cut off, or of another service") from error
    if deeper(root, MAX_DEPTH):
        raise FormatError(f"{where} is nested more than {MAX_DEPTH} deep", "the reply is not a price list")
    return root


def deeper(root: Element, most: int) -> bool:
    """Whether elements stand more than `most` deep below and including `root`."""
    level = [root]
    for _ in range(most):
        level = [child for element in level for child in element]
        if not level:
            return False
    return True


def local(element: Element) -> str:
    """The name of `element` without its name space, which differs between versions of one format."""
    return element.tag.rpartition("}")[2]


def children(element: Element, name: str) -> Iterator[Element]:
    """The direct children called `name`, in any name space."""
    return (child for child in element if local(child) == name)


def text_at(element: Element, *path: str) -> str:
    """The text of the first element at `path` below `element`, without white space around it; empty where there is none."""
    for name in path:
        found = next(children(element, name), None)
        if found is None:
            return ""
        element = found
    return (element.text or "").strip()
