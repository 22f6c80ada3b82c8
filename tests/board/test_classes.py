"""Classes and ranks: only like stands beside like."""

from __future__ import annotations

import dataclasses
import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from joulemark.board.classes import BOARD_SCHEMA, Board, Comparison, as_of
from joulemark.board.entry import Entry
from joulemark.standard.schema import schemas
from tests.board.entries import KEY, entry, figures

KEYS = [KEY, dataclasses.replace(KEY, concurrency=65), dataclasses.replace(KEY, precision=""), dataclasses.replace(KEY, scope="GPU")]
VALUES = st.one_of(st.just((None, None)), st.tuples(st.floats(1.0, 1e4), st.floats(0.0, 100.0)))
PARTS = st.tuples(VALUES, st.sampled_from(KEYS), st.sampled_from(["ES0", "ES1", "ES2"]), st.booleans(), st.booleans())


def made(number: int, part: tuple[tuple[float | None, float | None], object, str, bool, bool]) -> Entry:
    """One entry from drawn parts."""
    (value_j, u95_j), key, level, simulated, gone = part
    found = entry(number, level=level, key=key, simulated=simulated, figures=figures(value_j, u95_j))  # type: ignore[arg-type]  # drawn from KEYS
    return found.withdrawn("mistaken", at_ns=found.published_ns + 5) if gone else found


BOARDS = st.lists(PARTS, max_size=9).map(lambda parts: [made(number, part) for number, part in enumerate(parts, 1)])


def lists(board: Board) -> list[Entry]:
    """Every entry of a board."""
    ranked = [place.entry for one in board.classes for place in one.places]
    return [*ranked, *board.informative, *board.incomparable, *board.simulated, *board.withdrawn]


@settings(max_examples=40)
@given(BOARDS)
def test_each_entry_stands_in_one_list(entries: list[Entry]) -> None:
    """Nothing is lost, nothing stands twice."""
    assert sorted(one.entry_id for one in lists(Board.of(entries))) == sorted(one.entry_id for one in entries)


@settings(max_examples=40)
@given(BOARDS, st.randoms(use_true_random=False))
def test_the_order_of_entries_changes_nothing(entries: list[Entry], chance: random.Random) -> None:
    """Ranks and lists are the same whatever order the entries come in."""
    mixed = list(entries)
    chance.shuffle(mixed)
    assert Board.of(mixed) == Board.of(entries)


@settings(max_examples=40)
@given(BOARDS)
def test_ranks_stand_inside_one_class(entries: list[Entry]) -> None:
    """A class has one key, scope and level, none of it ES0, simulated, withdrawn or without figure; somebody in it is first."""
    for one in Board.of(entries).classes:
        found = [place.entry for place in one.places]
        assert {(e.class_id, e.scope, e.level) for e in found} == {(one.class_id, one.key.scope, one.key.level)}
        assert not any(e.simulated or e.status == "withdrawn" or e.level == "ES0" or e.key.missing for e in found)
        assert all(e.figures.joules_per_1k_output_tokens is not None for e in found)
        assert min(place.rank for place in one.places) == 1


@settings(max_examples=40)
@given(BOARDS, PARTS)
def test_another_class_moves_no_rank(entries: list[Entry], part: tuple[tuple[float | None, float | None], object, str, bool, bool]) -> None:
    """An entry that comes in changes ranks in its own class alone."""
    new = made(99, part)
    before, after = Board.of(entries).places, Board.of([*entries, new]).places
    for entry_id, (place, one) in before.items():
        if one.class_id != new.class_id:
            assert after[entry_id][0].rank == place.rank


@settings(max_examples=40)
@given(st.floats(1.0, 1e3), st.floats(1.0, 1e3), st.floats(0.0, 50.0), st.floats(0.0, 50.0))
def test_ties_are_symmetric(a_j: float, b_j: float, a_u95_j: float, b_u95_j: float) -> None:
    """Of two entries either both are first, or the one with fewer joules is, whichever came first."""
    pair = [entry(1, figures=figures(a_j, a_u95_j)), entry(2, figures=figures(b_j, b_u95_j))]
    ranks = {entry_id: place.rank for entry_id, (place, _) in Board.of(pair).places.items()}
    turned = {entry_id: place.rank for entry_id, (place, _) in Board.of(pair[::-1]).places.items()}
    assert ranks == turned
    worst = max(pair, key=lambda one: one.figures.joules_per_1k_output_tokens or 0.0)
    assert sorted(ranks.values()) in ([1, 1], [1, 2])
    assert ranks[worst.entry_id] == max(ranks.values())


