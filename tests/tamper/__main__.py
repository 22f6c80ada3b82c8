"""Attached cards tampered with: `python -m tests.tamper`, behind `make tamper SEED=n MUTATE=..`.

Bundles in all four layouts of OpenAIPerf, some packed, are attached to, proved, and attached to again. Then ten of the ways of `ways`, at
drawn places; each must be named by `joulemark attach --verify` with its file and its kind. The last line counts them; exit 0 only when
every one was named. `MUTATE=untouched` leaves one of them undone, and `MUTATE=remade` makes all evidence of one anew, consistently and
unsigned, which nothing but a signature can tell: both must end red.
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from tests.tamper.subjects import SHAPES, Subject, Wrong, closed, joulemark, opened, recorded, subjects
from tests.tamper.ways import WAYS, Way

WANTED: Final = 10


def tampered(way: Way, subject: Subject, work: Path, draw: random.Random, *, mutate: str = "") -> tuple[bool, str]:
    """(whether what was done is named, what is told of it)."""
    folder = opened(subject.place, work)
    file, kind = way.does(folder, draw) if not mutate else untouched(folder, way, draw, work, remade=mutate == "remade")
    place = closed(folder, SHAPES[subject.name])
    status, proof = joulemark("--verify", place, *(["--trust", subject.trust] if way.keyed else []))
    named: list[dict[str, Any]] = [fault for fault in proof["faults"] if (fault["file"], fault["kind"]) == (file, kind)]
    said = (
        f"{named[0]['rule']}: {named[0]['what'][:90]}" if named else f"NOT NAMED among {[(f['file'], f['kind']) for f in proof['faults']]}"
    )
    return status == 3 and bool(named), f"{way.name} ({subject.name}, {SHAPES[subject.name]}): {file} {kind}, {said}"


def untouched(folder: Path, way: Way, draw: random.Random, work: Path, *, remade: bool) -> tuple[str, str]:
    """Nothing done, or all done anew by another power; either way nothing that contradicts itself."""
    if remade:
        recorded(work / "other.csv", draw)
        joulemark(folder, "--power", work / "other.csv", "--site-compat")
    return "energy/card.json", "recomputed"


def main() -> int:
    """Attach, tamper, count."""
    seed, mutate = int(os.environ.get("SEED") or 1), os.environ.get("MUTATE", "")
    if mutate not in ("", "untouched", "remade"):
        print(f"MUTATE={mutate} is none of untouched, remade", file=sys.stderr)
        return 2
    draw = random.Random(seed)
    named = 0
    with tempfile.TemporaryDirectory(prefix="joulemark-tamper-") as place:
        try:
            found = {one.name: one for one in subjects(Path(place), draw)}
        except Wrong as error:
            print(f"before anybody tampered: {error}", file=sys.stderr)
            return 1
        chosen = draw.sample(WAYS, WANTED)
        for number, way in enumerate(chosen):
            lie = mutate if number == 0 else ""
            names = way.on if lie != "remade" else ("docs",)
            holds, told = tampered(way, found[draw.choice(names)], Path(place) / f"way-{number}", draw, mutate=lie)
            print(told, file=sys.stderr)
            named += holds
    print(json.dumps({"tried": len(chosen), "named": named}))
    return 0 if named == len(chosen) else 1


if __name__ == "__main__":
    raise SystemExit(main())
