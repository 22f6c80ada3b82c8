"""The documentation is current, whole and reachable, and what it prints as code works. Names and links: tests/docs."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from joulemark.benchmarks import aiperf_names, genai_perf, llmperf, mlperf, sglang, vllm
from joulemark.benchmarks import joulemark as joulemark_run

HOW_TOS = {
    "install agents": "install-agents",
    "add a meter": "add-a-meter",
    "calibrate": "align-a-bmc",
    "attach": "attach-an-energy-card",
    "run a board": "run-a-board",
    "follow another board": "follow-a-board",
    "move to ClickHouse": "move-to-clickhouse",
    "use with vLLM": "use-with-vllm",
    "use with AIPerf": "use-with-aiperf",
    "use with MLPerf": "use-with-mlperf",
    "use with Slurm": "use-with-slurm",
}
"""Words by which somebody looks for a page, and the page."""


def text(repository: Path, page: str) -> str:
    return (repository / "docs" / page).read_text(encoding="utf-8")


def test_generated_pages_are_current(repository: Path) -> None:
    """The help of every command and the documented defaults stand in the reference as the program prints them."""
    done = subprocess.run([repository / "scripts/docs", "--check"], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_map_of_the_house_is_true(repository: Path) -> None:
    """The README's map names every package, and nothing that is not there."""
    rows = re.findall(r"^\| (`.+`) \|", (repository / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    named = {name.removeprefix("src/joulemark/") for row in rows for name in re.findall(r"`([^`]+)`", row)}
    package = repository / "src" / "joulemark"
    assert {p.parent.name for p in package.glob("*/__init__.py")} - named == set()
    assert [n for n in named if not any(list(root.glob(n)) for root in (package, repository))] == []


def test_decisions_are_numbered(repository: Path) -> None:
    """Every decision has a number of its own, in a row from 1, the same in its file's name and in its title."""
    pages = sorted((repository / "docs" / "adr").glob("*.md"))
    titles = [page.read_text(encoding="utf-8").partition(".")[0] for page in pages]
    assert [page.name[:4] for page in pages] == [f"{number:04}" for number in range(1, len(pages) + 1)]
    assert titles == [f"# {number}" for number in range(1, len(pages) + 1)]


def test_every_page_is_reachable(repository: Path) -> None:
    """Each page of the Diataxis folders is linked from the index or from a page that is."""
    docs = repository / "docs"
    seen: set[Path] = set()
    queue = [docs / "index.md"]
    while queue:
        page = queue.pop().resolve()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        queue += [page.parent / t for t in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")) if "://" not in t]
    pages = {
        p.resolve() for folder in ("tutorials", "how-to", "reference", "explanation", "standard") for p in (docs / folder).rglob("*.md")
    }
    assert pages - seen == set()


@pytest.mark.parametrize("words", HOW_TOS)
def test_a_how_to_is_found_by_its_words(repository: Path, words: str) -> None:
    """They stand in the title of the page, which the navigation of the site shows, and in the row of the index that leads to it."""
    page = f"how-to/{HOW_TOS[words]}.md"
    title = text(repository, page).partition("\n")[0]
    rows = [row for row in text(repository, "index.md").splitlines() if f"]({page})" in row]
    assert words.lower() in title.lower()
    assert [row for row in rows if words.lower() in row.lower()] != []


def test_meter_of_the_how_to_works(repository: Path, tmp_path: Path) -> None:
    """The driver printed in the how-to, registered as it says, answers a probe."""
    (code,) = re.findall(r"^```python\n(.*?)^```$", text(repository, "how-to/add-a-meter.md"), re.MULTILINE | re.DOTALL)
    info = tmp_path / "steady-0.1.dist-info"
    info.mkdir()
    (tmp_path / "steady.py").write_text(code)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: steady\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[joulemark.meters]\nsteady = steady:DRIVER\n")
    command = [sys.executable, "-m", "joulemark", "meters", "probe", "steady", "--count", "2", "--json"]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (meter,) = json.loads(done.stdout)["meters"]
    assert (meter["value_si"], meter["good"]) == (42.0, 2)


def test_recorded_benchmarks_are_documented(repository: Path) -> None:
    """The how-to names every file pattern that a benchmark's reader looks for."""
    page = text(repository, "how-to/use-recorded-logs.md").replace("[.gz]", "")
    readers = (mlperf, joulemark_run, vllm, sglang, genai_perf, llmperf)
    prefixed = aiperf_names.Names.prefixed("foo")
    files = [aiperf_names.MANIFEST, *dataclasses.astuple(aiperf_names.DEFAULT), *dataclasses.astuple(prefixed)]
    named = [*(pattern for reader in readers for pattern in reader.PATTERNS), *files]
    patterns = {pattern.removesuffix(".gz") for pattern in named}
    assert [p for p in patterns if f"`{p}`" not in page] == []
