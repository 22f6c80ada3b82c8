"""The runbook: every alert has its row, and every command in it exists."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click

from joulemark import cli


def page(repository: Path) -> str:
    return (repository / "docs/how-to/runbook.md").read_text(encoding="utf-8")


def commands(text: str) -> Iterator[list[str]]:
    """Every call of joulemark that the page shows, as words."""
    for found in re.findall(r"(?:^|`|\"|&& )(?:sudo )?joulemark ([a-z][^`#&\n]*)", text, re.MULTILINE):
        yield shlex.split(found)


def called(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that `words` name, and what follows."""
    command: click.Command = cli.group
    while isinstance(command, click.Group) and words and (child := command.get_command(click.Context(command), words[0])) is not None:
        command, words = child, words[1:]
    return command, words


def test_every_alert_has_its_row(repository: Path) -> None:
    """An alert is told with what it means and a command to type; the page tells of no other."""
    alerts = re.findall(r"alert: (\w+)", (repository / "deploy/prometheus/rules/alerts.yml").read_text())
    rows = {
        name: (means, do) for name, means, do in re.findall(r"^\| `(Joulemark\w+)` \| (.+?) \| (.+) \|$", page(repository), re.MULTILINE)
    }
    assert set(rows) == set(alerts)
    assert [
        name for name, (means, do) in rows.items() if len(means) < 40 or not re.search(r"`(joulemark|systemctl|journalctl|chronyc) ", do)
    ] == []


def test_every_command_exists(repository: Path) -> None:
    """Each call names a command that does something, with options that it has."""
    found = list(commands(page(repository)))
    assert len(found) >= 12
    for words in found:
        command, rest = called(words)
        assert not isinstance(command, click.Group), words
        known = {name for parameter in command.params if isinstance(parameter, click.Option) for name in parameter.opts} | {"--help"}
        assert {word for word in rest if word.startswith("--")} <= known, words
