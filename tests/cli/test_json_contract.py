"""Every command with --json, as docs/reference/cli-json.md promises it: a line of JSON or none, documented keys and exit codes."""

from __future__ import annotations

import functools
import json
import re
import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from joulemark.cards import bundle
from joulemark.cli import group, progress, run
from joulemark.cli.progress import Line
from joulemark.errors import JoulemarkError
from joulemark.meters import registry
from tests.cards.pages import full
from tests.docs import named

NOWHERE = "http://127.0.0.1:9"
HASH = "ab" * 32
ROUND = f"--round r --laboratory a --laboratory b --begin 2026-08-01 --workload-sha256 {HASH}"
ALWAYS = {0, 1, 2, 130}
"""Exit codes that any command may end with."""

CALLS = {
    "agent install": "--root tree",
    "agent downgrade-spool": "--config joulemark.toml",
    "agent run": "--once --config missing.toml",
    "agent rehome": "127.0.0.1:1 127.0.0.1:7470 --config joulemark.toml",
    "agent uninstall": "--root tree",
    "attach": "results --run bundle",
    "attribute": "bundle --requests",
    "board follow": "http://127.0.0.1:9/v1/board/feed.json --config joulemark.toml",
    "board list": "",
    "board report": "--quarter 2026Q4",
    "board snapshot": "--date 2026-11-01",
    "board submit": "bundle --no-wait",
    "board withdraw": "sha256:00 --reason wrong",
    "calibrate align": "--sensor a --reference b --load hand --out align",
    "calibrate full-load": "--meter a --load hand",
    "calibrate idle": "--meter a",
    "calibrate show": "",
    "collector backup": "backups --config joulemark.toml",
    "collector install": "--root tree",
    "collector run": "--config missing.toml",
    "collector move-to-clickhouse": "--config joulemark.toml",
    "collector restore": "backups --into again",
    "collector uninstall": "--root tree",
    "collector verify": "backups",
    "compare": "bundle bundle",
    "completion": "bash",
    "compute": "--power bundle/energy/readings --benchmark bundle",
    "config check": "joulemark.toml",
    "config show": "--config joulemark.toml",
    "cost of": "bundle",
    "cost project": "r1 r2 --queries-per-day 10",
    "demo": "--scale 0",
    "doctor": "--config doctor.toml",
    "explain": "SMP-3",
    "export focus": "bundle --out focus.csv",
    "export openmeter": "r1 --out openmeter.jsonl --subject s",
    "export stripe": "r1 --out stripe.jsonl --customer cus_1",
    "import": "auto bundle",
    "meters list": "",
    "meters probe": "fake --count 2 --interval-ms 1",
    "pki init": "pki",
    "pki issue": "node1 --for agent --ca pki",
    "pki renew": "node1 --ca pki",
    "pki revoke": "node1 --ca pki",
    "pki seal-key": "seal.key",
    "price export": "--out prices.json --config joulemark.toml",
    "price fetches": "--config joulemark.toml",
    "price import": "prices.toml --config joulemark.toml",
    "price show": "--config joulemark.toml",
    "price update": "--config joulemark.toml",
    "report": "results",
    "ring evaluate": "round.toml",
    "ring plan": f"planned.toml {ROUND}",
    "run chain": "r1",
    "run evidence": "r1 --workload bundle/energy/workload.json",
    "run exec": "-- true",
    "run resend": "r1",
    "run seal": "r1",
    "run start": "",
    "run stop": "r1",
    "serving": "--last 5m",
    "token create": "ci --scope read --config joulemark.toml",
    "token list": "--config joulemark.toml",
    "token revoke": "ci --config joulemark.toml",
    "validate": "bundle --level ES2",
    "watch": "--count 1",
}
"""Each command in small; what needs a collector has none."""

FAKE = {"fake": registry.kinds()["fake"]}
"""The kinds of meters of this machine, without those that take seconds to load."""

