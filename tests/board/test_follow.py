"""Following a board over real HTTP: what is fetched, what is refused, what it may not do."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from joulemark.board import follow, follow_feed
from joulemark.board.desk import Desk
from joulemark.board.follow import Follower, Look
from joulemark.board.submission import State
from joulemark.config import BoardConfig, CollectorConfig, Config
from joulemark.errors import ConfigError, EnvironmentFailed
from tests.board.another import Another, another, theirs
from tests.board.archives import sha256
from tests.conftest import ManualClock


@pytest.fixture
def desk(tmp_path: Path, manual_clock: ManualClock) -> Iterator[Desk]:
    made = Desk.of(Config(collector=CollectorConfig(data_dir=tmp_path)), manual_clock)
    yield made
    made.close()


def follower(desk: Desk, board: Another, **more: Any) -> Follower:
    """A follower of `board`."""
    return Follower(desk, board.url, more.pop("max_bundle_bytes", 1 << 20), **more)


def publish(desk: Desk, number: int, **changed: Any) -> None:
    """The entry of a board as if it had been followed and verified."""
    desk.store.publish_all([(theirs(number, **changed), f"run-{number}")])


def kinds(look: Look) -> list[str]:
    """The kinds of what was found."""
    return [finding.kind for finding in look.findings]


def run(scene: Callable[[], Awaitable[None]]) -> None:
    """Play a scene."""

    async def play() -> None:
        await scene()

    asyncio.run(play())


def test_new_entries_wait_to_be_judged_here(desk: Desk) -> None:
    """Each new bundle is fetched and waits in the queue with what the board claims of it; a second look brings nothing again."""

    async def scene() -> None:
        async with another(theirs(1), theirs(2)) as board:
            look = await follower(desk, board).look()
            assert (look.seen, len(look.taken), look.findings) == (2, 2, [])
            one = desk.store.next()
            assert one is not None
            assert (one.state, one.origin, one.level) == (State.RECEIVED, board.url, "ES0")
            assert one.submitter == f"Example Laboratory ({board.url.removeprefix('http://')})"
            assert one.claim["joules_per_1k_output_tokens"] == 250.0
            assert desk.archives.sound(one.bundle_sha256)
            assert not desk.store.entries()
            again = await follower(desk, board).look()
            assert (again.taken, again.findings) == ([], [])

    run(scene)


def test_what_has_not_changed_is_not_read_again(desk: Desk, manual_clock: ManualClock) -> None:
    """With nothing left to do the next look shows the tag it has; once a day all is read whatever the board says."""

    async def scene() -> None:
        async with another(theirs(1)) as board:
            publish(desk, 1)
            look = await follower(desk, board).look()
            assert (look.linked, look.taken) == (1, [])
            assert not (await follower(desk, board).look()).changed
            assert (await follower(desk, board).look(whole=True)).changed
            manual_clock.advance(86_401 * 10**9)
            assert (await follower(desk, board).look()).changed

    run(scene)


def test_a_withdrawal_there_is_one_here(desk: Desk) -> None:
    """What came from the board is taken back when the board takes it back, and nothing that came from elsewhere."""

    async def scene() -> None:
        async with another(theirs(1), theirs(2)) as board:
            publish(desk, 1, origin=board.url)
            publish(desk, 2)
            await follower(desk, board).look()
            at_ns = desk.clock.utc_ns() + 10**18
            board.entries = [theirs(n).withdrawn("the meter was not wired", at_ns=at_ns) for n in (1, 2)]
            look = await follower(desk, board).look()
            assert look.withdrawn == [theirs(1).entry_id]
            assert "the meter was not wired" in desk.store.entry(theirs(1).entry_id).withdrawn_reason
            assert desk.store.entry(theirs(2).entry_id).status == "published"
            board.entries = [theirs(1), theirs(2)]
            assert kinds(await follower(desk, board).look()) == ["returned", "returned"]
            assert desk.store.entry(theirs(1).entry_id).status == "withdrawn"

    run(scene)


def test_an_entry_withdrawn_before_it_was_judged_is_taken_back_after(desk: Desk) -> None:
    """A withdrawal that comes while the bundle still waits is not lost: the look after its judging carries it out."""

    async def scene() -> None:
        async with another(theirs(1)) as board:
            (waiting,) = (await follower(desk, board).look()).taken
            board.entries = [theirs(1).withdrawn("wrong", at_ns=desk.clock.utc_ns() + 10**18)]
            assert (await follower(desk, board).look()).withdrawn == []
            one = desk.store.submission(waiting)
            assert one is not None
            desk.store.publish(one, theirs(1, origin=board.url), run_id="run-1", now_ns=1)
            assert (await follower(desk, board).look()).withdrawn == [theirs(1).entry_id]

    run(scene)


def test_what_a_board_changes_or_hides_is_named(desk: Desk) -> None:
    """The same id with another bundle, a figure that the bundle does not bear out, an entry that is gone without a word."""

    async def scene() -> None:
        async with another(theirs(1), theirs(2), theirs(3)) as board:
            for number in (1, 2, 3):
                publish(desk, number, origin=board.url)
            assert (await follower(desk, board).look()).findings == []
            lie = replace(theirs(2), figures=replace(theirs(2).figures, joules_per_1k_output_tokens=200.0))
            board.entries = [replace(theirs(1), bundle_sha256=sha256(b"another")), lie]
            look = await follower(desk, board).look()
            assert {(one.kind, one.item_id) for one in look.findings} == {
                ("rewritten", theirs(1).entry_id),
                ("differs", theirs(2).entry_id),
                ("vanished", theirs(3).entry_id),
            }
            assert "joules_per_1k_output_tokens: the board says 200.0, verified here it is 250.0" in [one.detail for one in look.findings]
            assert [one.status for one in desk.store.entries()] == ["published"] * 3
            named = desk.store.board(board.url)["findings"]
            assert len(named) == 3
            assert not (await follower(desk, board).look()).changed
            assert desk.store.board(board.url)["findings"] == named

    run(scene)


def test_a_bundle_is_what_it_was_said_to_be(desk: Desk) -> None:
    """A bundle with another hash is not taken, and tried again; one that was taken before is looked at again now and then."""

    async def scene() -> None:
        async def other(request: web.Request) -> web.StreamResponse:
            return web.Response(body=b"another")

        async with another(theirs(1)) as board:
            path = f"/v1/board/entries/{theirs(1).entry_id.rpartition(':')[2]}/bundle"
            board.answers[path] = other
            look = await follower(desk, board).look()
            assert (look.taken, kinds(look)) == ([], ["bundle"])
            assert sha256(b"another") in look.findings[0].detail
            del board.answers[path]
            assert len((await follower(desk, board).look()).taken) == 1
            board.answers[path] = other
            assert kinds(await follower(desk, board).look()) == ["bundle"]

    run(scene)


@pytest.mark.parametrize(
    ("next_url", "said"),
    [
        ("https://elsewhere.example/feed.json", "not an origin"),
        ("http://169.254.169.254/latest/meta-data", "not an origin"),
        ("file:///etc/passwd", "no address of the web"),
        ("?", "leads back to itself"),
    ],
)
def test_pages_do_not_lead_away(desk: Desk, next_url: str, said: str) -> None:
    """A next page on another host, on this network, in a file, or in a circle is not asked for; what came before it counts."""

    async def scene() -> None:
        async with another(theirs(1)) as board:
            board.change = lambda page: page.update(next_url=next_url.replace("?", page["feed_url"]))
            look = await follower(desk, board).look()
            assert (look.seen, kinds(look)) == (1, ["feed"])
            assert said in look.findings[0].detail
            assert len([path for path in board.asked if "feed" in path]) == 1
            assert "vanished" not in kinds(await follower(desk, board).look())

    run(scene)


def test_a_feed_without_end_is_left(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages that always name another one are read only so far."""
    monkeypatch.setattr(follow.follow_feed, "MOST_PAGES", 5)

    async def scene() -> None:
        async with another(theirs(1)) as board:
            board.change = lambda page: page.update(next_url=f"{page['feed_url']}?page={len(board.asked)}")
            look = await follower(desk, board).look()
            assert "has no end" in look.findings[0].detail
            assert len([path for path in board.asked if "feed" in path]) == 5

    run(scene)


