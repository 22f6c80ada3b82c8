"""The channel to the collector: encrypted with the configured certificates, plaintext only on this machine or when allowed by name."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Final

import grpc

from joulemark.config import TlsConfig
from joulemark.errors import ConfigError
from joulemark.proto.messages import MAX_BATCH_BYTES

OPTIONS: Final = (
    ("grpc.use_local_subchannel_pool", 1),  # else a new channel inherits the back-off of the one before
    ("grpc.max_send_message_length", MAX_BATCH_BYTES + 65_536),
    ("grpc.enable_retries", 0),
)

DIRECT: Final = ("grpc.enable_http_proxy", 0)
"""Plaintext goes straight to its address: a proxy of the environment would carry it off this machine."""


def channel(address: str, tls: TlsConfig) -> grpc.Channel:
    """A channel to `address` (host:port), not connected yet.

    Raises ConfigError for an address without a port, a certificate file that cannot be read, and plaintext to another machine
    that `tls.insecure` does not allow.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise ConfigError(f"agent.collector = {address!r} is not HOST:PORT", 'write for example "127.0.0.1:7470"')
    if tls.ca_file or tls.cert_file:
        credentials = grpc.ssl_channel_credentials(
            content(tls.ca_file, "tls.ca_file"), content(tls.key_file, "tls.key_file"), content(tls.cert_file, "tls.cert_file")
        )
        return grpc.secure_channel(address, credentials, OPTIONS)
    if not tls.insecure and not is_loopback(host.strip("[]")):
        raise ConfigError(
            f"agent.collector {address} is another machine and would be reached in plaintext",
            "give tls.ca_file, tls.cert_file and tls.key_file, or set tls.insecure = true",
        )
    return grpc.insecure_channel(address, (*OPTIONS, DIRECT))


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def content(path: Path | None, key: str) -> bytes | None:
    """The bytes of a certificate file, None for none. Raises ConfigError."""
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{key}: cannot read {path}: {error.strerror}", "give an existing file this user may read") from error
