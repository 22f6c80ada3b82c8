"""What readers of a run see: judged once, kept while the bundle is the same, one at a time."""

from __future__ import annotations

import asyncio

import pytest

from joulemark.cards import bundle
from joulemark.collector.showing import MOST_KEPT, Showing, Shown
from joulemark.errors import InsufficientData
from joulemark.pki import seal
from joulemark.standard.trust import Key, Trust
from tests.cards.pages import full
from tests.kit.lab import sign


def test_a_bundle_is_judged_once() -> None:
    """Two readers at once get the same page, for one judgement; its label leads to it."""
    files = bundle.build(full("ES1").evidence, sign=sign)
    here = Showing()

    async def both() -> list[Shown]:
        return await asyncio.gather(here.of(files), here.of(files))

    first, second = asyncio.run(both())
    assert first is second
    assert len(here.kept) == 1
    assert first.page.body.startswith(b"<!doctype html>")
    assert b'href="card.html"' in first.label.body


def test_a_signature_counts_when_its_key_is_known() -> None:
    """Signed by a key that the collector was told of the bundle passes INT-7; by a stranger's it does not."""
    key = seal.key_of_seed(bytes(range(32)))
    files = bundle.build(full("ES2").evidence, sign=seal.signer(key, role="collector"))
    known = Trust((*Trust.read().keys, Key(seal.public_text(key), "collector", "a laboratory")))
    stranger, friend = (asyncio.run(Showing(trust).of(files)).page.body.decode() for trust in (None, known))
    assert "signed by a laboratory (collector)" not in stranger
    assert "signed by a laboratory (collector)" in friend


def test_the_oldest_gives_way() -> None:
    """No more than so many are kept, and the one that was asked for last stays."""
    here = Showing()
    for number in range(MOST_KEPT):
        here.kept[str(number)] = here.kept.get("0", Shown(*([None] * 3)))  # type: ignore[list-item]  # what is kept does not matter here
    files = bundle.build(full("ES1").evidence, sign=sign)
    asyncio.run(here.of(files))
    assert len(here.kept) == MOST_KEPT
    assert "0" not in here.kept


def test_what_gives_no_card_is_refused_and_not_kept() -> None:
    """A bundle without readings says why, and the next reader is told anew."""
    files = {path: data for path, data in bundle.build(full("ES1").evidence).items() if "/readings/" not in path}
    here = Showing()
    with pytest.raises(InsufficientData, match="no card to show"):
        asyncio.run(here.of(files))
    assert not here.kept
