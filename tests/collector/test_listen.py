"""Where the collector listens."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import grpc.aio
import pytest

from joulemark.collector import listen
from joulemark.config import CollectorConfig, Config, TlsConfig
from joulemark.errors import ConfigError, EnvironmentFailed
from joulemark.pki.authority import Authority
from tests import certificates


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False), ("10.0.0.1", False)],
)
def test_plaintext_stays_on_this_machine(host: str, local: bool) -> None:
    """Every other host, and the address of all interfaces, is refused in plaintext unless allowed by name."""
    listen.refuse_plaintext(host, TlsConfig(insecure=True), "k")
    if local:
        listen.refuse_plaintext(host, TlsConfig(), "k")
    else:
        with pytest.raises(ConfigError, match="plaintext"):
            listen.refuse_plaintext(host, TlsConfig(), "k")


def config(address: str, **tls: Path) -> Config:
    return Config(collector=CollectorConfig(grpc_listen=address, rest_listen=address), tls=TlsConfig(**tls))


async def bound_grpc(settings: Config) -> int:
    return listen.bind_grpc(grpc.aio.server(options=(("grpc.so_reuseport", 0),)), settings)


def test_answers_are_sent_at_once() -> None:
    """The socket of the pages names TCP, without which asyncio lets each small answer wait for the acknowledgement of its head: 40 ms."""
    with listen.bind_rest(Config(collector=CollectorConfig(rest_listen="127.0.0.1:0"))) as bound:
        assert bound.proto == socket.IPPROTO_TCP


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
    with pytest.raises(ConfigError, match=r"tls\.cert_file: cannot read"):
        asyncio.run(bound_grpc(config("127.0.0.1:0", cert_file=tmp_path / "c", key_file=tmp_path / "k")))


@pytest.fixture
def made(tmp_path: Path) -> Authority:
    """An authority with a collector on 127.0.0.1 and an agent."""
    authority = certificates.authority(tmp_path / "ca", days_ago=20)
    certificates.collector(authority)
    certificates.agent(authority)
    return authority


def settings_of(tls: TlsConfig, grpc_listen: str = "127.0.0.1:0", rest_listen: str = "127.0.0.1:0") -> Config:
    return Config(collector=CollectorConfig(grpc_listen=grpc_listen, rest_listen=rest_listen), tls=tls)


def test_beyond_loopback_clients_must_show_a_certificate(made: Authority) -> None:
    """A certificate of the collector alone would let anybody send readings: refused unless allowed by name, and not on loopback."""
    half = dataclasses.replace(certificates.table(made, "collector"), ca_file=None)
    with pytest.raises(ConfigError, match=r"without tls\.ca_file anybody could send"):
        asyncio.run(bound_grpc(settings_of(half, "0.0.0.0:0")))
    for tls, address in (
        (half, "127.0.0.1:0"),
        (dataclasses.replace(half, insecure=True), "0.0.0.0:0"),
        (certificates.table(made, "collector"), "0.0.0.0:0"),
    ):
        assert asyncio.run(bound_grpc(settings_of(tls, address))) > 0


def outside(tls: TlsConfig) -> Config:
    """Pages on every address of this machine."""
    return settings_of(tls, rest_listen="0.0.0.0:0")


def code_of(port: int, *files: bytes | None) -> grpc.StatusCode:
    """How a call ends with these (authority, key, certificate)."""
    with grpc.secure_channel(f"127.0.0.1:{port}", grpc.ssl_channel_credentials(*files)) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/x/Y")(b"", timeout=10)
        code: grpc.StatusCode = caught.value.code()  # type: ignore[attr-defined]  # every error of a call is a Call too
        return code


@asynccontextmanager
async def served(settings: Config) -> AsyncIterator[int]:
    """A gRPC server with no method on the port of `settings`: whoever reaches it learns that it has none."""
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    port = listen.bind_grpc(server, settings)
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


def test_with_an_authority_only_its_clients_are_served(made: Authority, tmp_path: Path) -> None:
    """Served: a certificate of the authority. Not: none, one of another authority, an expired one, a collector's, plaintext."""
    other = certificates.authority(tmp_path / "other")
    certificates.agent(made, "expired", days=10)
    certificates.agent(other)
    root = made.certificate_file.read_bytes()

    def files(of: Authority, name: str) -> tuple[bytes, bytes, bytes]:
        return root, (of.folder / f"{name}.key").read_bytes(), (of.folder / f"{name}.pem").read_bytes()

    async def codes() -> dict[str, grpc.StatusCode]:
        async with served(settings_of(certificates.table(made, "collector"))) as port:
            ways = {
                "agent": files(made, "host-a"),
                "none": (root, None, None),
                "stranger": files(other, "host-a"),
                "expired": files(made, "expired"),
                "collector": files(made, "collector"),
            }
            found = {name: await asyncio.to_thread(code_of, port, *way) for name, way in ways.items()}
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as plain:
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await plain.unary_unary("/x/Y")(b"", timeout=10)
                return {**found, "plaintext": caught.value.code()}

    answers = asyncio.run(codes())
    assert answers.pop("agent") is grpc.StatusCode.UNIMPLEMENTED
    assert set(answers.values()) == {grpc.StatusCode.UNAVAILABLE}


