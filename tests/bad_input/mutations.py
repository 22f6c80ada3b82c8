"""Seeded mutations of valid inputs: what breaks validity by construction must be refused, what changes no meaning changes no answer.

A mutation counts as bad only where it cannot be anything else: a JSON text cut before its last bracket, a mark of JSON's structure
exchanged for one that has no place outside of text, a required value of another kind, a number out of its range, a row of another
width, a packed file with a byte turned over (its checksum finds it).
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from tests.bad_input import valid
from tests.bad_input.case import Case, changed, config_file, power_log, price_file, run_file, trace_file

NEVER_VALID: list[Any] = [None, [], {}, True, "text", -1, 1e300, float("nan"), float("inf"), 10**50]
"""For a count of nanoseconds, and for most other values."""

WRONG = {
    ("begin_ns",): NEVER_VALID,
    ("end_ns",): NEVER_VALID,
    ("kind",): [None, [], {}, 3, "text", float("nan")],
    ("name",): [None, [], {}, True, 3, 1e300],
    ("requests",): [[], {}, True, "text", -1, 1.5, float("nan"), 10**50],
    ("tokens", "output"): [[], {}, True, "text", -1, 1e300, float("nan"), 10**50],
}
PRICES = {
    "amount": [None, [], {}, True, -1, "-1", "", "NaN", "1e99", 1.5, float("inf")],
    "currency": [None, [], 3, "", "usd", "DOLLAR"],
    "unit": [None, [], 3, "", "month"],
    "effective_from": [None, [], 3, "", "soon", "2025-13-01", "9999-01-01"],
    "source_url": [None, [], 3, ""],
}
CONFIG = {
    "interval_ms = 500": [
        "interval_ms = 0",
        "interval_ms = -1",
        "interval_ms = 1.5",
        "interval_ms = nan",
        "interval_ms = []",
        "interval_ms = 500 500",
    ],
    "clock_probe_period_s = 5.0": [
        "clock_probe_period_s = inf",
        "clock_probe_period_s = 1e999",
        "clock_probe_period_s = {}",
        "clock_probe_period_s =",
    ],
    "max_bytes = 2000000": ["max_bytes = 1", "max_bytes = '2000000'", "max_bytes = 2e6", "max_byte = 2000000", "max_bytes 2000000"],
    "[spool]": ["[spol]", "[spool", "[[spool]]", "spool = 3"],
}


def cut(text: str, rng: random.Random) -> str:
    """A JSON object cut before its last bracket."""
    return text[: rng.randrange(1, text.rindex("}"))]


def structure_broken(text: str, rng: random.Random) -> str:
    """A JSON text with one mark of its structure exchanged for `#`."""
    inside, places = False, []
    for place, mark in enumerate(text):
        if mark == '"':
            inside = not inside
            places.append(place)
        elif not inside and mark in "{}[]:,":
            places.append(place)
    place = rng.choice(places)
    return f"{text[:place]}#{text[place + 1 :]}"


def value_broken(rng: random.Random) -> dict[str, Any]:
    """A run with a required value of another kind or out of its range."""
    path = rng.choice(list(WRONG))
    return changed(valid.run(), "phases", 0, *path, to=rng.choice(WRONG[path]))


def price_broken(rng: random.Random) -> dict[str, Any]:
    """A price file with a required value that is none."""
    key = rng.choice(list(PRICES))
    return changed(valid.prices(), "price", 0, key, to=rng.choice(PRICES[key]))


def config_broken(rng: random.Random) -> str:
    """A configuration with one line that is wrong."""
    line = rng.choice(list(CONFIG))
    return valid.config().replace(line, rng.choice(CONFIG[line]))


def row_broken(rng: random.Random) -> str:
    """A plain CSV with one row of another width, or with a time that is none."""
    lines = valid.plain().splitlines()
    number = rng.randrange(1, len(lines) - 1)
    time, power = lines[number].split(",")
    junk = rng.choice(["", "x", "-1", "NaN", "1e99", "9" * 40, "2026-99-99", "1_790_000_007", "\u0661\u0662\u0663"])
    lines[number] = rng.choice([time, f"{time},{power},", f"{time};{power}", f"{junk},{power}"])
    return "\n".join(lines) + "\n"


def trace_broken(rng: random.Random) -> str:
    """A trace with one cell that is no whole number in range."""
    lines = valid.trace().splitlines()
    number, column = rng.randrange(1, len(lines)), rng.randrange(2)
    cells = lines[number].split(",")
    cells[column] = rng.choice(["NaN", "1.5", "1e5", "0x10", "1_0", " 5", str(2**63), str(-(2**64)), "9" * 5000, "\u0661"])
    lines[number] = ",".join(cells)
    return "\n".join(lines) + "\n"


def packed_broken(rng: random.Random) -> bytes:
    """A gzip file with one byte behind its header turned over."""
    data = bytearray(gzip.compress(valid.plain().encode(), mtime=0))
    data[rng.randrange(10, len(data))] ^= 0xFF
    return bytes(data)


def mutation(rng: random.Random) -> Case:
    """One input that must be refused."""
    run = json.dumps(valid.run(), ensure_ascii=True)
    prices = json.dumps(valid.prices())
    kinds: list[Callable[[], Case]] = [
        lambda: run_file("cut off somewhere", cut(run, rng)),
        lambda: run_file("its structure broken", structure_broken(run, rng)),
        lambda: run_file("a value out of its kind or range", value_broken(rng)),
        lambda: price_file("cut off somewhere", cut(prices, rng)),
        lambda: price_file("its structure broken", structure_broken(prices, rng)),
        lambda: price_file("a value out of its kind or range", price_broken(rng), "prices|price of"),
        lambda: config_file("a line that is wrong", config_broken(rng), r"joulemark\.toml|interval_ms|clock_probe|max_bytes"),
        lambda: power_log("a row that is none", row_broken(rng), names=r"power\.csv:\d+"),
        lambda: power_log("a byte of gzip turned over", packed_broken(rng), file="power.csv.gz"),
        lambda: trace_file("a cell that is none", trace_broken(rng)),
    ]
    return rng.choice(kinds)()


def mutations(seed: int) -> Iterator[Case]:
    """Endless, the same for the same seed."""
    rng = random.Random(seed)
    while True:
        yield mutation(rng)


def harmless(seed: int, count: int) -> Iterator[tuple[str, str]]:
    """`count` texts of `valid.run()` that mean the same, each with a name: keys in another order, other white space, letters as escapes."""
    rng = random.Random(seed)
    for number in range(count):
        run = shuffled(valid.run(), rng)
        text = json.dumps(run, indent=rng.choice([None, 1, 7]), separators=rng.choice([(",", ":"), (" , ", " : ")]))
        yield text.replace('"decode"', rng.choice(['"decode"', '"\\u0064ecode"'])), f"harmless {number}"


def shuffled(value: Any, rng: random.Random) -> Any:
    """`value` with the keys of its objects in another order."""
    if isinstance(value, dict):
        keys = rng.sample(list(value), len(value))
        return {key: shuffled(value[key], rng) for key in keys}
    return [shuffled(entry, rng) for entry in value] if isinstance(value, list) else value
