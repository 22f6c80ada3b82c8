"""`joulemark token`: who may use the collector's REST interface."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from joulemark import config as configuration
from joulemark import timebase
from joulemark.cli import emit, json_option
from joulemark.errors import UsageError
from joulemark.units import NS_PER_S

if TYPE_CHECKING:
    from joulemark.collector.tokens import Token, Tokens

NS_PER_DAY: Final = 86_400 * NS_PER_S
CONFIG = click.option(
    "--config", "config_path", type=click.Path(path_type=Path), help="The collector's TOML file; default $JOULEMARK_CONFIG."
)


@click.group()
def command() -> None:
    """Make, list and revoke the tokens of the collector's REST interface.

    Once there is one, every route but /healthz and /readyz asks for a token. Run these commands on the collector's machine; a
    running collector takes a change at its next request.
    """


@command.command()
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice(["read", "submit", "write", "admin"]),
    required=True,
    help="read: what can be asked; submit: bundles for the board too; write: marks too; admin: all.",
)
@click.option("--days", type=click.IntRange(1, 36_500), help="Days until it expires; never unless given.")
@click.option("--out", type=click.Path(path_type=Path), help="Write it to this new file, readable by its owner only, and print it nowhere.")
@CONFIG
@json_option
def create(name: str, scope: str, days: int | None, out: Path | None, config_path: Path | None, as_json: bool) -> None:
    """Make a token NAME and print it, once: only its hash is kept."""
    from joulemark.collector.tokens import Scope

    now_ns = timebase.SystemClock().utc_ns()
    expires_ns = None if days is None else now_ns + days * NS_PER_DAY
    tokens = opened(config_path)
    handle = fresh(out) if out is not None else None
    try:
        secret = tokens.create(name, Scope(scope), created_ns=now_ns, expires_ns=expires_ns)
    except BaseException:
        if out is not None:
            out.unlink()
        raise
    if handle is not None:
        with os.fdopen(handle, "w") as file:
            file.write(secret + "\n")
    given: dict[str, Any] = {"token": secret} if out is None else {"file": str(out)}
    emit({"name": name, "scope": scope, "expires_ns": expires_ns, **given}, as_json=as_json, text=lambda d: d.get("token") or d["file"])
    if out is None and not as_json:
        click.echo("This is shown once. Keep it in a file of mode 600 and name that in JOULEMARK_TOKEN_FILE.", err=True)


@command.command("list")
@CONFIG
@json_option
def listed(config_path: Path | None, as_json: bool) -> None:
    """List the tokens: name, scope, when made, when they expire. Their text is not known."""
    now_ns = timebase.SystemClock().utc_ns()
    tokens = opened(config_path)
    rows = [row(token, now_ns) for token in tokens.entries()]
    emit(rows, as_json=as_json, text=lambda rows: table(rows) if rows else none_text(asked=tokens.configured))


@command.command()
@click.argument("name")
@CONFIG
@json_option
def revoke(name: str, config_path: Path | None, as_json: bool) -> None:
    """Make the token NAME worthless from the next request on."""
    opened(config_path).revoke(name)
    emit({"name": name, "revoked": True}, as_json=as_json, text=lambda d: f"token {d['name']} is revoked")


def opened(config_path: Path | None) -> Tokens:
    """The tokens of the configured data folder."""
    from joulemark.collector.tokens import Tokens

    return Tokens(configuration.load(config_path).collector.data_dir)


def fresh(path: Path) -> int:
    """A new file for a secret, open for writing. Raises UsageError when it cannot be made."""
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise UsageError(f"cannot create {path}: {error.strerror}", "name a new file in a folder you may write") from error


def row(token: Token, now_ns: int) -> dict[str, Any]:
    """What is known of a token."""
    return {
        "name": token.name,
        "scope": str(token.scope),
        "created_ns": token.created_ns,
        "expires_ns": token.expires_ns,
        "expired": not token.valid(now_ns),
    }


def none_text(*, asked: bool) -> str:
    """What it means that there is no token. `asked`: there were some, and one is still asked for."""
    means = "nobody is let in" if asked else "this machine may do everything, others nothing"
    return f"no tokens: {means}; make one with: joulemark token create NAME --scope read"


def table(rows: list[dict[str, Any]]) -> str:
    """Lines for a person."""
    until = [f"until {timebase.iso_utc(r['expires_ns'])[:19]}Z" if r["expires_ns"] else "for ever" for r in rows]
    return "\n".join(
        f"{r['name']:<24} {r['scope']:<6} made {timebase.iso_utc(r['created_ns'])[:19]}Z  {'expired' if r['expired'] else end}"
        for r, end in zip(rows, until, strict=True)
    )
