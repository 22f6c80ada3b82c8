"""An authority for tests: certificates as `joulemark pki` issues them, and the `[tls]` tables that use them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from joulemark.config import TlsConfig
from joulemark.pki.authority import Authority, Issued
from joulemark.pki.subject import Role, Subject
from joulemark.timebase import Clock, SystemClock

DAY_NS = 86_400 * 1_000_000_000


@dataclass
class Shifted:
    """The system's clock, `shift_ns` off: what is issued by it is dated so."""

    shift_ns: int
    clock: Clock = field(default_factory=SystemClock)

    def utc_ns(self) -> int:
        return self.clock.utc_ns() + self.shift_ns

    def mono_ns(self) -> int:
        return self.clock.mono_ns()


def authority(folder: Path, *, days_ago: int = 0, days: int = 3650) -> Authority:
    """An authority made `days_ago`, seen by that day's clock: so it can issue what has expired by now."""
    return Authority.create(folder, Shifted(-days_ago * DAY_NS), days=days)


def collector(of: Authority, name: str = "collector", **options: int) -> Issued:
    """A certificate of a collector on 127.0.0.1."""
    return of.issue(Subject(name, Role.COLLECTOR, dns=("localhost",), ip=("127.0.0.1",)), **options)


def agent(of: Authority, name: str = "host-a", **options: int) -> Issued:
    """A certificate of an agent."""
    return of.issue(Subject(name, Role.AGENT), **options)


def table(of: Authority, name: str, *, trusted: Authority | None = None, revoked: bool = False) -> TlsConfig:
    """The `[tls]` table of who was issued `name`, and trusts `trusted` or the same authority."""
    return TlsConfig(
        ca_file=(trusted or of).certificate_file,
        cert_file=of.folder / f"{name}.pem",
        key_file=of.folder / f"{name}.key",
        revoked_file=of.revoked_file if revoked else None,
    )
