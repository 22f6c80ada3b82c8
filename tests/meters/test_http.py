"""Against real servers on loopback that answer with the bytes a test gives them."""

from __future__ import annotations

import asyncio
import hashlib
import re
import socket
import time
from decimal import Decimal

import pytest

from joulemark.errors import MeterTransient
from joulemark.meters import http
from joulemark.meters.http import Answer, HttpSession
from tests.meters.http_session import DEADLINE_S, asked, refused, with_session
from tests.standins.bytes_standin import Handler, always, answer, serving


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "503 Service Unavailable"])
def test_any_status_is_an_answer(status: str) -> None:
    """Status, headers in lower case and body come back as they were sent; no status is an error of its own."""
    with serving(always(answer(b'{"a": 1.50}', "Retry-After: 7", status=status))) as server:
        got = asked(server.base)
    assert (got.status, got.headers["retry-after"], got.json()) == (int(status[:3]), "7", {"a": 1.5})
    assert str(got.json(number=Decimal)["a"]) == "1.50"


def test_a_body_is_sent_as_json_with_its_headers() -> None:
    """A POST carries its body as JSON and the headers of the caller; nothing asks for compression, nothing keeps a cookie."""
    with serving(always(answer(b"{}", "Set-Cookie: a=b; Path=/"))) as server:

        async def twice(session: HttpSession) -> None:
            for _ in range(2):
                await session.ask("/login", method="POST", body={"UserName": "u"}, headers={"X-Auth-Token": "t"})

        with_session(server.base, twice)
    first, second = (head.partition("\r\n\r\n")[0].lower() for head in server.heads)
    assert first.startswith("post /login")
    assert "content-type: application/json" in first
    assert "x-auth-token: t" in first
    assert "accept-encoding: identity" in first
    assert "cookie" not in second
    assert server.connections == 1


@pytest.mark.parametrize("code", http.REDIRECTS)
def test_a_redirect_is_not_followed(code: int) -> None:
    """A redirect is an answer: what a device says of another place is never asked there, and no credential goes there."""
    with serving(always(answer(b"", "Location: http://127.0.0.1:1/elsewhere", status=f"{code} Moved"))) as server:
        got = asked(server.base)
    assert (got.status, got.headers["location"]) == (code, "http://127.0.0.1:1/elsewhere")


def silent(_connection: socket.socket, _head: str, _before: int) -> None:
    time.sleep(DEADLINE_S)


def half_a_head(connection: socket.socket, _head: str, _before: int) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-")
    time.sleep(DEADLINE_S)


def trickle(connection: socket.socket, _head: str, _before: int) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(8):
        time.sleep(DEADLINE_S / 5)
        connection.sendall(b"x")


@pytest.mark.parametrize("handler", [silent, half_a_head, trickle])
def test_the_deadline_covers_headers_and_body(handler: Handler) -> None:
    """No answer, half a head and a body that trickles all cost the deadline and no more."""
    with serving(handler) as server:
        begin_s = time.monotonic()
        error = refused(server.base)
        took_s = time.monotonic() - begin_s
    assert "no answer within 0.4 s" in error.what
    assert error.next_step
    assert DEADLINE_S <= took_s + 0.05 < DEADLINE_S + 5.0


def test_two_requests_of_digest_have_one_deadline() -> None:
    """The request that digest authentication sends anew shares the deadline of the first."""

    def slow(connection: socket.socket, _head: str, _before: int) -> None:
        time.sleep(0.6 * DEADLINE_S)
        connection.sendall(answer(b"", 'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth"', status="401 Unauthorized"))

    with serving(slow) as server:
        error = refused(server.base, digest=("admin", "secret12"))
    assert "no answer within" in error.what