def test_tls_is_1_2_or_newer(made: Authority) -> None:
    """TLS 1.1 is refused on both ports, 1.2 and 1.3 are spoken."""

    def version(port: int, wanted: ssl.TLSVersion) -> str | None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            context.minimum_version = context.maximum_version = wanted
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.load_cert_chain(made.folder / "host-a.pem", made.folder / "host-a.key")
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=10) as raw, context.wrap_socket(raw) as encrypted:
                return encrypted.version()
        except (ssl.SSLError, ConnectionError):
            return None

    async def versions() -> list[str | None]:
        table = certificates.table(made, "collector")
        pages = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0, ssl=listen.rest_context(outside(table)))
        async with pages, served(settings_of(table)) as port:
            ports = (port, pages.sockets[0].getsockname()[1])
            wanted = (ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
            return [await asyncio.to_thread(version, one, tls) for one in ports for tls in wanted]

    assert asyncio.run(versions()) == [None, "TLSv1.2", "TLSv1.3"] * 2


def shown(port: int) -> str:
    """The certificate that a port shows."""
    return ssl.get_server_certificate(("127.0.0.1", port), timeout=10).strip()


def test_renewed_certificates_are_shown_without_a_restart(made: Authority) -> None:
    """Both ports show a renewed certificate to the next client; half a file changes nothing, and new key and certificate work as a pair."""
    table = certificates.table(made, "collector")
    assert table.cert_file
    file = table.cert_file

    async def run() -> None:
        pages = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0, ssl=listen.rest_context(outside(table)))
        async with pages, served(settings_of(table)) as port:
            for one in (port, pages.sockets[0].getsockname()[1]):
                first = file.read_text().strip()
                assert await asyncio.to_thread(shown, one) == first
                made.renew("collector")
                second = file.read_text().strip()
                assert await asyncio.to_thread(shown, one) == second != first
                file.write_text(second[:300])
                assert await asyncio.to_thread(shown, one) == second
                file.write_text(second)
                made.renew("collector", new_key=True)
                assert await asyncio.to_thread(shown, one) == file.read_text().strip() != second

    asyncio.run(run())


def test_pages_beyond_this_machine_are_https(made: Authority) -> None:
    """HTTPS with a certificate, on loopback plain HTTP for the programs there; the ingest process knows the pages by that certificate."""
    table = certificates.table(made, "collector")
    abroad, inside = outside(table), settings_of(table)
    assert listen.rest_url(abroad, "10.0.0.1:1") == "https://10.0.0.1:1"
    assert listen.rest_url(inside, "127.0.0.1:1") == "http://127.0.0.1:1"
    assert listen.rest_context(inside) is listen.rest_trust(inside)() is None
    with pytest.raises(ConfigError, match="plaintext"):
        listen.bind_rest(outside(TlsConfig()))
    plain = outside(TlsConfig(insecure=True))
    listen.bind_rest(plain).close()
    assert listen.rest_url(plain, "x:1") == "http://x:1"

    async def run() -> None:
        certificates.collector(made, "other")
        stranger = listen.rest_trust(outside(certificates.table(made, "other")))
        trust = listen.rest_trust(abroad)
        pages = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0, ssl=listen.rest_context(abroad))
        async with pages:
            port = pages.sockets[0].getsockname()[1]
            for _ in range(2):
                _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust())
                writer.close()
                made.renew("collector", new_key=True)
            with pytest.raises(ssl.SSLCertVerificationError):
                await asyncio.open_connection("127.0.0.1", port, ssl=stranger())

    asyncio.run(run())
