"""The command line as a whole: its commands, its exit codes, its output."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from joulemark import __version__
from joulemark.cli import COMMANDS, MODULES, emit, group, printable


def joulemark(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "joulemark", *args], capture_output=True, text=True, timeout=60, check=False)


def test_every_command_has_its_file_and_its_help(repository: Path) -> None:
    """Each name lives in the file of that name, each file is a command, and the one-line help is the command's own first line."""
    folder = repository / "src" / "joulemark" / "cli"
    context = click.Context(group)
    for name, line in COMMANDS.items():
        assert (folder / f"{MODULES.get(name, name)}.py").is_file()
        found = group.get_command(context, name)
        assert found is not None
        assert found.help, name
        assert line.endswith(".")
    assert group.get_command(context, "__init__") is None


def test_help_names_every_command_without_loading_one() -> None:
    """`--help` lists all commands, sorted, and brings in no module of any."""
    code = "import sys; from joulemark.cli import group; group(['--help'], standalone_mode=False); print('loaded', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    shown, _, loaded = done.stdout.partition("loaded")
    listed = [line.split()[0] for line in shown[shown.index("Commands:") :].splitlines()[1:] if line.startswith("  ") and line[2] != " "]
    assert listed == sorted(COMMANDS)
    assert [name for name in loaded.split() if name.startswith("joulemark.cli.")] == []


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("meter",), "no command 'meter'; did you mean 'meters'?"),
        (("xyzzy",), "no command 'xyzzy'; see joulemark --help"),
        (("price", "show", "--jason"), "No such option"),
        (("price", "show", "--jsn"), "--json"),
        (("price", "show", "--valid-at", "2025-06-01T12:00"), "no time zone"),
    ],
)
def test_usage_is_exit_2(args: tuple[str, ...], said: str) -> None:
    """A wrong command, option or value ends with 2 and says on standard error what was meant; stdout stays empty."""
    done = joulemark(*args)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_version() -> None:
    """`--version` is that of the package, alone on standard output."""
    done = joulemark("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"joulemark, version {__version__}\n", "")


@click.command()
def broken() -> None:
    """Emit a number that is none."""
    emit({"energy_j": math.nan}, as_json=True, text=str)


@click.command()
@click.option("--json", "as_json", is_flag=True)
def told(as_json: bool) -> None:
    """Emit a sentence."""
    emit({"where": "Zürich"}, as_json=as_json, text=lambda d: f"in {d['where']}")


def test_output_is_one_line_of_json_or_text() -> None:
    """With --json there is one object on one line, as it is spelt; without, the text; NaN raises before anything is printed."""
    assert CliRunner().invoke(told, ["--json"]).stdout == '{"where": "Zürich"}\n'
    assert CliRunner().invoke(told, []).stdout == "in Zürich\n"
    result = CliRunner().invoke(broken, [])
    assert isinstance(result.exception, ValueError)
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Zürich 日本 {{7*7}} <b>", "Zürich 日本 {{7*7}} <b>"),
        ("\x1b]0;owned\x07", "\\x1b]0;owned\\x07"),
        ("a\njoulemark: ok", "a\\njoulemark: ok"),
        ("\u202egpj", "\\u202egpj"),
        ("\x9b31m", "\\x9b31m"),
        ("\udcff", "\\udcff"),
    ],
)
def test_names_move_no_cursor(name: str, shown: str) -> None:
    """Control characters, line ends, marks that reverse writing and bytes that are no text are spelled out; all else stays."""
    assert printable(name) == shown


def test_json_of_a_name_that_is_no_text_is_json() -> None:
    """A file name that is not UTF-8 is printed as an escape that JSON readers understand."""

    @click.command()
    def named() -> None:
        emit({"name": "\udcff"}, as_json=True, text=str)

    assert CliRunner().invoke(named, []).stdout == '{"name": "\\udcff"}\n'
