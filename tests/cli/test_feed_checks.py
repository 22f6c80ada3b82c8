"""The checks of feeds: each finding names what is wrong and the command that mends it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from joulemark.cli import feed_checks
from joulemark.cli.findings import Finding, Status
from joulemark.config import CollectorConfig, Config, FeedTable
from joulemark.pricing.fetch import Fetch, Outcome
from joulemark.pricing.store import PriceStore
from tests.conftest import ManualClock

HOUR_NS = 3600 * 10**9
AZURE = FeedTable("azure_retail", {"regions": ["eastus"], "instance_types": ["Standard_D2s_v3"]})
SCOPE = "regions=eastus instance_types=Standard_D2s_v3"
READ = "joulemark price update --feed azure_retail"


def attempt(kind: str, scope: str, at_ns: int, **more: Any) -> Fetch:
    return Fetch(**{"feed": kind, "scope": scope, "url": "https://x", "requested_at_ns": at_ns, "fetched_at_ns": at_ns, **more})


def found(folder: Path, table: FeedTable, *fetches: Fetch, path: Path | None = None) -> Finding:
    """The finding on one feed after these attempts."""
    if fetches:
        with PriceStore(folder / "prices.db") as store:
            for one in fetches:
                store.take(one)
    config = Config(collector=CollectorConfig(data_dir=folder), feeds=(table,), path=path)
    (finding,) = feed_checks.all_of(config, ManualClock())
    return finding


NOW_NS = ManualClock().utc_ns()
GOOD = attempt("azure_retail", SCOPE, NOW_NS - 5 * HOUR_NS, outcome=Outcome.OK, rows_parsed=9)


@pytest.mark.parametrize(
    ("fetches", "status", "detail", "mend"),
    [
        ((), Status.WARN, "never read", READ),
        ((GOOD,), Status.OK, "last good reading 5.0 hours ago", ""),
        (
            (GOOD, attempt("azure_retail", SCOPE, NOW_NS, outcome=Outcome.FAILED, error="it is down.")),
            Status.WARN,
            "failing: it is down. last good reading 5.0 hours ago",
            READ,
        ),
        ((attempt("azure_retail", SCOPE, NOW_NS, outcome=Outcome.FAILED, error="no."),), Status.WARN, "nothing of it is known", READ),
        (
            (GOOD, attempt("azure_retail", SCOPE, NOW_NS, outcome=Outcome.HELD, error="shrunk")),
            Status.WARN,
            "held: shrunk; last good reading 5.0",
            f"look at the provider's page, then: {READ} --force",
        ),
        ((replace(GOOD, requested_at_ns=NOW_NS - 50 * HOUR_NS, fetched_at_ns=NOW_NS - 50 * HOUR_NS),), Status.WARN, "stale: ", READ),
        ((replace(GOOD, requested_at_ns=NOW_NS - 900 * HOUR_NS, fetched_at_ns=NOW_NS - 900 * HOUR_NS),), Status.WARN, "expired: ", READ),
    ],
)
def test_what_is_wrong_with_a_feed(tmp_path: Path, fetches: tuple[Fetch, ...], status: Status, detail: str, mend: str) -> None:
    """Never read, failing, held, stale, expired: a warning with its mending command; read lately: ok."""
    finding = found(tmp_path, AZURE, *fetches)
    assert (finding.name, finding.status, finding.mend) == (f"price feed azure_retail {SCOPE}", status, mend)
    assert detail in finding.detail


def test_an_experimental_source_is_told(tmp_path: Path) -> None:
    """A source that was never held against a real reply warns as long as it works, and names how to look at what it brought."""
    finding = found(tmp_path, FeedTable("ecb"), attempt("ecb", "", NOW_NS, outcome=Outcome.OK, rows_parsed=9))
    assert (finding.status, finding.detail.split(":")[0]) == (Status.WARN, "experimental")
    assert finding.mend.endswith("joulemark price fetches --feed ecb")


def test_the_command_names_the_configuration(tmp_path: Path) -> None:
    """Where a file was given the mending command gives it too, quoted for the shell."""
    assert found(tmp_path, AZURE, path=Path("/etc/my own.toml")).mend == f"{READ} --config '/etc/my own.toml'"


def test_what_cannot_be_looked_at_fails(tmp_path: Path) -> None:
    """An unknown kind, and a store that is none, fail with their next step; without a feed there is nothing to find."""
    assert found(tmp_path, FeedTable("azur")).status is Status.FAIL
    (tmp_path / "prices.db").write_text("no database")
    assert found(tmp_path, AZURE).status is Status.FAIL
    assert list(feed_checks.all_of(Config(collector=CollectorConfig(data_dir=tmp_path)), ManualClock())) == []
