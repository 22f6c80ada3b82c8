"""Judges a run of the board's bench from what was written down: nobody is missing, nothing is sent twice, and how long it took.

Ends with one JSON line; fails when a card is missing or twice on the list or in the feed, when a known tag is answered with a body, or when
the p99 of the list is more than MOST_RATIO times that of the trivial route.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

TRIVIAL = "/healthz"
LIST, FEED = "/v1/board", "/v1/board/feed.json"
MOST_RATIO = 10.0


def quantile_ms(taken_ns: Sequence[int], part: float) -> float:
    """The smallest value that `part` of all do not exceed."""
    ordered = sorted(taken_ns)
    return round(ordered[min(len(ordered) - 1, int(part * len(ordered)))] / 1e6, 3)


def result(seen: dict[str, Any], asked: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The line."""
    whole: dict[str, list[int]] = defaultdict(list)
    for one in asked:
        if one["status"] == 200 and not one["tag"]:
            whole[one["path"]].append(one["taken_ns"])
    known = [one for one in asked if one["tag"]]
    spared = [one for one in known if one["status"] == 304 and one["bytes"] == 0]
    figures = {path: {"p50_ms": quantile_ms(taken, 0.5), "p99_ms": quantile_ms(taken, 0.99)} for path, taken in whole.items()}
    base = figures[TRIVIAL]
    for path, told in figures.items():
        if path != TRIVIAL:
            told["p50_ratio"], told["p99_ratio"] = (round(told[name] / base[name], 2) for name in ("p50_ms", "p99_ms"))
    return {
        "cards": seen["count"],
        "judged": seen["real"],
        "listed": len(set(seen["listed"])),
        "fed": len(set(seen["fed"])),
        "twice": len(seen["listed"]) - len(set(seen["listed"])) + len(seen["fed"]) - len(set(seen["fed"])),
        "asked": len(asked),
        "failed": sum(one["status"] not in (200, 304) for one in asked),
        "not_modified_rate": round(len(spared) / len(known), 4),
        "rss_mb": round(seen["rss_mb"], 1),
        "routes": figures,
    }


def wrong(line: dict[str, Any]) -> list[str]:
    """What is not as it has to be."""
    checks = {
        "cards are missing on the list": line["listed"] == line["cards"],
        "cards are missing in the feed": line["fed"] == line["cards"],
        "a card stands twice": line["twice"] == 0,
        "no bundle was judged": line["judged"] > 0,
        "a question failed": line["failed"] == 0,
        "a known answer was sent again": line["not_modified_rate"] == 1.0,
        f"the list takes more than {MOST_RATIO:g} times as long": line["routes"][LIST]["p99_ratio"] <= MOST_RATIO,
        f"the feed takes more than {MOST_RATIO:g} times as long": line["routes"][FEED]["p99_ratio"] <= MOST_RATIO,
    }
    return [what for what, good in checks.items() if not good]


def main(work: Path) -> int:
    """Print the line; 0 when all is as it has to be."""
    asked = [json.loads(text) for text in (work / "asked.jsonl").read_text().splitlines()]
    line = result(json.loads((work / "seen.json").read_text()), asked)
    faults = wrong(line)
    for what in faults:
        print(what, file=sys.stderr)
    print(json.dumps({**line, "passed": not faults}))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
