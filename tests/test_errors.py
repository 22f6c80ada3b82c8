"""The error tree: exit codes, one-line messages, pickling."""

from __future__ import annotations

import ast
import pickle
from pathlib import Path

import pytest

from joulemark import errors
from joulemark.errors import JoulemarkError, MeterUnavailable


def tree() -> list[type[JoulemarkError]]:
    return [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, JoulemarkError)]


EXIT_CODES = {
    "JoulemarkError": 1,
    "UsageError": 2,
    "ConfigError": 2,
    "AccessDenied": 2,
    "NaiveTimeError": 2,
    "FormatError": 2,
    "NotCompliant": 3,
    "InsufficientData": 4,
    "EnvironmentFailed": 5,
    "RemoteUnreachable": 6,
    "MeterError": 5,
    "MeterUnavailable": 5,
    "MeterTransient": 5,
    "MeterGone": 5,
    "MeterFault": 5,
}


def test_every_error_has_its_published_exit_code() -> None:
    """The exit code of every error is the published one, and no error is missing from the list."""
    assert {kind.__name__: kind.exit_code for kind in tree()} == EXIT_CODES


@pytest.mark.parametrize("kind", tree())
def test_message_is_one_line_with_the_next_step(kind: type[JoulemarkError]) -> None:
    """An error prints what failed and what to do next as two sentences on one line, whatever stops its parts end with."""
    assert str(kind("spool.db is full.", "raise spool.max_bytes")) == "spool.db is full. raise spool.max_bytes."
    assert str(kind("spool.db is full")) == "spool.db is full."


@pytest.mark.parametrize("kind", tree())
def test_error_survives_a_process_border(kind: type[JoulemarkError]) -> None:
    """An error pickled by a driver's child process comes back as the same kind with both of its parts."""
    back = pickle.loads(pickle.dumps(kind("what", "next")))
    assert (type(back), back.what, back.next_step) == (kind, "what", "next")


def test_an_unavailable_meter_is_both_a_meter_error_and_an_environment_error() -> None:
    """Whoever catches failed environment checks also catches a meter that cannot be opened."""
    assert issubclass(MeterUnavailable, errors.MeterError)
    assert issubclass(MeterUnavailable, errors.EnvironmentFailed)


def test_tree_in_the_docstring_names_every_error() -> None:
    """The drawing in the module's docstring holds every class of the module."""
    assert [kind.__name__ for kind in tree() if kind.__name__ not in (errors.__doc__ or "")] == []


NAMES_A_STEP = {"ConfigError", "EnvironmentFailed", "MeterUnavailable", "MeterGone", "AccessDenied", "RemoteUnreachable", "NotCompliant"}
"""What `joulemark doctor` or a person at a terminal meets first."""


def test_an_error_of_a_machine_says_what_to_do(repository: Path) -> None:
    """Wherever one is raised it has its next step, which doctor prints as the mend; the fake meter's fault on demand is none."""
    silent = []
    package = repository / "src" / "joulemark"
    for path in [*package.glob("*.py"), *(file for name in ("agent", "meters", "pki", "cli") for file in (package / name).rglob("*.py"))]:
        text = path.read_text(encoding="utf-8")
        if path.name == "fake_fault.py" or not any(f"{name}(" in text for name in NAMES_A_STEP):
            continue
        for call in ast.walk(ast.parse(text)):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in NAMES_A_STEP:
                whole = len(call.args) + len(call.keywords) > 1 or any(isinstance(one, ast.Starred) for one in call.args)
                silent += [] if whole else [f"{path.name}:{call.lineno}"]
    assert silent == []
