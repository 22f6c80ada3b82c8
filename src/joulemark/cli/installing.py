"""`joulemark agent install` and `uninstall`, and the same of the collector."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from joulemark.cli import emit, json_option
from joulemark.cli.installation import PROGRAM, Done, Service, Tree, checked_program, install, recorded, uninstall
from joulemark.errors import EnvironmentFailed

root_option = click.option(
    "--root", type=click.Path(path_type=Path, file_okay=False), help="A tree of files, as of an image; / unless set."
)
dry_option = click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")


def install_command(service: Service) -> click.Command:
    """`install` of a service."""

    @click.command(name="install")
    @root_option
    @click.option("--program", type=click.Path(path_type=Path), help="The command that the unit starts; this one unless set.")
    @click.option("--force", is_flag=True, help="Install although a check of joulemark doctor fails.")
    @dry_option
    @json_option
    def command(root: Path | None, program: Path | None, force: bool, dry_run: bool, as_json: bool) -> None:
        """Make it a service of systemd: write its unit and what that needs, enable and start it.

        The checks of joulemark doctor come first. A configuration that is there stays. With --root nothing is checked or started.
        """
        started = checked_program(program or (own_program() if root is None else Path(PROGRAM)))
        commands = (
            [] if root else [*present(service.reload), ("systemctl", "daemon-reload"), ("systemctl", "enable", "--now", service.name)]
        )
        if not dry_run and root is None:
            as_root()
            if not booted():
                raise EnvironmentFailed("systemd does not run this machine", "write the files alone with: --root /")
            checks(service, force=force)
        carried_out(lambda tree: install(service, tree, started), (), commands, root=root, dry_run=dry_run, as_json=as_json)

    return command


def uninstall_command(service: Service) -> click.Command:
    """`uninstall` of a service."""

    @click.command(name="uninstall")
    @root_option
    @click.option("--purge", is_flag=True, help="Remove the configuration and all data too.")
    @dry_option
    @json_option
    def command(root: Path | None, purge: bool, dry_run: bool, as_json: bool) -> None:
        """Stop the service and remove what install wrote. Data and configuration stay, unless --purge is given."""
        if not dry_run and root is None:
            as_root()
        running = root is None and booted() and bool(recorded(Tree(Path("/")), service)["files"])
        before = [("systemctl", "disable", "--now", service.name)] if running else []
        after = [("systemctl", "daemon-reload")] if running else []
        carried_out(lambda tree: uninstall(service, tree, purge=purge), before, after, root=root, dry_run=dry_run, as_json=as_json)

    return command


def carried_out(
    work: Any, before: Sequence[Sequence[str]], after: Sequence[Sequence[str]], *, root: Path | None, dry_run: bool, as_json: bool
) -> None:
    """Run the commands around the work on the files, and say what was done. Raises EnvironmentFailed."""
    if not dry_run:
        ran(before)
    try:
        done: Done = work(Tree(root or Path("/"), dry=dry_run))
    except OSError as error:
        raise EnvironmentFailed(f"{error.filename}: {error.strerror}", "check that you own it, and that the disk has room") from error
    if not dry_run:
        ran(after)
    data = {"root": str(root or "/"), "dry_run": dry_run, **asdict(done), "commands": [shlex.join(one) for one in (*before, *after)]}
    emit(data, as_json=as_json, text=told)


def told(data: dict[str, Any]) -> str:
    """One line for each place and command."""
    lines = [f"{word:8} {place}" for word, key in (("wrote", "wrote"), ("removed", "removed"), ("kept", "kept")) for place in data[key]]
    lines += [f"{'ran':8} {command}" for command in data["commands"]]
    return "\n".join([*(["nothing was done; what would be:"] if data["dry_run"] else []), *(lines or ["nothing was installed"])])


def own_program() -> Path:
    """The command of this environment. Raises EnvironmentFailed where there is none."""
    found = Path(sys.executable).with_name("joulemark")
    if not found.exists():
        raise EnvironmentFailed(f"there is no {found}", "name the command that the unit starts with --program")
    return found


def booted() -> bool:
    """Whether systemd runs this machine. Source: sd_booted(3)."""
    return Path("/run/systemd/system").is_dir()


def as_root() -> None:
    """Raises EnvironmentFailed, with the command to type, for everybody else."""
    if os.geteuid() != 0:
        again = shlex.join(["sudo", str(own_program()), *sys.argv[1:]])
        raise EnvironmentFailed("only root may make a service of systemd", f"run: {again}")


def checks(service: Service, *, force: bool) -> None:
    """What `joulemark doctor` finds, on stderr. Raises EnvironmentFailed when something will not work."""
    from joulemark.cli.doctor import findings, report

    config = Path(service.config)
    found = list(findings(config if config.exists() else None))
    failed = [finding for finding in found if finding.status == "fail"]
    if failed and not force:
        click.echo(report([finding.to_json() for finding in failed]), err=True)
        what = f"joulemark doctor finds what will not work: {', '.join(finding.name for finding in failed)}"
        raise EnvironmentFailed(what, "mend it as the lines above say, or install all the same with --force")


def present(commands: Iterable[Sequence[str]]) -> list[Sequence[str]]:
    """Those whose program is here: a machine without udev needs no word to it."""
    return [command for command in commands if shutil.which(command[0])]


def ran(commands: Iterable[Sequence[str]]) -> None:
    """Run each to its end. Raises EnvironmentFailed for the first that fails."""
    for command in commands:
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EnvironmentFailed(
                f"{shlex.join(command)}: {error}", "is this a machine that systemd runs? For an image use --root"
            ) from error
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip() or f"status {done.returncode}"
            raise EnvironmentFailed(
                f"{shlex.join(command)}: {said}", "mend that and run the command again: it begins anew where it stopped"
            )
