"""Bad documents: runs, results of other tools, prices, configurations, kept marks, and arguments of the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.bad_input import valid
from tests.bad_input.case import Case, changed, command, compute, config_file, price_file, run_file, without, write

PHASE = ("phases", 0)
ACCEPTABLE = valid.config()
PROBE = ["meters", "probe", "fake", "--option"]
SHOW = ["price", "show", "--provider", "aws", "--instance", "p5.48xlarge", "--region", "us-east-1"]


def aiperf(title: str, names: str, **parts: Any) -> Case:
    """An artifact folder of AIPerf with one thing wrong."""

    def build(folder: Path) -> list[str]:
        valid.aiperf(folder, **parts)
        return ["import", "aiperf", "artifacts", "--json"]

    return command("AIPerf", title, build, names)


def mlperf(title: str, content: str) -> Case:
    """A log of LoadGen with one thing wrong."""

    def build(folder: Path) -> list[str]:
        write(folder / "mlperf_log_detail.txt", content)
        return ["import", "mlperf", ".", "--tz", "UTC", "--json"]

    return command("MLPerf", title, build, r"mlperf_log_detail|phase |no files of mlperf")


def records(**changes: Any) -> list[dict[str, Any]]:
    """AIPerf's records, the second with other metadata."""
    first, second, third = valid.aiperf_records()
    return [first, {**second, "metadata": {**second["metadata"], **changes}}, third]


def kept(title: str, line: str) -> Case:
    """A kept mark that is damaged."""

    def build(folder: Path) -> list[str]:
        write(folder / "state" / "marks" / "r1.jsonl", line + "\n")
        return ["run", "resend", "r1", "--url", "http://127.0.0.1:9", "--json"]

    return command("kept marks", title, build, r"r1\.jsonl")


def argument(title: str, names: str, *args: str) -> Case:
    """An argument of the command line."""

    def build(folder: Path) -> list[str]:
        write(folder / "power.csv", valid.plain())
        return [*compute(folder, "power.csv"), *args]

    return command("argument", title, build, names)


def price(key: str, value: Any) -> dict[str, Any]:
    """A price file with another value under `key`."""
    return changed(valid.prices(), "price", 0, key, to=value)


def deep(depth: int) -> str:
    """A run whose labels hold a nest of lists."""
    return json.dumps(valid.run()).replace('"m"', "[" * depth + "]" * depth, 1)


