from __future__ import annotations

import pynvml

from joulemark.errors import MeterFault, MeterGone, MeterTransient, MeterUnavailable
from joulemark.meters import nvml_errors
from joulemark.meters.nvml import ERROR_KIND


def test_every_driver_error_has_a_meaning() -> None:
    """Each NVML_ERROR_* of the installed library maps to exactly one of the four meter errors."""
    codes = {name: value for name, value in vars(pynvml).items() if name.startswith("NVML_ERROR_") and isinstance(value, int)}
    assert len(codes) >= 31
    assert {name for name, value in codes.items() if value not in ERROR_KIND} == set()
    assert set(ERROR_KIND.values()) == {MeterUnavailable, MeterTransient, MeterGone, MeterFault}


def test_each_name_has_one_meaning_and_each_step_a_name() -> None:
    """No error is listed twice, and every next step belongs to a listed error."""
    names = [name for group in nvml_errors.NAMES.values() for name in group]
    assert len(names) == len(set(names))
    assert set(nvml_errors.NEXT_STEPS) <= set(names)
