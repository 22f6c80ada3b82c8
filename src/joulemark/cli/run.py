"""`joulemark run`: measure a command, or mark the phases of a run by hand."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from types import FrameType
from typing import Any

import click

from joulemark.cli import emit, json_option
from joulemark.client import DEFAULT_URL, RUN_VARIABLE, URL_VARIABLE, Client
from joulemark.errors import UsageError
from joulemark.runs import PhaseKind, Tokens

COMMAND_NOT_FOUND = 127
COMMAND_NOT_EXECUTABLE = 126


class RunGroup(click.Group):
    """A group whose rest after `--` is a command to measure, whatever its name: `run -- start` runs a program called start."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" in args:
            split = args.index("--")
            args, rest = args[:split], args[split + 1 :]
            if not rest:
                raise click.UsageError("nothing to run after --; write for example: joulemark run -- sleep 1", ctx)
            ctx.meta["joulemark.child"] = rest
            options = super().parse_args(ctx, [*args, "measure"])
            return options
        return super().parse_args(ctx, args)


def url_option(function: Any) -> Any:
    """Add `--url`."""
    return click.option("--url", envvar=URL_VARIABLE, default=DEFAULT_URL, show_default=True, help="Address of the collector.")(function)


def count_options(function: Any) -> Any:
    """Add the options that carry counts."""
    for option, text in (
        ("--requests-failed", "Requests that failed or were cancelled."),
        ("--requests", "Requests completed."),
        ("--output-tokens", "Output tokens, reasoning included."),
        ("--input-tokens", "Input tokens, cached ones included."),
    ):
        function = click.option(option, type=click.IntRange(min=0), help=text)(function)
    return function


@click.group(cls=RunGroup, invoke_without_command=True)
@url_option
@click.option(
    "--benchmark", "benchmark_dir", type=click.Path(path_type=Path), help="Folder where the command leaves its results; read afterwards."
)
@click.option("--tool", help="Which tool wrote the folder; found out when not given.")
@click.option("--tz", help="Time zone of times in the folder that name none.")
@click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="A fact about the run, for example provider=aws.")
@json_option
@click.pass_context
def command(
    ctx: click.Context, url: str, benchmark_dir: Path | None, tool: str | None, tz: str | None, labels: tuple[str, ...], as_json: bool
) -> None:
    """Measure a command (`joulemark run -- CMD ...`), or mark phases with start, phase and stop.

    The command's exit status is passed through.
    """
    ctx.obj = {"url": url, "benchmark": benchmark_dir, "tool": tool, "tz": tz, "labels": labels, "json": as_json}
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@command.command(hidden=True)
@click.pass_context
def measure(ctx: click.Context) -> int:
    """Run the child between the start and the stop of a run."""
    if "joulemark.child" not in ctx.meta:
        raise click.UsageError("write: joulemark run -- CMD ...")
    given = ctx.obj
    child: list[str] = ctx.meta["joulemark.child"]
    client = Client(given["url"])
    run_id = client.start_run(benchmark=given["tool"] or Path(child[0]).name, labels=parsed_labels(given["labels"]))
    status = passed_through(child, {URL_VARIABLE: client.url, RUN_VARIABLE: run_id})
    delivered = client.stop_run(run_id)
    problem = None
    if given["benchmark"] is not None:
        problem = join(client, run_id, given["benchmark"], tool=given["tool"], tz=given["tz"])
    if not delivered:
        click.echo("joulemark: the collector is away; the end of the run is kept. Deliver it with: joulemark run resend", err=True)
    if problem is not None:
        click.echo(f"joulemark: {problem}", err=True)
    result = {"schema": "joulemark.run_result/1", "run_id": run_id, "status": status, "delivered": delivered, "url": client.url}
    emit(
        result,
        as_json=given["json"],
        text=lambda r: f"run {r['run_id']}: exit status {r['status']}, see {r['url']}/v1/runs/{r['run_id']}/card",
    )
    return status or (0 if problem is None else 2)


def join(client: Client, run_id: str, folder: Path, *, tool: str | None, tz: str | None) -> UsageError | None:
    """Give the run what the benchmark's files tell. A folder that cannot be read is an error to print; the run is kept."""
    from joulemark import benchmarks
    from joulemark.timebase import zone

    try:
        client.add_windows(run_id, benchmarks.read(folder, tz=zone(tz) if tz else None, tool=tool))
    except UsageError as error:
        return error
    return None


