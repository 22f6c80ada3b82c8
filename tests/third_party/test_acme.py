"""A driver that somebody else wrote, built as a wheel and installed beside Joulemark, not part of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.meters.conformance import CHECKS, Check
from tests.meters.living.base import Living

PACKAGE = Path(__file__).parent / "acme"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the wheel of the third party is installed: a folder of its own, so that nothing of it stays."""
    folder = tmp_path_factory.mktemp("site")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "--quiet",
        "install",
        "--no-deps",
        "--no-index",
        "--no-build-isolation",
    ]
    subprocess.run([*pip, "--target", str(folder), str(PACKAGE)], check=True, capture_output=True, timeout=60)
    return folder


def joulemark(site: Path, *args: str) -> dict[str, Any]:
    """The object that a command prints, in a process that sees the installed package."""
    env = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(
        [sys.executable, "-m", "joulemark", *args, "--json"], capture_output=True, text=True, env=env, timeout=60, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_an_installed_package_adds_a_kind(site: Path) -> None:
    """`meters list` knows the kind of an installed wheel with its boundary, its accuracy and the tier its quality file comes to."""
    [acme] = [entry for entry in joulemark(site, "meters", "list")["kinds"] if entry["kind"] == "acme"]
    assert (acme["boundaries"], acme["accuracy"]) == (["server_input"], "0.5 % of reading, ACME data sheet 7")
    assert acme["tier"] == "none"
    assert acme["open_rules"][0] == "suitable_polling"
    assert "missing file" in acme["reason"]


def test_its_meter_is_probed(site: Path, tmp_path: Path) -> None:
    """`meters probe` reads the third party's meter like one of our own."""
    (tmp_path / "watts").write_text("431.25")
    [meter] = joulemark(site, "meters", "probe", "acme", "--option", f"file={tmp_path / 'watts'}", "--count", "3")["meters"]
    assert (meter["value_si"], meter["boundary"], meter["good"]) == (431.25, "server_input", 3)


@contextmanager
def live(folder: Path) -> Iterator[Living]:
    """The logger's file, written by the test in the place of the laboratory."""
    watts = folder / "watts"
    watts.write_text("431.25")
    no_credential = "a file is opened with the rights of the user, there is no account to refuse"
    exempt = {
        "a_refused_credential_is_told": no_credential,
        "a_hung_device_is_a_gap_within_the_deadline": "a file is read at once or not at all",
    }

    def replug() -> None:
        watts.write_text("431.25")

    yield Living({"file": str(watts)}, unplug=watts.unlink, replug=replug, exempt=exempt)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_it_keeps_the_contract(check: Check, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The conformance suite takes a third party's kind as it takes our own."""
    monkeypatch.syspath_prepend(str(site))
    with live(tmp_path) as living:
        if check.__name__ not in living.exempt:
            check("acme", living)