def test_redirects_stay_and_bodies_end(desk: Desk) -> None:
    """A redirect to another host is not followed, and a bundle longer than may be is not read to its end."""

    async def scene() -> None:
        async def away(request: web.Request) -> web.StreamResponse:
            return web.Response(status=302, headers={"Location": "http://127.0.0.2:1/x"})

        async def endless(request: web.Request) -> web.StreamResponse:
            answer = web.StreamResponse()
            await answer.prepare(request)
            for _ in range(64):
                await answer.write(b"x" * 65_536)
            return answer

        async with another(theirs(1), theirs(2)) as board:
            first, second = (f"/v1/board/entries/{theirs(n).entry_id.rpartition(':')[2]}/bundle" for n in (1, 2))
            board.answers |= {first: away, second: endless}
            look = await follower(desk, board, max_bundle_bytes=100_000).look()
            assert (look.taken, sorted(kinds(look))) == ([], ["bundle", "bundle"])
            said = " ".join(one.detail for one in look.findings)
            assert "127.0.0.2" in said
            assert "longer than 100000 bytes" in said

    run(scene)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<html>", "not valid JSON"),
        (b"[]", "not an object"),
        (b'{"version": "https://jsonfeed.org/version/1.1"}', "no feed of an energy-only"),
    ],
)
def test_what_is_no_feed_is_said(desk: Desk, body: bytes, said: str) -> None:
    """Another page under the address changes nothing here."""

    async def scene() -> None:
        async def other(request: web.Request) -> web.StreamResponse:
            return web.Response(body=body)

        async with another(theirs(1)) as board:
            board.answers["/v1/board/feed.json"] = other
            look = await follower(desk, board).look()
            assert kinds(look) == ["feed"]
            assert said in look.findings[0].detail

    run(scene)


