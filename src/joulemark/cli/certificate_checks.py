"""The checks of `joulemark doctor` that look into certificates: whom they speak for, how long, and who is revoked."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from joulemark import tls
from joulemark.cli.findings import Finding, fail, ok, warn
from joulemark.config import Config, TlsConfig
from joulemark.errors import JoulemarkError
from joulemark.pki import certificate
from joulemark.pki.certificate import Certificate
from joulemark.pki.revocation import Revoked
from joulemark.pki.subject import Role
from joulemark.timebase import Clock, iso_utc
from joulemark.units import NS_PER_S

SOON_DAYS: Final = 30
NS_PER_DAY: Final = 86_400 * NS_PER_S


def all_of(config: Config, clock: Clock) -> Iterator[Finding]:
    """Every check of what stands in the files of `[tls]`, which fit together."""
    if config.tls.ca_file:
        oldest = min(certificate.read_all(config.tls.ca_file), key=lambda one: one.not_after_ns)
        mend = "make another with joulemark pki init, and name both in tls.ca_file until every certificate is issued anew"
        yield validity("certificate ca_file", config.tls.ca_file, oldest, clock.utc_ns(), mend)
    if config.tls.cert_file:
        own = certificate.read(config.tls.cert_file)
        yield validity("certificate cert_file", config.tls.cert_file, own, clock.utc_ns(), renewal(own, config.tls.cert_file))
        yield from identity(config, own)
    if config.tls.revoked_file:
        yield revocation(config.tls, clock)


def validity(name: str, file: Path, found: Certificate, now_ns: int, mend: str) -> Finding:
    """The certificate is valid now, and for a month to come."""
    left_days = (found.not_after_ns - now_ns) / NS_PER_DAY
    if left_days <= 0:
        return fail(name, f"{file} expired on {iso_utc(found.not_after_ns)[:10]}", mend)
    if found.not_before_ns > now_ns:
        return fail(
            name, f"{file} is valid from {iso_utc(found.not_before_ns)} on, and this host's clock is before that", "chronyc makestep"
        )
    detail = f"{file} is valid for {left_days:.0f} more days"
    return warn(name, detail, mend) if left_days < SOON_DAYS else ok(name, detail)


def renewal(own: Certificate, file: Path) -> str:
    """The command that renews a certificate, with the authority's folder where that is at hand."""
    if own.name is None:
        return "renew it where it was issued"
    folder = shlex.quote(str(file.parent)) if (file.parent / "ca.key").exists() else "FOLDER"
    where = "" if folder != "FOLDER" else f", on the authority's machine, and copy {file.name} here"
    return f"joulemark pki renew {shlex.quote(own.name)} --ca {folder}{where}"


def identity(config: Config, own: Certificate) -> Iterator[Finding]:
    """The agent of this host is called what its certificate says. Certificates of other origin and of collectors are not judged."""
    if own.role is not Role.AGENT:
        return
    agent_id = config.agent.agent_id
    if own.name == agent_id:
        yield ok("certificate identity", f"agent {agent_id}")
    else:
        detail = f"the certificate is of agent {own.name!r} and agent.agent_id is {agent_id!r}: the collector refuses that"
        yield fail("certificate identity", detail, f"joulemark pki issue {shlex.quote(agent_id)} --for agent, or correct agent.agent_id")


def revocation(settings: TlsConfig, clock: Clock) -> Finding:
    """The list of revoked certificates can be used, and this side's own certificate is not on it."""
    try:
        revoked = Revoked.of(settings, clock)
    except JoulemarkError as error:
        return fail("revoked certificates", error.what, error.next_step)
    pem = tls.read(settings).cert
    if revoked is not None and pem is not None and (why := revoked.refuses(pem)) is not None:
        return fail("revoked certificates", f"{settings.cert_file}: {why}", "make another with joulemark pki issue")
    return ok("revoked certificates", str(settings.revoked_file))
