"""The chain of events: what was changed shows, and marks lie where a later event placed them."""

from __future__ import annotations

from dataclasses import replace

from joulemark.chain import BEGINNING, MARK, PLACED, Chain, Signature

CHAIN = Chain().appended("run", {"run_id": "r"}, t_ns=1).appended(MARK, {"phase": "p", "edge": "begin", "utc_ns": 5}, t_ns=6)


def test_each_event_follows_the_one_before() -> None:
    """The first follows zeros; a changed, missing or older event breaks the chain at its place, and nothing else does."""
    assert (Chain().head_sha256, CHAIN.broken(), CHAIN.events[0].prev_sha256) == (BEGINNING, [], BEGINNING)
    first, second = CHAIN.events
    assert len(Chain((replace(first, data={"run_id": "s"}), second)).broken()) == 1
    assert len(Chain((second,)).broken()) == 1
    assert any("older" in why for why in CHAIN.appended(MARK, {}, t_ns=2).broken())


def test_another_event_takes_the_signatures_away() -> None:
    """They were of another head."""
    signed = replace(CHAIN, signatures=(Signature("agent", "k", CHAIN.head_sha256, "s"),))
    assert signed.appended("files", {}, t_ns=9).signatures == ()


def test_marks_lie_where_they_were_placed() -> None:
    """As hashed while nothing moved them, else where the event `placed` says; a mark without its keys is left out."""
    assert CHAIN.edges() == (("p", "begin", 5),)
    assert CHAIN.appended(PLACED, {"event_1_ns": 7}, t_ns=9).edges() == (("p", "begin", 7),)
    assert CHAIN.appended(MARK, {"phase": "q"}, t_ns=9).edges() == CHAIN.edges()


def test_a_chain_goes_to_json_and_back() -> None:
    """With every event as it was."""
    assert Chain.from_json(CHAIN.to_json()) == CHAIN
