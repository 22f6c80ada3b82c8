"""`joulemark run`: measure a command, or mark the phases of a run by hand."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
import warnings
from collections.abc import Callable, Sequence
from datetime import tzinfo
from pathlib import Path
from typing import Any, Final

import click

from joulemark import document, foreign, timebase
from joulemark.cli import emit, json_option, printable
from joulemark.cli.progress import progress
from joulemark.client import RUN_VARIABLE, URL_VARIABLE, Client
from joulemark.counts import Counts
from joulemark.errors import JoulemarkError, RemoteUnreachable, UsageError
from joulemark.runs import IdleKind, PhaseKind, Run
from joulemark.timebase import Span, Stamp

RESEND_LIMIT_S: Final = 5.0
POLL_S: Final = 0.3
LONGEST_SOURCE: Final = 1000
KINDS: Final = click.Choice([str(kind) for kind in PhaseKind])
IDLE_KINDS: Final = click.Choice([str(kind) for kind in IdleKind])
FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)


class RunGroup(click.Group):
    """`run [OPTIONS] -- CMD` means `run exec [OPTIONS] -- CMD`, whatever the command is called."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" in args and args[0].startswith("-"):
            args = ["exec", *args]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return ["[OPTIONS OF EXEC] -- CMD...", "|", *super().collect_usage_pieces(ctx)[1:]]


def url_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--url`."""
    return click.option("--url", help="Pages of the collector; default $JOULEMARK_URL, else client.url of $JOULEMARK_CONFIG.")(function)


def label_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--label KEY=VALUE`, given to the command as a dictionary."""

    def pairs(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
        if bad := [value for value in values if not value.partition("=")[0] or "=" not in value]:
            raise UsageError(f"label {bad[0]!r} is not KEY=VALUE", "write for example --label model=llama-3-8b")
        return {key: text for key, _, text in (value.partition("=") for value in values)}

    about = "A fact about system, model or load; may be repeated."
    return click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", callback=pairs, help=about)(function)


def count_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the counts of what was produced."""
    for name in ("failed-requests", "requests", "output-tokens", "input-tokens"):
        function = click.option(f"--{name}", type=click.IntRange(min=0))(function)
    return function


@click.group(cls=RunGroup)
def command() -> None:
    """Measure a command, or mark the phases of a run.

    `joulemark run -- CMD...` measures CMD; its exit status passes through. `joulemark run --result FILE -- CMD...` takes tokens and
    phases from the file it wrote, and keeps its hash; `--benchmark DIR` does so for a folder.
    """


@command.command("exec")
@click.option("--result", "results", multiple=True, type=click.Path(path_type=Path), help="File the command writes its result to.")
@click.option("--benchmark", "folder", type=click.Path(path_type=Path), help="Folder the command writes its benchmark results to.")
@click.option("--tz", help="Zone of times in those files that carry none.")
@click.option("--name", default="", help="Name of the benchmark; default the command's.")
@label_option
@count_options
@url_option
@json_option
@click.argument("cmd", nargs=-1, required=True, type=click.UNPROCESSED)
def execute(
    cmd: tuple[str, ...],
    results: tuple[Path, ...],
    folder: Path | None,
    tz: str | None,
    name: str,
    labels: dict[str, str],
    url: str | None,
    as_json: bool,
    **given: int | None,
) -> int:
    """Run CMD and measure its energy. Exits with CMD's status, or 6 before it starts when the collector does not answer."""
    if results and folder:
        raise UsageError(
            "--result and --benchmark are both given", "name the folder, or the files in it: what is read twice is counted twice"
        )
    watched = Watched(results, folder, timebase.zone(tz) if tz else None)
    if shutil.which(cmd[0]) is None:
        raise UsageError(f"cannot run {cmd[0]}: there is no such program, or it may not be executed", "give an existing command after --")
    client = Client(url)
    run_id = client.start(benchmark=name or Path(cmd[0]).name, labels=labels)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = lambda message, *_args, **_kwargs: click.echo(f"joulemark: {printable(str(message))}", err=True)
        status, span = measured(cmd, {URL_VARIABLE: client.url, RUN_VARIABLE: run_id})
        counts = Counts(given["input_tokens"], given["output_tokens"], given["requests"], given["failed_requests"])
        findings = ended(client, run_id, counts, watched, span)
    report(client, run_id, status, findings, as_json=as_json)
    return status


