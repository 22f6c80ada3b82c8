"""Files as text: bounded, unpacked, damage refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from joulemark.errors import FormatError
from joulemark.traces.text import json_object, text


def test_gzip_bomb_stops_at_the_limit(tmp_path: Path) -> None:
    """A file that unpacks to more than the limit is refused, not loaded."""
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(b"0" * 100_000))
    with pytest.raises(FormatError, match="longer than 1000 bytes"):
        text(tmp_path / "bomb.gz", max_bytes=1000)


def test_damaged_gzip_is_refused(tmp_path: Path) -> None:
    """A gzip file cut off in the middle raises FormatError, not half a text."""
    (tmp_path / "cut.gz").write_bytes(gzip.compress(b"0123456789" * 1000)[:30])
    with pytest.raises(FormatError, match=r"cut\.gz"):
        text(tmp_path / "cut.gz")


@pytest.mark.parametrize("content", ["", "{", "[1]", "3", "[" * 100_000, "9" * 5000])
def test_what_is_no_json_object_is_refused(content: str) -> None:
    """Anything but one JSON object raises FormatError that names the place, also nesting too deep to parse."""
    with pytest.raises(FormatError, match="row 7"):
        json_object(content, where="row 7")