NO_OBJECT = {"agent run", "collector run", "demo"}
"""What prints its object once it runs: its own tests do that."""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str
    long: tuple[str, ...] = ()
    """Its actions that show progress."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """A folder with a bundle, prices and a configuration whose folder is its own."""
    folder = tmp_path_factory.mktemp("contract")
    bundle.write(folder / "bundle", full("ES1").evidence)
    (folder / "results").mkdir()
    (folder / "results" / "notes.txt").write_text("what a benchmark wrote")
    shutil.copy(repository / "src" / "joulemark" / "demo" / "prices.toml", folder)
    (folder / "joulemark.toml").write_text(f'[collector]\ndata_dir = "{folder}/data"\n')
    (folder / "doctor.toml").write_text("[collector]\nport = 3\n")
    CliRunner().invoke(group, ["ring", "plan", str(folder / "round.toml"), *ROUND.split()])
    return folder


@functools.cache
def done(place: Path, command: str) -> Done:
    """The command with --json in that folder, far from every collector."""
    with pytest.MonkeyPatch.context() as at, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # marks that are kept
        at.chdir(place)
        at.setattr(run, "RESEND_LIMIT_S", 0.0)
        long: list[str] = []
        at.setattr(progress, "Line", lambda what, *more: long.append(what) or Line(what, *more))
        at.setattr(registry, "kinds", lambda: FAKE)
        environment = {
            "JOULEMARK_URL": NOWHERE,
            "JOULEMARK_CONFIG": None,
            "STATE_DIRECTORY": str(place / "state"),
            "JOULEMARK_TOKEN_FILE": None,
        }
        words = CALLS[command].split()
        before = words.index("--") if "--" in words else len(words)
        asked = [*command.split(), *words[:before], "--json", *words[before:]]
        result = CliRunner().invoke(group, asked, env=environment, standalone_mode=False)
    error = result.exception
    if isinstance(error, JoulemarkError):
        return Done(error.exit_code, result.stdout, f"{result.stderr}{error}", tuple(long))
    code = getattr(error, "exit_code", getattr(error, "code", None)) if error is not None else result.return_value
    assert error is None or code is not None, error
    return Done(code if isinstance(code, int) else 0, result.stdout, result.stderr, tuple(long))


def section(repository: Path, command: str) -> str:
    """What is promised of a command; `As X` brings what is promised of X."""
    page = (repository / "docs" / "reference" / "cli-json.md").read_text(encoding="utf-8")
    parts = dict(re.findall(r"^## joulemark (.+?)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    text = parts[command]
    others = re.findall(r"(?:^As|what|as|that is) \[?`joulemark ([a-z ]+?)`", text.strip())
    return text + "".join(parts.get(other, "") for other in others if other != command)


def test_every_command_has_its_call() -> None:
    """The table calls each command that takes --json, and no other."""
    assert {f"joulemark {name}" for name in CALLS} == named.json_outputs()[0]


@pytest.mark.parametrize("command", CALLS)
def test_a_command_keeps_what_is_promised_of_its_json(repository: Path, place: Path, command: str) -> None:
    """Its exit code is a documented one; stdout is one line of JSON whose schema and keys are documented, or empty where it failed."""
    ended, promised = done(place, command), section(repository, command)
    own = {
        int(code)
        for sentence in re.findall(r"Exit (?:code )?\d.*?(?=\n\n|\Z)", promised, re.DOTALL)
        for code in re.findall(r"\b([0-6])\b", sentence)
    }
    assert ended.code in ALWAYS | own | ({6} if asks_a_collector(command) else set()), ended
    assert "Traceback" not in ended.err
    if not ended.out:
        assert ended.code or command in NO_OBJECT, ended
        return
    assert ended.out.count("\n") == 1
    found = json.loads(ended.out, parse_constant=lambda word: pytest.fail(f"{word} in JSON"))
    entries = found if isinstance(found, list) else [found]
    for entry in entries:
        unknown = [key for key in keys(entry) if not re.search(rf"`{re.escape(key)}(\[\])?`", promised)]
        assert "schema.json" in promised or not unknown, unknown


def asks_a_collector(command: str) -> bool:
    """Whether an option of the command names a collector."""
    found: click.Command = group
    for word in command.split():
        assert isinstance(found, click.Group)
        child = found.get_command(click.Context(found), word)
        assert child is not None
        found = child
    return any(set(parameter.opts) & {"--url", "--to", "--from"} for parameter in found.params)


def keys(entry: dict[str, Any]) -> list[str]:
    """The keys of an object; its schema stands for the key of that name."""
    return [str(entry["schema"]) if key == "schema" else key for key in entry]


def test_the_walk_sees_objects_and_not_only_refusals() -> None:
    """Half of the commands at most print nothing here: those that need a collector, and those that go on for ever."""
    silent = {name for name in CALLS if asks_a_collector(name) and "bundle" not in CALLS[name].split()} | NO_OBJECT
    assert len(silent) < len(CALLS) / 2


@pytest.mark.parametrize(
    ("command", "actions"),
    [
        ("attach", ("energy from the readings", "files written and hashed")),
        ("attribute", ("bundle read", "energy shared out")),
        ("board follow", ("board read", "bundles judged", "verdicts")),
        ("board report", ("pages of the board read",)),
        ("board submit", ("bundle handed in",)),
        ("compute", ("benchmark read", "power logs read", "energy of the phases")),
        ("cost project", ("bundle fetched",)),
        ("doctor", ("checks of this machine",)),
        ("import", ("benchmark read",)),
        ("meters list", ("kinds of meters tried",)),
        ("meters probe", ("reads of the meter",)),
        ("price import", ("price files read", "price files stored")),
        ("report", ("rules judged",)),
        ("ring evaluate", ("bundles read",)),
        ("run resend", ("marks delivered",)),
        ("run stop", ("waiting for the last readings",)),
        ("serving", ("energy of the window",)),
        ("validate", ("rules judged",)),
    ],
)
def test_what_may_take_long_shows_its_progress(place: Path, command: str, actions: tuple[str, ...]) -> None:
    """Each long action of a command has its line, in this order; none of it is in what is printed."""
    ended = done(place, command)
    assert ended.long == actions
    assert not any(f"{action}:" in ended.out for action in actions)
