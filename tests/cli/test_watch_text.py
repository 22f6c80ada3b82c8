"""What `joulemark watch` shows."""

from __future__ import annotations

import io

from rich.console import Console

from joulemark.cli.glance import Glance, Phase, Running
from joulemark.cli.watch_text import Screen, lasted, line
from joulemark.energy.now import Device, Level

S = 1_000_000_000
NOW_NS = 1_790_000_000 * S
GOOD = Device("nvml:n1:GPU-0", "n1", 612.5, "power", 0.4, 0.0, 700.0, False)
GAPS = Device("nvml:n1:GPU-1", "n1", 350.0, "power", 0.4, 1.2, 700.0, False)
STALE = Device("nvml:n1:GPU-2", "n1", None, "power", 9.0, 0.0, 700.0, False, "stale: nothing usable for 9 s")
RUN = Running("r1", "vllm", NOW_NS - 80 * S, (Phase("decode", "measured", NOW_NS - 75 * S),))
SEEN = Glance(NOW_NS, (Level("gpu", None, 962.5, 2, (GOOD, GAPS, STALE)), Level("server_input", 1410.0, 1410.0, 1, (GOOD,))), (RUN,))

RECORDING = """\
14:13:20Z  joulemark watch
run r1 vllm: decode (measured) for 1 min 15 s

gpu  962.5 W of 2 of 3 devices
nvml:n1:GPU-0  ━━━━━━━━━━━━━━━━━━━━━     612.5 W
nvml:n1:GPU-1  ━━━━━━━━━━━━              350.0 W  gaps of 1.2 s
nvml:n1:GPU-2                                - W  stale: nothing usable for 9 s

server_input  1410.0 W (1 device)
nvml:n1:GPU-0  ━━━━━━━━━━━━━━━━━━━━━     612.5 W
"""


def drawn(screen: Screen, seen: Glance, *, width: int = 90) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None, legacy_windows=False)
    console.print(screen.picture(seen))
    assert isinstance(console.file, io.StringIO)
    return "".join(f"{row.rstrip()}\n" for row in console.file.getvalue().splitlines())


def test_the_screen() -> None:
    """Boundaries with their watts, a bar for each device by its rated power, phase, gaps and stale meters by name."""
    assert drawn(Screen(), SEEN) == RECORDING


def test_bars_without_a_rated_power_are_shares_of_the_highest_seen() -> None:
    """The highest power of this watch is a whole bar, also when it has gone down since."""
    screen = Screen()
    unrated = Device("d", "n1", 200.0, "power", 0.0, 0.0, None, False)
    assert drawn(screen, Glance(NOW_NS, (Level("gpu", 200.0, 200.0, 1, (unrated,)),))).count("━") == 24
    half = Device("d", "n1", 100.0, "power", 0.0, 0.0, None, False)
    assert drawn(screen, Glance(NOW_NS, (Level("gpu", 100.0, 100.0, 1, (half,)),))).count("━") == 12


def test_a_collector_that_is_silent_leaves_no_number() -> None:
    """The screen says that it does not answer, and shows no watt."""
    shown = drawn(Screen(), Glance(NOW_NS, unreachable="the collector at http://x does not answer"))
    assert "does not answer" in shown
    assert " W" not in shown


def test_a_line() -> None:
    """Without a terminal the same stands in one line; what is simulated is said; names move no cursor."""
    assert line(SEEN) == (
        "14:13:20Z gpu 962.5 W of 2 of 3 devices | server_input 1410.0 W (1 device) | run r1 vllm: decode (measured) for 1 min 15 s"
        " | nvml:n1:GPU-1: gaps of 1.2 s | nvml:n1:GPU-2: stale: nothing usable for 9 s"
    )
    fake = Device("fake:\x1b[2J:0", "n1", None, "power", None, 0.0, None, True, "silent for 30 s or more")
    shown = line(Glance(NOW_NS, (Level("gpu", None, 0.0, 0, (fake,), "two extents"),), (Running("r", "", NOW_NS - S, ()),)))
    assert shown == (
        "14:13:20Z gpu - W of 0 of 1 devices, simulated | run r: no phase open, started 1 s ago | gpu: no total: two extents"
        " | fake:\\x1b[2J:0: silent for 30 s or more"
    )
    assert line(Glance(NOW_NS)).endswith("joulemark agent run")
    assert "\x1b" not in drawn(Screen(), Glance(NOW_NS, (Level("gpu", None, 0.0, 0, (fake,), "two extents"),)))


def test_lengths_of_time() -> None:
    """Seconds, minutes and hours; a clock that is behind shows 0."""
    assert [lasted(NOW_NS, NOW_NS + s * S) for s in (-5, 0, 59, 60, 3599, 3600, 7260)] == [
        "0 s",
        "0 s",
        "59 s",
        "1 min 00 s",
        "59 min 59 s",
        "1 h 00 min",
        "2 h 01 min",
    ]
