"""What `joulemark price` prints for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

DAY_S: Final = 86_400


def import_text(result: Mapping[str, Any]) -> str:
    """What an import changed, one line per file, then the sum."""
    lines = [line for file in result["files"] for line in file_lines(file)]
    counts = f"{result['prices']} prices and {result['tariffs']} tariffs in {result['file']}"
    return "\n".join([*lines, f"{result['added']} added; {counts}"])


def file_lines(file: Mapping[str, Any]) -> list[str]:
    """What came of one file, and why rows of it became no price."""
    what = "held" if file["error"] else f"{file['added']} added, {file['points']} of them not known before"
    first = f"{file['file']} ({file['kind']}): {what}, {file['rejected']} rows refused"
    return [first, *(f"  {count} x {reason}" for reason, count in file["reasons"].items())]


def answer_text(answer: Mapping[str, Any]) -> str:
    """The answer or its reason; the price as seen afterwards and as stated by the newest list; why; then what else was near."""
    lines = [f"{answer['status']}: {price_line(answer['price']) if answer['price'] else answer['reason']}"]
    lines += [f"  {name}: {price_line(answer[name])}" for name in ("after", "stated") if answer[name]]
    lines += [f"  {sentence}" for sentence in answer["trace"]]
    lines += [f"  candidate: {price_line(c)}" for c in answer["candidates"]]
    return "\n".join(lines)


def listing_text(listed: Mapping[str, Any]) -> str:
    """One line per price and per tariff."""
    lines = [price_line(p) for p in listed["prices"]] + [tariff_line(t) for t in listed["tariffs"]]
    return "\n".join(lines) or "No prices are known. Add some with: joulemark price import FILE"


def export_text(result: Mapping[str, Any]) -> str:
    """What was written."""
    counts = ", ".join(f"{result[name]} {name}" for name in ("prices", "tariffs", "rates", "carbon"))
    return f"{counts} written to {result['file']}; snapshot {result['snapshot_id']}"


def fetches_text(result: Mapping[str, Any]) -> str:
    """One line per feed, then one per attempt."""
    if not result["fetches"]:
        return "No prices were ever read. Add some with: joulemark price import FILE"
    return "\n".join([*(feed_line(feed) for feed in result["feeds"]), "", *(fetch_line(fetch) for fetch in result["fetches"])])


def feed_line(feed: Mapping[str, Any]) -> str:
    """How a feed stands."""
    name = " ".join(part for part in (feed["feed"], feed["scope"]) if part)
    good = "never read" if feed["good_at"] is None else f"last good {second(feed['good_at'])}, {feed['age_s'] / DAY_S:.1f} days ago"
    return f"{name}: {good}; last attempt {second(feed['tried_at'])} {feed['outcome']}{': ' + feed['error'] if feed['error'] else ''}"


def fetch_line(fetch: Mapping[str, Any]) -> str:
    """An attempt with its counts, and why it or its rows were refused."""
    name = " ".join(part for part in (fetch["feed"], fetch["scope"]) if part)
    first = f"{second(fetch['requested_at'])} {name} {fetch['outcome']}: {fetch['rows_parsed']} taken, {fetch['rows_rejected']} refused"
    reasons = [fetch["error"]] if fetch["error"] else []
    return "\n".join([first, *(f"  {reason}" for reason in reasons), *(f"  {n} x {reason}" for reason, n in fetch["reasons"].items())])


def price_line(price: Mapping[str, Any]) -> str:
    """A price with its dates and its source."""
    name = f"{price['provider']} {price['instance_type']} {price['region']} {price['price_model']}"
    amount = f"{price['amount']} {price['currency']}/{price['unit']} from {price['effective_from']}"
    listed = f", listed {second(price['published_at'])}" if price["published_at"] else ""
    return f"{name} {amount}{listed}, read {second(price['fetched_at'])} at {price['source_url']}"


def second(moment: str) -> str:
    """A time without the fractions of its second."""
    return f"{moment.removesuffix('Z').partition('.')[0]}Z"


def tariff_line(tariff: Mapping[str, Any]) -> str:
    """A tariff with its PUE and its date."""
    amount = f"{tariff['amount']} {tariff['currency']}/kWh ({tariff['amount_basis']})"
    return f"tariff {tariff['zone']} {amount}, PUE {tariff['pue']} ({tariff['pue_basis']}), from {tariff['effective_from']}"
