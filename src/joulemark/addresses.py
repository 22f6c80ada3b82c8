"""Addresses HOST:PORT, and whether one stays on this machine."""

from __future__ import annotations

import ipaddress

from joulemark.errors import ConfigError


def split(address: str, key: str) -> tuple[str, int]:
    """(host, port) of `host:port`, an IPv6 host without its brackets. Raises ConfigError naming the configuration `key`."""
    host, _, port = address.rpartition(":")
    if not host or not (port.isascii() and port.isdecimal()) or int(port) > 65_535:
        raise ConfigError(f"{key} = {address!r} is not HOST:PORT", 'write for example "127.0.0.1:7470"')
    return host.strip("[]"), int(port)


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine only. A name other than `localhost` may be anywhere."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