def test_a_board_that_is_gone_is_said(desk: Desk) -> None:
    """What was taken of it stays, and since when it is gone is known."""

    async def scene() -> None:
        async with another(theirs(1)) as board:
            publish(desk, 1, origin=board.url)
            await follower(desk, board).look()
            good_ns = desk.store.board(board.url)["good_ns"]
        look = await follower(desk, board).look()
        assert kinds(look) == ["unreachable"]
        assert desk.store.entries()[0].status == "published"
        assert desk.store.board(board.url)["good_ns"] == good_ns

    run(scene)


def test_what_is_left_to_fetch_outlasts_a_board_that_is_gone(desk: Desk) -> None:
    """A bundle that could not be had is asked for again after a look that found nobody, though the feed says that nothing has changed."""

    async def scene() -> None:
        async def none(request: web.Request) -> web.StreamResponse:
            return web.Response(status=404)

        async with another(theirs(1)) as board:
            path, feed = f"/v1/board/entries/{theirs(1).entry_id.rpartition(':')[2]}/bundle", "/v1/board/feed.json"
            board.answers[path] = none
            assert (await follower(desk, board).look()).taken == []
            board.answers = {feed: none}
            assert kinds(await follower(desk, board).look()) == ["unreachable"]
            board.answers = {}
            assert len((await follower(desk, board).look()).taken) == 1

    run(scene)


