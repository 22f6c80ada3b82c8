"""The documentation as a whole: `python -m tests.docs`, behind `make docs`.

Builds the site strictly into `build/site`, follows every link in it, and holds the reference against the code. The last line holds how
many warnings there were, links that lead nowhere, and things without documentation (or documented and not there); exit 0 only when
there is none.
`MUTATE=link|key|route` spoils a copy of one page, which must end red.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.docs import named, prose, site

SITE: Final = site.ROOT / "build" / "site"
SPOILT: Final = {
    "link": ("index.md", "tutorials/first-card.md", "tutorials/first-cart.md"),
    "key": ("reference/config.md", "\ninterval_ms =", "\ninterval_s ="),
    "route": ("reference/rest.md", "| `GET /v1/hosts` |", "| `GET /v1/host` |"),
}


def spoil(mutation: str) -> tuple[str, str]:
    """(page of docs/, its text made wrong)."""
    page, right, wrong = SPOILT[mutation]
    text = named.text(page)
    assert right in text, f"{page} does not hold {right!r}: this mutation changes nothing"
    return page, text.replace(right, wrong, 1)


def judged(folder: Path) -> tuple[dict[str, int], list[str]]:
    """(the last line, every fault) of the site built into `folder`."""
    warnings = site.build(folder)
    found = site.pages(folder)
    warnings += site.faults(folder, found)
    broken = list(site.broken(folder, found))
    undocumented = [fault for kind in named.KINDS for fault in named.astray(kind)]
    for page in prose.pages():
        faults = prose.astray(page.read_text(encoding="utf-8"))
        undocumented += [f"{page.relative_to(site.ROOT)}: {fault}" for fault in faults]
    line = {"warnings": len(warnings), "broken_links": len(broken), "undocumented": len(undocumented)}
    for link in sorted(site.external(found)):
        print(f"leads outside, not fetched: {link}")
    counts = ", ".join(f"{len(kind()[0])} of {name}" for name, kind in named.KINDS.items())
    print(f"{len(found)} pages; in the reference: {counts}")
    return line, [*warnings, *broken, *undocumented]


def main() -> int:
    """Judge, print, exit."""
    mutation = os.environ.get("MUTATE")
    if mutation is None:
        line, faults = judged(SITE.resolve())
    else:
        page, text = spoil(mutation)
        path, whole = named.DOCS / page, named.text(page)
        with tempfile.TemporaryDirectory(prefix="docs-") as folder:
            try:
                path.write_text(text, encoding="utf-8")
                line, faults = judged(Path(folder).resolve())
            finally:
                path.write_text(whole, encoding="utf-8")
    for fault in faults:
        print(fault, file=sys.stderr)
    print(json.dumps(line))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
