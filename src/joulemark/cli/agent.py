"""`joulemark agent`: the process that measures one host."""

from __future__ import annotations

import dataclasses
import signal
from pathlib import Path

import click

from joulemark import config as configuration
from joulemark import logs
from joulemark.cli import emit, installing, json_option
from joulemark.cli.installation import AGENT


@click.group()
def command() -> None:
    """Run the agent of this host."""


command.add_command(installing.install_command(AGENT))
command.add_command(installing.uninstall_command(AGENT))


@command.command()
@click.option("--config", "config_path", type=click.Path(path_type=Path), help="TOML file; default $JOULEMARK_CONFIG.")
@click.option("--once", is_flag=True, help="Read every meter once, deliver that, and end.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True)
@json_option
def run(config_path: Path | None, once: bool, log_level: str, as_json: bool) -> None:
    """Read the meters of this host and deliver the readings to the collector, until stopped.

    A collector that cannot be reached is reported once; readings wait on disk until it is back. With --once that is exit code 6.
    """
    from joulemark.agent.service import Agent

    logs.configure(log_level)
    agent = Agent(configuration.load(config_path))
    if once:
        data = dataclasses.asdict(agent.run_once())
        emit(
            data,
            as_json=as_json,
            text=lambda d: f"delivered {d['read_count']} reads of {', '.join(d['sources'])}; {d['error_count']} failed",
        )
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: agent.stop())
    agent.run()


@command.command("downgrade-spool")
@click.option("--config", "config_path", type=click.Path(path_type=Path), help="TOML file; default $JOULEMARK_CONFIG.")
@json_option
def downgrade_spool(config_path: Path | None, as_json: bool) -> None:
    """Bring the spool back to the version before this one, so that its agent takes it. The agent must be stopped.

    Run it with this version, then install the one before. Nothing in the spool is lost; this version brings it back at its start.
    """
    from joulemark.agent.downgrading import downgraded

    emit(
        dataclasses.asdict(downgraded(configuration.load(config_path))),
        as_json=as_json,
        text=lambda d: (
            f"the spool has schema {d['schema_version']} now; {d['batches']} batches wait in it"
            + (f", all of them for {d['collector']}: keep that as agent.collector" if d["collector"] else "")
        ),
    )


@command.command()
@click.argument("old")
@click.argument("new")
@click.option("--yes", is_flag=True, help="Also give away what OLD may have stored already: it may then be stored twice.")
@click.option("--config", "config_path", type=click.Path(path_type=Path), help="TOML file; default $JOULEMARK_CONFIG.")
@json_option
def rehome(old: str, new: str, yes: bool, config_path: Path | None, as_json: bool) -> None:
    """Give what waits in the spool for the collector OLD to the collector NEW, when OLD is gone for ever. The agent must be stopped.

    A batch that was sent to OLD, and whose acknowledgement never came, may be stored there; once NEW has it too, it is counted twice by
    whoever adds the two up. It is not where NEW is OLD under another name or address, or the first ingest process of the same machine.
    """
    from joulemark.agent.rehoming import rehomed

    moved = rehomed(configuration.load(config_path), old, new, accept_duplicates=yes)
    emit(
        dataclasses.asdict(moved),
        as_json=as_json,
        text=lambda d: f"{d['batches']} batches now belong to {new}; {d['perhaps_stored']} of them may be stored at {old} too",
    )
