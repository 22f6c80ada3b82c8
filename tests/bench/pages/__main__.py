"""`make pages-bench`: the first paint of every page beside a route that does nothing, and a day of eight GPUs from store to canvas.

A real collector and the browser, on one machine, with whatever else runs there: times are told, what is judged are ratios, bytes, and that
the long trace is drawn in a few seconds at all. HOURS: length of the run, 24 unless set. Writes Markdown and ends with one JSON line.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any, Final

from playwright.sync_api import Browser

from joulemark.client import Client
from tests.bench.pages import day
from tests.bench.pages.told import Paint, Traced, line_of, tables, wrong
from tests.browser.chromium import chromium, looking
from tests.browser.pages import PAGES, address
from tests.browser.scene import Scene
from tests.collector.conftest import Collector

TRIVIAL: Final = "/healthz"
TURNS: Final = 5
STROKES: Final = """
window.strokes = [];
const stroke = CanvasRenderingContext2D.prototype.stroke;
CanvasRenderingContext2D.prototype.stroke = function (...path) { stroke.apply(this, path); strokes.push(performance.now()); };
"""
"""Notes down when a line is drawn."""
PAINT: Final = "() => performance.getEntriesByName('first-contentful-paint').map((one) => one.startTime)[0] ?? null"
TIMES: Final = """() => {
  const answered = (entries) => Math.max(...entries.map((one) => one.responseEnd));
  const page = performance.getEntriesByType("navigation");
  const traces = performance.getEntriesByType("resource").filter((one) => one.name.includes("/trace"));
  return {answered_ms: answered([...page, ...traces]), page_bytes: page[0].decodedBodySize, last_ms: strokes.at(-1)};
}"""


def painted(browser: Browser, url: str) -> float:
    """Ms from asking for a page to the first of it that is seen, in a browser that has loaded nothing before."""
    with looking(browser) as context:
        page = context.new_page()
        page.goto(url, wait_until="load")
        page.wait_for_function(f"() => ({PAINT})() !== null")
        found: float = page.evaluate(PAINT)
        return found


def paints(scene: Scene, browser: Browser) -> Iterator[Paint]:
    """Every page and the trivial route in turn; the first turn warms both sides up."""
    places = {TRIVIAL: scene.full.url + TRIVIAL} | {kind.name: address(scene, route, "data").url for route, kind in PAGES.items()}
    taken: dict[str, list[float]] = {name: [] for name in places}
    for turn in range(TURNS + 1):
        for name, url in places.items():
            took_ms = painted(browser, url)
            if turn:
                taken[name].append(took_ms)
    null_ms = median(taken.pop(TRIVIAL))
    for name, times in taken.items():
        yield Paint(name, median(times), max(times), null_ms)


def asked(client: Client, path: str) -> tuple[float, int]:
    """Ms and bytes of an answer."""
    begun = time.perf_counter()
    size = len(client.download(path))
    return (time.perf_counter() - begun) * 1000, size


def traced(browser: Browser, url: str, *, hours: float, readings: int, end_ns: int) -> Traced:
    """The page of the run over the day: first without anything computed before, then again."""
    client = Client(url)
    run_id = day.told(client, hours=hours, end_ns=end_ns)
    first_ms, _ = asked(client, f"/runs/{run_id}")
    settled_ms = until(lambda: client.energy(run_id)["settled"])
    cold_ms, payload = asked(client, f"/v1/runs/{run_id}/trace?buckets=2000")
    warm_ms, _ = asked(client, f"/v1/runs/{run_id}/trace?buckets=2000")
    with looking(browser) as context:
        context.add_init_script(STROKES)
        page = context.new_page()
        page.goto(f"{url}/runs/{run_id}", wait_until="load")
        page.wait_for_function("() => window.strokes.length > 4", timeout=120_000)
        page.wait_for_timeout(500)
        seen: dict[str, Any] = page.evaluate(TIMES)
        page_ms = page.evaluate(PAINT)
    return Traced(
        readings=readings,
        first_page_ms=first_ms,
        energy_ms=settled_ms,
        trace_cold_ms=cold_ms,
        trace_ms=warm_ms,
        trace_bytes=payload,
        paint_ms=page_ms,
        drawn_ms=seen["last_ms"] - seen["answered_ms"],
        page_bytes=seen["page_bytes"],
    )


def until(so: Callable[[], Any]) -> float:
    """Ms until it is so."""
    begun = time.perf_counter()
    while not so():
        time.sleep(0.1)
    return (time.perf_counter() - begun) * 1000


def main() -> int:
    """Both measurements and what they come to."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that nothing is left running
    hours = float(os.environ.get("HOURS") or 24)
    with tempfile.TemporaryDirectory(prefix="jm-") as name:
        folder, end_ns = Path(name), day.now_ns()
        with Scene(folder / "scene", length_s=5.0) as scene, chromium() as browser:
            print("first paint of every page", file=sys.stderr)
            seen = list(paints(scene, browser))
        (folder / "day" / "data").mkdir(parents=True)
        readings = day.written(folder / "day" / "data" / "readings.db", hours=hours, end_ns=end_ns)
        print(f"{readings} readings stored", file=sys.stderr)
        collector = Collector(folder / "day").start()
        try:
            with chromium() as browser:
                long = traced(browser, collector.rest, hours=hours, readings=readings, end_ns=end_ns)
        finally:
            collector.stop()
    print("\n".join(tables(seen, long)))
    faults = list(wrong(seen, long))
    for what in faults:
        print(what, file=sys.stderr)
    print(json.dumps({**line_of(seen, long), "passed": not faults}))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
