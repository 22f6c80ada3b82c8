"""Questions to a living SNMP agent: what it answers, what it refuses, and what its silence means."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import pytest

from joulemark.errors import MeterTransient
from joulemark.meters import snmp_session
from joulemark.meters.snmp_session import Auth, Community, SnmpErrorStatus, SnmpRefused, SnmpSession, SnmpSilent, SnmpTooBig, User
from tests.standins.snmp_pdus import APC, apc
from tests.standins.snmp_standin import AUTH_KEY, COMMUNITY, PRIVACY_KEY, SIGNER, USER, Pdu

T = TypeVar("T")
SYS_DESCR = "1.3.6.1.2.1.1.1.0"
POWER = f"{APC}.9.4.3.1.7"
TIMEOUT_S = 0.5
WRONG = "not-the-secret"


@pytest.fixture(scope="module")
def pdu(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pdu]:
    agent = Pdu(
        tmp_path_factory.mktemp("snmp") / "pdu",
        apc({**{outlet: ("2|100", "2|5") for outlet in range(1, 41)}, 50: ("66:live|w 1", "4|n/a"), 51: ("66:live|broken 1", "2|0")}),
    )
    agent.set(w=250, broken=0)
    agent.start()
    yield agent
    agent.stop()


def asked(pdu: Pdu, who: Community | User, question: Callable[[SnmpSession], Coroutine[Any, Any, T]], *, host: str = "127.0.0.1") -> T:
    """The answer to one question in a session of its own."""

    async def ask() -> T:
        session = SnmpSession(host, pdu.port, who, TIMEOUT_S)
        try:
            return await question(session)
        finally:
            await session.close()
            await asyncio.sleep(0)

    return asyncio.run(ask())


ASKERS = {
    "v2c": Community(COMMUNITY),
    "SHA and AES": User(USER, Auth.SHA, AUTH_KEY, PRIVACY_KEY),
    "SHA256, signed": User(SIGNER, Auth.SHA256, AUTH_KEY),
}


@pytest.mark.parametrize("who", ASKERS.values(), ids=ASKERS)
def test_one_question_brings_numbers_octets_and_what_is_not_there(pdu: Pdu, who: Community | User) -> None:
    """A GET answers numbers and octets as they are, and None for an object that there is not."""
    oids = [f"{POWER}.50", f"{APC}.9.4.3.1.11.50", f"{POWER}.999", "1.3.6.1.2.1.1.2.0"]
    answered = asked(pdu, who, lambda session: session.get(oids))
    assert answered == dict(zip(oids, [250, b"n/a", None, b"1.3.6.1.4.1.318.1.3.4.6"], strict=True))


def test_a_walk_is_whole_and_stays_below_its_root(pdu: Pdu) -> None:
    """A walk longer than one message brings every row in order, and none of the next column."""
    pdu.set(broken=0)
    found = asked(pdu, Community(COMMUNITY), lambda session: session.walk(POWER))
    assert found == [f"{POWER}.{row}" for row in [*range(1, 41), 50, 51]]


def test_a_walk_of_nothing_is_empty(pdu: Pdu) -> None:
    """A table that the agent has not, in the middle or at the end of its objects, has no rows."""
    assert asked(pdu, Community(COMMUNITY), lambda session: session.walk("1.3.6.1.2.1.229")) == []
    assert asked(pdu, Community(COMMUNITY), lambda session: session.walk("1.3.6.1.4.1.99999")) == []


def test_what_follows_is_told_for_each(pdu: Pdu) -> None:
    """One GETNEXT tells of several tables which exist."""
    assert asked(pdu, Community(COMMUNITY), lambda session: session.next([POWER, f"{APC}.4.3.1.5"])) == [f"{POWER}.1", f"{APC}.4.3.1.5.1"]


def test_an_error_status_is_told_with_its_object(pdu: Pdu) -> None:
    """GenErr for one object fails the message and says which; tooBig is told apart."""
    pdu.set(broken={"status": "genErr", "above": 0})
    with pytest.raises(SnmpErrorStatus, match="genErr") as told:
        asked(pdu, Community(COMMUNITY), lambda session: session.get([f"{POWER}.1", f"{POWER}.51"]))
    assert not isinstance(told.value, SnmpTooBig)
    pdu.set(broken={"status": "tooBig", "above": 0})
    with pytest.raises(SnmpTooBig, match="tooBig"):
        asked(pdu, Community(COMMUNITY), lambda session: session.get([f"{POWER}.1", f"{POWER}.51"]))


def test_any_number_of_objects_is_asked_for_in_messages_that_fit(pdu: Pdu) -> None:
    """At open, more objects than fit one message all come, and one that the agent answers with an error is as one that it has not."""
    pdu.set(broken={"status": "genErr", "above": 0})
    oids = [f"{POWER}.{row}" for row in [*range(1, 41), 50, 51]]
    answered = asked(pdu, Community(COMMUNITY), lambda session: session.get_all(oids))
    assert answered == {**dict.fromkeys(oids[:40], 100), oids[40]: 250, oids[41]: None}


@pytest.mark.parametrize(("who", "engines"), [("SHA and AES", 3), ("v2c", 1)])
def test_an_engine_of_v3_is_made_anew_before_it_has_kept_too_much(
    pdu: Pdu, who: str, engines: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library keeps something of each answer of v3 for ever: after so many messages it starts afresh, and no answer is missed."""
    monkeypatch.setattr(snmp_session, "RENEWED_AFTER", 4)
    seen = []

    async def often(session: SnmpSession) -> list[Any]:
        answers = []
        for _ in range(12):
            answers.append((await session.get([f"{POWER}.1"]))[f"{POWER}.1"])
            seen.append(session._engine)  # kept alive here, so that no two of them share an address
        return answers

    assert asked(pdu, ASKERS[who], often) == [100] * 12
    assert len({id(engine) for engine in seen}) == engines


