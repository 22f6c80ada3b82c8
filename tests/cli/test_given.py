"""Options of `joulemark cost` as values: what counts as elsewhere, shares, and where stated prices hold from."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from joulemark.cli.given import Given, gpus, share_of
from joulemark.cli.subject import Subject
from joulemark.errors import UsageError
from joulemark.pricing.dates import moment_ns
from tests.kit import spoil
from tests.kit.lab import prices

FOUND = Subject("kit", spoil.good("ES1"), prices())


def test_only_another_date_place_or_machine_opens_the_store() -> None:
    """A share, a split or a PUE asks for no other price; a date, a region or a zone does."""
    assert not Given(share="1/2", split="equal_token", pue=Decimal(2)).elsewhere
    assert all(
        given.elsewhere for given in (Given(as_of="x"), Given(known_at="x"), Given(region="x"), Given(instance="x"), Given(tariff_zone="x"))
    )


def test_labels_are_replaced_and_missing_ones_named() -> None:
    """Options become labels; a stated price of a run that names no machine is of an unnamed one."""
    assert Given(instance="p4d", system="windows").labels(FOUND) == {"instance_type": "p4d", "os": "windows"}
    bare = replace(FOUND, evidence=replace(FOUND.evidence, run=replace(FOUND.evidence.run, labels={})))
    assert Given(prices=("1USD/h",)).labels(bare) == dict.fromkeys(("provider", "region", "instance_type"), "unnamed")
    assert Given(tariff="1USD/kWh").labels(FOUND)["tariff_zone"] == "command line"


def test_a_stated_price_holds_from_the_first_phase() -> None:
    """What is stated holds from before the first phase, also at another date, so that warm-up and idle have a price too."""
    run = FOUND.evidence.run
    assert Given().begin_ns(FOUND) == run.windows[0].begin_ns
    lead_ns = run.measured[0].begin_ns - run.windows[0].begin_ns
    assert Given(as_of="2026-01-01").begin_ns(FOUND) == moment_ns("2026-01-01", "x") - lead_ns


@pytest.mark.parametrize("word", ["", "4", "4/", "/8", "a/8", "4/8/2", "-1/8", "4/99999999"])
def test_a_share_is_two_numbers(word: str) -> None:
    """Nothing else is taken for a share."""
    with pytest.raises(UsageError, match="no share"):
        share_of(word)
    assert share_of("4/8") == (4, 8)


def test_gpus_of_one_machine() -> None:
    """One node tells its GPUs; several, or none, tell no count of the machine."""
    nodes = FOUND.evidence.nodes
    assert gpus(FOUND) == 2
    two = replace(FOUND, evidence=replace(FOUND.evidence, nodes=replace(nodes, nodes=nodes.nodes * 2)))
    assert gpus(two) is None