@command.command()
@click.option("--benchmark", default="", help="Name of what is about to run.")
@click.pass_obj
def start(given: dict[str, Any], benchmark: str) -> None:
    """Begin a run and print its id."""
    client = Client(given["url"])
    run_id = client.start_run(benchmark=benchmark, labels=parsed_labels(given["labels"]))
    emit({"schema": "joulemark.run_start/1", "run_id": run_id}, as_json=given["json"], text=lambda r: str(r["run_id"]))


@command.command()
@click.argument("name")
@click.option("--run", "run_id", envvar=RUN_VARIABLE, required=True, help="Id of the run.")
@click.option("--begin/--end", "begins", default=True, help="Which edge of the phase this is.")
@click.option(
    "--kind", type=click.Choice([str(k) for k in PhaseKind]), default="measured", show_default=True, help="What the phase is for."
)
@count_options
@click.pass_obj
def phase(given: dict[str, Any], /, name: str, run_id: str, begins: bool, kind: str, **counted: int | None) -> None:
    """Mark the begin or the end of phase NAME, now."""
    client = Client(given["url"])
    edge = "begin" if begins else "end"
    delivered = client.mark(run_id, name, edge=edge, kind=PhaseKind(kind), **parsed_counts(counted))
    tell(given, {"schema": "joulemark.mark/1", "run_id": run_id, "phase": name, "edge": edge, "delivered": delivered})


@command.command()
@click.option("--run", "run_id", envvar=RUN_VARIABLE, required=True, help="Id of the run.")
@count_options
@click.pass_obj
def stop(given: dict[str, Any], /, run_id: str, **counted: int | None) -> None:
    """End a run, with the counts of its measured phases together when no phase carried its own."""
    client = Client(given["url"])
    delivered = client.stop_run(run_id, **parsed_counts(counted))
    tell(given, {"schema": "joulemark.mark/1", "run_id": run_id, "phase": None, "edge": "stop", "delivered": delivered})


@command.command()
@click.pass_obj
def resend(given: dict[str, Any]) -> None:
    """Deliver the marks that were kept while the collector was away."""
    sent = Client(given["url"]).resend()
    emit({"schema": "joulemark.resend/1", "sent": sent}, as_json=given["json"], text=lambda r: f"{r['sent']} marks delivered")


def tell(given: dict[str, Any], result: dict[str, Any]) -> None:
    """Print what became of a mark."""
    word = "marked" if result["delivered"] else "kept; deliver it with: joulemark run resend"
    emit(result, as_json=given["json"], text=lambda r: f"{r['phase'] or 'run'} {r['edge']} {word}")


def parsed_labels(labels: tuple[str, ...]) -> dict[str, str]:
    """`KEY=VALUE` words as a dictionary. Raises UsageError for a word without `=`."""
    for label in labels:
        if "=" not in label:
            raise UsageError(f"label {label!r} holds no '='", "write it as KEY=VALUE")
    return dict(label.split("=", 1) for label in labels)


def parsed_counts(counted: dict[str, int | None]) -> dict[str, Any]:
    """What the count options say, as the client takes it."""
    tokens = None
    if counted["input_tokens"] is not None or counted["output_tokens"] is not None:
        tokens = Tokens(input=counted["input_tokens"], output=counted["output_tokens"], source="given on the command line")
    return {"tokens": tokens, "requests": counted["requests"], "requests_failed": counted["requests_failed"]}


def passed_through(child: list[str], env: dict[str, str]) -> int:
    """Run `child` with our standard streams; its exit status, 128 + n when signal n ended it.

    An interrupt reaches the child from the terminal as well; it decides when to end, so that its last phase is kept.
    """

    def forward(number: int, frame: FrameType | None) -> None:
        process.send_signal(number)

    try:
        process = subprocess.Popen(child, env={**os.environ, **env})
    except FileNotFoundError:
        click.echo(f"joulemark: no command {child[0]!r}; check its name or its path.", err=True)
        return COMMAND_NOT_FOUND
    except PermissionError:
        click.echo(f"joulemark: {child[0]!r} may not be executed; check its permissions.", err=True)
        return COMMAND_NOT_EXECUTABLE
    before = signal.signal(signal.SIGINT, signal.SIG_IGN), signal.signal(signal.SIGTERM, forward)
    try:
        status = process.wait()
    finally:
        signal.signal(signal.SIGINT, before[0])
        signal.signal(signal.SIGTERM, before[1])
    return status if status >= 0 else 128 - status
