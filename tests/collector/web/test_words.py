"""Words and numbers of what goes on now."""

from __future__ import annotations

from joulemark.collector.picture import Clock, Cost
from joulemark.collector.web import words


def test_times_ago() -> None:
    """Tenths of a second, then seconds, minutes, hours and days; what lies a little ahead is now."""
    ages = (-0.4, 0.0, 9.94, 9.96, 119.0, 120.0, 7199.0, 7200.0, 172_800.0)
    said = ("0.0 s", "0.0 s", "9.9 s", "10 s", "119 s", "2 min", "120 min", "2 h", "2 d")
    assert [words.ago(age) for age in ages] == [f"{one} ago" for one in said]
    assert words.seconds_ago(None, 0) == "none"


def test_powers_and_costs() -> None:
    """Watts up to ten kilowatts; a share of one processor in percent."""
    assert [words.watts(power_w) for power_w in (0.04, 9999.9, 12_346.0)] == ["0.0 W", "9999.9 W", "12.35 kW"]
    assert words.overhead(Cost(0.0123, 10.0, 40 * 2**20)) == "1.2 % of a CPU, 40 MiB"
    assert words.overhead(None) == "not told yet"


def test_clocks() -> None:
    """An offset stands with its bound, digits as the bound allows; one never compared has no number."""
    known = Clock(412_345, 204_000, True)
    assert [words.offset(one) for one in (None, Clock(0, 0, False), Clock(0, 0, True), known)] == [
        "not told yet",
        "never compared",
        "0 ms, the collector's own clock",
        "0.41 ± 0.20 ms",
    ]
