"""The documentation names everything that exists, and its links lead somewhere."""

from __future__ import annotations

import dataclasses
import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import click
import pytest

from joulemark import cli, config, errors
from joulemark.agent.wiring import RunnerConfig
from joulemark.benchmarks import aiperf_names, genai_perf, llmperf, mlperf, sglang, vllm
from joulemark.benchmarks import joulemark as joulemark_run
from joulemark.cli import COMMANDS
from joulemark.collector.api import app, fleet_metrics, health, price_metrics, serving_metrics

TABLES = {
    "agent": config.AgentConfig,
    "collector": config.CollectorConfig,
    "client": config.ClientConfig,
    "spool": config.SpoolConfig,
    "tls": config.TlsConfig,
    "limits": config.LimitsConfig,
    "prices": config.PricesConfig,
}


def text(repository: Path, page: str) -> str:
    return (repository / "docs" / page).read_text(encoding="utf-8")


def test_generated_pages_are_current(repository: Path) -> None:
    """The help of every command and the documented defaults stand in the reference as the program prints them."""
    done = subprocess.run([repository / "scripts/docs", "--check"], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_command_is_documented(repository: Path, command: str) -> None:
    """Every command has its section in the reference."""
    assert f"\n## joulemark {command}\n" in text(repository, "reference/cli.md")


@pytest.mark.parametrize("table", TABLES)
def test_config_keys_are_documented(repository: Path, table: str) -> None:
    """Every key of every table stands in the reference, below its table."""
    _, _, rest = text(repository, "reference/config.md").partition(f"\n[{table}]\n")
    section = rest.partition("\n[")[0]
    missing = [f.name for f in dataclasses.fields(TABLES[table]) if not re.search(rf"^(# )?{f.name} =", section, re.MULTILINE)]
    assert missing == []


def test_keys_of_any_meter_are_documented(repository: Path) -> None:
    """The keys that every [[meter]] table may have stand in the reference."""
    page = text(repository, "reference/config.md")
    assert [f.name for f in dataclasses.fields(RunnerConfig) if f"| `{f.name}` |" not in page] == []


def test_routes_are_documented(repository: Path) -> None:
    """Every route of the REST application has its row, and no other route has one."""
    paths = app.create(cast("Any", None)).openapi()["paths"]
    served = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods} | {"GET /"}
    assert set(re.findall(r"^\| `([A-Z]+ /[^`]*)` \|", text(repository, "reference/rest.md"), re.MULTILINE)) == served


def test_metrics_are_documented(repository: Path) -> None:
    """Every metric that the collector publishes has its row with its type, and no other has one."""
    sources = "".join(map(inspect.getsource, (health.metrics, price_metrics.lines, serving_metrics.lines, fleet_metrics.lines)))
    published = set(re.findall(r'metric\("(\w+)", "(\w+)"', sources))
    rows = re.findall(r"^\| `joulemark_(\w+)` \| (\w+) \|", text(repository, "reference/metrics.md"), re.MULTILINE)
    assert set(rows) == published


def json_commands(command: click.Command, name: str) -> Iterator[str]:
    """Full names of the commands below `command` that take --json."""
    if any("--json" in parameter.opts for parameter in command.params):
        yield name
    if isinstance(command, click.Group):
        context = click.Context(command)
        for child in command.list_commands(context):
            if (found := command.get_command(context, child)) is not None:
                yield from json_commands(found, f"{name} {child}")


def test_json_of_every_command_is_documented(repository: Path) -> None:
    """Every command that takes --json has a section that says what it prints, and no other has one."""
    sections = re.findall(r"^## (joulemark .+)$", text(repository, "reference/cli-json.md"), re.MULTILINE)
    assert set(sections) == set(json_commands(cli.group, "joulemark"))


def test_exit_codes_are_documented(repository: Path) -> None:
    """Every error stands in the row of its own exit code."""
    rows = dict(re.findall(r"^\| (\d+) \|(.*)\|$", text(repository, "reference/exit-codes.md"), re.MULTILINE))
    kinds = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, errors.JoulemarkError)]
    assert [k.__name__ for k in kinds if f"`{k.__name__}`" not in rows[str(k.exit_code)]] == []
    assert {"0", "130"} <= set(rows)


def test_map_of_the_house_is_true(repository: Path) -> None:
    """The README's map names every package, and nothing that is not there."""
    rows = re.findall(r"^\| (`.+`) \|", (repository / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    named = {name.removeprefix("src/joulemark/") for row in rows for name in re.findall(r"`([^`]+)`", row)}
    package = repository / "src" / "joulemark"
    assert {p.parent.name for p in package.glob("*/__init__.py")} - named == set()
    assert [n for n in named if not any(list(root.glob(n)) for root in (package, repository))] == []


def test_links_lead_somewhere(repository: Path) -> None:
    """Every relative link in the README and the documentation names a file that exists."""
    broken = []
    for page in [repository / "README.md", *sorted((repository / "docs").rglob("*.md"))]:
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(repository)}: {target}")
    assert broken == []


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
