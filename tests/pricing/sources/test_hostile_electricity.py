"""Replies that were changed anywhere: a parser of electricity, rates or carbon answers or says what is wrong, and never breaks."""

from __future__ import annotations

import contextlib
import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from joulemark.errors import JoulemarkError
from joulemark.pricing.sources import ecb, electricity_maps, entsoe, openei
from tests.pricing.sources.test_ecb import BODY
from tests.pricing.sources.test_electricity_maps import REPLY
from tests.pricing.sources.test_entsoe import MARKET, NL
from tests.pricing.sources.test_openei import LABEL, RATE

ROUNDS: Final = 300
TOKENS: Final = ("", "-1", "0", "NaN", "inf", "1e400", "9" * 400, "1_0", "\u0663", "PT15M", "PT0M", "A01", "usd", "9999-12-31T23:00Z")
VALUES: Final = (None, 0, -1, 1.5, 1e308, 10**30, "", "x", [], {}, True, "9999-12-31T23:59:59Z", "2026-08-22", [[1]], {"a": 1}, "\0")


def xml_changed(text: str, rng: random.Random) -> bytes:
    """`text` with up to three of its values replaced."""
    for _ in range(rng.randint(1, 3)):
        begin, end = rng.choice([found.span(1) for found in re.finditer(r"[>\"]([^<>\"\s][^<>\"]*)[<\"]", text)])
        text = text[:begin] + rng.choice(TOKENS) + text[end:]
    return text.encode()


def json_changed(value: Any, rng: random.Random) -> Any:
    """`value` with one of its parts, at any depth, replaced."""
    if isinstance(value, dict | list) and value and rng.random() < 0.7:
        place = rng.choice(list(value)) if isinstance(value, dict) else rng.randrange(len(value))
        copy = value.copy()
        copy[place] = json_changed(value[place], rng)
        return copy
    return rng.choice(VALUES)


def answers(parse: Callable[[bytes], Any], body: bytes) -> None:
    """Parse, and let only what a person can read be raised."""
    with contextlib.suppress(JoulemarkError):
        parse(body)


def test_changed_lists_of_markets_and_banks(corpus: Path) -> None:
    """The recorded day of ENTSO-E and a list of the ECB with values of any kind in any place."""
    rng = random.Random(6)
    recorded = (corpus / "pricing" / "electricity" / "entsoe_A44_NL_2025-09-17_PT60M.xml").read_text(encoding="utf-8")
    for _ in range(ROUNDS):
        answers(lambda body: entsoe.parse_document(body, domain=NL, market=MARKET), xml_changed(recorded, rng))
        answers(lambda body: ecb.parse_rates(body, fetched_at_ns=1, source_url="u"), xml_changed(BODY, rng))


def test_changed_objects_of_rates_and_carbon() -> None:
    """A rate of OpenEI and a reply of Electricity Maps with values of any kind in any place; what passes can be spread over days."""
    rng = random.Random(6)
    settings = openei.Config(LABEL, Path("key"), "America/Los_Angeles", month_kwh="100")

    def rate(body: bytes) -> None:
        schedule, _ = openei.parse_rate(body, settings=settings, fetched_at_ns=1, source_url="u")
        schedule.between(1_783_500_000 * 10**9, 1_783_700_000 * 10**9)

    for _ in range(ROUNDS):
        answers(rate, json.dumps({"items": [json_changed(RATE, rng)]}).encode())
        answers(
            lambda body: electricity_maps.parse_intensity(body, zone="DK-DK2", fetched_at_ns=1, source_url="u"),
            json.dumps(json_changed(REPLY, rng)).encode(),
        )


@pytest.mark.parametrize("body", [b"", b"\0", b"\xff\xfe", b"<", b"{", b"[]", b"null", b"<a/>", b"{}"])
def test_bodies_that_are_no_reply(body: bytes) -> None:
    """Nothing, noise and replies of other services are refused by every parser, in words."""
    settings = openei.Config(LABEL, Path("key"), "UTC")
    parsers: tuple[Callable[[], Any], ...] = (
        lambda: entsoe.parse_document(body, domain=NL, market=MARKET),
        lambda: ecb.parse_rates(body, fetched_at_ns=1, source_url="u"),
        lambda: electricity_maps.parse_intensity(body, zone="FR", fetched_at_ns=1, source_url="u"),
        lambda: openei.parse_rate(body, settings=settings, fetched_at_ns=1, source_url="u"),
    )
    for parse in parsers:
        with pytest.raises(JoulemarkError):
            parse()
