"""Joules and money per token of a service, against power and rates that are known."""

from __future__ import annotations

import json
from typing import Any

import pytest

from joulemark.cards.served import models_of
from joulemark.cards.serving import Known, Service, both, service_json
from joulemark.pricing import stated
from joulemark.pricing.snapshot import Snapshot
from joulemark.readings import Boundary, MeterInfo, Quantity
from tests.cards.serving_truth import LENGTH_S, T0, S, counter, engine, gpu, series_of

Q = Quantity
CUTS = [T0 + 10 * S, T0 + 110 * S]
UNNAMED = {"provider": "unnamed", "region": "unnamed", "instance_type": "unnamed"}


def asked(*series: Any, cuts: list[int] | None = None, known: Known | None = None, model: str | None = None) -> dict[str, Any]:
    return service_json(Service(("node1",), series), cuts or CUTS, known or Known(), model=model)


def test_joules_per_1k_tokens() -> None:
    """400 W over 100 s at 100 tokens a second are 4000 J per 1k output tokens, 1000 per 1k of all, with an uncertainty that says more."""
    [each] = asked(gpu(), *engine())["slices"]
    total, [model] = each["total"], each["models"]
    assert each["boundary"] == "gpu"
    assert total["joules_per_1k_output_tokens"] == pytest.approx(4000, rel=1e-3)
    assert total["joules_per_1k_input_tokens"] == pytest.approx(4000 / 3, rel=1e-3)
    assert total["joules_per_1k_total_tokens"] == pytest.approx(1000, rel=1e-3)
    assert total["joules_per_request"] == pytest.approx(200, rel=1e-2)
    assert total["joules_per_1k_output_tokens_u95"] > 4000 * total["energy_u95_j"] / total["energy_j"]
    assert model["energy_share"] == 1.0
    assert model["estimate"] is False
    assert model["joules_per_1k_output_tokens"] == total["joules_per_1k_output_tokens"]
    assert total["in_flight"] == {"begin": 3, "end": 3}
    assert total["tokens"]["reasoning"] == {"value": None, "u95": None, "low": None, "high": None, "reason": "no engine tells it"}


def test_models_that_share_machines_share_by_a_stated_method() -> None:
    """Two models on one machine: the sum is measured, each part is an estimate by output tokens, and the parts are the whole."""
    [each] = asked(gpu(), *engine(), *engine(model="n", output=300))["slices"]
    assert each["total"]["joules_per_1k_output_tokens"] == pytest.approx(1000, rel=1e-3)
    assert [one["energy_share"] for one in each["models"]] == [pytest.approx(0.25, rel=1e-3), pytest.approx(0.75, rel=1e-3)]
    assert sum(one["energy_j"] for one in each["models"]) == pytest.approx(each["total"]["energy_j"])
    assert all(one["estimate"] and "estimate" in one["energy_share_method"] for one in each["models"])
    listed = asked(gpu(), *engine(), *engine(model="n", output=300), model="n")
    assert [one["model"] for one in listed["slices"][0]["models"]] == ["n"]
    assert listed["slices"][0]["total"] == each["total"]


def test_slices_add_up() -> None:
    """The slices of a window have its energy and its tokens, since every inner edge is the end of one and the begin of the next."""
    cuts = [T0 + s * S for s in (10, 33, 57, 110)]
    parts, [whole] = asked(gpu(), *engine(), cuts=cuts)["slices"], asked(gpu(), *engine())["slices"]
    assert len(parts) == 3
    for figure in (lambda e: e["total"]["energy_j"], lambda e: e["total"]["tokens"]["output"]["value"]):
        assert sum(map(figure, parts)) == pytest.approx(figure(whole), rel=1e-6)


