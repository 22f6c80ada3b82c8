"""Where the collector listens: loopback only, unless certificates are given or plaintext is allowed by name."""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path

import grpc
import grpc.aio

from joulemark.config import Config, TlsConfig
from joulemark.errors import ConfigError, EnvironmentFailed


def split(address: str, key: str) -> tuple[str, int]:
    """(host, port) of `host:port`. Raises ConfigError naming the configuration `key`."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise ConfigError(f"{key} = {address!r} is not HOST:PORT", 'write for example "127.0.0.1:7470"')
    return host.strip("[]"), int(port)


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def bind_grpc(server: grpc.aio.Server, config: Config) -> int:
    """Bind the gRPC port and return it. Raises ConfigError for plaintext beyond loopback, EnvironmentFailed for a port in use."""
    address = config.collector.grpc_listen
    host, _ = split(address, "collector.grpc_listen")
    credentials = server_credentials(config.tls)
    if credentials is None:
        refuse_plaintext(host, config.tls, "collector.grpc_listen")
    try:
        return server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    except RuntimeError as error:
        raise EnvironmentFailed(f"cannot listen on {address} (collector.grpc_listen)", holder(address)) from error


def bind_rest(config: Config) -> socket.socket:
    """A bound socket for the pages and the REST API, always plaintext. Raises as `bind_grpc`."""
    address = config.collector.rest_listen
    host, port = split(address, "collector.rest_listen")
    refuse_plaintext(host, config.tls, "collector.rest_listen")
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise EnvironmentFailed(f"cannot listen on {address} (collector.rest_listen): {error.strerror}", holder(address)) from error
    return bound


def holder(address: str) -> str:
    """How to find what has the port of `address`."""
    return f"see what has the port with: ss -ltnp 'sport = :{address.rpartition(':')[2]}'"


def refuse_plaintext(host: str, tls: TlsConfig, key: str) -> None:
    """Raise ConfigError when `host` is beyond loopback and plaintext was not allowed by name."""
    if not is_loopback(host) and not tls.insecure:
        raise ConfigError(
            f"{key} {host} is beyond this machine and would be served in plaintext",
            "listen on 127.0.0.1, give tls.cert_file and tls.key_file (gRPC), or set tls.insecure = true",
        )


def server_credentials(tls: TlsConfig) -> grpc.ServerCredentials | None:
    """The server's certificate, asking clients for theirs when `ca_file` is given; None without certificates.

    Raises ConfigError for a file that cannot be read, and for one of certificate and key without the other.
    """
    if tls.cert_file is None and tls.key_file is None:
        return None
    if tls.cert_file is None or tls.key_file is None:
        raise ConfigError("tls.cert_file and tls.key_file are not both given", "give both, or neither to serve plaintext on 127.0.0.1")
    pair = [(content(tls.key_file, "tls.key_file"), content(tls.cert_file, "tls.cert_file"))]
    authority = content(tls.ca_file, "tls.ca_file") if tls.ca_file else None
    return grpc.ssl_server_credentials(pair, authority, require_client_auth=authority is not None)


def content(path: Path, key: str) -> bytes:
    """The bytes of a certificate or key file. Raises ConfigError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{key}: cannot read {path}: {error.strerror}", "give an existing file this user may read") from error
