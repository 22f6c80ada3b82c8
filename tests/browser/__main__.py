"""`make screenshots`: every page as a browser shows it, from a real run of agent and collector, and what axe-core and a scale say of it.

Fills build/screenshots/: each page wide and narrow, light and dark, with data, without, and while the ingest process does not answer; the
run page in print; `axe.md`, `weights.md`, and `watch.txt`, a recording of `joulemark watch`. The last line is what was counted. Red when
axe-core finds anything, when a page asks anybody else than its collector, or weighs more than it may. SECONDS (of one round of the load)
and MUTATE=contrast|remote|heavy are read from the environment.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser

from joulemark.demo.processes import joulemark as command_line
from tests.browser.chromium import HEIGHT, chromium, looking
from tests.browser.look import MOST_OWN_BYTES, Seen, look, opened
from tests.browser.mutants import MUTANTS
from tests.browser.pages import address, addresses
from tests.browser.scene import Scene
from tests.browser.terminal import screens

OUT: Final = Path("build/screenshots")
SECONDS: Final = 30.0
LOOKS: Final = 5
PAPER_PX: Final = 794
"""Width of A4 at 96 dots per inch."""


def main() -> int:
    """Make the scene, look at it, write down what was seen, and judge it."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that nothing is left running
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    mutate = os.environ.get("MUTATE", "")
    with tempfile.TemporaryDirectory(prefix="jm-") as folder:
        begun = time.monotonic()
        with Scene(Path(folder), length_s=float(os.environ.get("SECONDS") or SECONDS), thorough=True) as scene, chromium() as browser:
            print(f"a run of agent and collector: {time.monotonic() - begun:.0f} s", file=sys.stderr)
            seen = list(looked(scene, browser, mutate=mutate))
            printed(scene, browser)
            (OUT / "watch.txt").write_text(watched(scene), encoding="utf-8")
    (OUT / "axe.md").write_text("\n".join(axe_table(seen)) + "\n", encoding="utf-8")
    (OUT / "weights.md").write_text("\n".join(weight_table(seen)) + "\n", encoding="utf-8")
    line = {
        "pages": len({one.at.name for one in seen}),
        "axe_violations": sum(len(one.violations) for one in seen),
        "own_bytes_max": max(one.own_total for one in seen),
        "remote_requests": sum(len(one.remote) for one in seen),
    }
    faults = [what for one in seen for what in one.wrong]
    for what in faults:
        print(what, file=sys.stderr)
    print(json.dumps(line))
    return 1 if faults else 0


def looked(scene: Scene, browser: Browser, *, mutate: str) -> Iterator[Seen]:
    """Every page in every state, in both schemes and at both widths."""
    with looking(browser) as context:
        MUTANTS[mutate](context)
        for at in addresses(scene):
            print(f"{at.state}: {at.url}", file=sys.stderr)
            (OUT / at.state).mkdir(exist_ok=True)
            yield look(context, at, keep=OUT / at.state)


def printed(scene: Scene, browser: Browser) -> None:
    """The page of a run, on paper: as a picture, and as a document."""
    with looking(browser) as context, opened(context, Seen(address(scene, "/runs/{run_id}", "data"))) as page:
        page.emulate_media(media="print")
        page.set_viewport_size({"width": PAPER_PX, "height": HEIGHT})
        page.screenshot(path=OUT / "run.print.png", full_page=True)
        page.pdf(path=OUT / "run.print.pdf", prefer_css_page_size=True)


def watched(scene: Scene) -> str:
    """What `joulemark watch` says in lines, and its last screen on a terminal."""
    command, env = command_line("watch", "--count", str(LOOKS)), {"JOULEMARK_URL": scene.full.url}
    lines = subprocess.run(command, env={**os.environ, **env}, stdout=subprocess.PIPE, text=True, check=True, timeout=120).stdout
    shown = screens(command, env=env)
    return f"$ joulemark watch --count {LOOKS} | cat\n{lines}\n$ joulemark watch --count {LOOKS}\n(screen {len(shown)})\n{shown[-1]}\n"


def axe_table(seen: Sequence[Seen]) -> Iterator[str]:
    """A row for each look at each page; below it every violation."""
    yield f"axe-core {seen[0].axe[0].version}\n"
    yield "| page | state | scheme | width px | passes | violations | incomplete |"
    yield "|---|---|---|--:|--:|--:|---|"
    for one in seen:
        for found in one.axe:
            counts = f"{found.passes} | {len(found.violations)} | {', '.join(found.incomplete) or 'none'}"
            yield f"| {one.at.name} | {one.at.state} | {found.scheme} | {found.width} | {counts} |"
    for one in seen:
        for what in one.violations:
            yield f"\n* {one.at.name}, {one.at.state}, {what}"


def weight_table(seen: Sequence[Seen]) -> Iterator[str]:
    """Bytes of scripts and styles of each page, without compression; the heaviest of its states."""
    yield f"At most {MOST_OWN_BYTES} bytes of our own on a page; uPlot is vendored and counted beside it.\n"
    yield "| page | own bytes | files | vendored bytes | all |"
    yield "|---|--:|---|--:|--:|"
    for page, states in groupby(sorted(seen, key=lambda one: one.at.name), key=lambda one: one.at.name):
        one = max(states, key=lambda state: state.own_total)
        files = ", ".join(f"{name} {size}" for name, size in one.own_bytes.items())
        vendored = sum(one.vendored_bytes.values())
        yield f"| {page} | {one.own_total} | {files} | {vendored} | {one.own_total + vendored} |"


if __name__ == "__main__":
    raise SystemExit(main())
