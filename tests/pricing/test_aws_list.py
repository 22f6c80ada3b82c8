"""Lists of AWS as files: only lines with a wanted word are taken apart, wherever the blocks end."""

from __future__ import annotations

from pathlib import Path

import pytest

from joulemark.errors import FormatError
from joulemark.pricing import aws_list
from joulemark.pricing.aws_list import Row, head, plain, rows, version_ns
from joulemark.pricing.dates import moment_ns
from tests.pricing.aws_lists import COLUMNS, VERSION, listed, p5

NAMES = tuple(plain(name) for name in COLUMNS)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "index.csv"


def found(path: Path, *words: str) -> list[tuple[str, Row]]:
    return list(rows(path, NAMES, words, where="the list"))


def test_the_lines_above_the_rows(path: Path) -> None:
    """Version, publication and columns are read from the first six lines."""
    path.write_bytes(listed(p5()))
    about = head(path, where="the list", needed=("sku", "preinstalledsw"))
    assert (about.version, about.columns) == (VERSION, NAMES)
    assert about.published_at_ns == version_ns(VERSION) == moment_ns("2026-07-28T17:52:47Z", "x")
    with pytest.raises(FormatError, match="the list is no price list: no column tenure"):
        head(path, where="the list", needed=("sku", "tenure"))


@pytest.mark.parametrize("block_bytes", [64, 700, 1 << 20])
def test_lines_are_whole_wherever_a_block_ends(path: Path, block_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every wanted row is found once, whole, at its place, also when a word or a line spans two blocks; others are not read."""
    monkeypatch.setattr(aws_list, "BLOCK_BYTES", block_bytes)
    wanted = {3, 4, 11}
    body = listed(*(p5(SKU=f"S{n}", Instance_Type="p5.48xlarge" if n in wanted else "m5.large") for n in range(12)))
    path.write_bytes(body)
    assert [row["sku"] for _, row in found(path, '"p5.48xlarge"')] == ["S3", "S4", "S11"]
    for place, row in found(path, '"p5.48xlarge"'):
        assert body[int(place.split()[1]) :].startswith(f'"{row["sku"]}"'.encode())
    assert len(found(path, '"p5.', '"m5.large"', '"Linux"')) == 12


def test_a_last_line_without_an_end_is_a_line(path: Path) -> None:
    """A list whose last line has no newline is read whole; a line that is cut off has too few values and is told by being empty."""
    whole = listed(p5(), p5(SKU="LAST"))
    path.write_bytes(whole.rstrip(b"\n"))
    assert [row["sku"] for _, row in found(path, '"p5.48xlarge"')][-1] == "LAST"
    path.write_bytes(whole[: whole.rindex(b',"No License required"')])
    assert found(path, '"p5.48xlarge"')[-1][1] == {}


def test_a_word_is_a_whole_value(path: Path) -> None:
    """BoxUsage:p5.48xlarge ends like the machine's name and is not it."""
    path.write_bytes(listed(p5(Instance_Type="other")))
    assert found(path, '"p5.48xlarge"') == []


def test_a_broken_line_takes_no_other_with_it(path: Path) -> None:
    """An open quote and bytes that are no text leave an empty row at their place; the rows around them are read."""
    for line in (b'"p5.48xlarge","open\n', b'"p5.48xlarge","\xff"\n', b'"p5.48xlarge"x"y"\n'):
        path.write_bytes(listed(p5()) + line + listed(p5(SKU="LAST")).splitlines(keepends=True)[-1])
        assert [row.get("sku") for _, row in found(path, '"p5.48xlarge"')] == ["3D4V8UAYEMB38GU2", None, "LAST"]


def test_what_is_no_list_is_an_error(path: Path) -> None:
    """A line that never ends, and a head that is no CSV, are told with the name of the list."""
    path.write_bytes(b"x" * 70_000)
    with pytest.raises(FormatError, match="the list has a line of more than"):
        found(path, '"p5.48xlarge"')
    path.write_bytes(listed(p5()).replace(b'"SKU"', b'"S\xffU"'))
    with pytest.raises(FormatError, match="the list is not valid CSV"):
        head(path, where="the list", needed=())


@pytest.mark.parametrize("version", ["", "latest", "2026072817524", "20261328175247"])
def test_what_is_no_version(version: str) -> None:
    """A version is a second that exists."""
    with pytest.raises(FormatError):
        version_ns(version)