def test_overlapping_intervals_tie() -> None:
    """250 and 252 with 5 each cannot be told apart and share the first rank; 280 comes third."""
    board = Board.of([entry(1, figures=figures(280.0)), entry(2, figures=figures(252.0)), entry(3, figures=figures(250.0))])
    assert [(place.rank, place.entry.figures.joules_per_1k_output_tokens) for place in board.classes[0].places] == [
        (1, 250.0),
        (1, 252.0),
        (3, 280.0),
    ]


def test_one_entry_is_first_of_one() -> None:
    """A class of one has rank 1 of 1."""
    place, one = Board.of([entry(1)]).places[entry(1).entry_id]
    assert (place.rank, len(one.places)) == (1, 1)


@pytest.mark.parametrize(
    ("spoilt", "missing"),
    [
        (entry(1, key=dataclasses.replace(KEY, precision="")), "precision"),
        (entry(1, key=dataclasses.replace(KEY, concurrency=None)), "concurrency or request_rate_per_s"),
        (entry(1, key=dataclasses.replace(KEY, scope=None), boundary=None), "scope"),
        (entry(1, figures=figures(None, None)), "joules_per_1k_output_tokens"),
        (entry(1, figures=figures(250.0, None)), "u95_j_per_1k_output_tokens"),
    ],
)
def test_what_cannot_be_compared_says_what_is_missing(spoilt: Entry, missing: str) -> None:
    """Such an entry has no rank and stands in its own list, with the name of what it lacks."""
    told = Board.of([spoilt, entry(2)]).to_json()
    assert missing in told["not_comparable"][0]["missing"]
    assert [one["rank"] for one in told["classes"][0]["entries"]] == [1]


def test_es0_is_listed_and_not_ranked() -> None:
    """ES0 has a list of its own, newest first, and no rank."""
    board = Board.of([entry(1, level="ES0"), entry(2, level="ES0")])
    assert [one.entry_id[-1] for one in board.informative] == ["2", "1"]
    assert board.places == {}


def test_the_withdrawn_leave_the_ranks() -> None:
    """When the first is withdrawn the second is first."""
    first, second = entry(1, figures=figures(200.0)), entry(2, figures=figures(300.0))
    assert Board.of([first, second]).places[second.entry_id][0].rank == 2
    assert Board.of([first.withdrawn("x", at_ns=first.published_ns), second]).places[second.entry_id][0].rank == 1


def test_the_board_of_another_day() -> None:
    """At an earlier moment a later entry is not there, and what was withdrawn later still stands."""
    first, second = entry(1), entry(2)
    gone = first.withdrawn("mistaken", at_ns=second.published_ns + 10)
    assert as_of([gone, second], first.published_ns) == [first]
    assert as_of([gone, second], second.published_ns + 9) == [first, second]
    assert as_of([gone, second], second.published_ns + 10) == [gone, second]
    assert as_of([gone, second], first.published_ns - 1) == []


@settings(max_examples=40)
@given(BOARDS)
def test_the_board_keeps_its_schema(entries: list[Entry]) -> None:
    """Whatever is on it, the board as data is valid by its closed schema."""
    Draft202012Validator(schemas()[BOARD_SCHEMA]).validate(json.loads(json.dumps(Board.of(entries).to_json(), allow_nan=False)))


def test_a_load_that_is_not_told() -> None:
    """Lengths and load are named as far as the key tells them: a length that is not known is left out, and is not 0."""
    assert Comparison("", KEY, ()).load == "640 in, 480 out, 64 at once"
    assert Comparison("", dataclasses.replace(KEY, input_length=None, concurrency=None), ()).load == "480 out"
    assert Comparison("", dataclasses.replace(KEY, input_length=None, output_length=None, concurrency=None), ()).load == ""
