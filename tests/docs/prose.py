"""What pages say in passing: every path of this repository that they name is there, and the program takes every command line."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from joulemark.cli.cost import WithDefault
from joulemark.cli.run import RunGroup
from tests.docs.named import commands

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDERS: Final = ("src", "tests", "docs", "deploy", "scripts")
PATH: Final = re.compile(rf"(?<![\w./-])(?:\.\./)*((?:{'|'.join(FOLDERS)})/[\w./*-]*[\w*/])")
FENCE: Final = re.compile(r"^ *```(sh|console|bash)\b[^\n]*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
INLINE: Final = re.compile(r"(?<!`)`(joulemark [^`\n]+)`(?!`)")
BEFORE: Final = r"(?:^\s*(?:\$ )?|-- |[;|&(] *|\b(?:do|sudo|exec|time) )(?:\w+=\S* )*"
"""What a command begins after; a word of another command's line is no command."""
CALL: Final = re.compile(BEFORE + r"(?:\S*/)?joulemark(?= |$)((?: +(?![#|&;<>])\S+)*)")
PARTS: Final = {name: command for name, command in commands()}


def pages() -> list[Path]:
    """Everything that is written for people, but for what happened and is over."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def missing_paths(text: str) -> Iterator[str]:
    """Paths below the folders of this repository that are not there; a star stands for any name, and so do capitals."""
    for path in sorted({found.rstrip("/") for found in PATH.findall(text)}):
        if not re.search("[A-Z]{3}", path.replace("README", "")) and not any(ROOT.glob(path)):
            yield path


def lines(text: str) -> Iterator[str]:
    """Command lines in blocks of shell and between backquotes."""
    for _, block in FENCE.findall(text):
        yield from block.replace("\\\n", " ").splitlines()
    yield from INLINE.findall(text)


def refused(arguments: list[str]) -> str:
    """Why the program would not take a command line; empty where it would. Values are not looked at, nor is what follows `--`.

    A group that takes a command by default (`run`, `cost`) has the options of all it holds.
    """
    name = "joulemark"
    words = arguments[: arguments.index("--")] if "--" in arguments else arguments
    while words and f"{name} {words[0]}" in PARTS:
        name, words = f"{name} {words[0]}", words[1:]
    command = PARTS[name]
    has_default = isinstance(command, RunGroup | WithDefault)
    takers = [command, *command.commands.values()] if isinstance(command, RunGroup | WithDefault) else [command]
    if isinstance(command, click.Group) and not has_default and words and re.fullmatch(r"[a-z][a-z-]*", words[0]):
        return f"{name} has no command {words[0]}"
    known = {"--help"} | {option for taker in takers for p in taker.params for option in (*p.opts, *p.secondary_opts)}
    strange = [word.partition("=")[0] for word in words if re.fullmatch(r"--[a-z][a-z0-9-]*(=.*)?", word)]
    return "".join(f"{name} has no option {option}; " for option in strange if option not in known)


def wrong_commands(text: str) -> Iterator[str]:
    """Command lines of joulemark that it would not take."""
    for line in lines(text):
        for call in CALL.findall(line.partition(" #")[0]):
            try:
                words = shlex.split(call)
            except ValueError:  # a quotation that ends outside of the call
                words = call.split()
            if why := refused(words):
                yield f"`joulemark{call}`: {why}"


def astray(text: str) -> list[str]:
    """All of it."""
    return [f"{path} does not exist" for path in missing_paths(text)] + list(wrong_commands(text))
