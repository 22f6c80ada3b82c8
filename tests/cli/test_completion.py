"""`joulemark completion` in a real shell."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from joulemark.cli.completion import PLACES, command, script


@pytest.fixture
def program(tmp_path: Path) -> dict[str, str]:
    """An environment whose `joulemark` is ours."""
    path = tmp_path / "joulemark"
    path.write_text(f"#!{sys.executable}\nfrom joulemark.cli import main\nmain()\n")
    path.chmod(0o755)
    return {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}


@pytest.mark.parametrize(
    ("words", "expected"),
    [("wat", ["watch"]), ("price sho", ["show"]), ("watch --cou", ["--count"]), ("--ver", ["--version"]), ("co", ["collector", "cost"])],
)
def test_bash_completes(program: dict[str, str], words: str, expected: list[str]) -> None:
    """bash, having read the script from our own command, completes commands, commands of a group, and options."""
    asked = f"""source <(joulemark completion bash 2>/dev/null)
complete -p joulemark >/dev/null || exit 3
COMP_WORDS=(joulemark {words}); COMP_CWORD={len(words.split())}
_joulemark_completion joulemark
printf '%s\\n' "${{COMPREPLY[@]}}" """
    done = subprocess.run(["bash", "--norc", "-c", asked], capture_output=True, text=True, timeout=60, check=False, env=program)
    assert (done.returncode, done.stderr) == (0, "")
    assert set(expected) <= set(done.stdout.split())
    assert all(word.startswith(words.split()[-1]) for word in done.stdout.split())


def test_names_are_completed_without_loading_a_command() -> None:
    """The tab key after `joulemark` brings in no module of a command."""
    code = (
        "import sys, click; from joulemark.cli import group; found = group.shell_complete(click.Context(group), 'w');"
        "print([one.value for one in found], [m for m in sys.modules if m.startswith('joulemark.cli.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "['watch'] []\n"


@pytest.mark.parametrize("shell", PLACES)
def test_each_shell_has_its_script_and_its_place(shell: str) -> None:
    """Stdout is the script alone; where to put it is said on stderr, and stands in the JSON."""
    done = CliRunner().invoke(command, [shell])
    assert done.stdout == f"{script(shell)}\n"
    assert f"_JOULEMARK_COMPLETE={shell}_complete" in done.stdout
    assert PLACES[shell] in done.stderr
    as_json = json.loads(CliRunner().invoke(command, [shell, "--json"]).stdout)
    assert as_json == {"shell": shell, "script": script(shell), "file": PLACES[shell]}


def test_a_shell_that_is_none() -> None:
    """Another shell is a wrong usage that names those that are known."""
    done = CliRunner().invoke(command, ["tcsh"])
    assert done.exit_code == 2
    assert "'bash', 'zsh', 'fish'" in done.stderr
