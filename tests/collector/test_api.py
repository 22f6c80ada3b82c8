"""The REST API of a real collector."""

from __future__ import annotations

import io
import json
import time
import zipfile

import grpc
import httpx
import pytest

from joulemark import timebase
from joulemark.proto.v1 import runs_pb2 as pb
from tests.collector.conftest import POWER_W, Agent, Collector

S = 1_000_000_000


def moment(utc_ns: int) -> dict[str, object]:
    return {"utc_ns": utc_ns, "mono_ns": 0, "boot_id": timebase.boot_id()}


def run_of_three_seconds(collector: Collector, http: httpx.Client) -> tuple[str, int]:
    """(run id, begin) of a stopped run of 3 s in the middle of 10 s of readings, with 600 output tokens and 3 requests."""
    agent = Agent()
    begin_ns = time.time_ns()
    agent.send(collector.grpc, *(agent.batch(i, begin_ns=begin_ns + (i - 3) * S) for i in range(10)))
    run_id = http.post("/v1/runs", json={"benchmark": "b", "labels": {"model": "m"}, "moment": moment(begin_ns)}).json()["run_id"]
    stop = {"moment": moment(begin_ns + 3 * S), "tokens": {"output": 600, "input": 50}, "requests": 3}
    assert http.post(f"/v1/runs/{run_id}/stop", json=stop).status_code == 200
    return run_id, begin_ns


def test_energy_of_a_run(collector: Collector, http: httpx.Client) -> None:
    """200 W for 3 s are 600 J, 1 J per token; the run is settled because readings beyond its end are stored."""
    run_id, begin_ns = run_of_three_seconds(collector, http)
    energy = http.get(f"/v1/runs/{run_id}/energy").json()
    (phase,) = energy["phases"]
    assert energy["settled"] is True
    assert (phase["name"], phase["boundary"], phase["begin_ns"]) == ("measured", "gpu", begin_ns)
    assert phase["energy_j"] == pytest.approx(3 * POWER_W, rel=1e-6)
    assert phase["joules_per_1k_output_tokens"] == pytest.approx(1000, rel=1e-6)
    assert http.get(f"/v1/runs/{run_id}/phases").json()[0]["requests"] == 3
    assert http.get(f"/v1/runs/{run_id}").json()["schema"] == "joulemark.run/1"


def test_card_and_bundle_of_a_run(collector: Collector, http: httpx.Client) -> None:
    """The card carries the same energy, and the bundle holds that card beside the readings it came from."""
    run_id, _ = run_of_three_seconds(collector, http)
    card = http.get(f"/v1/runs/{run_id}/card").json()
    assert card["schema"] == "joulemark.card/1"
    assert card["simulated"] is True
    assert card["headline"]["energy_j"] == pytest.approx(3 * POWER_W, rel=1e-6)
    assert card["clocks"]["host-a"]["same_clock"] is True
    with zipfile.ZipFile(io.BytesIO(http.get(f"/v1/runs/{run_id}/bundle").content)) as archive:
        assert json.loads(archive.read("energy/card.json"))["headline"] == card["headline"]
        assert any(name.startswith("energy/readings/") for name in archive.namelist())


def test_the_same_mark_twice_is_one_mark(collector: Collector, http: httpx.Client) -> None:
    """A client that did not hear the answer may post again: start, phase and stop are kept once."""
    t_ns = time.time_ns()
    for _ in range(2):
        assert http.post("/v1/runs", json={"run_id": "mine", "moment": moment(t_ns)}).json()["run_id"] == "mine"
        for edge, at_s in (("begin", 1), ("end", 2)):
            body = {"name": "decode", "edge": edge, "moment": moment(t_ns + at_s * S)}
            assert http.post("/v1/runs/mine/phases", json=body).status_code == 201
        assert http.post("/v1/runs/mine/stop", json={"moment": moment(t_ns + 3 * S)}).status_code == 200
    run = http.get("/v1/runs/mine").json()
    assert ([p["name"] for p in run["phases"]], run["findings"]) == (["decode"], [])
    assert len(http.get("/v1/runs").json()) == 1


REFUSED = (
    ("GET", "/v1/runs/none/energy", None, 404),
    ("GET", "/v1/nothing", None, 404),
    ("GET", "/v1/readings?meter=x&from_ns=0&to_ns=1", None, 404),
    ("GET", "/v1/readings?meter=x", None, 422),
    ("POST", "/v1/runs", {}, 422),
    ("POST", "/v1/runs", {"moment": {"utc_ns": 1}, "surprise": 1}, 422),
    ("POST", "/v1/runs", {"moment": {"utc_ns": -1}}, 422),
    ("POST", "/v1/runs/none/phases", {"name": "a", "edge": "window", "moment": {"utc_ns": 1}}, 422),
    ("POST", "/v1/runs/none/stop", {"moment": {"utc_ns": 1}}, 404),
    ("PUT", "/v1/runs", {}, 405),
)


