"""The web: pinned, bounded, patient where asked, and silent about secrets; against a real server on loopback."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from joulemark.errors import ConfigError, EnvironmentFailed, FormatError, RemoteUnreachable
from joulemark.pricing.http_web import HttpWeb
from joulemark.pricing.web import NotModified, Reply, origin
from tests.pricing.webs import QUICK, web_of
from tests.standins.price_server import Answer, PriceServer, bomb, packed, redirect, throttled

BODY = b"sku,price\nA,1.50\n"


@pytest.fixture
def server() -> Iterator[PriceServer]:
    with PriceServer() as running:
        yield running


def ask(server: PriceServer, question: Callable[[HttpWeb], Awaitable[Any]], **changes: Any) -> tuple[Any, HttpWeb]:
    """What `question` answers, and the web after it."""

    async def run() -> tuple[Any, HttpWeb]:
        async with web_of(server, **changes) as web:
            return await question(web), web

    return asyncio.run(run())


def get(server: PriceServer, path: str = "/list", **changes: Any) -> Reply:
    reply: Reply = ask(server, lambda web: web.get(server.url(path)), **changes)[0]
    return reply


def test_a_page_is_read_with_its_hash_and_its_true_time(server: PriceServer) -> None:
    """Body, SHA-256, validators and the clock's time of the reading are in the reply, and in the tally of the gathering."""
    server.serve("/list", Answer(BODY, etag='"7"', last_modified="Sat, 01 Aug 2026 00:00:00 GMT"))
    reply, web = ask(server, lambda web: web.get(server.url("/list")))
    assert (reply.body, reply.sha256, reply.http_status) == (BODY, hashlib.sha256(BODY).hexdigest(), 200)
    assert (reply.etag, reply.last_modified) == ('"7"', "Sat, 01 Aug 2026 00:00:00 GMT")
    assert reply.fetched_at_ns == web.clock.utc_ns() == web.tally.fetched_at_ns
    assert (web.tally.url, web.tally.pages, web.tally.raw_bytes, web.tally.raw_sha256) == (server.url("/list"), 1, len(BODY), reply.sha256)
    assert server.asked[0].headers["User-Agent"].startswith("joulemark/")


def test_a_large_list_goes_to_a_file_that_does_not_stay(server: PriceServer, tmp_path: Path) -> None:
    """A streamed list lies in a file while it is gathered, whole although the first attempt broke off, and is gone afterwards."""

    async def question(web: HttpWeb) -> tuple[Reply, bytes]:
        reply = await web.stream(server.url("/list"))
        assert reply.path is not None
        return reply, reply.path.read_bytes()

    server.serve("/list", Answer(BODY * 50_000, cut=300_000), Answer(BODY * 50_000))
    (reply, content), _ = ask(server, question, folder=tmp_path)
    assert (content, reply.body, reply.sha256) == (BODY * 50_000, b"", hashlib.sha256(content).hexdigest())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("validators", [('"7"', ""), ("", "Sat, 01 Aug 2026 00:00:00 GMT")])
def test_an_unchanged_list_is_not_read_again(server: PriceServer, validators: tuple[str, str]) -> None:
    """With the tag, or only the date, of the last list a 304 raises NotModified, with both told to whoever records the fetch."""
    server.serve("/list", Answer(BODY, etag=validators[0], last_modified=validators[1]))
    with pytest.raises(NotModified) as caught:
        get(server, known={server.url("/list"): validators})
    assert (caught.value.reply.http_status, caught.value.reply.sha256) == (304, "")
    assert (caught.value.reply.etag, caught.value.reply.last_modified) == validators
    assert get(server, known={server.url("/list"): ('"6"', "Sat, 01 Jul 2026 00:00:00 GMT")}).body == BODY
    server.serve("/list", Answer(status=304))
    with pytest.raises(RemoteUnreachable, match="answered 304"):
        get(server)