def test_an_endless_answer_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body longer than the bound is refused while it arrives, and its connection is not used again."""
    monkeypatch.setattr(http, "MAX_BYTES", 1 << 20)

    def endless(connection: socket.socket, _head: str, _before: int) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"10000\r\n" + bytes(1 << 16) + b"\r\n")

    with serving(endless) as server:

        async def twice(session: HttpSession) -> list[str]:
            return [str(error) for error in await asyncio.gather(session.ask("/x"), return_exceptions=True)] + [
                str(error) for error in await asyncio.gather(session.ask("/x"), return_exceptions=True)
            ]

        first, second = with_session(server.base, twice)  # type: ignore[misc]  # two strings
    assert "answers more than 1 MiB" in first
    assert "answers more than 1 MiB" in second
    assert server.connections == 2


def test_compression_is_not_unfolded() -> None:
    """A body that the server compressed unasked stays as it is: nothing small becomes large."""
    with serving(always(answer(b"\x1f\x8b\x08small", "Content-Encoding: gzip"))) as server:
        assert asked(server.base).body == b"\x1f\x8b\x08small"


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "closed the connection without an answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", "its answer ends in the middle"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "does not answer in HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", "does not answer in HTTP"),
    ],
)
def test_broken_answers_are_told_in_words(raw: bytes, words: str) -> None:
    """A server that hangs up, cuts its answer, speaks another protocol or sends an endless header leaves an error that says so."""
    with serving(always(raw, end=True)) as server:
        assert words in refused(server.base).what


@pytest.mark.parametrize(
    ("base", "words"),
    [
        ("http://127.0.0.1:1", "no connection (Connection refused)"),
        ("http://no-such-host.invalid", "its name is not known"),
        ("http://", "no address"),
    ],
)
def test_unreachable_is_told_with_a_step(base: str, words: str) -> None:
    """A closed port, an unknown name and an address that is none are told with what to do."""
    error = refused(base)
    assert words in error.what
    assert error.next_step


def test_a_dropped_connection_is_replaced_for_a_get_only() -> None:
    """A connection that the server closed between two polls costs a GET nothing; a POST is not sent twice, and says what happened."""

    def once(connection: socket.socket, _head: str, before: int) -> None:
        if before % 2 == 0:
            connection.sendall(answer(b"{}"))
        else:
            connection.shutdown(socket.SHUT_RDWR)

    for method, requests in (("GET", 3), ("POST", 2)):
        with serving(once) as server:

            async def twice(session: HttpSession, method: str = method) -> list[object]:
                await session.ask("/x", method=method)
                return list(await asyncio.gather(session.ask("/x", method=method), return_exceptions=True))

            [second] = with_session(server.base, twice)  # type: ignore[misc]  # one result
        assert len(server.heads) == requests
        assert isinstance(second, Answer if method == "GET" else MeterTransient)


REALM = "shellypro3em-0008deadbeef"


def digest_of(head: str, password: str) -> bool:
    """Whether `head` carries the response of RFC 7616 for SHA-256 and qop=auth."""
    given = dict(re.findall(r'(\w+)="?([^",]+)"?', head.partition("Authorization: Digest ")[2].partition("\r\n")[0]))

    def sha(*parts: str) -> str:
        return hashlib.sha256(":".join(parts).encode()).hexdigest()

    if not given:
        return False
    secret = sha(sha("admin", REALM, password), "n0nce", given["nc"], given["cnonce"], "auth", sha("GET", given["uri"]))
    return given["response"] == secret


@pytest.mark.parametrize(("password", "status", "requests"), [("secret12", 200, 3), ("wrong", 401, 4)])
def test_digest_authentication(password: str, status: int, requests: int) -> None:
    """Digest with SHA-256 is answered and kept for the next request; a wrong password is a 401 and never a loop."""
    challenge = f'WWW-Authenticate: Digest qop="auth", realm="{REALM}", nonce="n0nce", algorithm=SHA-256'

    def guarded(connection: socket.socket, head: str, _before: int) -> None:
        good = digest_of(head, "secret12")
        connection.sendall(answer(b"{}") if good else answer(b"", challenge, status="401 Unauthorized"))

    with serving(guarded) as server:

        async def twice(session: HttpSession) -> list[int]:
            return [(await session.ask("/rpc/EM.GetStatus?id=0")).status for _ in range(2)]

        assert with_session(server.base, twice, digest=("admin", password)) == [status, status]
    assert len(server.heads) == requests
    assert password not in "".join(server.heads)
    assert password not in repr(HttpSession(server.base, 1.0, digest=("admin", password)))


@pytest.mark.parametrize("body", [b"", b"<html><h1>It works</h1>", b"[" * 100_000, b'{"a": ' + b"1" * 5000 + b"}", b"\xff\xfe"])
def test_what_is_no_json(body: bytes) -> None:
    """An empty body, a page, endless nesting, endless digits and bytes that are no text are errors with a next step."""
    with pytest.raises(MeterTransient) as raised:
        Answer(200, {}, body).json()
    assert len(raised.value.what) < 400
    assert raised.value.next_step


def test_a_stream_arrives_in_pieces_and_is_given_up_when_idle() -> None:
    """Server-sent events come through as they are sent, longer than the deadline of a request, until nothing comes for `idle_s`."""

    def events(connection: socket.socket, _head: str, _before: int) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        for i in range(4):
            time.sleep(DEADLINE_S / 2)
            connection.sendall(f"data: {i}\n\n".encode())
        time.sleep(DEADLINE_S * 2)

    pieces: list[bytes] = []
    with serving(events) as server:

        async def listen(session: HttpSession) -> None:
            async with session.streamed("/sse", idle_s=DEADLINE_S) as stream:
                async for piece in stream:
                    pieces.append(piece)  # kept when the stream fails

        with pytest.raises(MeterTransient, match="no answer within"):
            with_session(server.base, listen)
    assert b"".join(pieces) == b"".join(b"data: %d\n\n" % i for i in range(4))


def test_a_refused_stream_is_told() -> None:
    """A stream that answers with another status than 200 is an error with that status."""
    with serving(always(answer(b"", status="401 Unauthorized"))) as server:

        async def listen(session: HttpSession) -> None:
            async with session.streamed("/sse", idle_s=DEADLINE_S) as stream:
                assert stream

        with pytest.raises(MeterTransient, match="answers 401"):
            with_session(server.base, listen)


def test_a_session_that_is_not_open_asks_nothing() -> None:
    """Before `open()` and after `close()` a request is an error, and `close()` is safe at any time."""

    async def run() -> None:
        session = HttpSession("http://127.0.0.1:1", DEADLINE_S)
        await session.close()
        for _ in range(2):
            with pytest.raises(MeterTransient, match="before open"):
                await session.ask("/")
            await session.open()
            await session.open()
            await session.close()

    asyncio.run(run())
