from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.errors import MeterUnavailable
from joulemark.meters.sysfs import NUMBER, number, opened, refuse_unreadable, reread, text
from tests.standins.sysfs_tree import unprivileged


def test_text_and_number(tmp_path: Path) -> None:
    """An attribute is its line without the newline; one that is absent, or no number, is empty or None."""
    (tmp_path / "name").write_text("xe\n")
    (tmp_path / "energy").write_text("8123456789\n")
    assert text(tmp_path / "name") == "xe"
    assert number(tmp_path / "energy") == 8_123_456_789
    assert text(tmp_path / "absent") == ""
    assert number(tmp_path / "name") is None
    assert number(tmp_path / "absent") is None


def test_reread_asks_anew(tmp_path: Path) -> None:
    """One descriptor shows what the attribute says at each read."""
    (tmp_path / "power").write_text("1\n")
    descriptor = opened(tmp_path / "power")
    try:
        assert reread(descriptor) == 1
        (tmp_path / "power").write_text("-22\n")
        assert reread(descriptor) == -22
    finally:
        os.close(descriptor)


def test_error_of_the_kernel_is_passed_on() -> None:
    """A read that the kernel refuses with EIO, as a device that left does, is an OSError."""
    descriptor = opened(Path("/proc/self/mem"))
    try:
        with pytest.raises(OSError, match="Input/output error"):
            reread(descriptor)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("answer", [b"", b"\n", b"1_000\n", b"0x10\n", b"1.5\n", b"12 W\n", b"1\n2\n", b"<unsupported>\n", b"\xd9\xa1\n"])
def test_only_decimal_digits_are_a_number(tmp_path: Path, answer: bytes) -> None:
    """Nothing but ASCII digits with at most a sign is taken for a number."""
    (tmp_path / "power").write_bytes(answer)
    descriptor = opened(tmp_path / "power")
    try:
        with pytest.raises(ValueError, match="is no number"):
            reread(descriptor)
    finally:
        os.close(descriptor)


@given(st.integers(-(2**64), 2**64))
def test_every_number_of_64_bits_is_read_as_written(value: int) -> None:
    """Each number that the kernel can print comes back exactly."""
    found = NUMBER.fullmatch(f"{value}\n".encode())
    assert found is not None
    assert int(found[1]) == value


def test_unreadable_file_names_its_command(tmp_path: Path) -> None:
    """A file that only its owner may read is refused with the command that opens exactly it."""
    tmp_path.chmod(0o755)
    closed = tmp_path / "energy1_input"
    closed.write_text("1\n")
    closed.chmod(0o000)
    with unprivileged(), pytest.raises(MeterUnavailable) as caught:
        refuse_unreadable([closed])
    assert f"sudo chmod a+r {closed}" in caught.value.next_step
