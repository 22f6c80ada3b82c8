"""The carbon block: grams from the energy, the intensity and PUE, always with the kind of intensity and whether it was an estimate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from joulemark.cards import bundle, card, emitted, text
from joulemark.cards.costs import Work
from joulemark.cards.evidence import Evidence
from joulemark.cards.opened import opened
from joulemark.energy.series import Series
from joulemark.pricing.carbon import Carbon, CarbonKind
from joulemark.pricing.snapshot import Snapshot
from joulemark.runs import Run, Tokens
from joulemark.standard.recompute import differences
from tests.cards.conftest import BEGIN_NS, seconds

Gather = Callable[..., Evidence]


def carbon(begin_s: float, end_s: float, grams: str, kind: CarbonKind = CarbonKind.AVERAGE, *, estimated: bool = False) -> Carbon:
    return Carbon(
        "DK-DK2",
        Decimal(grams),
        kind,
        seconds(begin_s),
        BEGIN_NS,
        "https://example.com",
        effective_to_ns=seconds(end_s),
        estimated=estimated,
        feed="electricity_maps",
    )


HOUR = carbon(-1800, 1800, "75", estimated=True)


def with_carbon(prices: Snapshot, *carbons: Carbon) -> Snapshot:
    return replace(prices, carbons=carbons)


def test_vector_v02(gather: Gather, prices: Snapshot) -> None:
    """5.76 MJ at the wall, PUE 1.20 and 75 g/kWh are 1.92 kWh, 144 g, and 0.12 g per 1k output tokens (V02)."""
    work = Work(BEGIN_NS, 600_000_000_000, 5.76e6, 5.76e4, Tokens(input=4_800_000, output=1_200_000), 1000)
    found = emitted.block(work, gather(prices=with_carbon(prices, HOUR)), scope="NODE_AC")
    assert [Decimal(found[name]) for name in ("kwh_facility", "g_co2e", "g_per_1k_output_tokens", "g_per_1k_total_tokens")] == [
        Decimal("1.92"),
        144,
        Decimal("0.12"),
        Decimal("0.024"),
    ]
    assert (found["kind"], found["estimated"], found["pue_applied"], found["reason"]) == ("average", True, True, "")
    assert found["u_rel"] == pytest.approx(0.01)
    assert found["intensities"][0]["sha256"] == HOUR.point_id


def test_nothing_is_made_up(gather: Gather, run: Run, prices: Snapshot) -> None:
    """Without an intensity, with one that ends too early, or without energy, every figure is null with its reason."""
    for known in ((), (carbon(-1800, 300, "75"),)):
        found = card.build(gather(prices=with_carbon(prices, *known)))["headline"]["carbon"]
        assert {found[name] for name in emitted.FIGURES} == {None}
        assert found["reason"].startswith("no carbon intensity")
    unknown = emitted.block(Work(BEGIN_NS, 1, None, None, Tokens(), None), gather(prices=with_carbon(prices, HOUR)), scope="NODE_AC")
    assert (unknown["g_co2e"], unknown["reason"]) == (None, "the energy is not known")
    assert "carbon" not in text.render(card.build(gather()))


def test_average_and_marginal_are_never_mixed(gather: Gather, run: Run, prices: Snapshot) -> None:
    """With both kinds known the run has to say which one counts, by the label carbon_kind."""
    known = with_carbon(prices, HOUR, carbon(-1800, 1800, "500", CarbonKind.MARGINAL))
    silent = card.build(gather(prices=known))["headline"]["carbon"]
    assert (silent["g_co2e"], silent["kind"]) == (None, None)
    assert "does not say which one counts" in silent["reason"]
    labelled = replace(run, labels={**run.labels, "carbon_kind": "marginal"})
    found = card.build(gather(prices=known, run=labelled))["headline"]["carbon"]
    assert (found["kind"], found["estimated"], len(found["intensities"])) == ("marginal", False, 1)
    other = replace(run, labels={**run.labels, "carbon_kind": "best"})
    assert card.build(gather(prices=known, run=other))["headline"]["carbon"]["g_co2e"] is None


def test_each_hour_has_its_own_intensity(gather: Gather, prices: Snapshot) -> None:
    """5 kW for 300 s at 60 g and 300 s at 120 g are 45 g with PUE 1.2; one estimate among them makes it an estimate."""
    known = with_carbon(prices, carbon(-1800, 300, "60"), carbon(300, 1800, "120", estimated=True))
    made = card.build(gather(prices=known))
    found = made["headline"]["carbon"]
    assert float(found["g_co2e"]) == pytest.approx(5 * 300 / 3600 * (60 + 120) * 1.2, rel=1e-9)
    assert [part["intensity"] for part in found["parts"]] == [0, 1]
    assert found["estimated"] is True
    assert made["headline"]["cost"]["energy"]["parts"] == []
    assert "g CO2e per 1k output tokens (average intensity, estimated, DK-DK2, read" in text.render(made)


def test_pue_only_at_the_wall(gather: Gather, counter: Series, prices: Snapshot) -> None:
    """Energy of GPU sensors has no PUE, nor has any where no tariff says what it is; the block says which."""
    gpu = card.build(gather(series=(counter,), prices=with_carbon(prices, HOUR)))["headline"]["carbon"]
    assert gpu["pue_applied"] is False
    assert float(gpu["kwh_facility"]) == pytest.approx(700 * 600 / 3.6e6, rel=1e-3)
    bare = card.build(gather(prices=Snapshot(carbons=(HOUR,))))["headline"]["carbon"]
    assert bare["pue_applied"] is False
    assert bare["reason"] == ""


def test_a_bundle_gives_the_same_grams(gather: Gather, prices: Snapshot, tmp_path: Path) -> None:
    """The intensities travel in prices.json, and a changed figure of the block is found by recomputation."""
    evidence = gather(prices=with_carbon(prices, carbon(-1800, 300, "60"), carbon(300, 1800, "120"), carbon(1800, 5400, "7")))
    made = card.build(evidence)
    bundle.write(tmp_path / "bundle", evidence)
    again = opened(tmp_path / "bundle").evidence
    assert again is not None
    assert [str(one.g_per_kwh) for one in again.carbons] == ["60", "120"]
    rebuilt = card.build(again)
    assert rebuilt["headline"]["carbon"] == made["headline"]["carbon"]
    made["headline"]["carbon"]["g_co2e"] = "1"
    (wrong,) = [one.path for one in differences(made["headline"], rebuilt["headline"], name="headline") if one.beyond(1e-9)]
    assert wrong == "headline.carbon.g_co2e"
