"""What pages say in passing: every path of this repository that they name is there, the program takes every command line and every TOML."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import click

from joulemark import cli
from tests.docs import configured

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDERS: Final = ("src", "tests", "docs", "deploy", "scripts")
PATH: Final = re.compile(rf"(?<![\w./-])(?:\.\./)*((?:{'|'.join(FOLDERS)})/[\w./*-]*[\w*/])")
FENCE: Final = re.compile(r"^ *```(sh|console|bash)\b[^\n]*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
INLINE: Final = re.compile(r"(?<!`)`(joulemark [^`\n]+)`(?!`)")
BEFORE: Final = r"(?:^\s*(?:\$ )?|-- |[;|&(] *|\b(?:do|sudo(?: -u \w+)?|exec|time|systemd-run(?: --\S+)*) )(?:\w+=\S* )*"
"""What a command begins after; a word of another command's line is no command."""
CALL: Final = re.compile(BEFORE + r"(?:\S*/)?joulemark(?= |$)((?: +(?![#|&;<>])\S+)*)")
NUMBERS: Final = (click.types.IntParamType, click.types.FloatParamType)


def pages() -> list[Path]:
    """Everything that is written for people, but for what happened and is over."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def missing_paths(text: str) -> Iterator[str]:
    """Paths below the folders of this repository that are not there; a star stands for any name, and so do capitals."""
    for path in sorted({found.rstrip("/") for found in PATH.findall(text)}):
        if not re.search("[A-Z]{3}", path.replace("README", "")) and not any(ROOT.glob(path)):
            yield path


def joined(block: str) -> list[str]:
    """Lines of a block of shell; one that ends in a backslash goes on in the next."""
    return block.replace("\\\n", " ").splitlines()


def placeholder(word: str) -> bool:
    """Whether a word stands for one that the reader knows: RUN, $RUN, {level}, an ellipsis."""
    return bool(re.search(r"[$`{]|\.\.\.|[A-Z]{2,}|^[A-Z]$", word))


def leaf(arguments: Sequence[str]) -> tuple[click.Command, click.Context, list[str]]:
    """The command that a command line is for, its context, and the words that are left for it. Raises click's UsageError."""
    command, context, words = cli.group, click.Context(cli.group, info_name="joulemark"), list(arguments)
    while isinstance(command, click.Group) and words and words[0] not in ("--help", "-h", "--version"):
        command.parse_args(context, words)
        name, found, words = command.resolve_command(context, [*context._protected_args, *context.args])
        assert found is not None
        command, context = found, click.Context(found, info_name=name, parent=context)
    return command, context, words


def wrong_values(command: click.Command, context: click.Context, given: Mapping[str, object]) -> Iterator[str]:
    """Values that a choice does not have, or that are no number where one is wanted; files and what has its own rule are not looked at."""
    for param in command.params:
        values = given.get(param.name or "")
        for value in values if isinstance(values, list | tuple) else [values]:
            if isinstance(value, str) and not placeholder(value) and isinstance(param.type, (click.Choice, *NUMBERS)):
                try:
                    param.type.convert(value, param, context)
                except click.BadParameter as error:
                    yield f"{param.opts[0]}: {error.message}"


def refused(arguments: Sequence[str], *, whole: bool = False) -> str:
    """Why the program would not take a command line; empty where it would. Read by click's own parser; nothing is executed, no file opened.

    `whole`: it is to be typed as it stands, so that no argument and no required option may be missing, and none be too many.
    """
    try:
        command, context, words = leaf(arguments)
        if isinstance(command, click.Group) or "--help" in words or "-h" in words:
            return ""
        given, rest, _ = command.make_parser(context).parse_args(list(words))
    except click.UsageError as error:
        name = error.ctx.command_path if error.ctx else "joulemark"
        return f"{name}: {error.format_message()}"
    wrong = list(wrong_values(command, context, given))
    if whole and "..." not in arguments:
        empty = (None, (), [], click.core.UNSET)
        missing = [param.human_readable_name for param in command.params if param.required and given.get(param.name or "") in empty]
        wrong += [f"{name} is missing" for name in missing]
        wrong += [f"{word} is one word too many" for word in rest if not command.allow_extra_args]
    return "; ".join(f"{context.command_path}: {why}" for why in wrong)


def called(line: str) -> Iterator[list[str]]:
    """Words after each `joulemark` that a line of shell calls, without comment and redirections."""
    for call in CALL.findall(re.sub(r"\s#.*", "", line)):
        try:
            words = shlex.split(call)
        except ValueError:  # a quotation that ends outside of the call
            words = call.split()
        end = next((n for n, word in enumerate(words, 1) if word.endswith((";", ")"))), len(words))
        words = [*words[: end - 1], *(word.rstrip(";)") for word in words[end - 1 : end])]
        if not any("<" in word for word in words):
            yield [word for word in words if not re.match(r"\d?>", word)]


def wrong_commands(text: str) -> Iterator[str]:
    """Command lines of joulemark that it would not take: those of blocks whole, those between backquotes as far as they go."""
    typed = [(line, True) for _, block in FENCE.findall(text) for line in joined(block)]
    for line, whole in [*typed, *((line, False) for line in INLINE.findall(text))]:
        for words in called(line):
            ways = (
                [words] if whole or "--" in words else [words, [*words, "--"]]
            )  # `joulemark run --result` is short for what has a command
            if all(refused(way, whole=whole) for way in ways) and (why := refused(words, whole=whole)):
                yield f"`joulemark {' '.join(words)}`: {why}"


def unmarked(text: str) -> Iterator[str]:
    """Blocks that do not say what they are, which nothing here would look at: without a language, or set off by spaces alone."""
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        if found := re.match(r" *```(\w*)", line):
            if not inside and not found[1]:
                yield f"line {number}: a block without a language"
            inside = not inside
        elif not inside and re.match(r" {4,}(?:joulemark |\[\[?\w+\]\]?$)", line):
            yield f"line {number}: a block without a fence"


def astray(text: str) -> list[str]:
    """All of it."""
    return [f"{path} does not exist" for path in missing_paths(text)] + [*wrong_commands(text), *unmarked(text), *configured.faults(text)]
