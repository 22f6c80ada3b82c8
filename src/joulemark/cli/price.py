"""`joulemark price`: take price files into the store, show what is known, and write it out again, offline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from joulemark import config, nearest
from joulemark.cli import emit, json_option, price_update, printable
from joulemark.cli.price_text import answer_text, export_text, fetches_text, import_text, listing_text
from joulemark.cli.progress import one_by_one, progress
from joulemark.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from joulemark.config import Config
    from joulemark.pricing.fetch import Check
    from joulemark.pricing.gates import Taken
    from joulemark.pricing.price import Price
    from joulemark.pricing.snapshot import Snapshot
    from joulemark.timebase import Clock


config_option = click.option("--config", "config_file", type=click.Path(path_type=Path), help="Configuration file.")


@click.group()
def command() -> None:
    """Import, show and export prices."""


@command.command(name="import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--kind", default="", help="Format of the files, where it is not recognised, for example aws_history.")
@click.option("--provider", default="", help="Provider of a table that does not name it.")
@click.option("--region", default="", help="Region of a table that does not name it.")
@click.option("--force", is_flag=True, help="Take also what differs wildly from the last file of that name.")
@config_option
@json_option
def import_files(
    files: tuple[Path, ...], kind: str, provider: str, region: str, force: bool, config_file: Path | None, as_json: bool
) -> None:
    """Add the prices of FILES to the ones known. Nothing known is changed.

    A price file (TOML or JSON), and tables of other programs, each recognised by what stands in it. When one of several files is wrong,
    none is taken.
    """
    from joulemark.pricing import kept
    from joulemark.pricing.importer import Options
    from joulemark.pricing.intake import Intake
    from joulemark.timebase import SystemClock

    clock, settings = SystemClock(), config.load(config_file)
    kept.place(settings)
    options = Options(provider, region)
    with progress("price files read") as told:
        intakes = [Intake.read(file, clock=clock, kind=kind, options=options) for file in one_by_one(files, told)]
    with kept.opened(settings, clock) as store, progress("price files stored") as told:
        taken = [intake.commit(store, force=force) for intake in one_by_one(intakes, told)]
        known = store.totals()
    result = {
        "schema": "joulemark.price_import/1",
        "file": str(kept.place(settings)),
        "snapshot_id": known.snapshot_id,
        "prices": known.prices,
        "tariffs": known.tariffs,
        "added": sum(one.added.observations for one in taken),
        "files": [file_result(file, one) for file, one in zip(files, taken, strict=True)],
    }
    emit(result, as_json=as_json, text=import_text)
    if held := [f"{file.name}: {one.fetch.error}" for file, one in zip(files, taken, strict=True) if one.fetch.error]:
        raise UsageError(f"held, nothing of it was taken: {'; '.join(held)}", "see why; add --force when the file is right")


@command.command()
@click.option("--provider", help="Provider, for example aws.")
@click.option("--instance", help="Instance type, for example p5.48xlarge.")
@click.option("--region", help="Region, for example us-east-1.")
@click.option("--price-model", default="on_demand", show_default=True, help="How it is rented.")
@click.option("--os", "system", default="linux", show_default=True, help="Operating system in the price.")
@click.option("--zone", help="Zone in the region, of a spot price.")
@click.option("--valid-at", help="When the price held: a date, or a time with its zone. Default: now.")
@click.option("--known-at", help="Only what was known then. Default: everything.")
@config_option
@json_option
def show(
    provider: str | None,
    instance: str | None,
    region: str | None,
    price_model: str,
    system: str,
    zone: str | None,
    valid_at: str | None,
    known_at: str | None,
    config_file: Path | None,
    as_json: bool,
) -> None:
    """Show the known prices, or look up the one price of an instance at a date (--provider, --instance and --region together)."""
    from joulemark.pricing import kept, sources
    from joulemark.pricing.dates import moment_ns
    from joulemark.pricing.price import PriceModel
    from joulemark.timebase import SystemClock

    models = [str(model) for model in PriceModel]
    if price_model not in models:
        hint = nearest.hint(price_model, models, otherwise=f"use one of {', '.join(models)}")
        raise click.UsageError(f"no price model {price_model!r}; {hint}")
    clock, settings = SystemClock(), config.load(config_file)
    valid_at_ns = moment_ns(valid_at, "--valid-at") if valid_at else clock.utc_ns()
    if provider and instance and region:
        answer = kept.known(settings, clock, during=(valid_at_ns, valid_at_ns + 1), instance_type=instance).lookup(
            provider=provider,
            instance_type=instance,
            region=region,
            valid_at_ns=valid_at_ns,
            known_at_ns=moment_ns(known_at, "--known-at") if known_at else None,
            price_model=PriceModel(price_model),
            os=system,
            limits=sources.limits(),
            zone=zone,
        )
        emit({"schema": "joulemark.price/1", **answer.to_json()}, as_json=as_json, text=answer_text)
        if answer.price is None:
            hinted(settings, clock, {"provider": provider, "instance_type": instance, "region": region})
        return
    if valid_at or known_at:
        raise click.UsageError("--valid-at and --known-at need --provider, --instance and --region")
    asked = {"provider": provider, "instance_type": instance, "region": region}
    named: dict[str, Any] = {name: value for name, value in asked.items() if value}
    found = kept.snapshot(settings, clock, last_check=True, **named)
    emit(listing(found), as_json=as_json, text=listing_text)
    if named and not found.prices:
        hinted(settings, clock, named)


def hinted(settings: Config, clock: Clock, asked: Mapping[str, str]) -> None:
    """Say on stderr which of the names that were asked for no known price has, with the nearest one that is known."""
    from joulemark.pricing import kept

    prices = kept.snapshot(settings, clock, last_check=True).prices
    for name, word in asked.items():
        known = {str(getattr(price, name)) for price in prices}
        if known and word not in known:
            hint = nearest.hint(word, sorted(known), otherwise="joulemark price show lists what is known")
            click.echo(f"joulemark: no known price has the {name.replace('_', ' ')} {printable(word)!r}; {hint}", err=True)


@command.command()
@click.option("--as-of", help="Only what was known then: a date, or a time with its zone. Default: everything.")
@click.option("--out", type=click.Path(path_type=Path), help="File to write, ending in .json. Default: standard output.")
@config_option
@json_option
def export(as_of: str | None, out: Path | None, config_file: Path | None, as_json: bool) -> None:
    """Write the known prices as one price file, which `joulemark price import` reads on another machine.

    Equal prices give equal bytes.
    """
    from joulemark.pricing import kept
    from joulemark.pricing.dates import moment_ns
    from joulemark.pricing.sources import manual
    from joulemark.timebase import SystemClock

    known_at_ns = moment_ns(as_of, "--as-of") if as_of else None
    known = kept.snapshot(config.load(config_file), SystemClock(), known_at_ns=known_at_ns)
    if out is None:
        click.echo(manual.text_of(known), nl=False)
        return
    manual.write(out, known)
    counts = {"prices": len(known.prices), "tariffs": len(known.tariffs), "rates": len(known.rates), "carbon": len(known.carbons)}
    result = {"schema": "joulemark.price_export/1", "file": str(out), "snapshot_id": known.snapshot_id, **counts}
    emit(result, as_json=as_json, text=export_text)


@command.command()
@click.option("--feed", help="Only those of this feed, for example azure_retail.")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Show at most so many attempts.")
@config_option
@json_option
def fetches(feed: str | None, limit: int, config_file: Path | None, as_json: bool) -> None:
    """Show how each feed stands, and the last attempts to read prices, failures too, newest first."""
    from joulemark.pricing import kept, sources
    from joulemark.timebase import SystemClock

    clock, settings = SystemClock(), config.load(config_file)
    checks: list[Check] = []
    attempts: list[dict[str, Any]] = []
    if kept.exists(settings):
        with kept.opened(settings, clock) as store:
            checks = [check for check in store.checks() if feed in (None, check.last.feed)]
            for attempt in store.fetches(feed, limit=limit):
                reasons = counted(entry.reason for entry in store.rejected(attempt))
                attempts.append({"fetch_id": attempt.fetch_id, **attempt.to_json(), "reasons": reasons})
    now_ns = clock.utc_ns()
    result = {
        "schema": "joulemark.price_fetches/1",
        "feeds": [standing(check, now_ns) for check in checks],
        "fetches": attempts,
    }
    strange = feed is not None and feed not in sources.KINDS
    hint = f", {nearest.hint(feed or '', sources.KINDS, otherwise='and no feed is called so')}" if strange else ""
    unread = f"{feed} was never read{hint}; without --feed all that was read is shown"
    emit(result, as_json=as_json, text=fetches_text if attempts or feed is None else lambda _: unread)


command.add_command(price_update.command, "update")


def file_result(file: Path, taken: Taken) -> dict[str, Any]:
    """What came of one file."""
    return {
        "file": str(file),
        "kind": taken.fetch.feed,
        "outcome": str(taken.fetch.outcome),
        "added": taken.added.observations,
        "points": taken.added.points,
        "rejected": taken.fetch.rows_rejected,
        "reasons": counted(entry.reason for entry in taken.rejected),
        "error": taken.fetch.error,
    }


def standing(check: Check, now_ns: int) -> dict[str, Any]:
    """How one scope of a feed stands: its last attempt, and the age of the last one that found prices, null where there is none."""
    good_ns = check.good.fetched_at_ns if check.good else None
    last = check.last.to_json()
    return {
        "feed": check.last.feed,
        "scope": check.last.scope,
        "outcome": last["outcome"],
        "tried_at": last["requested_at"],
        "error": check.last.error,
        "good_at": check.good.to_json()["fetched_at"] if check.good else None,
        "age_s": None if good_ns is None else (now_ns - good_ns) // 1_000_000_000,
    }


def counted(reasons: Iterable[str]) -> dict[str, int]:
    """How often each reason was given, the most frequent first."""
    from collections import Counter

    return dict(Counter(reasons).most_common())


def listing(known: Snapshot) -> dict[str, Any]:
    """Each price as it was seen last, and every tariff."""
    last: dict[tuple[str, int], Price] = {}
    for price in sorted(known.prices, key=lambda price: (price.known_ns, price.fetched_at_ns)):
        last[price.point_id, price.effective_from_ns] = price
    return {
        "schema": "joulemark.price_list/1",
        "snapshot_id": known.snapshot_id,
        "prices": [price.record() for price in known.prices if last[price.point_id, price.effective_from_ns] is price],
        "tariffs": [t.record() for t in known.tariffs],
    }
