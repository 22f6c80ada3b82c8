"""PTDaemon's log: the printed sum is the meter, the channels stand beside it, what it cannot tell is a gap."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

from joulemark import traces
from joulemark.readings import Boundary, Current, Quality
from joulemark.timebase import zone

ROW = (
    "Time,{},Watts,{},Volts,-1.000000,Amps,-1.000000,PF,-1.000000,Mark,run,"
    "Ch1,Watts,{},Volts,208.1,Amps,1.0,PF,0.97,Ch2,Watts,{},Volts,208.2,Amps,1.0,PF,0.96\n"
)


def written(folder: Path, *rows: tuple[str, ...]) -> Path:
    path = folder / "spl.txt"
    path.write_text("".join(ROW.format(*row) for row in rows))
    return path


def test_total_is_the_printed_sum_and_channels_stand_apart(tmp_path: Path) -> None:
    """The total is the first Watts of the row even where it is not the sum of the channels, and it covers them all."""
    path = written(tmp_path, ("01-02-2024 03:04:05.006", "700.000001", "300.5", "399.0"))
    total, ch1, ch2 = traces.read(path, tz=UTC)
    assert [s.si().tolist() for s in (total, ch1, ch2)] == [[700.000001], [300.5], [399.0]]
    assert [s.meter.channel for s in (total, ch1, ch2)] == ["total", "ch1", "ch2"]
    assert total.meter.covers == ("ch1", "ch2")
    assert (total.meter.boundary, total.meter.current) == (Boundary.WALL_ANALYZER, Current.AC)
    assert total.meter.device_id == ch1.meter.device_id


def test_times_are_exact_milliseconds_in_the_zone_given(tmp_path: Path) -> None:
    """05.006 s in Los Angeles in January is eight hours later in UTC, to the nanosecond."""
    path = written(tmp_path, ("01-02-2024 03:04:05.006", "700.0", "300.0", "400.0"))
    total = traces.read(path, tz=zone("America/Los_Angeles"))[0]
    assert total.t_ns.tolist() == [1_704_193_445_006_000_000]


def test_what_the_analyser_cannot_tell_is_a_gap(tmp_path: Path) -> None:
    """-1, NaN, an overflow code, zero and a reversed channel are gaps with a reason, and no number stands for them."""
    codes = ("-1.000000", "NaN", "9.91E+37", "0.000000", "-1163.500000", "oops")
    rows = [(f"01-02-2024 03:04:{5 + i:02}.000", code, "300.0", "400.0") for i, code in enumerate(codes)]
    total = traces.read(written(tmp_path, *rows), tz=UTC)[0]
    assert total.quality.tolist() == [Quality.GAP] * 6
    assert total.value.tolist() == [0] * 6
    assert list(total.reasons.values()) == [
        "not available (-1)",
        "not a number",
        "overflow",
        "not positive",
        "not positive",
        "not a number",
    ]


def test_time_that_goes_backwards_is_a_gap(tmp_path: Path) -> None:
    """A row dated before the row above it cannot be placed: it becomes a gap and the order is kept."""
    rows = [(f"01-02-2024 03:04:{s}.000", "700.0", "300.0", "400.0") for s in ("05", "09", "07", "10")]
    total = traces.read(written(tmp_path, *rows), tz=UTC)[0]
    assert total.quality.tolist() == [Quality.OK, Quality.OK, Quality.GAP, Quality.OK]
    assert total.reasons == {2: "time goes backwards"}


def test_two_logs_of_the_same_name_are_two_meters(tmp_path: Path) -> None:
    """Files called spl.txt with different readings get different meter ids."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    paths = [
        written(tmp_path / folder, ("01-02-2024 03:04:05.006", watts, "300.0", "400.0"))
        for folder, watts in (("a", "700.0"), ("b", "701.0"))
    ]
    assert len({traces.read(path, tz=UTC)[0].meter.meter_id for path in paths}) == 2
