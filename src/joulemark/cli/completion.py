"""`joulemark completion`: commands, options and files by the tab key."""

from __future__ import annotations

from typing import Any, Final

import click
from click.shell_completion import get_completion_class

from joulemark.cli import emit, group, json_option

PROGRAM: Final = "joulemark"
PLACES: Final = {
    "bash": "~/.local/share/bash-completion/completions/joulemark",
    "zsh": "~/.zfunc/_joulemark",
    "fish": "~/.config/fish/completions/joulemark.fish",
}
"""Where the shell looks for it. zsh looks in the folders of `fpath`."""
BESIDES: Final = {"zsh": "; ~/.zshrc needs: fpath+=(~/.zfunc); autoload -Uz compinit; compinit"}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("shell", type=click.Choice(list(PLACES)))
@json_option
def command(shell: str, as_json: bool) -> None:
    """Print what makes the tab key complete commands, options and files in SHELL, and say where to put it."""
    found = {"shell": shell, "script": script(shell), "file": PLACES[shell]}
    emit(found, as_json=as_json, text=lambda data: str(data["script"]))
    if not as_json:
        click.echo(f"Put it in {PLACES[shell]} and open a new shell{BESIDES.get(shell, '')}", err=True)


def script(shell: str) -> str:
    """The script of `shell`: it asks the program itself, so it stays right when commands are added."""
    kind: Any = get_completion_class(shell)
    text: str = kind(group, {}, PROGRAM, f"_{PROGRAM.upper()}_COMPLETE").source()
    return text.rstrip()
