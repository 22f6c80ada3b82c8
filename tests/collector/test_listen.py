"""Where the collector listens."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from pathlib import Path

import grpc
import grpc.aio
import pytest

from joulemark.collector import listen
from joulemark.config import CollectorConfig, Config, TlsConfig
from joulemark.errors import ConfigError, EnvironmentFailed


@pytest.mark.parametrize(
    ("address", "expected"), [("127.0.0.1:7470", ("127.0.0.1", 7470)), ("[::1]:0", ("::1", 0)), ("localhost:65535", ("localhost", 65535))]
)
def test_an_address_is_host_and_port(address: str, expected: tuple[str, int]) -> None:
    """IPv4, a bracketed IPv6 and a name are split at the last colon."""
    assert listen.split(address, "k") == expected


@pytest.mark.parametrize("address", ["7470", ":7470", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "127.0.0.1:-1", "h:²"])
def test_what_is_no_address_names_its_key(address: str) -> None:
    """A missing or impossible host or port is an error about the configuration key."""
    with pytest.raises(ConfigError, match=r"collector\.rest_listen"):
        listen.split(address, "collector.rest_listen")


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False), ("10.0.0.1", False)],
)
def test_plaintext_stays_on_this_machine(host: str, local: bool) -> None:
    """Every other host, and the address of all interfaces, is refused in plaintext unless allowed by name."""
    assert listen.is_loopback(host) is local
    listen.refuse_plaintext(host, TlsConfig(insecure=True), "k")
    if local:
        listen.refuse_plaintext(host, TlsConfig(), "k")
    else:
        with pytest.raises(ConfigError, match="plaintext"):
            listen.refuse_plaintext(host, TlsConfig(), "k")


def test_a_name_that_only_sounds_local_is_not() -> None:
    """`localhost.example.org` may be anywhere."""
    assert listen.is_loopback("localhost.example.org") is False


def config(address: str, **tls: Path) -> Config:
    return Config(collector=CollectorConfig(grpc_listen=address, rest_listen=address), tls=TlsConfig(**tls))


async def bound_grpc(settings: Config) -> int:
    return listen.bind_grpc(grpc.aio.server(options=(("grpc.so_reuseport", 0),)), settings)


def test_a_port_in_use_says_how_to_find_its_holder() -> None:
    """Both listeners end with the address and the command that shows what has the port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = config(f"127.0.0.1:{port}")
        with pytest.raises(EnvironmentFailed, match=f"ss -ltnp 'sport = :{port}'"):
            listen.bind_rest(settings)
        with pytest.raises(EnvironmentFailed, match=f"ss -ltnp 'sport = :{port}'"):
            asyncio.run(bound_grpc(settings))


def test_half_a_certificate_is_not_served_as_plaintext(tmp_path: Path) -> None:
    """A certificate without its key, or a key without its certificate, ends the start, on loopback too."""
    for given in ({"cert_file": tmp_path / "c"}, {"key_file": tmp_path / "k"}):
        with pytest.raises(ConfigError, match=r"tls\.cert_file"):
            asyncio.run(bound_grpc(config("127.0.0.1:0", **given)))


def test_a_certificate_that_cannot_be_read_names_its_key(tmp_path: Path) -> None:
    """The first unreadable file is named with its configuration key."""
    with pytest.raises(ConfigError, match=r"tls\.key_file: cannot read"):
        asyncio.run(bound_grpc(config("127.0.0.1:0", cert_file=tmp_path / "c", key_file=tmp_path / "k")))


def certificate(folder: Path) -> dict[str, Path]:
    """A self-signed certificate for localhost and its key."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert]
    subprocess.run([*command, *names], check=True, capture_output=True, timeout=60)
    return {"cert_file": cert, "key_file": key, "ca_file": cert}


def test_with_an_authority_only_its_clients_are_served(tmp_path: Path) -> None:
    """A client with a certificate of the authority is answered; one without is not, nor is plaintext."""
    files = certificate(tmp_path)
    authority, key, pem = (files[name].read_bytes() for name in ("ca_file", "key_file", "cert_file"))

    async def codes() -> list[grpc.StatusCode]:
        server = grpc.aio.server()
        port = listen.bind_grpc(server, config("localhost:0", **files))
        await server.start()
        channels = [
            grpc.aio.secure_channel(f"localhost:{port}", grpc.ssl_channel_credentials(authority, key, pem)),
            grpc.aio.secure_channel(f"localhost:{port}", grpc.ssl_channel_credentials(authority)),
            grpc.aio.insecure_channel(f"localhost:{port}"),
        ]
        found = []
        for channel in channels:
            try:
                await channel.unary_unary("/x/Y")(b"", timeout=10)
            except grpc.aio.AioRpcError as error:
                found.append(error.code())
            await channel.close()
        await server.stop(None)
        return found

    assert asyncio.run(codes()) == [grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNAVAILABLE]
