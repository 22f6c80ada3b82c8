"""Every reader on every sample: `python -m tests.interop`, behind `make interop`.

Prints what each sample gave, and ends with one line of JSON; exit 0 only when every sample was read with the figures of its witness or
refused with a reason. `MUTATE=tokens|requests|zone` falsifies the readers' answers and must turn it red; `WRITE=1` writes the page.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Final

from joulemark import benchmarks
from tests.interop import table
from tests.interop.samples import made_up, recorded
from tests.interop.trial import SPOILS, Spoil, Trial, tried

PAGE: Final = Path(__file__).resolve().parent.parent.parent / "docs" / "reference" / "readers.md"


def trials(corpus: Path | None, *, spoil: Spoil | None = None) -> list[Trial]:
    """All samples, those of the corpus where there is one."""
    with tempfile.TemporaryDirectory(prefix="joulemark-interop-") as place:
        samples = [*(recorded(corpus) if corpus else ()), *made_up(Path(place))]
        return [tried(sample, spoil=spoil) for sample in samples]


def line(found: list[Trial]) -> dict[str, int]:
    """The counts, as printed."""
    read = sum(trial.run is not None for trial in found)
    refused = sum(trial.refused for trial in found)
    return {"readers": len(benchmarks.READERS), "samples": len(found), "read": read, "refused_with_reason": refused}


def main() -> None:
    """Try, print, judge."""
    named = os.environ.get("JOULEMARK_CORPUS")
    mutate = os.environ.get("MUTATE")
    if mutate and mutate not in SPOILS:
        raise SystemExit(f"MUTATE is one of {', '.join(SPOILS)}")
    found = trials(Path(named) if named else None, spoil=SPOILS[mutate] if mutate else None)
    page = table.page(found)
    print(table.rows(found))
    wrong = [f"{trial.sample.name}: {why}" for trial in found for why in trial.wrong]
    if not named:
        print("JOULEMARK_CORPUS is not set: made up samples only", file=sys.stderr)
    elif os.environ.get("WRITE") == "1":
        PAGE.write_text(page, encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != page and not mutate:
        wrong.append("docs/reference/readers.md is out of date: run make interop WRITE=1")
    for why in wrong:
        print(f"red: {why}", file=sys.stderr)
    counts = line(found)
    print(json.dumps(counts))
    raise SystemExit(1 if wrong or counts["samples"] != counts["read"] + counts["refused_with_reason"] else 0)


if __name__ == "__main__":
    main()
