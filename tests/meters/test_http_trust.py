"""Whom an https device has to be, against real TLS servers on loopback."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from joulemark.errors import ConfigError, MeterTransient
from joulemark.meters.http import HttpSession, Trust, fingerprint
from joulemark.pki.authority import Issued
from joulemark.pki.subject import Role, Subject
from tests import certificates
from tests.meters.http_session import DEADLINE_S, asked, refused
from tests.standins.bytes_standin import always, answer, serving


def server_context(issued: Issued) -> ssl.SSLContext:
    """What a server needs to show the certificate `issued`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.cert_file, issued.key_file)
    return context


def der_of(issued: Issued) -> bytes:
    return ssl.PEM_cert_to_DER_cert(issued.cert_file.read_text())


def test_whom_a_device_has_to_be(tmp_path: Path) -> None:
    """The authority's file or the fingerprint lets a device in; a stranger is refused in words before a request goes out."""
    authority = certificates.authority(tmp_path)
    issued = certificates.collector(authority)
    ca_file, good = authority.certificate_file, fingerprint(der_of(issued))
    with serving(always(answer(b"{}")), tls=server_context(issued)) as server:
        assert asked(server.base, trust=Trust(ca_file=ca_file)).status == 200
        assert asked(server.base, trust=Trust(fingerprint=good)).status == 200
        colons = ":".join(good[i : i + 2] for i in range(0, 64, 2)).upper()
        assert asked(server.base, trust=Trust(fingerprint=colons)).status == 200
        served = len(server.heads)
        stranger = refused(server.base)
        assert "its certificate is not trusted" in stranger.what
        assert "ca_file" in stranger.next_step
        other = refused(server.base, trust=Trust(fingerprint="ab" * 32))
        assert f"another fingerprint, {good}" in other.what
        assert len(server.heads) == served == 3


def test_a_certificate_for_another_name(tmp_path: Path) -> None:
    """A certificate of the right authority for another device is refused; its fingerprint lets it in all the same."""
    authority = certificates.authority(tmp_path)
    issued = authority.issue(Subject("bmc", Role.COLLECTOR, dns=("bmc.example",)))
    with serving(always(answer(b"{}")), tls=server_context(issued)) as server:
        assert "not valid for '127.0.0.1'" in refused(server.base, trust=Trust(ca_file=authority.certificate_file)).what
        assert asked(server.base, trust=Trust(fingerprint=fingerprint(der_of(issued)))).status == 200


def test_tls_towards_a_plain_port() -> None:
    """An https address whose port speaks no TLS is told so."""

    async def plain(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(b"", status="400 Bad Request"))
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def run() -> None:
        server = await asyncio.start_server(plain, "127.0.0.1", 0)
        session = HttpSession(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}", DEADLINE_S)
        await session.open()
        try:
            with pytest.raises(MeterTransient, match="does not speak TLS there"):
                await session.ask("/x")
        finally:
            await session.close()
            server.close()
            await server.wait_closed()

    asyncio.run(run())


@pytest.mark.parametrize("text", ["zz", "ab" * 20, "ab" * 16])
def test_a_fingerprint_that_is_none(text: str) -> None:
    """What is no SHA-256 in hex is refused, shorter digests too."""
    with pytest.raises(ConfigError, match="64 hex digits"):
        Trust(fingerprint=text).ssl()


def test_an_authority_that_is_none(tmp_path: Path) -> None:
    """A missing file and one without a certificate are refused by name."""
    (tmp_path / "empty.pem").write_text("nothing")
    for name in ("missing.pem", "empty.pem"):
        with pytest.raises(ConfigError, match=name):
            Trust(ca_file=tmp_path / name).ssl()