class Watched:
    """The files that a command is to write, as they lie before it."""

    def __init__(self, results: tuple[Path, ...], folder: Path | None, zone: tzinfo | None) -> None:
        """Raises FormatError for a result that lies there and cannot be read."""
        self.results, self.folder, self.zone = results, folder, zone
        if results or folder:
            from joulemark.benchmarks import joining

            self._lay = joining.before(results)
            self._states = {} if folder is None else joining.states(folder)

    def runs(self, span: Span) -> tuple[list[tuple[str, Run]], list[str]]:
        """(where it was read, run) of each that the files tell of the command in `span`, and in words what could not be joined."""
        if not self.results and self.folder is None:
            return [], []
        from joulemark.benchmarks import joining

        found, findings = joining.joined(self.results, lay=self._lay, span=span, tz=self.zone)
        runs = [(", ".join(file.name for file in run.result_files), run) for run in found]
        if self.folder is not None:
            try:
                runs.append((str(self.folder), joining.in_folder(self.folder, lay=self._states, span=span, tz=self.zone)))
            except JoulemarkError as error:
                findings.append(f"The benchmark's files were not used: {error}")
        return runs, findings


def measured(cmd: Sequence[str], extra: dict[str, str]) -> tuple[int, Span]:
    """Run `cmd` to its end: its exit status, 128 + n when signal n ended it, and when it ran. Raises UsageError when it cannot start.

    The terminal sends SIGINT to the child itself; SIGTERM is handed on.
    """
    clock = timebase.SystemClock()
    begin = Stamp.now(clock)
    try:
        child = subprocess.Popen(cmd, env={**os.environ, **extra})
    except OSError as error:
        raise UsageError(f"cannot run {cmd[0]}: {error.strerror}", "give an existing command after --") from error
    started_ns = clock.mono_ns()
    before_int = signal.signal(signal.SIGINT, signal.SIG_IGN)
    before_term = signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    try:
        code = child.wait()
    finally:
        signal.signal(signal.SIGINT, before_int)
        signal.signal(signal.SIGTERM, before_term)
    return (code if code >= 0 else 128 - code), Span(begin, Stamp.now(clock), unc_ns=started_ns - begin.mono_ns)


def ended(client: Client, run_id: str, counts: Counts, watched: Watched, span: Span) -> list[str]:
    """Stop the run and hand in its files; what went wrong, in words: the status of the measured command is not to be lost for it."""
    try:
        client.stop(run_id, counts)
        runs, findings = watched.runs(span)
        for source, run in runs:
            client.benchmark(run_id, run, source=f"{run.benchmark}: {source}"[:LONGEST_SOURCE])
        if findings:
            client.benchmark(run_id, Run((), findings=tuple(findings)), source="result files")
        return [*findings, *(finding for _, run in runs for finding in run.findings)]
    except JoulemarkError as error:
        return [f"The end of the run is not on record as it should be: {error}"]


def report(client: Client, run_id: str, status: int, findings: list[str], *, as_json: bool) -> None:
    """Print the run and its energy, once the readings of its end have arrived."""
    data: dict[str, Any] = {"run_id": run_id, "exit_status": status, "url": client.url, "energy": None, "findings": findings}
    try:
        with progress("waiting for the last readings"):
            resend(client, run_id)
            data["energy"] = client.settled_energy(run_id)
    except RemoteUnreachable as error:
        findings.append(f"{error} Then: joulemark run resend {run_id}")
    except JoulemarkError as error:
        findings.append(str(error))
    if as_json:
        click.echo(json.dumps(data, allow_nan=False))
    else:
        click.echo(printable(summary(data), keep="\n"), err=True)


def resend(client: Client, run_id: str) -> None:
    """Deliver kept marks, waiting a little for a collector that restarts. Raises RemoteUnreachable."""
    for _ in range(round(RESEND_LIMIT_S / POLL_S)):
        try:
            client.resend(run_id)
            return
        except RemoteUnreachable:
            time.sleep(POLL_S)
    client.resend(run_id)


def summary(data: dict[str, Any]) -> str:
    """Lines for a person."""
    lines = [f"run {data['run_id']}"]
    for phase in (data["energy"] or {}).get("phases", []):
        energy_j, u95_j, per_1k = phase["energy_j"], phase["u95_j"], phase["joules_per_1k_output_tokens"]
        shown = "no energy" if energy_j is None else f"{energy_j:.1f} J" + (f" ± {u95_j:.1f} J" if u95_j is not None else "")
        rate = f", {per_1k:.2f} J per 1k output tokens" if per_1k is not None else ""
        lines.append(f"  {phase['name']} at {phase['boundary']}: {shown} in {phase['duration_s']:.2f} s{rate}")
    lines += [f"  {finding}" for finding in dict.fromkeys([*data["findings"], *(data["energy"] or {}).get("findings", [])])]
    return "\n".join(lines)


@command.command()
@click.option("--name", default="", help="Name of the benchmark.")
@label_option
@url_option
@json_option
def start(name: str, labels: dict[str, str], url: str | None, as_json: bool) -> None:
    """Start a run and print its id."""
    client = Client(url)
    run_id = client.start(benchmark=name, labels=labels)
    emit({"run_id": run_id, "url": client.url}, as_json=as_json, text=lambda data: str(data["run_id"]))


