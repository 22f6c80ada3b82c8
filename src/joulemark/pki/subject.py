"""Whom a certificate is made for: a role and a name, and where a collector is reached."""

from __future__ import annotations

import enum
import ipaddress
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from cryptography import x509

from joulemark.errors import UsageError
from joulemark.tls import identity_uri

LABEL: Final = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
HOST_NAME: Final = re.compile(rf"(?=.{{1,253}}\Z){LABEL}(\.{LABEL})*\Z", re.IGNORECASE | re.ASCII)
STEM_LENGTH: Final = 200


class Role(enum.StrEnum):
    """What a certificate is for."""

    AGENT = "agent"
    COLLECTOR = "collector"
    CLIENT = "client"


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a certificate is made for. `dns` and `ip`: where it is reached. Raises UsageError for what cannot be one."""

    name: str
    role: Role
    dns: tuple[str, ...] = ()
    ip: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.name.isprintable() or not self.name or {":", "/"} & set(self.name):
            raise UsageError(
                f"the name {self.name!r} is empty or holds ':', '/' or a control character", "use the agent_id, or a host name"
            )
        if len(self.stem) > STEM_LENGTH:
            raise UsageError(f"the name {self.name[:20]}... is longer than {STEM_LENGTH} characters", "use a shorter one")
        for name in self.dns:
            if not is_host_name(name):
                raise UsageError(f"--dns {name!r} is not a host name", "give an address with --ip")
        for address in self.ip:
            if not is_address(address):
                raise UsageError(f"--ip {address!r} is not an IP address", "give a host name with --dns")
        if self.role is Role.CLIENT and (self.dns or self.ip):
            raise UsageError("a client is not reached, it has no --dns and no --ip", "leave them out")
        if self.role is Role.COLLECTOR and not self.alternative_names[1:]:
            raise UsageError(f"{self.name!r} is no host name at which agents reach the collector", "name it with --dns or --ip")

    @property
    def stem(self) -> str:
        """The name as the first part of a file name."""
        return stem(self.name)

    @property
    def alternative_names(self) -> list[x509.GeneralName]:
        """The identity, then the host names and addresses; those of the name itself when none are given.

        A client has none: a name that may stand for a host would let it pass for that host's agent.
        """
        dns, ip = self.dns, self.ip
        if not (dns or ip or self.role is Role.CLIENT):
            dns = (self.name,) if is_host_name(self.name) else ()
            ip = (self.name,) if is_address(self.name) else ()
        return [
            x509.UniformResourceIdentifier(identity_uri(self.role, self.name)),
            *(x509.DNSName(name) for name in dns),
            *(x509.IPAddress(ipaddress.ip_address(address)) for address in ip),
        ]


def stem(name: str) -> str:
    """`name` as the first part of a file name, never a hidden one or `..`. Raises UsageError for text that is no UTF-8."""
    try:
        encoded = quote(name, safe="")
        return f"%2E{encoded[1:]}" if encoded.startswith(".") else encoded
    except UnicodeEncodeError as error:
        raise UsageError(f"the name {name!r} is not UTF-8", "use the agent_id, or a host name") from error


def is_host_name(text: str) -> bool:
    """Whether `text` has the form of a host name (RFC 1123), and is no address."""
    return bool(HOST_NAME.match(text)) and not is_address(text)


def is_address(text: str) -> bool:
    """Whether `text` is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
