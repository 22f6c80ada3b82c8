"""`joulemark agent install` and `uninstall`, into a tree of files."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from joulemark.cli.installation import AGENT, COLLECTOR, PROGRAM, Service, Tree, install, interpreter, sources, uninstall
from joulemark.errors import EnvironmentFailed
from tests.command import joulemark

SERVICES = {"agent": AGENT, "collector": COLLECTOR}


def everything(root: Path) -> dict[str, str]:
    """Every file, link and folder below `root`."""
    return {
        f"/{path.relative_to(root)}": str(path.readlink()) if path.is_symlink() else path.read_text() if path.is_file() else "folder"
        for path in sorted(root.rglob("*"))
    }


@pytest.mark.parametrize("name", SERVICES)
def test_what_was_installed_is_what_is_taken_away(name: str, tmp_path: Path) -> None:
    """The unit starts the named program and is enabled by its link; --purge leaves no file and no folder of ours, and all of others.

    The folders of the system stay, also those that were not there before: udev, systemd and other packages own them.
    """
    service = SERVICES[name]
    other = tmp_path / "etc/systemd/system/other.service"
    other.parent.mkdir(parents=True)
    other.write_text("[Unit]\n")
    before = everything(tmp_path)
    done = joulemark(name, "install", "--root", tmp_path, "--program", "/srv/joulemark/bin/joulemark", "--json")
    assert done.returncode == 0, done.stderr
    after, data = everything(tmp_path), json.loads(done.stdout)
    unit = after[f"/etc/systemd/system/{service.name}.service"]
    assert f"ExecStart=/srv/joulemark/bin/joulemark {name} run --config {service.config}\n" in unit
    assert PROGRAM not in unit
    place, target = service.link
    assert after[place] == target
    assert {path for path, text in after.items() if text != "folder"} - set(before) == set(data["wrote"])
    assert (data["commands"], data["dry_run"]) == ([], False)
    assert joulemark(name, "uninstall", "--root", tmp_path, "--purge").returncode == 0
    left = everything(tmp_path)
    assert {path for path, text in left.items() if text != "folder"} == {"/etc/systemd/system/other.service"}
    assert set(left) - set(before) == set(after) - set(data["wrote"]) - set(before) - {"/etc/joulemark"}


def test_systemd_finds_the_unit_enabled(tmp_path: Path) -> None:
    """`systemctl is-enabled` says of the tree what it would say after `systemctl enable`."""
    assert joulemark("agent", "install", "--root", tmp_path).returncode == 0
    asked = ["systemctl", f"--root={tmp_path}", "is-enabled", AGENT.name]
    assert subprocess.run(asked, capture_output=True, text=True, timeout=30, check=False).stdout == "enabled\n"
    assert joulemark("agent", "uninstall", "--root", tmp_path).returncode == 0
    assert subprocess.run(asked, capture_output=True, text=True, timeout=30, check=False).stdout == ""


def test_configuration_and_data_outlive_the_service(tmp_path: Path) -> None:
    """A configuration that was there is not written over; it and the data stay until --purge, which may also come later."""
    config, data = tmp_path / "etc/joulemark/agent.toml", tmp_path / "var/lib/private/joulemark-agent"
    for folder in (config.parent, data):
        folder.mkdir(parents=True)
    config.write_text("[agent]\nagent_id = 'mine'\n")
    (data / "spool.db").write_text("readings")
    assert f"kept     {AGENT.config}" in joulemark("agent", "install", "--root", tmp_path).stdout
    gone = joulemark("agent", "uninstall", "--root", tmp_path)
    assert config.read_text() == "[agent]\nagent_id = 'mine'\n"
    assert f"kept     {AGENT.states[1]}" in gone.stdout
    assert (tmp_path / "etc/sysusers.d").is_dir()
    joulemark("agent", "uninstall", "--root", tmp_path, "--purge")
    assert not config.parent.exists()
    assert not data.exists()


def test_nothing_happens_in_a_dry_run(tmp_path: Path) -> None:
    """What would be written or removed is told and stays as it is."""
    would = joulemark("agent", "install", "--root", tmp_path, "--dry-run", "--json")
    assert everything(tmp_path) == {}
    did = joulemark("agent", "install", "--root", tmp_path, "--json")
    assert json.loads(would.stdout)["wrote"] == json.loads(did.stdout)["wrote"]
    there = everything(tmp_path)
    would = joulemark("agent", "uninstall", "--root", tmp_path, "--purge", "--dry-run", "--json")
    assert everything(tmp_path) == there
    did = joulemark("agent", "uninstall", "--root", tmp_path, "--purge", "--json")
    assert set(json.loads(would.stdout)["removed"]) <= set(json.loads(did.stdout)["removed"])


def test_the_dry_run_of_a_machine_tells_the_commands() -> None:
    """Without --root the commands that reload, enable and start are named too."""
    done = joulemark("agent", "install", "--dry-run", "--program", PROGRAM, "--json")
    commands = json.loads(done.stdout)["commands"]
    assert commands[-2:] == ["systemctl daemon-reload", "systemctl enable --now joulemark-agent"]


def test_a_second_installation_brings_the_files_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that an older version wrote are written anew; a configuration that is there stays."""
    install(AGENT, Tree(tmp_path), "/opt/old/bin/joulemark")
    done = install(AGENT, Tree(tmp_path), PROGRAM)
    assert PROGRAM in (tmp_path / "etc/systemd/system/joulemark-agent.service").read_text()
    assert done.kept == [AGENT.config]


