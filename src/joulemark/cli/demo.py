"""`joulemark demo`: the main job on this machine in half a minute."""

from __future__ import annotations

import json
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

import click

from joulemark.cli import emit, json_option, printable


@click.command()
@click.option("--once", is_flag=True, help="End after one card and leave nothing running.")
@click.option(
    "--output", type=click.Path(path_type=Path, file_okay=False), help="Folder for the files; a new one in the temporary directory."
)
@click.option(
    "--scale",
    type=click.FloatRange(min=0.01),
    envvar="DEMO_SCALE",
    help="Play the packaged trace so much stronger.",
)
@json_option
def command(once: bool, output: Path | None, scale: float | None, as_json: bool) -> None:
    """Start collector and agent, measure a short benchmark of a stub service, print its energy card.

    Uses the meters this machine has, else a packaged trace, and then the card says that it is simulated.
    """
    from joulemark.cards import text
    from joulemark.demo.machine import Machine

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = output or Path(tempfile.mkdtemp(prefix="joulemark-demo-"))
    click.echo(f"joulemark: starting collector, agent and stub service; files in {folder}", err=True)
    with Machine(folder, scale) as machine:
        click.echo("joulemark: measuring a short benchmark", err=True)
        bundle = machine.bundle(machine.benchmark())
        path = bundle / "energy" / "card.json"
        card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if not (once and as_json):
            click.echo(printable(text.render(card), keep="\n"), err=as_json)
        emit(summary(path, card), as_json=as_json or once, text=lambda s: f"\ncard: {s['card']}")
        if not once:
            click.echo(f"page: {machine.client.url}/ (until you press Ctrl-C)", err=True)
            wait_for_interrupt()


def summary(path: Path, card: dict[str, Any]) -> dict[str, Any]:
    """The one line that others read: figures of the measured phase, taken from the card."""
    (phase,) = [p for p in card["phases"] if p["kind"] == "measured"]
    joules = phase["joules_per_1k_output_tokens"]
    return {
        "card": str(path),
        "joules_per_1k_output_tokens": joules,
        "u95_rel": phase["joules_per_1k_output_tokens_u95"] / joules,
        "usd_per_1k_output_tokens": phase["cost"]["market"]["per_1k_output_tokens"],
        "coverage": phase["coverage"],
        "meters": [m["meter_id"] for m in card["meters"]],
    }


def wait_for_interrupt() -> None:
    """Until Ctrl-C or a termination."""
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        click.echo("joulemark: stopping", err=True)