def test_a_wrong_community_is_silence(pdu: Pdu) -> None:
    """An agent says nothing to a community that it does not know."""
    with pytest.raises(SnmpSilent, match="does not answer"):
        asked(pdu, Community(WRONG), lambda session: session.get([SYS_DESCR]))


@pytest.mark.parametrize(
    ("who", "words"),
    [
        (User("stranger", Auth.SHA, AUTH_KEY, PRIVACY_KEY), "does not know the user"),
        (User(USER, Auth.SHA, WRONG, PRIVACY_KEY), "authentication password or protocol is wrong"),
        (User(USER, Auth.SHA256, AUTH_KEY, PRIVACY_KEY), "authentication password or protocol is wrong"),
        (User(USER, Auth.SHA, AUTH_KEY), "security level"),
    ],
    ids=["user", "password", "protocol", "no privacy"],
)
def test_a_wrong_user_is_told_in_words(pdu: Pdu, who: User, words: str) -> None:
    """What v3 reports of a user comes in words that say what to correct, and never with a password."""
    with pytest.raises(SnmpRefused, match=words) as refused:
        asked(pdu, who, lambda session: session.get([SYS_DESCR]))
    assert WRONG not in str(refused.value)


def test_a_wrong_privacy_password_fails(pdu: Pdu) -> None:
    """What an agent cannot decrypt it drops or reports; either way there is no answer."""
    with pytest.raises((SnmpSilent, SnmpRefused)):
        asked(pdu, User(USER, Auth.SHA, AUTH_KEY, WRONG), lambda session: session.get([SYS_DESCR]))


def test_a_host_without_an_address_is_told(pdu: Pdu) -> None:
    """A name that does not resolve is an error of ours, with the name."""
    with pytest.raises(MeterTransient, match=r"no-such-host\.invalid"):
        asked(pdu, Community(COMMUNITY), lambda session: session.get([SYS_DESCR]), host="no-such-host.invalid")


def test_secrets_are_not_shown() -> None:
    """Neither community nor passwords stand in what an object says of itself."""
    for who in (Community("hush-hush"), User(USER, Auth.SHA, "hush-hush", "hush-hush")):
        assert "hush" not in repr(SnmpSession("127.0.0.1", 161, who, TIMEOUT_S))


def encoded(tag: int, content: bytes) -> bytes:
    """A short element of BER."""
    return bytes([tag, len(content)]) + content


@pytest.mark.parametrize("count", [1, 3])
def test_an_agent_that_answers_other_objects_than_it_was_asked_for_is_told_so(count: int) -> None:
    """Fewer or more objects than were asked for are no answer: none of them is taken for another."""
    one = encoded(0x30, encoded(6, b"\x2b\x06\x01\x02\x01\x01\x01\x00") + encoded(2, b"\x01"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as agent:
        agent.bind(("127.0.0.1", 0))

        def answer() -> None:
            question, asker = agent.recvfrom(4096)
            pdu = question[question.index(b"public") + 6 :]
            request_id = pdu[2 : 4 + pdu[3]]
            body = request_id + encoded(2, b"\0") + encoded(2, b"\0") + encoded(0x30, one * count)
            agent.sendto(encoded(0x30, encoded(2, b"\x01") + encoded(4, b"public") + encoded(0xA2, body)), asker)

        async def ask() -> object:
            session = SnmpSession("127.0.0.1", agent.getsockname()[1], Community("public"), TIMEOUT_S)
            try:
                return await session.next(["1.3.6.1.2.1.1", "1.3.6.1.2.1.2"])
            finally:
                await session.close()
                await asyncio.sleep(0)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(MeterTransient, match=f"answered {count} objects instead of 2"):
            asyncio.run(ask())
        thread.join()