def test_what_somebody_changed_is_neither_written_over_nor_removed(tmp_path: Path) -> None:
    """The message names the file and where own settings belong; uninstall keeps it and says so."""
    install(AGENT, Tree(tmp_path), PROGRAM)
    unit = tmp_path / "etc/systemd/system/joulemark-agent.service"
    unit.write_text(unit.read_text() + "# mine\n")
    with pytest.raises(EnvironmentFailed, match="changed since") as error:
        install(AGENT, Tree(tmp_path), "/opt/other/bin/joulemark")
    assert "systemctl edit joulemark-agent" in error.value.next_step
    assert uninstall(AGENT, Tree(tmp_path), purge=True).kept == ["/etc/systemd/system/joulemark-agent.service"]
    assert unit.read_text().endswith("# mine\n")


def test_a_link_out_of_the_tree_is_not_followed(tmp_path: Path) -> None:
    """An image whose /etc/systemd leads elsewhere is refused before anything is written there."""
    outside, root = tmp_path / "outside", tmp_path / "root"
    outside.mkdir()
    (root / "etc").mkdir(parents=True)
    (root / "etc/systemd").symlink_to(outside)
    done = joulemark("agent", "install", "--root", root)
    assert (done.returncode, list(outside.iterdir())) == (5, [])
    assert "leads out of" in done.stderr


@pytest.mark.parametrize("program", ["/home/me/venv/bin/joulemark", "/tmp/x/joulemark", "bin/joulemark", "/opt/a b/joulemark", "/opt/%h/j"])
def test_a_program_that_the_unit_would_not_see_is_refused(program: str, tmp_path: Path) -> None:
    """Homes, temporary folders, relative paths and what systemd would read otherwise: status 2, nothing written."""
    done = joulemark("agent", "install", "--root", tmp_path, "--program", program)
    assert (done.returncode, everything(tmp_path)) == (2, {})
    assert "/opt" in done.stderr


def test_an_interpreter_that_the_unit_would_not_see_is_refused(tmp_path: Path) -> None:
    """An environment in /opt whose Python is a link into a home: systemd would end the service with 203/EXEC."""
    script = tmp_path / "joulemark"
    script.write_text("#!/home/me/.pyenv/versions/3.11/bin/python3\n")
    assert interpreter(script) == Path("/home/me/.pyenv/versions/3.11/bin/python3")
    assert interpreter(tmp_path / "none") is None
    script.write_bytes(b"\x7fELF")
    assert interpreter(script) is None


def test_a_damaged_record_is_told(tmp_path: Path) -> None:
    """Status 5, the file, and what to do."""
    install(AGENT, Tree(tmp_path), PROGRAM)
    (tmp_path / AGENT.record.lstrip("/")).write_text("{")
    done = joulemark("agent", "uninstall", "--root", tmp_path)
    assert done.returncode == 5
    assert "joulemark-agent.installed.json cannot be used" in done.stderr


@pytest.mark.parametrize("service", [AGENT, COLLECTOR], ids=lambda s: s.name)
def test_every_file_of_the_folder_is_somebodys(service: Service, repository: Path) -> None:
    """`deploy/systemd` holds what the services name, and what they name is there."""
    named = {name for one in (AGENT, COLLECTOR) for name in one.files}
    assert {path.name for path in (repository / "deploy/systemd").iterdir()} == named
    assert sources() == repository / "deploy/systemd"
    assert all((sources() / name).is_file() for name in service.files)