def test_money() -> None:
    """36 USD/h over 100 s at 10 000 tokens is 0.1 USD per 1k; 40 kJ at 0.36 USD/kWh are 0.004 USD, 0.0004 per 1k output tokens."""
    when = {"valid_from_ns": CUTS[0], "read_ns": CUTS[0]}
    prices = Snapshot(
        prices=(stated.price("36USD/h", labels=UNNAMED, **when),), tariffs=(stated.tariff("0.36USD/kWh", zone="unnamed", **when),)
    )
    labels = {**UNNAMED, "tariff_zone": "unnamed"}
    [each] = asked(gpu(), *engine(), known=Known(prices, labels))["slices"]
    cost = each["total"]["cost"]
    assert float(cost["market"]["per_1k_output_tokens"]) == pytest.approx(0.1, rel=1e-3)
    assert float(cost["energy"]["per_1k_output_tokens"]) == pytest.approx(0.0004, rel=1e-3)
    assert asked(gpu(), *engine())["slices"][0]["total"]["cost"]["market"]["reason"]


def test_a_count_that_is_not_known_leaves_the_energy() -> None:
    """A model first seen inside the window has no joules per token and says why; the energy is there, and what is known of the count."""
    late = counter(Q.OUTPUT_TOKENS, 100, name="vllm:generation_tokens_total")
    rows = late.t_ns >= T0 + 50 * S
    [each] = asked(gpu(), late.rows(rows))["slices"]
    total = each["total"]
    assert total["energy_j"] == pytest.approx(40_000, rel=1e-3)
    assert total["joules_per_1k_output_tokens"] is None
    assert "first seen" in total["tokens"]["output"]["reason"]
    assert total["tokens"]["output"]["low"] == pytest.approx(6000, abs=101)


def test_without_energy_the_tokens_stay() -> None:
    """Where no meter covers the time, tokens are told, and no joules."""
    power = gpu()
    [each] = asked(power.rows(power.t_ns < T0 + 50 * S), *engine())["slices"]
    assert each["boundary"] is None
    assert each["energy"][0]["findings"]
    assert each["total"]["tokens"]["output"]["value"] == pytest.approx(10_000, abs=1)
    assert each["total"]["joules_per_1k_output_tokens"] is None
    assert asked(*engine())["slices"][0]["energy"] == []


def test_tokens_in_and_out_are_wrong_together() -> None:
    """Requests across an edge are missing in both counts: the half-widths of input and output add up in that of all tokens."""
    [model], _ = models_of(engine())
    counts = model.counts(T0 + 10 * S + S // 2, T0 + 110 * S + S // 2)
    prompt, output = counts[Q.INPUT_TOKENS], counts[Q.OUTPUT_TOKENS]
    assert prompt.half == pytest.approx(3 * output.half)
    assert both(prompt, output).half == pytest.approx(4 * output.half)
    assert output.half > 0


def test_a_count_without_a_bound_has_no_u95() -> None:
    """Tokens counted at the end by an engine that does not tell its requests under way: figures, and null for U95 of tokens and money."""
    late = counter(Q.OUTPUT_TOKENS, 100, engine="sglang", name="sglang:generation_tokens_total")
    [each] = asked(gpu(), late)["slices"]
    total = each["total"]
    assert total["tokens"]["output"]["value"] == pytest.approx(10_000, abs=1)
    assert total["tokens"]["output"]["u95"] is None
    assert total["joules_per_1k_output_tokens"] == pytest.approx(4000, rel=1e-3)
    assert total["joules_per_1k_output_tokens_u95"] is None
    json.dumps(each, allow_nan=False)


def test_what_the_engine_reports_stands_beside() -> None:
    """The energy that the engine tells of itself is beside ours of the GPUs with the difference, and in no sum."""
    own = MeterInfo(
        "serving:node1:s-energy:reported_energy", "serving", Q.REPORTED_ENERGY, -6, Boundary.SERVER_INPUT, vendor="trtllm", note="x"
    )
    told = series_of(own, [round(440e6 * i) for i in range(LENGTH_S)])
    [each] = asked(gpu(), told, *engine())["slices"]
    [reported] = each["tool_reported"]
    assert reported["energy_j"] == pytest.approx(44_000, rel=1e-3)
    assert reported["ours_j"] == each["total"]["energy_j"]
    assert reported["difference_rel"] == pytest.approx(0.1, rel=1e-2)
    assert each["total"]["energy_j"] == pytest.approx(40_000, rel=1e-3)
    assert [one["boundary"] for one in each["energy"]] == ["gpu"]
