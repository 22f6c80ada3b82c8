"""`joulemark pki`: the certificates by which agents, clients and the collector know each other."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from joulemark import timebase
from joulemark.cli import emit, json_option
from joulemark.errors import UsageError

if TYPE_CHECKING:
    from joulemark.pki.authority import Authority, Issued

DAYS: Final = click.IntRange(1, 36_500)
LEAF_DAYS: Final = 365
ROLES: Final = ("agent", "collector", "client")
FOLDER = click.option(
    "--ca", "folder", type=click.Path(path_type=Path), envvar="JOULEMARK_PKI", help="The authority's folder; default $JOULEMARK_PKI."
)


@click.group()
def command() -> None:
    """Make an authority of your own, and certificates for agents, clients and the collector.

    The authority is a folder. Keep it on a machine that only administrators use: whoever has its ca.key can be any agent.
    """


@command.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--days", type=DAYS, default=3650, show_default=True, help="Days for which the authority is valid.")
@json_option
def init(folder: Path, days: int, as_json: bool) -> None:
    """Make an authority in FOLDER: its key, its certificate, an empty list of revoked certificates."""
    from joulemark.pki.authority import Authority

    made = Authority.create(folder, timebase.SystemClock(), days=days)
    data = {
        "schema": "joulemark.authority/1",
        "ca_file": str(made.certificate_file),
        "revoked_file": str(made.revoked_file),
        **validity(made.certificate),
    }
    next_step = f"next: joulemark pki issue NAME --for collector --ca {shlex.quote(str(folder))}"
    emit(data, as_json=as_json, text=lambda d: f"authority: {d['ca_file']}, until {date(d)}\nrevoked:   {d['revoked_file']}\n{next_step}")


@command.command("seal-key")
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def seal_key(file: Path, as_json: bool) -> None:
    """Make a key in the new FILE that signs bundles, for collector.seal_key; print the public one, by which others know it."""
    from joulemark.pki import seal

    key = seal.new_key()
    try:
        seal.write_key(file, key)
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}", "give the name of a new file in a folder that is writable") from error
    data = {"seal_key": str(file), "public_key": seal.public_text(key)}
    emit(data, as_json=as_json, text=lambda d: f"key:    {d['seal_key']}\npublic: {d['public_key']}")


@command.command()
@click.argument("name")
@click.option("--for", "role", type=click.Choice(ROLES), required=True, help="What it is for.")
@click.option("--dns", multiple=True, help="Host name at which the collector is reached; NAME itself unless given. May be repeated.")
@click.option("--ip", multiple=True, help="Address at which the collector is reached. May be repeated.")
@click.option("--days", type=DAYS, default=LEAF_DAYS, show_default=True, help="Days for which it is valid, at most the authority's.")
@FOLDER
@json_option
def issue(name: str, role: str, dns: tuple[str, ...], ip: tuple[str, ...], days: int, folder: Path | None, as_json: bool) -> None:
    """Make a key and a certificate for NAME: an agent's agent_id, or the host name of the collector."""
    from joulemark.pki.subject import Role, Subject

    authority = opened(folder)
    issued = authority.issue(Subject(name, Role(role), dns, ip), days=days)
    emit(issued_json(issued, authority), as_json=as_json, text=issued_text)


@command.command()
@click.argument("name")
@click.option("--days", type=DAYS, default=LEAF_DAYS, show_default=True, help="Days for which it is valid, at most the authority's.")
@click.option("--new-key", is_flag=True, help="Make a new key too; it has to be copied to the host with the certificate.")
@FOLDER
@json_option
def renew(name: str, days: int, new_key: bool, folder: Path | None, as_json: bool) -> None:
    """Make another certificate for NAME, for the same names and the same key. Daemons take it without a restart."""
    authority = opened(folder)
    emit(issued_json(authority.renew(name, days=days, new_key=new_key), authority), as_json=as_json, text=issued_text)


@command.command()
@click.argument("name")
@FOLDER
@json_option
def revoke(name: str, folder: Path | None, as_json: bool) -> None:
    """Revoke every certificate of NAME that is still valid. A collector whose tls.revoked_file is this list ends its streams."""
    authority = opened(folder)
    data = {
        "schema": "joulemark.revocation/1",
        "name": name,
        "serials": [f"{serial:x}" for serial in authority.revoke(name)],
        "revoked_file": str(authority.revoked_file),
    }
    emit(data, as_json=as_json, text=revoked_text)


def opened(folder: Path | None) -> Authority:
    """The authority in `folder`. Raises UsageError when none is named, and as `Authority`."""
    from joulemark.errors import UsageError
    from joulemark.pki.authority import Authority

    if folder is None:
        raise UsageError("no authority is named", "give its folder with --ca, or in the variable JOULEMARK_PKI")
    return Authority(folder, timebase.SystemClock())


def validity(certificate: Any) -> dict[str, Any]:
    """What every certificate says."""
    return {"serial": f"{certificate.serial:x}", "not_before_ns": certificate.not_before_ns, "not_after_ns": certificate.not_after_ns}


def issued_json(issued: Issued, authority: Authority) -> dict[str, Any]:
    """`joulemark.certificate/1`."""
    made = issued.certificate
    return {
        "schema": "joulemark.certificate/1",
        "name": made.name,
        "for": made.role,
        "names": list(made.names),
        **validity(made),
        "cert_file": str(issued.cert_file),
        "key_file": str(issued.key_file) if issued.key_file else None,
        "ca_file": str(authority.certificate_file),
    }


def issued_text(data: dict[str, Any]) -> str:
    """The files, and the table that uses them."""
    lines = [f"certificate: {data['cert_file']}, for {', '.join(data['names'])}, until {date(data)}"]
    if data["key_file"] is None:
        return "\n".join([*lines, "key:         unchanged; replace cert_file on its host, the daemon takes it without a restart"])
    paths = {"ca_file": data["ca_file"], "cert_file": data["cert_file"], "key_file": data["key_file"]}
    return "\n".join(
        [
            *lines,
            f"key:         {data['key_file']}",
            f"copy the three files to the host of {data['name']}, the key for its daemon only (chmod 600), and name them there:",
            "[tls]",
            *(f'{key} = "/etc/joulemark/{Path(path).name}"' for key, path in paths.items()),
        ]
    )


def revoked_text(data: dict[str, Any]) -> str:
    """What was revoked, and what makes it known."""
    count, name, path = len(data["serials"]), data["name"], data["revoked_file"]
    if count == 0:
        return f"no certificate of {name} was still valid; {path} is as it was"
    return f"revoked {count} certificates of {name}\nnext: copy {path} to the collector, as its tls.revoked_file"


def date(data: dict[str, Any]) -> str:
    """The last day."""
    return timebase.iso_utc(data["not_after_ns"])[:10]
