"""Where the collector listens: loopback only, unless certificates are given or plaintext is allowed by name."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from typing import Final

import grpc
import grpc.aio

from joulemark import tls
from joulemark.addresses import is_loopback, split
from joulemark.config import Config, TlsConfig
from joulemark.errors import ConfigError, EnvironmentFailed
from joulemark.tls import Pem, Watch

LAST_PORT: Final = 65_535
EVERYWHERE: Final = ("0.0.0.0", "::")
"""Hosts that mean every address of this machine."""


def grpc_addresses(config: Config) -> list[str]:
    """Where each ingest process serves agents: on the configured port and those behind it; port 0 is any free one for each.

    Raises ConfigError when there are not so many ports, or the pages have one of them.
    """
    host, port = split(config.collector.grpc_listen, "collector.grpc_listen")
    pages_host, pages_port = split(config.collector.rest_listen, "collector.rest_listen")
    ports = [port + number if port else 0 for number in range(config.collector.ingest_processes)]
    if ports[-1] > LAST_PORT:
        what = f"collector.grpc_listen: {len(ports)} ingest processes need the ports {ports[0]} to {ports[-1]}, which there are not"
        raise ConfigError(what, f"choose a port of at most {LAST_PORT + 1 - len(ports)}")
    if pages_port and pages_port in ports[1:] and (host == pages_host or not {host, pages_host}.isdisjoint(EVERYWHERE)):
        what = f"collector.rest_listen: port {pages_port} is one of those of the {len(ports)} ingest processes, {ports[0]} to {ports[-1]}"
        raise ConfigError(what, f"set collector.rest_listen to another port, as {pages_host}:{ports[-1] + 1}")
    own = config.collector.grpc_listen.rpartition(":")[0]
    return [f"{own}:{one}" for one in ports]


def bind_grpc(server: grpc.aio.Server, config: Config, number: int = 0) -> int:
    """Bind the gRPC port of ingest process `number` and return it.

    Beyond loopback the port is encrypted and asks every client for a certificate. Raises ConfigError for less than that
    without `tls.insecure`, EnvironmentFailed for a port in use.
    """
    address = grpc_addresses(config)[number]
    host, _ = split(address, "collector.grpc_listen")
    refuse_plaintext(host, config.tls, "collector.grpc_listen")
    if config.tls.cert_file and not config.tls.ca_file and not config.tls.insecure and not is_loopback(host):
        raise ConfigError(
            f"collector.grpc_listen {host} is beyond this machine, and without tls.ca_file anybody could send readings",
            "give tls.ca_file, the authority that signed the agents' certificates, or set tls.insecure = true",
        )
    credentials = server_credentials(config.tls)
    try:
        return server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    except RuntimeError as error:
        raise EnvironmentFailed(f"cannot listen on {address} (collector.grpc_listen)", holder(address)) from error


def bind_rest(config: Config) -> socket.socket:
    """A bound socket for the pages and the REST API, to be served with `rest_context`. Raises as `bind_grpc`."""
    address = config.collector.rest_listen
    host, port = split(address, "collector.rest_listen")
    refuse_plaintext(host, config.tls, "collector.rest_listen")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio sends at once only where TCP is named
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
    """Raise ConfigError when `host` is beyond loopback and neither a certificate nor `tls.insecure` is given."""
    if not is_loopback(host) and not tls.cert_file and not tls.insecure:
        raise ConfigError(
            f"{key} {host} is beyond this machine and would be served in plaintext",
            "listen on 127.0.0.1, give tls.ca_file, tls.cert_file and tls.key_file (joulemark pki), or set tls.insecure = true",
        )


def server_credentials(settings: TlsConfig) -> grpc.ServerCredentials | None:
    """The server's certificate, asking clients for theirs when `ca_file` is given; None without certificates.

    Every new connection is met with the newest good files, those of before stay as they are. Raises ConfigError as `tls.read`.
    """
    watch = Watch(settings)
    first = certificate_configuration(watch.pem)
    if first is None:
        return None

    def renewed() -> grpc.ServerCertificateConfiguration | None:
        pem = watch.renewed()
        return None if pem is None else certificate_configuration(pem)

    return grpc.dynamic_ssl_server_credentials(
        first,
        renewed,  # type: ignore[arg-type]  # gRPC documents None for no change
        require_client_authentication=watch.pem.authority is not None,
    )


def certificate_configuration(pem: Pem) -> grpc.ServerCertificateConfiguration | None:
    """The files in the form that gRPC takes, None without a certificate."""
    return grpc.ssl_server_certificate_configuration([pem.pair], pem.authority) if pem.pair else None


def rest_is_encrypted(config: Config) -> bool:
    """Whether the REST port is HTTPS: beyond loopback, with a certificate. On this machine programs reach it in plaintext."""
    host, _ = split(config.collector.rest_listen, "collector.rest_listen")
    return config.tls.cert_file is not None and not is_loopback(host)


def rest_url(config: Config, address: str) -> str:
    """The URL of the REST interface that listens on `address` (host:port)."""
    return f"{'https' if rest_is_encrypted(config) else 'http'}://{address}"


def rest_context(config: Config) -> ssl.SSLContext | None:
    """What the REST port is served with, None for plaintext. Each connection is met with the newest good files.

    Raises ConfigError as `tls.read`.
    """
    if not rest_is_encrypted(config):
        return None
    watch = Watch(config.tls)
    context = server_context(config.tls)

    def renewed(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        nonlocal context
        if watch.renewed() is not None:
            context = server_context(config.tls)
        connection.context = context

    context.sni_callback = renewed
    return context


def server_context(settings: TlsConfig) -> ssl.SSLContext:
    """TLS 1.2 or newer with the certificate of `settings`. Clients show a token, not a certificate. Raises ConfigError."""
    assert settings.cert_file is not None
    assert settings.key_file is not None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    tls.load_pair(context, settings.cert_file, settings.key_file)
    return context


def rest_trust(config: Config) -> Callable[[], ssl.SSLContext | None]:
    """How the ingest process knows the REST process of the same collector: by their common certificate. None for plaintext.

    To be asked at each connection, since the certificate may have been renewed. Raises ConfigError as `tls.read`.
    """
    if not rest_is_encrypted(config):
        return lambda: None
    watch = Watch(config.tls)
    context = pinned(watch.pem)

    def current() -> ssl.SSLContext:
        nonlocal context
        if (pem := watch.renewed()) is not None:
            context = pinned(pem)
        return context

    return current


def pinned(pem: Pem) -> ssl.SSLContext:
    """What accepts the certificate in `pem` and no other, whatever address it is shown at."""
    assert pem.cert is not None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=pem.cert.decode("ascii"))
    return context
