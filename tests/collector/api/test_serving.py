"""Services over REST: joules and money per token of any window."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from joulemark.standard.schema import schemas
from tests.collector.api.conftest import BOOT_ID, Api, S
from tests.collector.conftest import Agent
from tests.collector.serving_agent import agent


def serve(api: Api, name: str = "host-a", model: str = "m") -> int:
    """20 s of a service that end now; when they began."""
    begin_ns = api.clock.utc_ns() // S * S - 20 * S
    one = agent(name, begin_ns - 1000 * S, BOOT_ID, model=model)
    api.take(one, one.seconds(0, begin_ns))
    return begin_ns


def asked(api: Api, begin_ns: int, from_s: float, to_s: float, **params: Any) -> dict[str, Any]:
    window = {"begin_ns": begin_ns + round(from_s * S), "end_ns": begin_ns + round(to_s * S)}
    answer = api.get("/v1/serving", params={**window, **params})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_joules_per_1k_tokens_over_any_window(api: Api) -> None:
    """200 W at 100 tokens a second are 2000 J per 1k output tokens, over windows whose edges are on no reading too."""
    begin_ns = serve(api)
    for edges in ((2, 18), (3.35, 12.81)):
        found = asked(api, begin_ns, *edges)
        assert found["schema"] == "joulemark.serving/1"
        assert found["settled"] is True
        jsonschema.validate(found, dict(schemas()["joulemark.serving/1"]))
        [service] = found["services"]
        assert (service["agents"], service["models"]) == (["host-a"], ["m"])
        total = service["slices"][0]["total"]
        assert total["joules_per_1k_output_tokens"] == pytest.approx(2000, rel=1e-3)
        assert total["joules_per_1k_output_tokens_u95"] > 0


def test_slices_and_the_last_seconds(api: Api) -> None:
    """`step_s` cuts the window, `last_s` counts back from the last reading; both come to the same energy."""
    begin_ns = serve(api)
    steps = asked(api, begin_ns, 2, 12, step_s=4)["services"][0]["slices"]
    assert [each["duration_s"] for each in steps] == [4, 4, 2]
    assert sum(each["total"]["energy_j"] for each in steps) == pytest.approx(2000, rel=1e-6)
    found = api.get("/v1/serving", params={"last_s": 10}).json()
    assert found["end_ns"] - found["begin_ns"] == 10 * S
    assert found["services"][0]["slices"][0]["total"]["tokens"]["output"]["value"] == pytest.approx(1000, rel=1e-3)


def test_money_may_be_stated(api: Api) -> None:
    """36 USD/h and 0.36 USD/kWh come to USD per 1k tokens without any price being known."""
    begin_ns = serve(api)
    found = asked(api, begin_ns, 2, 12, price="36USD/h", tariff="0.36USD/kWh")
    cost = found["services"][0]["slices"][0]["total"]["cost"]
    assert float(cost["market"]["per_1k_output_tokens"]) == pytest.approx(0.1, rel=1e-3)
    assert float(cost["energy"]["per_1k_output_tokens"]) == pytest.approx(0.0002, rel=1e-3)
    jsonschema.validate(found, dict(schemas()["joulemark.serving/1"]))


def test_services_that_share_no_model_stand_apart(api: Api) -> None:
    """Hosts that serve different models are services of their own; `agent` makes one of them, and `model` lists one."""
    begin_ns = serve(api)
    serve(api, "host-b", "n")
    found = asked(api, begin_ns, 2, 12)
    assert [service["agents"] for service in found["services"]] == [["host-a"], ["host-b"]]
    assert [s["agents"] for s in asked(api, begin_ns, 2, 12, model="n")["services"]] == [["host-b"]]
    [one] = asked(api, begin_ns, 2, 12, agent=["host-a", "host-b"])["services"]
    assert one["slices"][0]["total"]["energy_j"] == pytest.approx(4000, rel=1e-3)
    assert [model["energy_share"] for model in one["slices"][0]["models"]] == [pytest.approx(0.5)] * 2


def test_an_answer_that_is_known_is_not_sent_again(api: Api) -> None:
    """The same window has the same ETag, and who shows it gets 304 without a body."""
    begin_ns = serve(api)
    path = f"/v1/serving?begin_ns={begin_ns + 2 * S}&end_ns={begin_ns + 12 * S}"
    etag = api.get(path).headers["etag"]
    assert api.get(path).headers["etag"] == etag
    again = api.get(path, headers={"If-None-Match": f'"other", {etag}'})
    assert (again.status_code, again.content) == (304, b"")
    assert api.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("", 422, "a window is begin_ns and end_ns, or last_s"),
        ("begin_ns=5", 422, "a window is"),
        ("begin_ns=5&end_ns=9&last_s=3", 422, "a window is"),
        ("begin_ns=9&end_ns=5", 422, "not after its begin"),
        ("begin_ns=0&end_ns=9000000000000000000", 429, "ten days"),
        ("begin_ns=0&end_ns=1000000000000&step_s=1", 429, "more than 100"),
        ("last_s=5&model=unknown", 409, "no service has that model"),
        ("last_s=5&agent=unknown", 409, "no service has that model"),
        ("last_s=5&price=cheap", 422, "cheap"),
        ("last_s=nan", 422, ""),
        ("last_s=5&wrong=1", 422, "wrong"),
    ],
)
def test_questions_without_an_answer(api: Api, query: str, status: int, words: str) -> None:
    """What is no window, asks for too much or for what is not there is refused with words."""
    serve(api)
    answer = api.get(f"/v1/serving?{query}")
    assert answer.status_code == status, answer.text
    assert words in answer.text


def test_a_collector_without_a_service(api: Api) -> None:
    """Where no engine is read, the answer names the kind of meter that is missing; where none is read now, it says so."""
    plain = Agent("host-c", api.clock.utc_ns() - 20 * S, BOOT_ID)
    api.take(plain, plain.batch(0, begin_ns=api.clock.utc_ns() - 5 * S))
    answer = api.get("/v1/serving?last_s=5")
    assert answer.status_code == 409
    assert "kind serving" in answer.text
    serve(api)
    api.clock.advance(600 * S)
    assert "last minute" in api.get("/v1/serving?last_s=5").text


def test_a_run_without_tokens_takes_the_engines(api: Api) -> None:
    """The card of a run to which nobody gave tokens has those that the engine counted, and says who counted."""
    begin_ns = serve(api)
    start = {"moment": {"utc_ns": begin_ns + 5 * S, "boot_id": BOOT_ID}}
    run_id = api.post("/v1/runs", start).json()["run_id"]
    stop = {"moment": {"utc_ns": begin_ns + 15 * S, "boot_id": BOOT_ID}}
    assert api.post(f"/v1/runs/{run_id}/stop", stop).status_code == 200
    card = api.get(f"/v1/runs/{run_id}/card").json()
    [phase] = card["phases"]
    assert phase["tokens"]["source"] == "engine_counter"
    assert phase["tokens"]["output"] == pytest.approx(1000, abs=1)
    assert card["headline"]["joules_per_1k_output_tokens"] == pytest.approx(2000, rel=1e-3)
    assert any("engine's own counters" in finding for finding in card["findings"])


def test_counters_for_prometheus(api: Api) -> None:
    """Joules and tokens on the collector's page grow over the same time, so that their rates divide; without a service there are none."""
    assert "joulemark_serving" not in api.get("/metrics").text
    begin_ns = serve(api)
    api.get("/metrics")
    one = agent("host-a", begin_ns - 1000 * S, BOOT_ID)
    api.clock.advance(10 * S)
    api.take(one, one.seconds(1, begin_ns + 21 * S, count=9))
    page = api.get("/metrics").text
    rows = dict(line.rsplit(" ", 1) for line in page.splitlines() if line.startswith("joulemark_serving_"))
    joules = float(rows['joulemark_serving_joules_total{service="host-a",boundary="gpu"}'])
    tokens = float(rows['joulemark_serving_tokens_total{service="host-a",model="m",kind="output"}'])
    assert joules / tokens == pytest.approx(2.0, rel=1e-3)
    assert joules > 1500