@command.command()
@click.argument("phase_name", metavar="NAME")
@click.option("--begin", "edge", flag_value="begin", help="The phase begins now.")
@click.option("--end", "edge", flag_value="end", help="The phase ends now.")
@click.option("--run", "run_id", envvar=RUN_VARIABLE, required=True, help=f"Id of the run; default ${RUN_VARIABLE}.")
@click.option("--kind", type=KINDS, default=str(PhaseKind.MEASURED), show_default=True)
@click.option("--idle-kind", type=IDLE_KINDS, help="Of an idle phase: an engine is loaded and has no requests, or there is none.")
@click.option("--aborted", default="", metavar="WHY", help="With --end: the phase does not count, for this reason.")
@count_options
@url_option
def phase(
    phase_name: str,
    edge: str | None,
    run_id: str,
    kind: str,
    idle_kind: str | None,
    aborted: str,
    url: str | None,
    **given: int | None,
) -> None:
    """Begin or end the phase NAME of a run; every meter is read at the mark."""
    if edge is None:
        raise UsageError("neither --begin nor --end is given", f"for example: joulemark run phase {phase_name} --begin")
    client = Client(url)
    if edge == "begin":
        client.begin(run_id, phase_name, PhaseKind(kind), idle_kind=idle_kind)
    else:
        counts = Counts(given["input_tokens"], given["output_tokens"], given["requests"], given["failed_requests"], aborted=aborted)
        client.end(run_id, phase_name, counts)


@command.command()
@click.argument("run_id", envvar=RUN_VARIABLE)
@count_options
@url_option
@json_option
def stop(run_id: str, url: str | None, as_json: bool, **given: int | None) -> None:
    """Stop the run RUN_ID and print its energy."""
    client = Client(url)
    client.stop(run_id, Counts(given["input_tokens"], given["output_tokens"], given["requests"], given["failed_requests"]))
    report(client, run_id, 0, [], as_json=as_json)


@command.command()
@click.argument("run_id", envvar=RUN_VARIABLE)
@click.option("--workload", type=FILE, help="What was run: joulemark.workload/1.")
@click.option("--requests", type=FILE, help="A row for every request: requests.csv.")
@click.option("--nodes", type=FILE, help="What the operator knows of the nodes: joulemark.nodes/1.")
@click.option("--meter-log", type=FILE, help="What meters complained of: joulemark.meter-log/1.")
@click.option("--receipts", type=FILE, help="Receipts for events of the run's chain: a JSON object with the list `receipts`.")
@url_option
@json_option
def evidence(run_id: str, url: str | None, as_json: bool, **files: Path | None) -> None:
    """Hand in what only the benchmark's side knows of RUN_ID, until the run is sealed. A file of the same kind replaces the one before."""
    given = {name: path for name, path in files.items() if path is not None}
    if not given:
        raise UsageError("no file is given", "for example: joulemark run evidence RUN_ID --workload workload.json")
    taken = Client(url).evidence(run_id, {name: read_document(name, path) for name, path in given.items()})
    emit({"run_id": run_id, "documents": taken}, as_json=as_json, text=lambda data: f"taken: {', '.join(data['documents'])}")


def read_document(name: str, path: Path) -> Any:
    """The value to hand in as `name`. Raises FormatError."""
    if name == "requests":
        return foreign.text(path, max_bytes=foreign.MAX_DOCUMENT_BYTES, errors="strict")
    data = document.load(path)
    return data.get("receipts", []) if name == "receipts" else data


@command.command()
@click.argument("run_id", envvar=RUN_VARIABLE)
@url_option
@json_option
def chain(run_id: str, url: str | None, as_json: bool) -> None:
    """Print the hash of the last thing heard of RUN_ID; an authority's receipt for it proves that it was not written later."""
    found = Client(url).chain(run_id)
    emit(found, as_json=as_json, text=lambda data: f"{len(data['events']) - 1} {data['head_sha256']}")


@command.command()
@click.argument("run_id", envvar=RUN_VARIABLE)
@url_option
@json_option
def seal(run_id: str, url: str | None, as_json: bool) -> None:
    """Let nothing more be added to RUN_ID, which was stopped and whose readings have all arrived."""
    Client(url).seal(run_id)
    emit({"run_id": run_id}, as_json=as_json, text=lambda data: f"sealed: {data['run_id']}")


@command.command("resend")
@click.argument("run_id", envvar=RUN_VARIABLE)
@url_option
@json_option
def resend_command(run_id: str, url: str | None, as_json: bool) -> None:
    """Deliver marks of RUN_ID that were kept because the collector did not answer."""
    with progress("marks delivered") as told:
        count = Client(url).resend(run_id, told=told)
    emit({"run_id": run_id, "delivered": count}, as_json=as_json, text=lambda data: f"{data['delivered']} marks delivered")
