"""XML of strangers: what is no plain list of bounded size is refused before anything of it is expanded."""

from __future__ import annotations

import pytest

from joulemark.errors import FormatError
from joulemark.pricing.markup import MAX_BYTES, MAX_DEPTH, children, local, text_at, tree

LAUGHS = """<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><x>&b;</x>"""
LOADS = """<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>"""


def test_names_and_text_are_found_in_any_name_space() -> None:
    """An element is found by its own name, whichever version of the format its name space is of."""
    root = tree(b'<a xmlns="urn:one:7"><b><c> 5 </c></b><b/></a>', "list")
    assert (local(root), len(list(children(root, "b"))), text_at(root, "b", "c"), text_at(root, "b", "d")) == ("a", 2, "5", "")


@pytest.mark.parametrize("body", [LAUGHS.encode(), LOADS.encode(), b"<!DOCTYPE x>\n<x/>"])
def test_a_document_type_is_refused(body: bytes) -> None:
    """A list with a document type is refused whole: no entity is expanded, no file is read."""
    with pytest.raises(FormatError, match="declares a document type"):
        tree(body, "list")


@pytest.mark.parametrize("body", [LAUGHS.encode("utf-16"), b'<?xml version="1.0" encoding="latin-1"?><x>\xe9</x>', b"\xff\xfe<\x00"])
def test_other_encodings_hide_nothing(body: bytes) -> None:
    """A document type cannot hide in another encoding, because only UTF-8 is read."""
    with pytest.raises(FormatError, match="is not UTF-8"):
        tree(body, "list")


@pytest.mark.parametrize("body", [b"", b"<x>", b"<x>&unknown;</x>", b"<html><p></html>", b"\0"])
def test_damaged_lists_are_refused(body: bytes) -> None:
    """What is cut off, empty or no XML is an error of format that names the list."""
    with pytest.raises(FormatError, match=r"^list is not valid XML"):
        tree(body, "list")


def test_size_and_depth_are_bounded() -> None:
    """A list beyond 16 MiB or deeper than 32 elements is refused; 32 are read."""
    with pytest.raises(FormatError, match="more than"):
        tree(b" " * (MAX_BYTES + 1), "list")
    assert tree(b"<x>" * MAX_DEPTH + b"</x>" * MAX_DEPTH, "list") is not None
    with pytest.raises(FormatError, match="nested more than 32 deep"):
        tree(b"<x>" * 200_000 + b"</x>" * 200_000, "list")
