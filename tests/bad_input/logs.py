"""Bad power logs, bundles and places of files, brought to compute."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

from tests.bad_input import valid
from tests.bad_input.case import Case, changed, command, compute, power_log, trace_file, write

UNCOVERED = ("exit 4",)


def bomb() -> bytes:
    """A gzip file of half a megabyte that unpacks to six hundred."""
    return gzip.compress(bytes(1 << 24), compresslevel=9) * 38


def with_value(value: str) -> str:
    """A plain CSV whose every power is `value`."""
    return "timestamp,power_w\n" + "".join(f"{valid.BEGIN_S + s},{value}\n" for s in range(valid.COUNT))


def with_time(time: str, row: int = 7) -> str:
    """A plain CSV with another time in one row."""
    lines = valid.plain().splitlines(keepends=True)
    return "".join([*lines[:row], f"{time},510.5\n", *lines[row + 1 :]])


def special(kind: str) -> Case:
    """Something that is no file where a power log should be."""

    def build(folder: Path) -> list[str]:
        path = folder / "power.csv"
        if kind == "a pipe":
            os.mkfifo(path)
        elif kind == "a folder without files":
            path.mkdir()
        else:
            path.symlink_to({"an endless device": "/dev/zero", "a loop of links": "power.csv", "a link to nothing": "none"}[kind])
        return compute(folder, "power.csv")

    return command("power log", kind, build, r"power\.csv")


def hole() -> Case:
    """A file with a size of a terabyte and no content."""

    def build(folder: Path) -> list[str]:
        with (folder / "power.csv").open("wb") as file:
            file.truncate(1 << 40)
        return compute(folder, "power.csv")

    return command("power log", "a hole of a terabyte", build, r"power\.csv")


def skipped_hour(folder: Path) -> list[str]:
    """A reading in the hour that summer time leaves out."""
    write(folder / "power.csv", "time,power_w\n2026-03-29 02:30:00,5\n2026-03-29 02:30:01,5\n")
    args = compute(folder, "power.csv")
    return [*args[: args.index("UTC")], "Europe/Berlin", "--json"]


def named(name: str, shown: str, title: str) -> Case:
    """A damaged log under a hard name."""

    def build(folder: Path) -> list[str]:
        write(folder / name, "timestamp,power_w\nx,y\n")
        return compute(folder, name)

    return command("power log", title, build, shown)


def benchmark_link(title: str, target: str) -> Case:
    """A benchmark folder whose only run is a link out of it."""

    def build(folder: Path) -> list[str]:
        write(folder / "secret.json", json.dumps(valid.run()))
        write(folder / "power.csv", valid.plain())
        (folder / "results").mkdir()
        (folder / "results" / "run.json").symlink_to(target)
        return ["compute", "--power", "power.csv", "--benchmark", "results", "--json"]

    return command("benchmark folder", title, build, "results")


def deep_folders(folder: Path) -> list[str]:
    """A benchmark folder with a nest of a hundred folders."""
    (folder / "results" / Path(*["d"] * 100)).mkdir(parents=True)
    return ["import", "auto", "results", "--json"]


def bundle(
    title: str, names: str, *, entry: dict[str, Any] | None = None, lines: list[str] | None = None, meters: str | None = None
) -> Case:
    """A bundle with one thing wrong."""

    def build(folder: Path) -> list[str]:
        energy = valid.bundle(folder, entry=entry, lines=lines)
        if meters is not None:
            (energy / "meters.json").write_text(meters)
        return ["compute", "--power", "energy/readings", "--benchmark", "energy", "--json"]

    return command("bundle", title, build, names)


def row(line: str) -> list[str]:
    """Readings with one other line."""
    lines = valid.readings()
    return [*lines[:9], line, *lines[10:]]


NS_TIME = (valid.BEGIN_S + 8) * valid.NS
TELEMETRY = json.loads(valid.telemetry().splitlines()[0])


def cases() -> list[Case]:
    """All of them."""
    plain, smi = valid.plain(), valid.nvidia_smi()
    return [
        power_log("an empty file", ""),
        power_log("only a header", "timestamp,power_w\n"),
        power_log("no column of power", plain.replace("power_w", "volts")),
        power_log("no column of time", plain.replace("timestamp", "moment")),
        power_log("a column that stands twice", "timestamp,power_w,power_w\n" + plain.split("\n", 1)[1].replace("\n", ",1\n")),
        power_log("a million columns", "timestamp,power_w," + ",".join(f"c{i}" for i in range(1_000_000)) + "\n"),
        power_log("a row with a field too many", plain.replace("507.5\n", "507.5,1\n"), names=r"power\.csv:9"),
        power_log("a row with a field too few", plain.replace(",507.5\n", "\n"), names=r"power\.csv:9"),
        power_log("a time that is text", with_time("yesterday"), names=r"power\.csv:8"),
        power_log("a negative time", with_time("-5"), names=r"power\.csv:8"),
        power_log("a time of the year 9999", with_time("9999-12-31T23:59:59Z"), names=r"power\.csv:8"),
        power_log("a time of the year 1", with_time("0001-01-01T00:00:00Z"), names=r"power\.csv:8"),
        power_log("a time of 10,000 digits", with_time("9" * 10_000), names=r"power\.csv:8"),
        power_log("a time of NaN", with_time("NaN"), names=r"power\.csv:8"),
        power_log("a thirteenth month", with_time("2026-13-01T00:00:00Z"), names=r"power\.csv:8"),
        power_log("times of 1970", plain.replace("17900000", "0000000"), statuses=UNCOVERED, names="does not cover|seconds|missing| s "),
        power_log("every power NaN", with_value("NaN"), statuses=UNCOVERED, names="reading|cover| s "),
        power_log("every power infinite", with_value("inf"), statuses=UNCOVERED, names="reading|cover| s "),
        power_log("every power 1e308 W", with_value("1e308"), statuses=UNCOVERED, names="reading|cover| s "),
        power_log("every power zero", with_value("0"), statuses=UNCOVERED, names="reading|cover| s "),
        power_log("every power negative", with_value("-500"), statuses=UNCOVERED, names="reading|cover| s "),
        power_log("every power 1_0", with_value("1_0"), statuses=UNCOVERED, names="reading|cover| s "),
        power_log(
            "times that go backwards",
            "timestamp,power_w\n" + "".join(reversed(plain.splitlines(keepends=True)[1:])),
            statuses=UNCOVERED,
            names="cover| s ",
        ),
        power_log("an open quote", plain.replace("507.5", '"507.5'), names=r"power\.csv"),
        power_log("random bytes", bytes(range(256)) * 40),
        power_log("UTF-16 without its mark", plain.encode("utf-16-le")),
        power_log("a gzip bomb", bomb(), file="power.csv.gz"),
        power_log("gzip cut off", gzip.compress(plain.encode())[:-20], file="power.csv.gz"),
        power_log("gzip with a wrong checksum", gzip.compress(plain.encode())[:-8] + bytes(8), file="power.csv.gz"),
        power_log("a line of 20 MB", "timestamp,power_w\n" + "1" * 20_000_000 + ",5\n"),
        power_log("a thirty-first of September", smi.replace("2026/09/21 14:13:27", "2026/09/31 14:13:27"), names=r"power\.csv:9"),
        power_log("power in milliwatts under a header of nvidia-smi", smi.replace("[W]", "[mW]")),
        power_log("a row of PTDaemon without watts", valid.spl().replace("Watts,507.0,", ""), file="spl.txt", names=r"spl\.txt:8"),
        power_log("telemetry without a time", json.dumps({**TELEMETRY, "timestamp_ns": None}) + "\n", file="t.jsonl", names=r"t\.jsonl:1"),
        power_log(
            "telemetry with NaN", json.dumps({**TELEMETRY, "telemetry_data": {"nvidia_power_usage": float("nan")}}) + "\n", file="t.jsonl"
        ),
        power_log(
            "telemetry with a key twice", '{"telemetry_data": {}, ' + json.dumps(TELEMETRY)[1:] + "\n", file="t.jsonl", names=r"t\.jsonl:1"
        ),
        power_log("telemetry nested 100 deep", json.dumps(TELEMETRY)[:-1] + ', "x": ' + "[" * 100 + "]" * 100 + "}\n", file="t.jsonl"),
        *(special(kind) for kind in ("a pipe", "an endless device", "a loop of links", "a link to nothing", "a folder without files")),
        hole(),
        command("power log", "a local time that its zone skipped", skipped_hour, r"power\.csv:2"),
        named("a\nb.csv", r"a\\nb\.csv", "a line end in its name"),
        named("\x1b]0;owned\x07.csv", r"\\x1b\]0;owned\\x07\.csv", "an escape sequence of a terminal in its name"),
        named("\udcff.csv", r"\.csv", "a name that is no text"),
        benchmark_link("a link out of the folder", "../secret.json"),
        benchmark_link("a link to an absolute path", "/etc/passwd"),
        benchmark_link("a link to itself", "run.json"),
        command("benchmark folder", "a nest of a hundred folders", deep_folders, "results"),
        bundle("a reading that is no integer", r"csv:10", lines=row(f"{NS_TIME},1000,5e5,1,")),
        bundle("a reading of NaN", r"csv:10", lines=row(f"{NS_TIME},1000,NaN,1,")),
        bundle("a reading beyond 64 bits", r"csv:10", lines=row(f"{NS_TIME},1000,{2**63},1,")),
        bundle("a reading written 1_0", r"csv:10", lines=row(f"{NS_TIME},1000,1_0,1,")),
        bundle("a quality that does not exist", r"csv:10", lines=row(f"{NS_TIME},1000,500000,99,")),
        bundle("a negative half-width of time", r"csv:10", lines=row(f"{NS_TIME},-1,500000,1,")),
        bundle("times that go backwards", "readings", lines=[valid.readings()[0], *reversed(valid.readings()[1:])]),
        bundle("an exponent that its column contradicts", "power_milliwatt", entry=changed(valid.meter(), "exponent", to=0)),
        bundle("an exponent of 300", "exponent", entry=changed(valid.meter(), "exponent", to=300)),
        bundle("an accuracy of 1e308 %", "accuracy", entry=changed(valid.meter(), "accuracy", "pct_reading", to=1e308)),
        bundle("an update period of NaN", "meters.json", entry=changed(valid.meter(), "update_period_s", to=float("nan"))),
        bundle("a boundary that does not exist", "boundary", entry=changed(valid.meter(), "boundary", to="moon")),
        bundle("an id that is no id", "meter_id", entry=changed(valid.meter(), "meter_id", to="x")),
        bundle("a list of meters that is none", "meters.json", meters='{"meters": 3}'),
        bundle("meters.json cut off", "meters.json", meters='{"meters": [{"file"'),
        trace_file("an empty file", ""),
        trace_file("a value of NaN", valid.trace().replace("91007", "NaN"), r"trace\.csv line 9"),
        trace_file("a value with a point", valid.trace().replace("91007", "91007.5"), r"trace\.csv line 9"),
        trace_file("a value beyond 64 bits", valid.trace().replace("91007", str(10**30)), r"trace\.csv line 9"),
        trace_file("times that do not grow", valid.trace().replace(f"{7 * valid.NS},", "0,"), r"trace\.csv line 9"),
        trace_file("two columns of one channel", "t_ns,power_watt,power_watt\n0,1,1\n1,2,2\n"),
        trace_file("a gain that overflows", valid.trace(), options=("gain=1e15",)),
        trace_file("a gain of 1e300", valid.trace(), names="gain", options=("gain=1e300",), statuses=("exit 2",)),
        trace_file("a speed of NaN", valid.trace(), names="speed", options=("speed=nan",), statuses=("exit 2",)),
    ]