@pytest.mark.parametrize("azure", [False, True])
def test_a_provider_that_asks_to_wait_is_waited_for(server: PriceServer, azure: bool) -> None:
    """`Retry-After`, and the header of Azure's own, set the pause before the next attempt."""
    server.serve("/list", throttled(1, azure=azure), Answer(BODY))
    begun: list[float] = []

    async def question(web: HttpWeb) -> float:
        begun.append(asyncio.get_running_loop().time())
        await web.get(server.url("/list"))
        return asyncio.get_running_loop().time() - begun[0]

    waited_s, _ = ask(server, question)
    assert (waited_s >= 1.0, server.times("/list")) == (True, 2)


@pytest.mark.parametrize(("wait_s", "deadline_s"), [(600, 5.0), (3, 900.0)])
def test_a_wait_beyond_reason_ends_the_gathering(server: PriceServer, wait_s: int, deadline_s: float) -> None:
    """Who asks for longer than the deadline, or than the longest wait, gets it: no second attempt, and the message says when."""
    server.serve("/list", throttled(wait_s))
    with pytest.raises(RemoteUnreachable, match=f"answered 429: slow down and asks to be left alone for {wait_s} s") as caught:
        get(server, limits=replace(QUICK, deadline_s=deadline_s))
    assert (server.times("/list"), "next interval" in caught.value.next_step) == (1, True)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_may_pass_is_tried_again(server: PriceServer, status: int) -> None:
    """A server that is overloaded for a moment is asked again, and after the last attempt it is said how often it was."""
    server.serve("/list", Answer(status=status), Answer(status=status), Answer(BODY))
    assert get(server).body == BODY
    server.serve("/list", Answer(b"busy", status=status))
    with pytest.raises(RemoteUnreachable, match=f"answered {status}: busy, after 3 attempts"):
        get(server)


@pytest.mark.parametrize(("status", "step"), [(403, "key_file"), (404, "address"), (400, "address")])
def test_what_will_not_pass_is_told_at_once(server: PriceServer, status: int, step: str) -> None:
    """A refusal is not repeated, and says what to do about it."""
    server.serve("/list", Answer(b"no", status=status))
    with pytest.raises(RemoteUnreachable, match=f"answered {status}: no") as caught:
        get(server)
    assert (step in caught.value.next_step, server.times("/list")) == (True, 1)


def test_a_body_that_breaks_off_is_no_list(server: PriceServer) -> None:
    """A connection that ends before the length it promised is tried again and never taken for a short list, packed or not."""
    server.serve("/list", Answer(BODY, cut=5), Answer(BODY))
    assert get(server).body == BODY
    server.serve("/list", Answer(BODY, cut=5))
    with pytest.raises(RemoteUnreachable, match="cannot be read"):
        get(server)
    whole = packed(BODY * 100)
    server.serve("/list", replace(whole, body=whole.body[:-10]))
    with pytest.raises(RemoteUnreachable, match="ends in the middle"):
        get(server)
    server.serve("/list", replace(whole, body=b"\x1f\x8bnonsense"))
    with pytest.raises(RemoteUnreachable, match="damaged on the way"):
        get(server)


def test_a_packed_list_is_unpacked_and_a_bomb_is_not(server: PriceServer) -> None:
    """Gzip is unpacked, hash and length are of what it holds; kilobytes that unfold beyond the cap are refused; no other packing is."""
    server.serve("/list", packed(BODY))
    reply, web = ask(server, lambda web: web.get(server.url("/list")))
    assert (reply.body, reply.sha256, web.tally.raw_bytes) == (BODY, hashlib.sha256(BODY).hexdigest(), len(BODY))
    parts = packed(BODY), packed(BODY * 9)
    server.serve("/list", replace(parts[0], body=parts[0].body + parts[1].body))
    assert get(server).body == BODY * 10
    server.serve("/list", bomb(8))
    with pytest.raises(FormatError, match="longer than 1048576 bytes"):
        get(server)
    with pytest.raises(FormatError, match="longer than 4194304 bytes"):
        ask(server, lambda web: web.stream(server.url("/list")))
    server.serve("/list", Answer(BODY, headers={"Content-Encoding": "br"}))
    with pytest.raises(FormatError, match="packed as 'br'"):
        get(server)


