"""Hosts, meters and readings over REST."""

from __future__ import annotations

import asyncio
import csv
import io
import threading
from typing import Any

import pytest

from joulemark.collector.api import readings
from joulemark.proto import convert
from joulemark.proto.messages import Batch, ClockState
from joulemark.readings import Sample
from tests.collector.api.conftest import BOOT_ID, Api, S
from tests.collector.conftest import POWER_W, Agent

POWER, ENERGY = "fake:host-a:0:power", "fake:host-a:0:energy"


def query(api: Api, *meters: str, **more: Any) -> dict[str, Any]:
    """Parameters that ask for a minute around the clock's standing time."""
    return {"meter": list(meters), "from_ns": api.clock.utc_ns() - 30 * S, "to_ns": api.clock.utc_ns() + 30 * S, **more}


def test_readings_come_in_the_order_asked(api: Api) -> None:
    """Each meter is one object of columns, in the order of the question, with `limit` rows at most for each."""
    agent = Agent(boot_id=BOOT_ID)
    api.take(agent, agent.batch(0, begin_ns=api.clock.utc_ns()))
    energy, power = api.get("/v1/readings", params=query(api, ENERGY, POWER, limit=4)).json()
    assert (energy["meter_id"], power["meter_id"]) == (ENERGY, POWER)
    assert (power["exponent"], power["value"], power["quality"]) == (-3, [POWER_W * 1000] * 4, ["ok"] * 4)
    assert power["t_ns"] == [api.clock.utc_ns() + i * S // 10 for i in range(4)]


def test_one_unknown_meter_is_named(api: Api) -> None:
    """An unknown meter beside a known one is a 404 that names it, not a shorter answer."""
    agent = Agent(boot_id=BOOT_ID)
    api.take(agent, agent.batch(0, begin_ns=api.clock.utc_ns()))
    answer = api.get("/v1/readings", params=query(api, POWER, "fake:host-a:0:typo"))
    assert answer.status_code == 404
    assert "fake:host-a:0:typo" in answer.json()["detail"]


def test_a_gap_has_no_number(api: Api) -> None:
    """The value of a gap is null in JSON and empty in CSV, and its reason stands beside it."""
    agent = Agent(boot_id=BOOT_ID)
    at_ns = api.clock.utc_ns()
    gap = Sample.gap(agent.device, S, S, at_ns - S, "driver did not answer").numbered(0)
    frozen = convert.freeze(
        Batch(agent.epoch_ns, 0, BOOT_ID, at_ns, ClockState(), {agent.device.device_id: (gap,)}, devices=(agent.device,))
    )
    api.take(agent, frozen)
    (power,) = api.get("/v1/readings", params=query(api, POWER)).json()
    assert (power["value"], power["quality"], power["reasons"]) == ([None], ["gap"], {"0": "driver did not answer"})
    text = api.get("/v1/readings", params=query(api, POWER, format="csv")).text
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["value"], row["quality"], row["reason"]) == ("", "gap", "driver did not answer")


def test_a_host_counts_over_its_starts(api: Api) -> None:
    """Two starts of an agent are one host: boot and begin of the latest, counts of both, the newest reading of either."""
    now_ns = api.clock.utc_ns()
    before, after = Agent(epoch_ns=now_ns, boot_id="earlier"), Agent(epoch_ns=now_ns + 1, boot_id=BOOT_ID)
    first = before.batch(0, begin_ns=now_ns)
    api.take(before, first, first)
    api.take(after, after.batch(0, begin_ns=now_ns - 5 * S, rows=3))
    (host,) = api.get("/v1/hosts").json()
    assert (host["boot_id"], host["started_ns"], host["starts"]) == (BOOT_ID, now_ns + 1, 2)
    assert (host["batches"], host["samples"], host["duplicates_suppressed"]) == (2, 13, 1)
    assert host["last_reading_ns"] == now_ns + 9 * S // 10


def test_a_large_answer_stops_nobody(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """While readings are being written into an answer, other requests are answered."""
    agent = Agent(boot_id=BOOT_ID)
    api.take(agent, agent.batch(0, begin_ns=api.clock.utc_ns()))
    healthy, render = threading.Event(), readings.rendered

    def rendered(*facts: Any) -> Any:
        assert healthy.wait(10)
        return render(*facts)

    async def both() -> int:
        asked = asyncio.create_task(api.client.get("/v1/readings", params=query(api, POWER)))
        await asyncio.sleep(0.2)
        assert (await api.client.get("/healthz")).status_code == 200
        healthy.set()
        return (await asked).status_code

    monkeypatch.setattr(readings, "rendered", rendered)
    assert api.runner.run(both()) == 200


def test_the_energy_of_any_span(api: Api) -> None:
    """200 W over two seconds between readings, in the order asked, with the readings inside and the longest time between two."""
    agent = Agent(boot_id=BOOT_ID)
    at_ns = api.clock.utc_ns()
    api.take(agent, *(agent.batch(i, begin_ns=at_ns + i * S) for i in range(4)))
    span = {"meter": [POWER], "from_ns": at_ns + S // 2 + 7, "to_ns": at_ns + 5 * S // 2 + 7}
    (before,) = api.get("/v1/energy", params=span).json()
    assert (before["energy_j"], before["mean_power_w"], before["readings"], before["longest_gap_s"]) == (2.0 * POWER_W, POWER_W, 20, 0.1)
    api.store.seal(at_ns, everything=True)
    assert api.get("/v1/energy", params=span).json() == [before]


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"to_ns": 5}, 422, "not after from_ns"),
        ({"from_ns": 0}, 429, "100 are given at once"),
        ({"meter": ["fake:host-a:0:typo"]}, 404, "typo"),
        ({"meter": [ENERGY]}, 422, "shows no power"),
    ],
)
def test_an_energy_that_cannot_be_told(api: Api, change: dict[str, Any], status: int, said: str) -> None:
    """A span that ends before it begins, one that is too long, an unknown meter, and one that shows no power: each with its reason."""
    agent = Agent(boot_id=BOOT_ID)
    api.take(agent, agent.batch(0, begin_ns=api.clock.utc_ns()))
    answer = api.get("/v1/energy", params=query(api, POWER) | change)
    assert answer.status_code == status
    assert said in answer.text


def test_an_energy_needs_a_reading_on_each_side(api: Api) -> None:
    """Where one is missing the energy is null, and why is said."""
    agent = Agent(boot_id=BOOT_ID)
    api.take(agent, agent.batch(0, begin_ns=api.clock.utc_ns()))
    (found,) = api.get("/v1/energy", params=query(api, POWER)).json()
    assert found["energy_j"] is None
    assert "no reading within 90 s" in found["reason"]