def cases() -> list[Case]:
    """All of them."""
    run, prices = valid.run(), valid.prices()
    text = json.dumps(run)
    toml = prices_toml()
    return [
        run_file("not JSON at all", '{"schema": "joulemark.run/1" phases'),
        run_file("cut off", text[: len(text) // 2]),
        run_file("a key that stands twice", text.replace('"clock"', '"clock": "utc", "clock"')),
        run_file("nested 100 deep", deep(100)),
        run_file("nested 100,000 deep", deep(100_000)),
        run_file("a number of 10,000 digits", text.replace("1000,", "9" * 10_000 + ",")),
        run_file("a number of 30 digits", changed(run, *PHASE, "end_ns", to=10**29)),
        run_file("a time of NaN", changed(run, *PHASE, "begin_ns", to=float("nan"))),
        run_file("a time of 1e308", changed(run, *PHASE, "end_ns", to=1e308)),
        run_file("a number of 1e999", text.replace("5000.0", "1e999")),
        run_file("a time that is text", changed(run, *PHASE, "begin_ns", to="now")),
        run_file("a negative time", changed(run, *PHASE, "begin_ns", to=-1)),
        run_file("a phase that ends before it begins", changed(run, *PHASE, "end_ns", to=1)),
        run_file("a phase of the year 2200", changed(run, *PHASE, "end_ns", to=7_258_118_400_000_000_000)),
        run_file("a phase without a name", without(run, *PHASE, "name")),
        run_file("a phase of a kind that does not exist", changed(run, *PHASE, "kind", to="party")),
        run_file("tokens below zero", changed(run, *PHASE, "tokens", "output", to=-5)),
        run_file("tokens of 1e300", changed(run, *PHASE, "tokens", "output", to=1e300)),
        run_file("tokens of 5e-324", changed(run, *PHASE, "tokens", "output", to=5e-324)),
        run_file("tokens that are a list", changed(run, *PHASE, "tokens", "output", to=[1])),
        run_file("requests that are true", changed(run, *PHASE, "requests", to=True)),
        run_file("an unknown key", {**run, "price": 1}),
        run_file("another schema", {**run, "schema": "joulemark.run/1 or so"}),
        run_file("labels that are no text", changed(run, "labels", "model", to={"a": 1})),
        run_file("half a surrogate in a label", changed(run, "labels", "model", to="\ud800")),
        run_file("NUL in a name", changed(run, *PHASE, "name", to="a\0b")),
        run_file("bytes that are no UTF-8", text.replace('"m"', '"\udcff"').encode("utf-8", "surrogateescape")),
        run_file("a figure of the tool that is no number", changed(run, "tool_reported", 0, "value", to="5 kJ")),
        run_file("phases that are a number", {**run, "phases": 3}),
        run_file("twenty thousand phases", {**run, "phases": run["phases"] * 20_000}, "20000 phases"),
        aiperf("a manifest without phases", "phase_manifest", manifest={"phases": 3}),
        aiperf("a phase without an end", "end_ns", manifest=without(valid.aiperf_manifest(), "phases", 0, "end_ns")),
        aiperf(
            "a phase that begins at NaN",
            "phase_manifest",
            manifest=changed(valid.aiperf_manifest(), "phases", 0, "start_ns", to=float("nan")),
        ),
        aiperf("a request at 1e308", r"profile_export\.jsonl:2", records=records(request_start_ns=1e308)),
        aiperf("a request before 1970", r"profile_export\.jsonl:2", records=records(request_start_ns=-1)),
        aiperf("a request without a time", r"profile_export\.jsonl:2", records=records(request_start_ns=None)),
        aiperf("a record without metadata", r"profile_export\.jsonl:1", records=[{"metrics": {}}, *valid.aiperf_records()]),
        mlperf("no line of MLLOG", "hello\n"),
        mlperf("a begin and no end", valid.mlperf().splitlines()[0] + "\n"),
        mlperf("an end before the begin", valid.mlperf().replace(":15.000", ":01.000")),
        mlperf("a time that is none", valid.mlperf().replace("10:00:05", "25:61:05")),
        mlperf(
            "a training run at 1e300 ms",
            "\n".join(f':::MLLOG {{"key": "{k}", "value": 1, "time_ms": {t}}}' for k, t in (("run_start", 1e17), ("run_stop", 1e18)))
            + "\n",
        ),
        price_file("not JSON at all", "prices: 3"),
        price_file("a list", "[]"),
        price_file("another schema", {**prices, "schema": "x"}),
        price_file("an unknown key", price("colour", "red"), "colour"),
        price_file("an amount that is a float in words", price("amount", "about 5"), "amount"),
        price_file("an amount below zero", price("amount", "-1"), "amount"),
        price_file("an amount of zero", price("amount", "0"), "amount is zero"),
        price_file("an amount of NaN", price("amount", "NaN"), "amount"),
        price_file("an amount of 1e999999999", price("amount", "1e999999999"), "amount"),
        price_file("an amount of 1e-999999999", price("amount", "1e-999999999"), "amount"),
        price_file("an amount written 1_0", price("amount", "1_0"), "amount"),
        price_file("an amount that is NaN without quotes", json.dumps(price("amount", float("nan")))),
        price_file("a currency that is none", price("currency", "dollars"), "currency"),
        price_file("a unit that is none", price("unit", "month"), "unit"),
        price_file("a date of the year 9999", price("effective_from", "9999-12-31"), "effective_from"),
        price_file("a date before the year 1", price("effective_from", "0001-01-01T00:00:00+23:59"), "effective_from"),
        price_file("a time without a zone", price("fetched_at", "2025-07-03T20:49:06"), "fetched_at"),
        price_file("a provider that is a list", price("provider", ["aws"]), "provider"),
        price_file("half a surrogate in a name", price("provider", "\ud800")),
        price_file("no source", without(prices, "price", 0, "source_url"), "source_url"),
        price_file("a hash that does not fit", price("sha256", "0" * 64), "sha256"),
        price_file("a PUE of 1e12", changed(prices, "tariff", 0, "pue", to="1000000000000"), "pue"),
        price_file("a PUE below one", changed(prices, "tariff", 0, "pue", to="0.5"), "pue"),
        price_file("TOML nested 100,000 deep", "x = " + "[" * 100_000, suffix="toml"),
        price_file("TOML with a number of 10,000 digits", toml.replace("= 8", "= " + "9" * 10_000), suffix="toml"),
        price_file("TOML cut off", toml[:-30], suffix="toml"),
        config_file("not TOML", "agent: 3", r"joulemark\.toml"),
        config_file("an unknown table", "[agnet]", "agnet"),
        config_file("an unknown key", "[agent]\nintervall_ms = 5", "interval_ms"),
        config_file("text for a number", ACCEPTABLE.replace("500", '"500"'), "interval_ms"),
        config_file("a number of 40 digits", ACCEPTABLE.replace("500", "9" * 40), "interval_ms"),
        config_file("a number of 10,000 digits", ACCEPTABLE.replace("500", "9" * 10_000), r"joulemark\.toml"),
        config_file("a number below zero", ACCEPTABLE.replace("500", "-500"), "interval_ms"),
        config_file("NaN", ACCEPTABLE.replace("5.0", "nan"), "clock_probe_period_s"),
        config_file("infinity", ACCEPTABLE.replace("5.0", "inf"), "clock_probe_period_s"),
        config_file("meters that are a number", "meter = 3", "meter"),
        config_file("one meter table in single brackets", '[meter]\nkind = "fake"', "meter"),
        config_file("a meter without a kind", "[[meter]]\nserial = 'x'", "kind"),
        config_file("a meter of a kind that does not exist", "[[meter]]\nkind = 'nvmll'", "nvml"),
        config_file("an agent id that leaves its place", ACCEPTABLE.replace("host-1", "../../x"), "agent_id"),
        config_file("an agent id with an escape sequence", ACCEPTABLE.replace("host-1", "\\u001b[2J"), "agent_id"),
        config_file("a path with NUL", '[spool]\npath = "a\\u0000b"', "path"),
        config_file("the home of nobody", '[spool]\npath = "~nobody-of-that-name/x"', "path"),
        config_file("nested 100,000 deep", "x = " + "[" * 100_000, r"joulemark\.toml"),
        config_file("bytes that are no UTF-8", b"[agent]\nagent_id = '\xff'", r"joulemark\.toml"),
        kept("cut off", '{"what": "sto'),
        kept("a place that is none", '{"what": "../../v1/runs", "body": {}}'),
        kept("no body", '{"what": "stop"}'),
        kept("NaN", '{"what": "stop", "body": {"requests": NaN}}'),
        argument("an accuracy that is none", "accuracy", "--accuracy", "about 1%"),
        argument("an accuracy of 400 digits", "accuracy", "--accuracy", "9" * 400 + "W"),
        argument("a zone that leaves its folder", "zone", "--tz", "../../etc/passwd"),
        argument("a zone that is a folder", "zone", "--tz", "America"),
        command("argument", "a date of a price that is none", lambda _: [*SHOW, "--valid-at", "soon"], "valid-at"),
        command("argument", "a date of a price of the year 9999", lambda _: [*SHOW, "--known-at", "9999-12-31"], "known-at"),
        command(
            "argument",
            "an option of a meter nested deep",
            lambda _: ["meters", "probe", "fake", "--option", f"power_w={'[' * 9999}"],
            "power_w",
        ),
        argument("an idle power of NaN", "idle-w", "--idle-w", "nan"),
        argument("the same log twice", r"power\.csv|csv:file", "--power", "power.csv"),
    ]


def prices_toml() -> str:
    """A price file as TOML, whose last value is an open text when it is cut."""
    entries = {**valid.prices()["price"][0], "gpu_count": 8}
    rows = "".join(f"{key} = {json.dumps(value)}\n" for key, value in entries.items() if key != "source_url")
    return f'schema = "joulemark.prices/1"\n\n[[price]]\n{rows}source_url = "{entries["source_url"]}/a/long/way/below/it"\n'