def test_errors_are_problems(http: httpx.Client) -> None:
    """Every refusal is application/problem+json with its status, what failed and what to do next."""
    for method, path, body, status in REFUSED:
        answer = http.request(method, path, json=body)
        assert answer.status_code == status, path
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert problem["status"] == status
        assert problem.keys() == {"type", "title", "status", "detail", "next_step"}
        assert problem["detail"]
        assert problem["next_step"]


def test_a_run_without_readings_is_insufficient(http: httpx.Client) -> None:
    """The energy of a run that no reading covers is a conflict that names the next step, not a number."""
    http.post("/v1/runs", json={"run_id": "empty", "moment": moment(S)})
    assert "joulemark run stop empty" in http.get("/v1/runs/empty/energy").json()["next_step"]
    http.post("/v1/runs/empty/stop", json={"moment": moment(2 * S)})
    answer = http.get("/v1/runs/empty/energy")
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:joulemark:InsufficientData")


def test_openapi_describes_every_route(http: httpx.Client) -> None:
    """The published document loads and names the routes of the API."""
    paths = http.get("/openapi.json").json()["paths"]
    assert {"/v1/runs", "/v1/runs/{run_id}/phases", "/v1/runs/{run_id}/energy", "/v1/readings", "/v1/meters", "/metrics"} <= paths.keys()


def test_marks_may_come_over_grpc(collector: Collector, http: httpx.Client) -> None:
    """StartRun, MarkPhase and StopRun on the agents' port make the same run; an unknown run is NOT_FOUND."""
    service = "/joulemark.proto.v1.RunService"
    at = [pb.Moment(utc_ns=i * S, boot_id=timebase.boot_id()) for i in range(1, 5)]
    with grpc.insecure_channel(collector.grpc) as channel:
        start = channel.unary_unary(f"{service}/StartRun", pb.StartRunRequest.SerializeToString, pb.StartRunResponse.FromString)
        phase = channel.unary_unary(f"{service}/MarkPhase", pb.MarkPhaseRequest.SerializeToString, pb.MarkPhaseResponse.FromString)
        stop = channel.unary_unary(f"{service}/StopRun", pb.StopRunRequest.SerializeToString, pb.StopRunResponse.FromString)
        run_id = start(pb.StartRunRequest(moment=at[0], benchmark="g", labels={"k": "v"})).run_id
        phase(pb.MarkPhaseRequest(run_id=run_id, name="p", kind=pb.PHASE_KIND_WARMUP, edge=pb.EDGE_BEGIN, moment=at[1]))
        phase(pb.MarkPhaseRequest(run_id=run_id, name="p", edge=pb.EDGE_END, moment=at[2], tokens=pb.TokenCount(output=0), request_count=4))
        assert stop(pb.StopRunRequest(run_id=run_id, moment=at[3])).received_ns > 0
        with pytest.raises(grpc.RpcError) as caught:
            stop(pb.StopRunRequest(run_id="../x", moment=at[3]))
    assert isinstance(caught.value, grpc.Call)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    run = http.get(f"/v1/runs/{run_id}").json()
    (window,) = run["phases"]
    assert (window["name"], window["kind"], window["tokens"]["output"], window["tokens"]["input"]) == ("p", "warmup", 0, None)
    assert (window["requests"], run["labels"]) == (4, {"k": "v"})


def test_the_page_shows_what_is_there_and_what_to_do(collector: Collector, http: httpx.Client) -> None:
    """An empty collector names the next commands; later it shows host, meter and run. Nothing is loaded from elsewhere."""
    empty = http.get("/")
    assert "joulemark agent run" in empty.text
    assert "default-src 'none'" in empty.headers["content-security-policy"]
    run_id, _ = run_of_three_seconds(collector, http)
    page = http.get("/").text
    assert all(word in page for word in ("host-a", "fake:host-a:0:power", "200.0 W", run_id))
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")


def test_readiness_follows_the_ingest_process(http: httpx.Client) -> None:
    """A collector that answers is healthy and ready, and says how many agents are connected."""
    assert http.get("/healthz").json()["status"] == "ok"
    assert http.get("/readyz").json() == {"status": "ok", "agents_connected": 0}
