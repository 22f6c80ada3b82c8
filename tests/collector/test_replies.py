"""Replies: kept as they came, once, and only where they are not too long."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from joulemark.collector import replies as module
from joulemark.collector.replies import Keeping, Replies
from joulemark.pricing.web import Reply
from tests.pricing.webs import web_of
from tests.standins.price_server import Answer, PriceServer


def reply(body: bytes, **more: object) -> Reply:
    values = {"url": "http://x/list", "http_status": 200, "fetched_at_ns": 1, "sha256": hashlib.sha256(body).hexdigest(), "body": body}
    return Reply(**{**values, **more})  # type: ignore[arg-type]  # the fields of a reply, by name


def kept(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "raw").rglob("*") if path.is_file())


def test_a_reply_is_kept_packed_under_its_hash(tmp_path: Path) -> None:
    """What unpacks from the file has the hash that names it; the same bytes again add nothing."""
    replies, one = Replies(tmp_path), reply(b"price list " * 100)
    replies.keep(one)
    replies.keep(one)
    assert kept(tmp_path) == [replies.path(one.sha256)]
    assert gzip.decompress(kept(tmp_path)[0].read_bytes()) == one.body
    assert one.sha256 in kept(tmp_path)[0].name


def test_a_list_in_a_file_is_kept_from_there(tmp_path: Path) -> None:
    """A streamed reply is read from its file."""
    listed = tmp_path / "list"
    listed.write_bytes(b"a,b\n")
    one = replace(reply(b"a,b\n"), body=b"", path=listed)
    Replies(tmp_path).keep(one)
    assert gzip.decompress(Replies(tmp_path).path(one.sha256).read_bytes()) == b"a,b\n"


def test_what_is_too_long_or_unchanged_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reply beyond the bound, and a 304, leave no file."""
    monkeypatch.setattr(module, "LARGEST_BYTES", 10)
    for one in (reply(b"x" * 11), reply(b"", http_status=304, sha256="")):
        Replies(tmp_path).keep(one)
    assert kept(tmp_path) == []


def test_without_room_the_prices_are_taken_all_the_same(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A place that cannot be written is a line in the log, not an error of the feed."""
    (tmp_path / "raw").write_text("a file where a folder should be")
    with caplog.at_level(logging.WARNING):
        Replies(tmp_path).keep(reply(b"x"))
    assert "is not kept" in caplog.text


def test_every_way_of_asking_keeps_the_reply(tmp_path: Path) -> None:
    """GET, POST and a stream reach the server with what they were given, and each answer is there afterwards."""

    async def run(server: PriceServer) -> list[str]:
        async with web_of(server) as web:
            keeping = Keeping(web, Replies(tmp_path))
            assert keeping.clock is web.clock
            got = await keeping.get(server.url("/get"), params={"a": "1"}, secret={"X-Key": "hush"})
            posted = await keeping.post(server.url("/post"), {"q": 1})
            return [got.sha256, posted.sha256, (await keeping.stream(server.url("/stream"))).sha256]

    with PriceServer() as server:
        server.serve_all({path: Answer(path.encode()) for path in ("/get", "/post", "/stream")})
        hashes = asyncio.run(run(server))
        assert {path.name for path in kept(tmp_path)} == {f"{sha256}.gz" for sha256 in hashes}
        assert (server.asked[0].query, server.asked[0].headers["X-Key"], server.asked[1].body) == ({"a": "1"}, "hush", b'{"q": 1}')
