"""`joulemark cost`: what a run costs at the prices of a date and a place, and what two machines would cost in a year."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from joulemark.cli import emit, json_option
from joulemark.cli.cost_text import cost_text
from joulemark.cli.given import BASES, Given, profile_of
from joulemark.cli.projection_text import projection_text
from joulemark.errors import FormatError, InsufficientData, UsageError

OF = "of"


class WithDefault(click.Group):
    """A group whose first word, where it is none of its commands, is what the command `of` is about."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [OF, *args]
        return super().parse_args(ctx, args)


def number(_ctx: click.Context, param: click.Parameter, value: str | None) -> Decimal | None:
    """An option that is an exact number of 0 or more. Raises UsageError."""
    from joulemark.pricing import money

    try:
        return None if value is None else money.amount(value, f"--{param.name}".replace("_", "-"))
    except FormatError as error:
        raise UsageError(error.what, "write it as plain digits") from error


url_option = click.option("--url", metavar="URL", help="Collector's pages, for a run by its id. Default: $JOULEMARK_URL, else client.url.")


@click.group(cls=WithDefault, context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """What a run costs: joulemark cost BUNDLE is short for joulemark cost of BUNDLE."""


@command.command(name=OF)
@click.argument("run", metavar="RUN|BUNDLE")
@click.option("--price", "prices", multiple=True, metavar="FILE|AMOUNT", help="Price file, or one price as 55.04USD/h or 6.88USD/GPU-h.")
@click.option("--as-of", help="Prices of this date, as if the run had begun then. Default: when it began.")
@click.option("--known-at", help="Only what was known then. Default: everything.")
@click.option("--provider", help="As if rented from this provider.")
@click.option("--region", help="As if rented in this region.")
@click.option("--instance", help="As if this instance type had been rented.")
@click.option("--price-model", help="As if rented so: on_demand, spot, reserved ...")
@click.option("--os", "system", help="As if rented with this operating system.")
@click.option("--basis", type=click.Choice(BASES), default=BASES[0], show_default=True, help="Charge the measured phases, or all the time.")
@click.option("--share", metavar="USED/RENTED", help="Charge only this part of the GPUs of the instance.")
@click.option("--share-any-list", is_flag=True, help="Take the share even where the price list is not linear.")
@click.option("--billing-minimum", metavar="SECONDS", callback=number, help="Charge at least so many seconds.")
@click.option("--split", metavar="METHOD", help="Split the rent over input and output: equal_token, weight:4 or prefill_decode_time.")
@click.option("--profile", type=click.Path(path_type=Path), metavar="FILE", help="A machine of one's own: joulemark.onprem/1 as TOML.")
@click.option("--tariff", metavar="AMOUNT", help="Electricity at this tariff, as 0.12USD/kWh.")
@click.option("--tariff-zone", help="Electricity of this zone, as price files name it.")
@click.option("--pue", metavar="NUMBER", callback=number, help="PUE in place of the tariff's; of the profile, where that states one.")
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="Configuration file.")
@url_option
@json_option
def of(run: str, url: str | None, as_json: bool, **given: Any) -> None:
    """Price a run again: with the prices in its bundle, or of another date, place, machine or tariff.

    RUN is the folder of a bundle, a packed one, or the id of a run of the collector. Once a date, place or machine is named, the
    prices known on this machine count beside those in the bundle; with --price only those given. Rent and electricity are never
    summed; a machine of one's own is, under a name that says of what. What is not known is null with its reason. Exit 4 when no
    cost at all is known.
    """
    from joulemark.cards.reprice import priced_again
    from joulemark.cli import subject

    asked, found = Given(**given), subject.read(run, url=url)
    profile = None if asked.profile is None else profile_of(asked.profile)
    prices, sources = asked.known(found, profile)
    result = {**priced_again(found.evidence, prices, asked.asked(found), asked.terms(profile)), "prices_from": sources}
    emit(result, as_json=as_json, text=cost_text)
    if profile is None and result["market"]["amount"] is None and result["energy"]["amount"] is None:
        reasons = "; ".join(dict.fromkeys(result[family]["reason"] for family in ("market", "energy")))
        raise InsufficientData(f"no cost of {run} is known: {reasons}", "give --price and --tariff")


@command.command()
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option("--queries-per-day", required=True, metavar="NUMBER", callback=number, help="How many queries the service answers each day.")
@click.option("--tokens-per-query", metavar="NUMBER", callback=number, help="Output tokens of a query. Default: a query is one request.")
@click.option("--years", default="1", show_default=True, metavar="NUMBER", callback=number, help="How long the service runs.")
@click.option(
    "--profile-a", type=click.Path(path_type=Path), metavar="FILE", help="A is owned: joulemark.onprem/1 as TOML. Default: rented."
)
@click.option("--profile-b", type=click.Path(path_type=Path), metavar="FILE", help="B is owned, as --profile-a.")
@url_option
@json_option
def project(
    a: str,
    b: str,
    queries_per_day: Decimal,
    tokens_per_query: Decimal | None,
    years: Decimal,
    profile_a: Path | None,
    profile_b: Path | None,
    url: str | None,
    as_json: bool,
) -> None:
    """Draw two runs out to a year of so many queries a day: energy, money, and when B has paid for itself.

    A and B are bundles or ids of runs, as for joulemark cost. A rented machine costs its rent to run, an owned one its upkeep and its
    electricity. It is assumed that the service runs as the benchmark did. Exit 4 when a run does not tell its requests or tokens, or
    nothing of the two can be compared.
    """
    from joulemark.cards.measured import Measured
    from joulemark.cards.projection import Demand, projected
    from joulemark.cli import subject

    for name, value in (("queries-per-day", queries_per_day), ("years", years), ("tokens-per-query", tokens_per_query)):
        if value == 0:
            raise UsageError(f"--{name} 0 asks for nothing", "give a number above 0")
    profiles = tuple(None if path is None else profile_of(path) for path in (profile_a, profile_b))
    runs = [Measured.of(subject.read(name, url=url).evidence) for name in (a, b)]
    demand = Demand(queries_per_day, tokens_per_query, years)
    result = projected(runs[0], runs[1], demand, profiles=(profiles[0], profiles[1]))
    emit(result, as_json=as_json, text=projection_text)
    saved = result["saved"]
    if saved["energy"]["kwh"] is None and saved["running"]["per_year"] is None:
        raise InsufficientData(f"{a} and {b} cannot be held against each other: {saved['energy']['reason']}", "see saved.*.reason")
