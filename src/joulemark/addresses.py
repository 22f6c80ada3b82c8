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


def refuse_place(key: str, host: str, port: int) -> None:
    """Raise ConfigError, naming the table's `key`, for a host that is no name and no address, and for a port that there is not."""
    if not host or not host.isascii() or not host.isprintable() or set(host) & set("/@?#\\ "):
        raise ConfigError(f"{key}: {host!r} is no name and no address of a host", 'write it alone, as "10.0.0.50"')
    if not 1 <= port <= 65_535:
        raise ConfigError(f"{key}: {port} is no port", "set the port of the device, between 1 and 65535")