def test_pages_and_bytes_of_a_gathering_are_bounded(server: PriceServer) -> None:
    """The cap of pages and the cap of bytes hold over all requests of a gathering together."""
    server.serve("/list", Answer(BODY))

    async def thrice(web: HttpWeb) -> None:
        for _ in range(3):
            await web.get(server.url("/list"))

    with pytest.raises(FormatError, match="would be page 3"):
        ask(server, thrice, limits=replace(QUICK, pages=2))
    with pytest.raises(FormatError, match=f"longer than {2 * len(BODY)} bytes"):
        ask(server, thrice, limits=replace(QUICK, total_bytes=2 * len(BODY)))
    _, web = ask(server, thrice)
    assert (web.tally.pages, web.tally.raw_bytes) == (3, 3 * len(BODY))
    page = hashlib.sha256(BODY).hexdigest()
    assert web.tally.raw_sha256 == hashlib.sha256((page * 3).encode()).hexdigest()


def test_a_slow_provider_meets_a_deadline(server: PriceServer) -> None:
    """Silence is an attempt that failed; a deadline over the whole gathering ends it also when bytes still drip in."""
    server.serve("/list", Answer(BODY, delay_s=0.5), Answer(BODY))
    assert get(server, limits=replace(QUICK, idle_s=0.1)).body == BODY
    server.serve("/list", Answer(BODY, delay_s=3.0))
    with pytest.raises(RemoteUnreachable, match=r"was silent for 0\.1 s, after 2 attempts"):
        get(server, limits=replace(QUICK, idle_s=0.1, attempts=2))
    with pytest.raises(RemoteUnreachable, match=r"not read within the 0\.3 s") as caught:
        get(server, limits=replace(QUICK, deadline_s=0.3))
    assert "stay in use" in caught.value.next_step
    server.serve("/list", Answer(BODY, pause_s=0.4))
    with pytest.raises(RemoteUnreachable, match=r"not read within the 0\.25 s"):
        get(server, limits=replace(QUICK, deadline_s=0.25))


def test_nobody_listens(server: PriceServer, free_port: Callable[[], int]) -> None:
    """A host that refuses the connection is named."""
    port = free_port()
    with pytest.raises(RemoteUnreachable, match=f"127.0.0.1:{port}/list cannot be read"):
        ask(server, lambda web: web.get(f"http://127.0.0.1:{port}/list"), origins=frozenset({f"http://127.0.0.1:{port}"}))


def test_only_pinned_origins_are_talked_to(server: PriceServer) -> None:
    """Neither a link of a reply nor a redirect leads to another host, port or scheme; inside the origin a redirect is followed."""
    with PriceServer() as stranger:
        stranger.serve("/list", Answer(b"trust me"))
        with pytest.raises(FormatError, match="is not an origin of this feed"):
            ask(server, lambda web: web.get(stranger.url("/list")))
        server.serve("/list", redirect(stranger.url("/list")))
        with pytest.raises(FormatError, match=f"leads to {stranger.origin}"):
            get(server)
        assert stranger.asked == []
    server.serve_all({"/moved": redirect("/new"), "/new": Answer(BODY), "/round": redirect("/round")})
    assert get(server, "/moved").body == BODY
    with pytest.raises(FormatError, match="redirects more than 5 times"):
        get(server, "/round")


