"""`GET /v1/live`: what goes on now, as a stream of events."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from joulemark.collector import rest
from joulemark.collector.api import live
from joulemark.collector.api.limits import Limits
from joulemark.collector.picture import LIVE_SCHEMA
from joulemark.config import CollectorConfig, Config
from tests.collector.api.conftest import Api, S
from tests.collector.conftest import Agent
from tests.collector.test_rest import anchored


@pytest.fixture(autouse=True)
def quick(api: Api) -> None:
    """Events come without a pause."""
    api.state.live._every_s = 0.0


def events(text: str) -> list[tuple[str, dict[str, Any]]]:
    """(id, data) of each event."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line)
        if fields.get("event") == "live":
            found.append((fields["id"], json.loads(fields["data"])))
    return found


def ask(api: Api, query: str, **more: Any) -> list[tuple[str, dict[str, Any]]]:
    answer = api.get(f"/v1/live?{query}", **more)
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, "text/event-stream")
    assert answer.text.startswith("retry: 3000\n\n")
    return events(answer.text)


def test_events_tell_what_goes_on(api: Api) -> None:
    """Each event is a whole picture, with the open phase of a run and what is not known as null; without hosts it is empty."""
    assert ask(api, "events=1")[0][1]["hosts"] == []
    api.take(agent := Agent(epoch_ns=api.clock.utc_ns() - 9 * S), agent.batch(0, begin_ns=api.clock.utc_ns() - S))
    run_id = api.post("/v1/runs", {"benchmark": "<b>", "moment": api.moment(0)}).json()["run_id"]
    (_, first), (_, second) = ask(api, "events=2")
    assert first == second
    assert (first["schema"], first["ingest"]["answers"]) == (LIVE_SCHEMA, False)
    assert first["hosts"][0]["meters"][0]["power_w"] == 200.0
    assert first["phases"] == [{"run_id": run_id, "benchmark": "<b>", "name": "", "kind": ""}]
    assert "readings" not in first


def test_one_host_brings_its_new_readings(api: Api) -> None:
    """The first event brings the readings since `since_ns`, the next only newer ones; gaps are null with their reason."""
    now_ns, agent = api.clock.utc_ns(), Agent(epoch_ns=api.clock.utc_ns() - 9 * S)
    api.take(agent, *(agent.batch(i, begin_ns=now_ns - (3 - i) * S) for i in range(3)))
    (_, first), (name, second) = ask(api, f"host=host-a&since_ns={now_ns - S - 1}&events=2")
    power, counter = first["readings"]
    assert (power["meter_id"], power["exponent"], set(power["value"]), len(power["t_ns"])) == ("fake:host-a:0:power", -3, {200_000}, 10)
    assert (counter["quantity"], second["readings"]) == ("energy_counter", [])
    api.take(agent, agent.batch(3, begin_ns=now_ns))
    back = ask(api, "host=host-a&events=1", headers={"Last-Event-ID": name})[0][1]
    assert [len(one["t_ns"]) for one in back["readings"]] == [10, 10]
    assert ask(api, "host=host-a&events=1")[0][1]["readings"] != []


def test_who_names_a_time_to_come_begins_now(api: Api) -> None:
    """Where the collector's clock was set back, a reader who names a later time gets what is new since now, and a name of now."""
    now_ns, agent = api.clock.utc_ns(), Agent(epoch_ns=api.clock.utc_ns() - 9 * S)
    api.take(agent, agent.batch(0, begin_ns=now_ns))
    for query, headers in (("", {"Last-Event-ID": "9223372036854775807"}), (f"&since_ns={now_ns + 3600 * S}", {})):
        name, told = ask(api, f"host=host-a&events=1{query}", headers=headers)[0]
        assert int(name) <= now_ns + S
        assert len(told["readings"]) == 2


def test_what_is_no_host_or_no_number_is_refused(api: Api) -> None:
    """An unknown host is 404 with the next step, parameters beyond bounds and unknown ones 422; another's event name is as none."""
    assert api.get("/v1/live?host=nobody").status_code == 404
    assert [api.get(f"/v1/live?{query}").status_code for query in ("events=0", "since_ns=-1", "to=1")] == [422] * 3
    assert [live.number(name) for name in (None, "", "x", "12", "-1", "9" * 30, "\u0661")] == [None, None, None, 12, None, None, None]


def test_more_listeners_than_places_are_sent_away(tmp_path: Path) -> None:
    """One beyond the bound is told to come again, while other requests are answered; SIGTERM ends the streams at once, and the serving."""

    async def listen(url: str) -> list[int]:
        async with httpx.AsyncClient(base_url=url) as client, client.stream("GET", "/v1/live") as stream:
            lines = stream.aiter_lines()
            while not (await anext(lines)).startswith("data: "):
                pass
            beyond = await client.get("/v1/live")
            assert (beyond.json()["detail"], beyond.headers["retry-after"]) == ("1 listen to what goes on", "1")
            statuses = [stream.status_code, beyond.status_code, (await client.get("/v1/hosts")).status_code]
            os.kill(os.getpid(), signal.SIGTERM)
            async for _ in lines:
                pass
        return statuses

    async def serve() -> list[int]:
        asked: list[asyncio.Task[list[int]]] = []
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{bound.getsockname()[1]}"
            config = Config(collector=CollectorConfig(data_dir=tmp_path))
            limits = Limits(listeners=1)
            await rest.serve(config, bound, lambda: asked.append(asyncio.create_task(listen(url))), limits)
        return await asked[0]

    anchored(tmp_path)
    begin_s = time.monotonic()
    assert asyncio.run(asyncio.wait_for(serve(), 20)) == [200, 503, 200]
    assert time.monotonic() - begin_s < rest.STOP_LIMIT_S
