"""Figures on a page: rounded by the house's rules, each beside its place, and a missing one in words."""

from __future__ import annotations

import pytest

from joulemark.cards import figures
from joulemark.cards.figures import Place

DOCUMENT = {
    "a/b": {"~": [1.0, 0.99999, None]},
    "energy_j": 1099749.47,
    "u95_j": 4013.5,
    "amount": "0.015996294",
    "t_ns": 1_790_000_000_000_000_000,
}


def at(*keys: str | int) -> Place:
    place = Place(DOCUMENT)
    for key in keys:
        place = place[key]
    return place


def test_a_place_knows_its_way() -> None:
    """The pointer of a value is that of RFC 6901, and its last step is its key."""
    assert at("a/b", "~", 1).pointer == "/a~1b/~0/1"
    assert at("a/b").key == "a/b"
    assert [one.value for one in at("a/b", "~")] == [1.0, 0.99999, None]


def test_a_share_is_never_rounded_up_to_the_whole() -> None:
    """99.999 % is 99.99 %, and only 1 is 100 %; what is not known is said."""
    assert ">99.99</data>" in figures.percent(at("a/b", "~", 1))
    assert ">100</data>" in figures.percent(at("a/b", "~", 0))
    assert figures.percent(at("a/b", "~", 2)) == figures.absent()


def test_a_value_is_rounded_to_its_uncertainty() -> None:
    """UNC-5: two digits of the uncertainty, the value to the same place; without one it says that it is not known."""
    text = figures.expanded(at("energy_j"), at("u95_j"), "J")
    assert ">1\u202f099\u202f700</data> \u00b1 <data" in text
    assert ">4000</data>\u00a0J" in text
    assert "not known" in figures.expanded(at("energy_j"), at("a/b", "~", 2))
    assert figures.expanded(at("a/b", "~", 2), at("u95_j")) == figures.absent()


def test_money_keeps_four_digits_and_a_time_its_second() -> None:
    """As the card's text prints them."""
    assert ">0.016</data>\u00a0USD" in figures.amount(at("amount"), "USD")
    assert figures.moment(at("t_ns")) == '<time datetime="2026-09-21T14:13:20Z" data-from="/t_ns">2026-09-21 14:13:20 UTC</time>'
    assert figures.moment(at("t_ns"), clock=True).endswith(">14:13:20</time>")
    assert figures.moment(at("a/b", "~", 2)) == figures.absent()


@pytest.mark.parametrize(
    ("value", "spec", "text"), [(0.000012, ".3g", "0.000012"), (1.5e20, ".3g", "1.5e+20"), (120000.0, ".3g", "120000"), (0.0, ".3g", "0")]
)
def test_figures_have_plain_digits(value: float, spec: str, text: str) -> None:
    """An exponent only where nobody could count the zeros."""
    assert figures.plain(value, spec) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "yes"),
        (None, "not known"),
        ("<b>", "&lt;b&gt;"),
        (float("inf"), "inf"),
        ({"a_b": 1}, "a b "),
        ([1, "x"], ", x"),
        (list(range(40)), "and more"),
    ],
)
def test_any_value_can_be_shown(value: object, text: str) -> None:
    """Truth, lists, objects and what is missing: each in words."""
    assert text in figures.value(Place({"v": value})["v"])
