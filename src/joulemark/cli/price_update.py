"""`joulemark price update`: read the configured feeds of prices once, now, with or without a running collector."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from joulemark import config, nearest
from joulemark.cli import emit, json_option
from joulemark.cli.progress import progress
from joulemark.errors import RemoteUnreachable, UsageError

if TYPE_CHECKING:
    from joulemark.collector.feeds import Feed
    from joulemark.config import Config
    from joulemark.pricing.gates import Taken


@click.command()
@click.option("--feed", "kinds", multiple=True, help="Only feeds of this kind, for example azure_retail; may be repeated.")
@click.option("--force", is_flag=True, help="Take also what differs wildly from the last good list.")
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="Configuration file with [[feed]] tables.")
@json_option
def command(kinds: tuple[str, ...], force: bool, config_file: Path | None, as_json: bool) -> None:
    """Read the configured feeds now, all at once; for machines whose collector does not run all the time.

    Whatever fails or is held leaves what is known as it is. Exits 6 when a feed could not be read, 2 when one is held.
    """
    import asyncio

    from joulemark.collector.feeds import feeds_of

    settings = config.load(config_file)
    configured = feeds_of(settings)
    feeds = [feed for feed in configured if not kinds or feed.kind in kinds]
    if not feeds:
        what = f"no feed of kind {', '.join(kinds)} is configured" if kinds else "no feed is configured"
        add = "add a [[feed]] table to the configuration; joulemark config default shows every kind"
        raise UsageError(what, nearest.hint(kinds[0], [feed.kind for feed in configured], otherwise=add) if kinds else add)
    taken = asyncio.run(updated(feeds, settings, force=force))
    result = {"schema": "joulemark.price_update/1", "feeds": [feed_result(feed, one) for feed, one in zip(feeds, taken, strict=True)]}
    emit(result, as_json=as_json, text=text)
    if failed := [one.fetch.feed for one in taken if one.fetch.outcome == "failed"]:
        raise RemoteUnreachable(f"not read: {', '.join(failed)}", "what is known stays in use; joulemark price fetches tells how old it is")
    if held := [one.fetch.feed for one in taken if one.fetch.outcome == "held"]:
        raise UsageError(f"held, nothing of it was taken: {', '.join(held)}", "look at the provider's page; add --force when it is right")


async def updated(feeds: list[Feed], settings: Config, *, force: bool) -> list[Taken]:
    """What came of each feed, in their order; none waits for another. Raises what `PriceStore` does."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor
    from dataclasses import replace

    from joulemark.collector.refresh import gatherer
    from joulemark.timebase import SystemClock

    with ThreadPoolExecutor(1) as writer:
        reader = replace(gatherer(settings, SystemClock()), writer=writer)
        reading = [asyncio.ensure_future(reader.gather(feed, force=force)) for feed in feeds]
        with progress("feeds read") as told:
            for one in reading:
                one.add_done_callback(lambda _: told(sum(each.done() for each in reading), len(reading)))
            gathered = await asyncio.gather(*reading)
    return [one.taken for one in gathered]


def feed_result(feed: Feed, taken: Taken) -> dict[str, Any]:
    """What came of one feed."""
    return {
        "feed": feed.kind,
        "scope": feed.scope,
        "outcome": str(taken.fetch.outcome),
        "rows": taken.fetch.rows_parsed,
        "rows_refused": taken.fetch.rows_rejected,
        "added": taken.added.observations,
        "points": taken.added.points,
        "error": taken.fetch.error,
    }


def text(result: Mapping[str, Any]) -> str:
    """One line per feed."""
    return "\n".join(line(feed) for feed in result["feeds"])


def line(feed: Mapping[str, Any]) -> str:
    """A feed with its counts, or why it brought nothing."""
    name = f"{feed['feed']} {feed['scope']}".rstrip()
    if feed["error"]:
        return f"{name}: {feed['outcome']}: {feed['error']}"
    if feed["outcome"] == "not_modified":
        return f"{name}: not changed"
    return f"{name}: {feed['rows']} rows, {feed['added']} added, {feed['points']} of them not known before, {feed['rows_refused']} refused"
