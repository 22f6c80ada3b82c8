"""`joulemark explain`: every rule can be asked for, with what it demands and how to meet it."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result

from joulemark.cli import group
from joulemark.errors import UsageError
from joulemark.standard.edition import edition


def run(*args: str) -> Result:
    return CliRunner().invoke(group, ["explain", *args], catch_exceptions=False)


@pytest.mark.parametrize("name", ["SMP-3", "smp-3"])
def test_a_rule_says_all_it_has(name: str) -> None:
    """The text, both columns, the data and the reason stand in the answer, whatever the case of the letters."""
    rule = edition().rule("SMP-3")
    out = " ".join(run(name).stdout.split())  # lines are broken where the terminal ends
    for words in (rule.id, rule.text, rule.es1, rule.es2, rule.data, rule.why, rule.how):
        assert words in out


def test_limits_are_printed_with_their_names() -> None:
    """The numbers that the check compares with stand beside the cells for people."""
    assert "[rel = 1e-06]" in run("INT-2").stdout


def test_a_group_and_all() -> None:
    """A group brings each of its rules at length, nothing brings what every rule demands; no line is wider than 100 columns."""
    told = run("INT").stdout
    assert all(f"INT-{n} (edition 1.0)" in told for n in range(1, 10))
    lines = run().stdout.splitlines()
    assert sum(not line.startswith(" ") for line in lines) == len(edition().rules) + 1
    assert max(map(len, [*lines, *told.splitlines()])) <= 100
    assert lines[0].startswith("SCO-1 ")


def test_json_has_the_numbers() -> None:
    """The object names its schema and edition and carries the limits as numbers."""
    data = json.loads(run("INT-2", "--json").stdout)
    assert (data["schema"], data["edition"]) == ("joulemark.rules/1", "1.0")
    assert data["rules"][0]["limits"] == {"ES1": {"rel": 1e-6}, "ES2": {"rel": 1e-6}}


@pytest.mark.parametrize(("args", "words"), [(("SMP-99",), "SMP-1"), (("XYZ",), "SCO"), (("SMP-3", "--edition", "0.1"), "1.0")])
def test_what_there_is_not_is_refused_with_what_there_is(args: tuple[str, ...], words: str) -> None:
    """An unknown rule, group or edition is a usage error that lists the near ones."""
    with pytest.raises(UsageError, match=words):
        run(*args)
