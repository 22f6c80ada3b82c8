"""The man page and the completions of the shells, made from the command line itself: what packages put into `share`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from joulemark import cli
from joulemark.cli.completion import script

SHARE = Path(__file__).resolve().parent.parent / "deploy" / "share"
PLACES = {
    "bash": "bash-completion/completions/joulemark",
    "zsh": "zsh/site-functions/_joulemark",
    "fish": "fish/vendor_completions.d/joulemark.fish",
}
"""Where shells look below a `share` folder."""
STATUSES = (
    ("0", "done"),
    ("1", "a bug"),
    ("2", "the command line, the configuration or an input must be changed"),
    ("3", "measured, but below the level that was asked for"),
    ("4", "the readings do not cover what was asked"),
    ("5", "this machine lacks something, and the message says what"),
    ("6", "the collector, or another service, does not answer"),
    ("130", "interrupted; what was measured is kept"),
)


def roff(text: str) -> str:
    """Plain text that troff takes as it is."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("\n", " ")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


def synopsis(command: click.Command) -> str:
    """The arguments and options of a command in bold and italics."""
    parts = []
    for parameter in command.params:
        if isinstance(parameter, click.Argument):
            parts.append(f"\\fI{roff(parameter.make_metavar(click.Context(command)))}\\fR")
    return " ".join([*(["[\\fIOPTIONS\\fR]"] if any(isinstance(p, click.Option) for p in command.params) else []), *parts])


def options(command: click.Command) -> Iterator[str]:
    """One paragraph for each option."""
    for option in command.params:
        if not isinstance(option, click.Option) or option.hidden:
            continue
        names = ", ".join(f"\\fB{roff(name)}\\fR" for name in (*option.opts, *option.secondary_opts))
        value = "" if option.is_flag or option.count else f" \\fI{roff(option.make_metavar(click.Context(command)))}\\fR"
        yield f".TP\n{names}{value}\n{roff(option.help or '')}"


def sections(command: click.Command, path: str) -> Iterator[str]:
    """A section for each command that does something, in the order of their names."""
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=path)
        for name in command.list_commands(context):
            if (child := command.get_command(context, name)) is not None:
                yield from sections(child, f"{path} {name}")
        if not command.invoke_without_command:
            return
    yield f".SS {roff(path)} {synopsis(command)}".rstrip()
    paragraphs = (command.help or "").replace("\b", "").split("\n\n")
    yield "\n.PP\n".join(roff(paragraph.strip()) for paragraph in paragraphs)
    yield from options(command)


def man_page() -> str:
    """joulemark(1)."""
    lines = [
        '.\\" Made by scripts/docs from the command line.',
        '.TH JOULEMARK 1 "" "Joulemark" "User commands"',
        ".SH NAME",
        f"joulemark \\- {roff((cli.group.help or '').rstrip('.'))}",
        ".SH SYNOPSIS",
        "\\fBjoulemark\\fR \\fICOMMAND\\fR [\\fIOPTIONS\\fR] [\\fIARGUMENTS\\fR]",
        ".SH DESCRIPTION",
        "Data goes to standard output, everything else to standard error. With \\fB\\-\\-json\\fR a command prints one line of JSON.",
        "\\fB\\-\\-help\\fR after any command explains it.",
        ".SH COMMANDS",
        *sections(cli.group, "joulemark"),
        ".SH EXIT STATUS",
        *(f".TP\n{status}\n{roff(meaning)}" for status, meaning in STATUSES),
        ".SH ENVIRONMENT",
        ".TP\nJOULEMARK_CONFIG\nThe configuration file where none is named.",
        ".TP\nJOULEMARK_URL, JOULEMARK_TOKEN_FILE\nThe collector's address, and the file of the token for it.",
        ".SH FILES",
        ".TP\n/etc/joulemark/agent.toml, /etc/joulemark/collector.toml\nConfiguration of the services.",
        ".TP\n/var/lib/joulemark\\-agent, /var/lib/joulemark\nTheir data.",
    ]
    return "\n".join(lines) + "\n"


def write() -> None:
    """Write all of them."""
    for place, text in files():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")


def files() -> Iterator[tuple[Path, str]]:
    """(path, text) of each."""
    yield SHARE / "man/man1/joulemark.1", man_page()
    for shell, place in PLACES.items():
        yield SHARE / place, script(shell) + "\n"


def stale() -> list[str]:
    """Those that are not as they should be. A completion is laid out by the library, each release a little otherwise: it has to ask us."""
    found = {path: path.read_text(encoding="utf-8") if path.exists() else "" for path, _ in files()}
    asks = {path: "_JOULEMARK_COMPLETE" in text for path, text in found.items() if path.suffix != ".1"}
    page = SHARE / "man/man1/joulemark.1"
    return [*(path.name for path, well in asks.items() if not well), *([page.name] if found[page] != man_page() else [])]
