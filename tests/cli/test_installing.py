"""What `joulemark agent install` asks of the machine before it writes anything. Trees of files: test_installation.py."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from joulemark.cli import installing
from joulemark.cli.installation import PROGRAM, Service
from joulemark.errors import EnvironmentFailed
from tests.command import joulemark


def nowhere(tmp_path: Path) -> Service:
    """A service whose places are all below `tmp_path`."""
    return Service("joulemark-nowhere", {}, f"{tmp_path}/etc/nowhere.toml", "", ())


def test_everybody_but_root_is_told_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    """Status 5 and the whole command with sudo."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    done = joulemark("agent", "install", "--program", PROGRAM)
    assert done.returncode == 5
    assert f"joulemark agent install --program {PROGRAM}." in done.stderr
    assert "run: sudo /" in done.stderr
    assert joulemark("collector", "uninstall").returncode == 5


def test_without_systemd_nothing_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where systemd does not run, the way to write the files alone is told."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(installing, "booted", lambda: False)
    done = joulemark("agent", "install", "--program", PROGRAM)
    assert done.returncode == 5
    assert "--root /" in done.stderr


def test_a_failed_check_comes_before_any_file(tmp_path: Path) -> None:
    """A configuration that does not load is named with the way to mend it, and --force goes past it."""
    service = nowhere(tmp_path)
    Path(service.config).parent.mkdir()
    Path(service.config).write_text("[agnet]\n")
    with pytest.raises(EnvironmentFailed, match="configuration") as error:
        installing.checks(service, force=False)
    assert "--force" in error.value.next_step
    installing.checks(service, force=True)


def test_a_command_that_fails_is_told_with_what_it_said() -> None:
    """Its words, its status where it said nothing, and one that is not there."""
    with pytest.raises(EnvironmentFailed, match="no such unit"):
        installing.ran([("sh", "-c", "echo no such unit >&2; exit 3")])
    with pytest.raises(EnvironmentFailed, match="status 3"):
        installing.ran([("sh", "-c", "exit 3")])
    with pytest.raises(EnvironmentFailed, match="/none/systemctl"):
        installing.ran([("/none/systemctl", "start")])
    installing.ran([("true",)])


def test_what_a_machine_does_not_have_is_not_called() -> None:
    """A machine without udev needs no word to it."""
    assert installing.present([("sh", "-c"), ("/none/udevadm", "control")]) == [("sh", "-c")]