def test_a_secret_is_sent_and_never_kept(server: PriceServer) -> None:
    """Keys in headers and in the query reach the server, and neither the reply, the tally nor a message holds them."""
    server.serve("/list", Answer(BODY, needs={"Authorization": "Bearer s3cret-token"}))

    async def question(web: HttpWeb) -> Reply:
        return await web.get(
            server.url("/list?zone=NL"),
            params={"key": "s3cret-key", "mine": "s3cret-own", "unit": "MWh"},
            secret={"Authorization": "Bearer s3cret-token"},
            secret_keys=("mine",),
        )

    reply, web = ask(server, question)
    assert server.asked[0].query == {"zone": "NL", "key": "s3cret-key", "mine": "s3cret-own", "unit": "MWh"}
    assert reply.url == web.tally.url == server.url("/list?zone=NL&unit=MWh")
    server.serve("/list", Answer(b"your key s3cret-key with s3cret-own and s3cret-token is not valid", status=400))
    with pytest.raises(RemoteUnreachable, match=r"your key \*\*\* with \*\*\* and \*\*\* is not valid") as caught:
        ask(server, question)
    assert "s3cret" not in f"{caught.value}{caught.value.next_step}"
    assert "s3cret" not in repr(reply)


def test_a_secret_stays_with_the_origin_it_is_for(server: PriceServer) -> None:
    """A redirect to another pinned origin is followed without the secret headers."""
    with PriceServer() as other:
        other.serve("/list", Answer(BODY))
        server.serve("/list", redirect(other.url("/list")))
        reply, _ = ask(
            server,
            lambda web: web.get(server.url("/list"), secret={"Authorization": "Bearer s3cret"}),
            origins=frozenset({server.origin, other.origin}),
        )
        assert (reply.body, "Authorization" in other.asked[0].headers) == (BODY, False)
    assert server.asked[0].headers["Authorization"] == "Bearer s3cret"


def test_a_secret_is_not_sent_in_plain_text(server: PriceServer) -> None:
    """A key is not carried over http to another machine, mirror or not."""
    url = "http://mirror.example/list"
    with pytest.raises(ConfigError, match="would carry a key in plain text"):
        ask(server, lambda web: web.get(url, secret={"Authorization": "Bearer s3cret"}), origins=frozenset({origin(url)}))


def test_what_a_server_says_cannot_draw_on_a_terminal(server: PriceServer) -> None:
    """The begin of an error's text is repeated on one line without control characters; packed text is not."""
    server.serve("/list", Answer(b"no\x1b[2J\nsuch list", status=400))
    with pytest.raises(RemoteUnreachable, match=r"answered 400: no \[2J such list\."):
        get(server)
    server.serve("/list", replace(packed(b"no such list"), status=400))
    with pytest.raises(RemoteUnreachable, match=r"answered 400\."):
        get(server)


def test_a_question_is_posted_as_json(server: PriceServer) -> None:
    """POST sends JSON, is repeated when the server is overloaded, and follows no redirect."""
    server.serve("/graphql", Answer(status=503), Answer(b'{"data": {}}'))
    reply, _ = ask(server, lambda web: web.post(server.url("/graphql"), {"query": "{a}"}))
    assert (reply.body, server.asked[-1].body, server.asked[-1].headers["Content-Type"]) == (
        b'{"data": {}}',
        b'{"query": "{a}"}',
        "application/json",
    )
    server.serve("/graphql", redirect("/graphql"))
    with pytest.raises(RemoteUnreachable, match="answered 302"):
        ask(server, lambda web: web.post(server.url("/graphql"), {}))


def test_a_link_is_followed_as_it_is_written(server: PriceServer) -> None:
    """What is quoted in an address stays quoted as it is; a space, which no request line can hold, is quoted."""
    server.serve("/list", Answer(BODY))
    get(server, "/list?$filter=a%20eq%20%27b%27&$skip=2")
    get(server, "/list?$filter=a eq 'b'")
    assert [asked.raw for asked in server.asked] == ["/list?$filter=a%20eq%20%27b%27&$skip=2", "/list?$filter=a%20eq%20'b'"]


def test_a_full_disk_is_no_fault_of_the_provider(server: PriceServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list that cannot be written down is an error of this machine, told at once."""
    server.serve("/list", Answer(BODY))

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    async def question(web: HttpWeb) -> None:
        monkeypatch.setattr(Path, "open", full)
        await web.stream(server.url("/list"))

    with pytest.raises(EnvironmentFailed, match="No space left") as caught:
        ask(server, question, folder=tmp_path)
    assert "make room" in caught.value.next_step
