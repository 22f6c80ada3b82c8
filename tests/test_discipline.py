"""What the host says of its clock: the kernel without privilege, chrony when it is synchronised."""

from __future__ import annotations

import ctypes

import pytest

from joulemark.discipline import Discipline, Timex, chrony, kernel_clock, parse_tracking

LINE = "A9FEA97B,169.254.169.123,4,1790000000.123,-0.000012345,0.000001,0.000021,-12.3,0.001,0.05,0.000400,0.000250,16.3,Normal\n"


def test_kernel_answers_without_privilege() -> None:
    """Adjtimex reads: the structure has the kernel's size and the maximum error is a real figure."""
    assert ctypes.sizeof(Timex) == 208
    assert kernel_clock().max_error_ns > 0


def test_chrony_bound_is_offset_dispersion_and_half_delay() -> None:
    """12.345 us + 250 us + 400 us / 2 = 462.345 us."""
    assert parse_tracking(LINE) == Discipline("chrony", 462_345)


UNSYNCHRONISED = LINE.replace("Normal", "Not synchronised")


@pytest.mark.parametrize("line", ["", "506 Cannot talk to daemon\n", UNSYNCHRONISED, LINE.replace("-0.000012345", "x")])
def test_unsynchronised_chrony_is_no_discipline(line: str) -> None:
    """A daemon that is absent, not synchronised or not understood vouches for nothing."""
    assert parse_tracking(line) == Discipline()


def test_chrony_is_asked_without_harm() -> None:
    """Asking chrony gives an answer whether it runs here or not."""
    assert chrony().name in {"", "chrony"}
