"""`joulemark serving`: joules and money per 1k tokens of running services, without a benchmark."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import urlencode

import click

from joulemark.cli import emit, json_option
from joulemark.cli.cost import url_option
from joulemark.cli.progress import progress
from joulemark.errors import UsageError

SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
HEAD: Final = ("model", "output tokens", "J per 1k output", "+-", "J per 1k total", "requests", "in flight")


def duration_s(_ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """An option that is a length of time. Raises UsageError."""
    if value is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", value)
    if found is None or not float(found[1]):
        raise UsageError(f"{param.opts[0]} {value!r} is no length of time", "write it as 90s, 5m, 2h or 1d")
    return float(found[1]) * SECONDS[found[2] or "s"]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--last", "last_s", metavar="TIME", callback=duration_s, help="Until now, as 90s, 5m, 2h, 1d. Default: 5m.")
@click.option("--begin", "begin", metavar="DATE", help="From this time with its zone on, as 2026-11-21T12:00:00Z; with --end.")
@click.option("--end", "end", metavar="DATE", help="Until this time.")
@click.option("--step", "step_s", metavar="TIME", callback=duration_s, help="One line for each so long.")
@click.option("--model", help="List this model only.")
@click.option(
    "--agent", "agents", multiple=True, help="Agents whose machines make the service; repeatable. Default: those that read its engines."
)
@click.option("--provider", help="What is rented, as for joulemark cost.")
@click.option("--region", help="What is rented, as for joulemark cost.")
@click.option("--instance", "instance_type", help="What is rented, as for joulemark cost.")
@click.option("--price", metavar="AMOUNT", help="Rent in place of what is known, as 55.04USD/h.")
@click.option("--tariff", metavar="AMOUNT", help="Electricity at this tariff, as 0.12USD/kWh.")
@click.option("--tariff-zone", help="Electricity of this zone, as price files name it.")
@url_option
@json_option
def command(
    url: str | None, as_json: bool, last_s: float | None, begin: str | None, end: str | None, agents: tuple[str, ...], **given: Any
) -> None:
    """Joules and money per 1k tokens of the services whose engines are read beside the meters ([[meter]] kind = "serving").

    Tokens are what the engines' own counters grew by; what they may have made between two reads at the edges is the uncertainty. A
    machine that serves several models has one energy: each model's part is an estimate.
    """
    from joulemark.client import RECORD_TIMEOUT_S, Client
    from joulemark.pricing.dates import moment_ns

    if (begin is None) != (end is None) or (begin is not None and last_s is not None):
        raise UsageError("a window is --begin and --end, or --last", "give both edges, or how long until now")
    asked: list[tuple[str, Any]] = [(name, value) for name, value in given.items() if value is not None]
    asked += [("agent", agent) for agent in agents]
    if begin is not None and end is not None:
        asked += [("begin_ns", moment_ns(begin, "--begin")), ("end_ns", moment_ns(end, "--end"))]
    else:
        asked.append(("last_s", last_s or 5 * SECONDS["m"]))
    with progress("energy of the window"):
        found = Client(url).call("GET", f"/v1/serving?{urlencode(asked)}", timeout_s=RECORD_TIMEOUT_S)
    emit(found, as_json=as_json, text=serving_text)


def serving_text(found: dict[str, Any]) -> str:
    """For people: a table for each service and slice."""
    lines = [] if found["settled"] else ["Readings of the end may still arrive."]
    for service in found["services"]:
        lines += [f"service {', '.join(service['agents'])}: {', '.join(service['models'])}", *(f"  {line}" for line in service["findings"])]
        for each in service["slices"]:
            lines += slice_lines(each)
    return "\n".join(lines)


def slice_lines(each: dict[str, Any]) -> list[str]:
    """One slice: its energy, then a row for each model."""
    total, boundary = each["total"], each["boundary"]
    energy = next((one for one in each["energy"] if one["boundary"] == boundary), None)
    took = (
        f"energy not known: {'; '.join(finding for one in each['energy'][:1] for finding in one['findings']) or 'no meter measures it'}"
        if energy is None
        else f"{energy['energy_j']:.1f} J +- {shown(energy['u95_j'], '{:.1f}')} at {boundary}, {energy['mean_power_w']:.1f} W"
    )
    rows = [HEAD, *(row(one["model"], one) for one in each["models"])]
    widths = [max(len(cells[i]) for cells in rows) for i in range(len(HEAD))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip() for cells in rows]
    lines = [f"  {each['duration_s']:g} s, {took}{', split by output tokens: an estimate' if len(each['models']) > 1 else ''}"]
    lines += [f"    {line}" for line in table]
    lines += [f"    {one['model']}: {name}: {count['reason']}" for one in each["models"] for name, count in unknown(one)]
    lines += [f"    {line}" for line in money(total["cost"])]
    lines += [f"    the engine says {one['energy_j']:.1f} J of its GPUs" for one in each["tool_reported"] if one["energy_j"] is not None]
    return lines


def row(name: str, figures: dict[str, Any]) -> tuple[str, ...]:
    """The cells of one model."""
    output, requests, flight = figures["tokens"]["output"], figures["requests"], figures["in_flight"]
    return (
        name,
        shown(output["value"], "{:.0f}"),
        shown(figures["joules_per_1k_output_tokens"], "{:.4g}"),
        shown(figures["joules_per_1k_output_tokens_u95"], "{:.2g}"),
        shown(figures["joules_per_1k_total_tokens"], "{:.4g}"),
        shown(requests["value"], "{:.0f}"),
        f"{shown(flight['begin'], '{}')} -> {shown(flight['end'], '{}')}",
    )


def unknown(figures: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The counts that an engine tells and that are not known here."""
    each = {**{f"{name} tokens": count for name, count in figures["tokens"].items()}, "requests": figures["requests"]}
    return [(name, count) for name, count in each.items() if count["value"] is None and count["low"] is not None]


def money(cost: dict[str, Any]) -> list[str]:
    """Rent and electricity per 1k output tokens, where they are known; they are never summed."""
    found = [("rent", cost["market"]), ("electricity", cost["energy"])]
    return [
        f"{name}: {float(block['per_1k_output_tokens']):.4g} {block['currency']} per 1k output tokens"
        for name, block in found
        if block["per_1k_output_tokens"] is not None
    ]


def shown(value: Any, form: str) -> str:
    """A number in a cell; a dash where it is not known."""
    return "-" if value is None else form.format(value)