def test_a_token_is_shown_to_its_board_alone(desk: Desk, tmp_path: Path) -> None:
    """The token of an address goes with each question there; another address, or one in plain text beyond this machine, never sees it."""
    (tmp_path / "token").write_text("secret\n")

    async def scene() -> None:
        async with another(theirs(1)) as board:
            config = Config(board=BoardConfig(follow_tokens={f"{board.url}/": tmp_path / "token"}))
            await Follower.of(config, desk, board.url).look()
            assert board.authorization == "Bearer secret"
            assert Follower.of(config, desk, "https://b.example").secret == {}

    run(scene)
    (tmp_path / "token").write_text("\n")
    with pytest.raises(ConfigError, match="does not hold a token"):
        Follower.of(Config(board=BoardConfig(follow_tokens={"http://a": tmp_path / "token"})), desk, "http://a")
    with pytest.raises(ConfigError, match="no address of the web"):
        Follower.of(Config(), desk, "file:///etc")


def test_one_look_takes_only_so_many(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long board is taken in parts, each look going on where the one before it ended."""
    monkeypatch.setattr(follow, "MOST_NEW", 2)

    async def scene() -> None:
        async with another(*(theirs(n) for n in range(1, 6))) as board:
            assert [len((await follower(desk, board).look()).taken) for _ in range(4)] == [2, 2, 1, 0]

    run(scene)


def test_bundles_arrive_on_the_file_system_of_the_archives(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose temporary folder is another file system, or none at all, follows as any other."""
    monkeypatch.setattr(tempfile, "tempdir", "/proc/self/no-such-folder")

    async def scene() -> None:
        async with another(theirs(1)) as board:
            look = await follower(desk, board).look()
            assert (len(look.taken), look.findings) == (1, [])
            assert not list(desk.incoming.iterdir())

    run(scene)


def test_no_room_here_is_said(desk: Desk) -> None:
    """Where nothing can be written the look ends with what to do, and not with a bare error of the system."""

    async def scene() -> None:
        async with another(theirs(1)) as board:
            desk.incoming.parent.mkdir(parents=True, exist_ok=True)
            desk.incoming.write_text("a file in the place of the folder")
            with pytest.raises(EnvironmentFailed, match="cannot be kept"):
                await follower(desk, board).look()

    run(scene)


def test_a_long_name_does_not_hide_the_board(desk: Desk) -> None:
    """A submitter's name without end does not push the board that it came from out of sight."""
    authors = [{"name": "A very well known laboratory " * 9}]

    async def scene() -> None:
        async with another(theirs(1), change=lambda page: page["items"][0].update(authors=authors)) as board:
            await follower(desk, board).look()
            one = desk.store.next()
            assert one is not None
            assert one.submitter.endswith(f"... ({board.url.removeprefix('http://')})")

    run(scene)


def test_a_withdrawal_for_a_reason_that_cannot_be_shown(desk: Desk) -> None:
    """A board that takes an entry back with words about speed takes it back here too, without these words."""
    told = {"status": "withdrawn", "withdrawn_reason": "it did 12000 tok/s"}

    async def scene() -> None:
        async with another(theirs(1)) as board:
            publish(desk, 1, origin=board.url)
            await follower(desk, board).look()
            board.change = lambda page: page["items"][0]["_energy"].update(told)
            assert (await follower(desk, board).look()).withdrawn == [theirs(1).entry_id]
            assert desk.store.entry(theirs(1).entry_id).withdrawn_reason.endswith(": for a reason that cannot be shown here")

    run(scene)


def test_entries_without_end_are_not_kept(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A board that names other entries at each look fills so many places here and no more, and that is said."""
    monkeypatch.setattr(follow_feed, "MOST_ITEMS", 3)

    async def scene() -> None:
        async with another(theirs(1), theirs(2)) as board:
            await follower(desk, board).look()
            board.entries = [theirs(3), theirs(4)]
            look = await follower(desk, board).look()
            assert len(desk.store.told(board.url)) == 3
            assert "more than 3 entries in all" in look.findings[0].detail

    run(scene)
