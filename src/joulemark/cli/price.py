"""`joulemark price`: import price files and show what is known, offline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from joulemark import config
from joulemark.cli import emit, json_option

if TYPE_CHECKING:
    from joulemark.pricing.snapshot import Snapshot


@click.group()
def command() -> None:
    """Import and show price snapshots."""


@command.command(name="import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="Configuration file.")
@json_option
def import_files(files: tuple[Path, ...], config_file: Path | None, as_json: bool) -> None:
    """Add the prices and tariffs of FILES (TOML or JSON) to the ones known. Nothing known is changed."""
    from joulemark.pricing.snapshot import Snapshot
    from joulemark.pricing.sources import manual

    store = store_path(config_file)
    before = manual.read(store) if store.exists() else Snapshot()
    after = before
    for file in files:
        after = after.joined(manual.read(file))
    if after != before:
        manual.write(store, after)
    result = {
        "schema": "joulemark.price_import/1",
        "file": str(store),
        "snapshot_id": after.snapshot_id,
        "prices": len(after.prices),
        "tariffs": len(after.tariffs),
        "added": len(after.prices) + len(after.tariffs) - len(before.prices) - len(before.tariffs),
    }
    emit(result, as_json=as_json, text=import_text)


@command.command()
@click.option("--provider", help="Provider, for example aws.")
@click.option("--instance", help="Instance type, for example p5.48xlarge.")
@click.option("--region", help="Region, for example us-east-1.")
@click.option("--price-model", default="on_demand", show_default=True, help="How it is rented.")
@click.option("--os", "system", default="linux", show_default=True, help="Operating system in the price.")
@click.option("--valid-at", help="When the price held: a date, or a time with its zone. Default: now.")
@click.option("--known-at", help="Only what was known then. Default: everything.")
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="Configuration file.")
@json_option
def show(
    provider: str | None,
    instance: str | None,
    region: str | None,
    price_model: str,
    system: str,
    valid_at: str | None,
    known_at: str | None,
    config_file: Path | None,
    as_json: bool,
) -> None:
    """Show the known prices, or look up the one price of an instance at a date (--provider, --instance and --region together)."""
    from joulemark.pricing.dates import moment_ns
    from joulemark.pricing.price import PriceModel
    from joulemark.timebase import SystemClock

    models = [str(model) for model in PriceModel]
    if price_model not in models:
        raise click.UsageError(f"no price model {price_model!r}; use one of {', '.join(models)}")
    valid_at_ns = moment_ns(valid_at, "--valid-at") if valid_at else SystemClock().utc_ns()
    snapshot = known(store_path(config_file))
    if provider and instance and region:
        answer = snapshot.lookup(
            provider=provider,
            instance_type=instance,
            region=region,
            valid_at_ns=valid_at_ns,
            known_at_ns=moment_ns(known_at, "--known-at") if known_at else None,
            price_model=PriceModel(price_model),
            os=system,
        )
        emit({"schema": "joulemark.price/1", **answer.to_json()}, as_json=as_json, text=answer_text)
        return
    if valid_at or known_at:
        raise click.UsageError("--valid-at and --known-at need --provider, --instance and --region")
    emit(listing(snapshot, provider=provider, instance=instance, region=region), as_json=as_json, text=listing_text)


def store_path(config_file: Path | None) -> Path:
    """The file of the known prices: `prices.file` of the configuration, else `prices.json` in the data directory."""
    settings = config.load(config_file)
    return settings.prices.file or settings.collector.data_dir / "prices.json"


def known(store: Path) -> Snapshot:
    """The prices imported so far; an empty snapshot before the first import."""
    from joulemark.pricing.snapshot import Snapshot
    from joulemark.pricing.sources import manual

    return manual.read(store) if store.exists() else Snapshot()


def listing(snapshot: Snapshot, *, provider: str | None, instance: str | None, region: str | None) -> dict[str, Any]:
    """The prices that fit the given parts of their name, and every tariff."""
    prices = [
        p.record()
        for p in snapshot.prices
        if (provider or p.provider).lower() == p.provider.lower()
        and (instance or p.instance_type).lower() == p.instance_type.lower()
        and (region or p.region).lower() == p.region.lower()
    ]
    return {
        "schema": "joulemark.price_list/1",
        "snapshot_id": snapshot.snapshot_id,
        "prices": prices,
        "tariffs": [t.record() for t in snapshot.tariffs],
    }


def import_text(result: dict[str, Any]) -> str:
    """What an import changed."""
    return f"{result['added']} added; {result['prices']} prices and {result['tariffs']} tariffs in {result['file']}"


def answer_text(answer: dict[str, Any]) -> str:
    """The answer or its reason; then what else was near."""
    lines = [f"{answer['status']}: {price_line(answer['price']) if answer['price'] else answer['reason']}"]
    lines += [f"  candidate: {price_line(c)}" for c in answer["candidates"]]
    return "\n".join(lines)


def listing_text(listed: dict[str, Any]) -> str:
    """One line per price and per tariff."""
    lines = [price_line(p) for p in listed["prices"]] + [tariff_line(t) for t in listed["tariffs"]]
    return "\n".join(lines) or "No prices are known. Add some with: joulemark price import FILE"


def price_line(price: dict[str, Any]) -> str:
    """A price with its dates and its source."""
    name = f"{price['provider']} {price['instance_type']} {price['region']} {price['price_model']}"
    amount = f"{price['amount']} {price['currency']}/{price['unit']} from {price['effective_from']}"
    return f"{name} {amount}, read {price['fetched_at']} at {price['source_url']}"


def tariff_line(tariff: dict[str, Any]) -> str:
    """A tariff with its PUE and its date."""
    amount = f"{tariff['amount']} {tariff['currency']}/kWh ({tariff['amount_basis']})"
    return f"tariff {tariff['zone']} {amount}, PUE {tariff['pue']} ({tariff['pue_basis']}), from {tariff['effective_from']}"
