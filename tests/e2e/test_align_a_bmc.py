"""The how-to on aligning a BMC: its file is valid, and its commands are ones that the program takes."""

from __future__ import annotations

import re
import shlex
import subprocess
import textwrap
from pathlib import Path

import click
import pytest

from joulemark import cli, config
from joulemark.calibration.acceptance import Limits, faults
from joulemark.calibration.procedure import Plan, better_mid
from joulemark.cli import calibrate
from joulemark.demo.processes import joulemark as command_line
from joulemark.load.generators import chosen
from tests.kit import alignment

PAGE = Path("docs/how-to/align-a-bmc.md")


@pytest.fixture
def page(repository: Path) -> str:
    return (repository / PAGE).read_text(encoding="utf-8")


def test_the_page_holds_a_valid_file(page: str, tmp_path: Path) -> None:
    """The file is accepted by `joulemark config check`, and reads the sensor and the reference."""
    (found,) = re.findall(r"^ *```toml\n(.*?)^ *```$", page, re.MULTILINE | re.DOTALL)
    file = tmp_path / "joulemark.toml"
    file.write_text(textwrap.dedent(found))
    done = subprocess.run(command_line("config", "check", str(file)), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert [table.kind for table in config.load(file).meters] == ["ipmi", "scpi"]


def parsed(line: str) -> click.Context:
    """The context in which the command of a line would run."""
    _, group, name, *arguments = shlex.split(line)
    assert group == "calibrate"
    found = calibrate.command.get_command(click.Context(cli.group), name)
    assert found is not None
    return found.make_context(name, arguments)


def test_the_commands_of_the_page_are_taken(page: str) -> None:
    """Every one that stands in a block or in a line: its options exist, and its load can be started."""
    lines = re.findall(r"(?:^ +|`)(joulemark calibrate \S.*?)(?:`|$)", page, re.MULTILINE)
    contexts = [parsed(line) for line in lines]
    assert [context.info_name for context in contexts] == ["align", "show", "full-load", "idle"]
    given = contexts[0].params
    load = chosen(given["load"])
    assert load.command(0.5)[-1] == "my-benchmark --rate 0.5"
    plan = Plan(given["sensor"], given["reference"], load.name)
    assert 21.0 < sum(step.length_s for step in plan.steps) / 60.0 + 1.0 <= 22.5
    assert plan.shortfalls == ()
    assert "It takes 22 minutes" in page
    options = {option for parameter in contexts[0].command.params for option in parameter.opts}
    assert set(re.findall(r"`(--[a-z-]+)", page)) - {"--load"} <= options


def test_what_the_page_quotes_is_what_is_said(page: str) -> None:
    """The complaints on the page have the words of those that the program prints, and the better level is the one it would try."""
    record = alignment.made(1, before_ns=1_800_000_000_000_000_000).record
    (said,) = faults(record, Limits(mid_low=0.9, mid_high=1.0))
    assert re.sub(r"\d+\.\d%", "71.0%", said.split(",")[0]) in page
    (said, *_) = faults(record, Limits(residual_rel=0.0))
    assert re.sub(r"[-+]\d+\.\d+%", "+2.40%", said.split(",")[0]).replace("plateau idle", "plateau mid") in page
    assert better_mid(0.5, 0.71) == 0.35
    assert "`--mid 0.35`" in page
    for state in ("usable, but short of the standard", "cannot tell"):
        assert state in page
