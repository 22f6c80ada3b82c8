"""What `joulemark price` prints for people: counts, reasons, and never a figure for what is not known."""

from __future__ import annotations

from typing import Any

from joulemark.cli.price_text import answer_text, export_text, fetches_text, import_text
from tests.pricing.records import CUT, price

NOTHING: dict[str, Any] = {"price": None, "after": None, "stated": None, "age_s": None, "reason": "", "trace": [], "candidates": []}


def standing(**changes: Any) -> dict[str, Any]:
    return {
        "feed": "vast",
        "scope": "H100",
        "outcome": "failed",
        "tried_at": "2026-08-01T00:00:00.5Z",
        "error": "HTTP 503",
        "good_at": None,
        "age_s": None,
        **changes,
    }


def attempt(**changes: Any) -> dict[str, Any]:
    common = {
        "feed": "vast",
        "scope": "",
        "outcome": "ok",
        "requested_at": "2026-08-01T00:00:00.5Z",
        "error": "",
        "rows_parsed": 7,
        "rows_rejected": 0,
    }
    return {**common, "reasons": {}, **changes}


def test_a_feed_that_was_never_read_has_no_age() -> None:
    """Without a good reading it says so, and what stood in the way; with one, when that was and how long ago."""
    never, good = fetches_text(
        {"feeds": [standing(), standing(outcome="ok", error="", good_at="2026-07-30T12:00:00.25Z", age_s=129_600)], "fetches": [attempt()]}
    ).splitlines()[:2]
    assert never == "vast H100: never read; last attempt 2026-08-01T00:00:00Z failed: HTTP 503"
    assert good == "vast H100: last good 2026-07-30T12:00:00Z, 1.5 days ago; last attempt 2026-08-01T00:00:00Z ok"


def test_an_attempt_tells_what_was_refused() -> None:
    """Below an attempt stand its error and each reason with its count."""
    held = attempt(outcome="held", error="too few", rows_rejected=3, reasons={"zero": 2, "capacity_block_unpriced": 1})
    lines = fetches_text({"feeds": [], "fetches": [held]}).splitlines()
    assert lines[1:] == ["2026-08-01T00:00:00Z vast held: 7 taken, 3 refused", "  too few", "  2 x zero", "  1 x capacity_block_unpriced"]


def test_an_import_tells_each_file() -> None:
    """Each file has its line, a held one is called so, and the sum stands last."""
    one = {"file": "a.csv", "kind": "gpuhunt", "added": 5, "points": 2, "rejected": 0, "reasons": {}, "error": ""}
    held = {**one, "file": "b.csv", "added": 0, "error": "too few"}
    text = import_text({"files": [one, held], "added": 5, "prices": 5, "tariffs": 0, "file": "prices.db"})
    assert text.splitlines() == [
        "a.csv (gpuhunt): 5 added, 2 of them not known before, 0 rows refused",
        "b.csv (gpuhunt): held, 0 rows refused",
        "5 added; 5 prices and 0 tariffs in prices.db",
    ]


def test_no_price_is_its_reason() -> None:
    """A missing price shows the reason where an amount would stand, then what was near."""
    text = answer_text({**NOTHING, "status": "missing", "reason": "none of them", "candidates": [price().record()]})
    assert text.splitlines()[0] == "missing: none of them"
    assert text.splitlines()[1].startswith("  candidate: aws p5.48xlarge us-east-1 on_demand 98.32 USD/h")


def test_a_changed_price_shows_both() -> None:
    """What counted, what was seen afterwards, what the newest list states and why stand below each other."""
    answer = {**NOTHING, "status": "changed", "price": price().record(), "after": price(**CUT).record(), "trace": ["it fell"]}
    lines = answer_text(answer).splitlines()
    assert lines[0].startswith("changed: aws p5.48xlarge us-east-1 on_demand 98.32 USD/h")
    assert lines[1].startswith("  after: aws p5.48xlarge us-east-1 on_demand 55.04 USD/h")
    assert lines[2:] == ["  it fell"]
    listed = {**NOTHING, "status": "late", "price": price(published_at="2025-05-29T21:09:42.5Z").record()}
    assert ", listed 2025-05-29T21:09:42Z, read 2024-02-05T20:41:07Z at" in answer_text(listed)


def test_an_export_counts_what_it_wrote() -> None:
    """Every kind of record is counted."""
    result = {"prices": 1, "tariffs": 2, "rates": 3, "carbon": 4, "file": "x.json", "snapshot_id": "ab"}
    assert export_text(result) == "1 prices, 2 tariffs, 3 rates, 4 carbon written to x.json; snapshot ab"
