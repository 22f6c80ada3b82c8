"""The command line: one file per command, loaded when it is called. Data goes to stdout, the rest to stderr."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from joulemark import __version__, nearest
from joulemark.errors import JoulemarkError

COMMANDS: Final[dict[str, str]] = {
    "agent": "Run the agent of this host.",
    "attach": "Attach an energy card and its evidence to a benchmark's files, or prove one.",
    "attribute": "Share the energy of a run out among requests, slices of time, prefill and decode.",
    "board": "Hand bundles in to a board, list it, follow others, report on a quarter.",
    "calibrate": "Align a sensor with a reference meter.",
    "collector": "Run the collector.",
    "compare": "Hold two runs against each other, with the uncertainty of the difference.",
    "completion": "Print what makes the tab key complete commands and options in a shell.",
    "compute": "Energy of a recorded benchmark from recorded power logs, offline.",
    "config": "Print, check or show the configuration.",
    "cost": "Price a run again, at another date or place; draw two runs out to a year.",
    "demo": "Collector, agent, a short benchmark and its energy card on this machine.",
    "doctor": "Check this machine; each failed check names the command that mends it.",
    "explain": "Print a rule of the Energy Standard, its reason and how to meet it.",
    "export": "Write what a run used for cost and billing tools.",
    "import": "Read a benchmark's files: windows, tokens, requests, clock.",
    "meters": "List the meters of this machine, or probe one.",
    "pki": "Make certificates for agents, clients and the collector.",
    "price": "Import and show price snapshots.",
    "report": "Show a bundle or a run: its figure, its level, and both as a page and as a label.",
    "ring": "Plan and evaluate a ring test of several laboratories.",
    "run": "Measure a command, or mark the phases of a run.",
    "serving": "Joules and money per 1k tokens of the services that are read beside the meters.",
    "token": "Make, list and revoke the tokens of the collector's REST interface.",
    "validate": "Judge a bundle by every rule of the Energy Standard, offline.",
    "watch": "Watts of each boundary and device now, and the phase of the running run.",
}
"""Name and one-line help of every command. `NAME` lives in `cli/NAME.py` as `command` (`import` in `cli/importing.py`)."""

MODULES: Final = {"import": "importing"}


class Commands(click.Group):
    """Loads a command's module when it is asked for, and suggests the nearest name for a wrong one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"joulemark.cli.{MODULES.get(cmd_name, cmd_name)}")
        command: click.Command = module.command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            hint = nearest.hint(args[0], COMMANDS, otherwise="see joulemark --help")
            raise click.UsageError(f"no command {args[0]!r}; {hint}")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Commands by their names, without loading one: the tab key does not wait for thirty modules."""
        named = [CompletionItem(name, help=line) for name, line in sorted(COMMANDS.items()) if name.startswith(incomplete)]
        return named if not incomplete.startswith("-") else click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="joulemark")
def group() -> None:
    """Joules and dollars per 1k tokens: measured, calibrated, provable."""


def json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--json`: one JSON object on stdout instead of text."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")(function)


def emit(data: Any, *, as_json: bool, text: Callable[[Any], str]) -> None:
    """Print `data` as one JSON line, or as `text(data)` without the control characters that names may hold.

    NaN and infinity are bugs and raise ValueError.
    """
    if as_json:
        line = json.dumps(data, allow_nan=False, ensure_ascii=False)
        click.echo(line.encode("utf-8", "backslashreplace").decode())  # the name of a file may hold bytes that are no text
    else:
        click.echo(printable(text(data), keep="\n\t"))


def printable(text: str, *, keep: str = "") -> str:
    """`text` with every character but those of `keep` spelled out that would move a cursor, colour, hide or reverse what a person reads.

    A name from a file may hold the escape sequence of a terminal, or a line that looks like ours.
    """
    return "".join(mark if mark.isprintable() or mark in keep else mark.encode("unicode_escape", "replace").decode() for mark in text)


def main() -> None:
    """Entry point: exit codes are those of `joulemark.errors`; 2 for usage, 130 when interrupted."""
    try:
        status = group(standalone_mode=False)
    except JoulemarkError as error:
        click.echo(f"joulemark: {printable(str(error))}", err=True)
        sys.exit(error.exit_code)
    except click.UsageError as error:
        error.show()
        sys.exit(2)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("joulemark: interrupted; what was measured is kept.", err=True)
        sys.exit(130)
    sys.exit(status if isinstance(status, int) else 0)
