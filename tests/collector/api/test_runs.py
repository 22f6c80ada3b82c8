"""Runs over REST: marks in; windows, energy, card and bundle out."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import asdict

import pytest

from joulemark import request_log
from joulemark.chain import Chain
from joulemark.collector.api.bodies import DATE_END_NS
from joulemark.collector.api.runs import zipped
from joulemark.pki import seal
from joulemark.proto.messages import Loss
from joulemark.request_log import Request, Status
from joulemark.runs import PhaseKind, Run, ToolReported, Window
from joulemark.standard.fitting import unfit
from joulemark.workload import Workload
from tests.collector.api.conftest import BOOT_ID, Api, S
from tests.collector.conftest import POWER_W, Agent
from tests.kit.lab import Lab, receipt


def test_energy_of_a_run(api: Api) -> None:
    """200 W for 3 s are 600 J, 1 J per token; the run is settled because readings beyond its end are stored."""
    run_id = api.run_of_three_seconds()
    energy = api.get(f"/v1/runs/{run_id}/energy").json()
    (phase,) = energy["phases"]
    assert energy["settled"] is True
    assert (phase["name"], phase["boundary"], phase["begin_ns"]) == ("measured", "gpu", api.clock.utc_ns())
    assert phase["energy_j"] == pytest.approx(3 * POWER_W, rel=1e-6)
    assert phase["joules_per_1k_output_tokens"] == pytest.approx(1000, rel=1e-6)
    assert api.get(f"/v1/runs/{run_id}/phases").json()[0]["requests"] == 3
    assert api.get(f"/v1/runs/{run_id}").json()["schema"] == "joulemark.run/1"


def test_card_and_bundle_of_a_run(api: Api) -> None:
    """The card carries the same energy, and the bundle holds that card beside the readings it came from; each file fits its schema."""
    run_id = api.run_of_three_seconds()
    card = api.get(f"/v1/runs/{run_id}/card").json()
    assert card["schema"] == "joulemark.card/1"
    assert card["simulated"] is True
    assert card["headline"]["energy_j"] == pytest.approx(3 * POWER_W, rel=1e-6)
    assert card["clocks"]["host-a"]["same_clock"] is True
    with zipfile.ZipFile(io.BytesIO(api.get(f"/v1/runs/{run_id}/bundle").content)) as archive:
        assert json.loads(archive.read("energy/card.json"))["headline"] == card["headline"]
        assert any(name.startswith("energy/readings/") for name in archive.namelist())
        documents = {name: json.loads(archive.read(name)) for name in archive.namelist() if name.endswith(".json") and "/" in name}
    assert documents["energy/card.json"]["schema"] == card["schema"]
    assert {name: reason for name, data in documents.items() if (reason := unfit(data["schema"], data))} == {}


def test_attribution_of_a_run(api: Api) -> None:
    """Without a request log the energy is nobody's; with one a request has what flowed while it ran, and a wrong method is refused."""
    run_id = api.run_of_three_seconds()
    (phase,) = api.get(f"/v1/runs/{run_id}/attribution").json()["phases"]
    assert (phase["requests_j"], phase["unattributed_j"]) == (None, pytest.approx(3 * POWER_W, rel=1e-6))
    begin_ns = phase["begin_ns"]
    rows = [Request(n, "measured", begin_ns, begin_ns + 2 * S, Status.COMPLETED) for n in range(3)]
    log = request_log.to_csv(rows)
    assert api.post(f"/v1/runs/{run_id}/evidence", {"requests": log}).status_code == 201
    found = api.get(f"/v1/runs/{run_id}/attribution?share=tokens").json()
    assert unfit(found["schema"], found) == ""
    (phase,) = found["phases"]
    assert (phase["requests_j"], phase["idle_j"]) == pytest.approx((2 * POWER_W, POWER_W), rel=1e-6)
    assert api.get(f"/v1/runs/{run_id}/attribution?share=power").status_code == 422


@pytest.mark.parametrize("device_id", ["fake:host-a:0", ""])
@pytest.mark.parametrize("count", [7, 0])
def test_a_loss_within_the_run_makes_the_card_incomplete(api: Api, device_id: str, count: int) -> None:
    """Also one of any device, and one of unknown size, told long after the run; a loss from an hour before it does not."""
    run_id, now_ns = api.run_of_three_seconds(), api.clock.utc_ns()
    assert api.get(f"/v1/runs/{run_id}/card").json()["complete"] is True
    agent = Agent(epoch_ns=now_ns + 900 * S, boot_id=BOOT_ID)
    before = Loss(device_id, count, now_ns - 3600 * S, now_ns - 3599 * S, "spool full")
    api.take(agent, agent.batch(0, begin_ns=now_ns + 900 * S, losses=(before,)))
    assert api.get(f"/v1/runs/{run_id}/card").json()["complete"] is True
    inside = Loss(device_id, count, now_ns + S, now_ns + 2 * S, "spool full")
    api.take(agent, agent.batch(1, begin_ns=now_ns + 901 * S, losses=(inside,)))
    card = api.get(f"/v1/runs/{run_id}/card").json()
    assert (card["complete"], len(card["incomplete_because"])) == (False, 1)
    (told,) = card["losses"]
    assert (told["device_id"], told["sample_count"], told["reason"]) == (device_id, count, "spool full")
    assert unfit(card["schema"], card) == ""


def test_an_agent_that_was_dead_during_the_run_makes_the_card_incomplete(api: Api) -> None:
    """Its readings are nowhere in the sum: the card names it, also when it has long been back."""
    agent = Agent("host-b", epoch_ns=api.clock.utc_ns() - 900 * S, boot_id=BOOT_ID)
    api.take(agent, agent.batch(0, begin_ns=api.clock.utc_ns() - 900 * S))
    run_id = api.run_of_three_seconds()
    card = api.get(f"/v1/runs/{run_id}/card").json()
    assert card["complete"] is False
    assert [(x["agent_id"], x["device_id"], x["sample_count"]) for x in card["losses"]] == [("host-b", "", 0)]
    api.take(agent, agent.batch(1, begin_ns=api.clock.utc_ns() + 900 * S))
    assert api.get(f"/v1/runs/{run_id}/energy").json()["settled"] is True
    assert api.get(f"/v1/runs/{run_id}/card").json()["complete"] is False


def test_a_card_of_a_run_whose_readings_are_still_on_their_way_is_incomplete(api: Api) -> None:
    """An agent that was named and never heard of, and one whose readings end within the run, are named with the time that is missing."""
    agent = Agent(epoch_ns=api.clock.utc_ns() - 9 * S, boot_id=BOOT_ID)
    api.take(agent, *(agent.batch(i, begin_ns=api.clock.utc_ns() + (i - 3) * S) for i in range(10)))
    late = Agent("host-b", epoch_ns=api.clock.utc_ns() - 9 * S, boot_id=BOOT_ID)
    api.take(late, *(late.batch(i, begin_ns=api.clock.utc_ns() + (i - 3) * S) for i in range(5)))
    start = {"agents": ["host-a", "host-b", "host-c"], "moment": api.moment(0)}
    run_id = api.post("/v1/runs", start).json()["run_id"]
    api.post(f"/v1/runs/{run_id}/stop", {"moment": api.moment(3)})
    assert api.get(f"/v1/runs/{run_id}/energy").json()["settled"] is False
    card = api.get(f"/v1/runs/{run_id}/card").json()
    assert (card["complete"], [x["agent_id"] for x in card["losses"]]) == (False, ["host-b", "host-c"])


def test_the_same_mark_twice_is_one_mark(api: Api) -> None:
    """A client that did not hear the answer may post again: start, phase and stop are kept once."""
    for _ in range(2):
        assert api.post("/v1/runs", {"run_id": "mine", "moment": api.moment(0)}).json()["run_id"] == "mine"
        for edge, at_s in (("begin", 1), ("end", 2)):
            assert api.post("/v1/runs/mine/phases", {"name": "decode", "edge": edge, "moment": api.moment(at_s)}).status_code == 201
        assert api.post("/v1/runs/mine/stop", {"moment": api.moment(3)}).status_code == 200
    run = api.get("/v1/runs/mine").json()
    assert ([p["name"] for p in run["phases"]], run["findings"]) == (["decode"], [])
    assert len(api.get("/v1/runs").json()) == 1


def test_a_run_without_readings_is_insufficient(api: Api) -> None:
    """The energy of a run that no reading covers is a conflict that names the next step, not a number."""
    api.post("/v1/runs", {"run_id": "empty", "moment": api.moment(1)})
    assert "joulemark run stop empty" in api.get("/v1/runs/empty/energy").json()["next_step"]
    api.post("/v1/runs/empty/stop", {"moment": api.moment(2)})
    for answer in (api.get("/v1/runs/empty/energy"), api.get("/v1/runs/empty/card"), api.get("/v1/runs/empty/bundle")):
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:joulemark:InsufficientData")


def test_a_benchmarks_files_give_windows_and_its_own_figures(api: Api) -> None:
    """Posted twice, the windows of the files are phases once, on this host's clock, with the tool's figures beside ours."""
    begin_ns = api.clock.utc_ns()
    windows = (Window("load", PhaseKind.WARMUP, begin_ns, begin_ns + S), Window("run", PhaseKind.MEASURED, begin_ns + S, begin_ns + 3 * S))
    told = Run(windows, "tool", tool_reported=(ToolReported("energy", 5.0, "J"),))
    api.post("/v1/runs", {"run_id": "r", "moment": api.moment(0)})
    for _ in range(2):
        answer = api.post("/v1/runs/r/benchmark", {"moment": api.moment(4), "run": told.to_json(), "source": "f.json"})
        assert (answer.status_code, answer.json()["phases"]) == (201, 2)
    run = api.get("/v1/runs/r").json()
    assert [(p["name"], p["begin_ns"], p["unc_ns"]) for p in run["phases"]] == [("load", begin_ns, 0), ("run", begin_ns + S, 0)]
    assert [(t["name"], t["value"]) for t in run["tool_reported"]] == [("energy", 5.0)]


def test_marks_of_another_host_are_as_uncertain_as_they_were_late(api: Api) -> None:
    """A mark from an unknown clock, received 2 s after the time it says, moves nothing and is true within 2 s."""
    away = {"utc_ns": api.clock.utc_ns() - 2 * S, "boot_id": "away"}
    api.post("/v1/runs", {"run_id": "r", "moment": away})
    api.post("/v1/runs/r/stop", {"moment": {"utc_ns": api.clock.utc_ns(), "boot_id": BOOT_ID}})
    (phase,) = api.get("/v1/runs/r").json()["phases"]
    assert (phase["begin_ns"], phase["unc_ns"]) == (away["utc_ns"], 2 * S)


def test_the_newest_runs_come_first_and_no_more_than_asked(api: Api) -> None:
    """Of three runs, two are asked for: the last two, newest first; the stopped one says when."""
    for name in ("a", "b", "c"):
        api.post("/v1/runs", {"run_id": name, "moment": api.moment(0)})
        api.clock.advance(S)
    api.post("/v1/runs/b/stop", {"moment": api.moment(0)})
    found = api.get("/v1/runs", params={"limit": 2}).json()
    assert [(r["run_id"], r["stopped_ns"]) for r in found] == [("c", None), ("b", api.clock.utc_ns())]


def test_equal_files_make_an_equal_archive() -> None:
    """The bytes of an archive do not depend on when or in which order its files were named."""
    assert zipped({"b": b"2", "a": b"1"}) == zipped({"a": b"1", "b": b"2"})


def test_the_farthest_dates_can_still_be_asked_for(api: Api) -> None:
    """Marks at both ends of what is accepted, with the largest uncertainty, are answered in every form; beyond it they are refused."""
    last_ns = DATE_END_NS - 1
    assert api.post("/v1/runs", {"run_id": "r", "moment": {"utc_ns": 0}}).status_code == 201
    window = {"name": "p", "edge": "window", "moment": {"utc_ns": 0}, "end_ns": last_ns, "unc_ns": last_ns}
    assert api.post("/v1/runs/r/phases", window).status_code == 201
    assert api.post("/v1/runs/r/phases", {**window, "moment": {"utc_ns": last_ns - 1}}).status_code == 201
    assert api.post("/v1/runs/r/stop", {"moment": {"utc_ns": last_ns}}).status_code == 200
    for what, statuses in (("", {200}), ("/phases", {200}), ("/energy", {200, 409}), ("/card", {200, 409}), ("/bundle", {200, 409})):
        assert api.get(f"/v1/runs/r{what}").status_code in statuses, what
    assert api.post("/v1/runs/r/phases", {**window, "end_ns": DATE_END_NS}).status_code == 422


def bundle(api: Api, run_id: str) -> dict[str, bytes]:
    """Path -> bytes of the run's bundle."""
    with zipfile.ZipFile(io.BytesIO(api.get(f"/v1/runs/{run_id}/bundle").content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_what_only_the_client_knows_reaches_the_bundle(api: Api) -> None:
    """Documents lie in the bundle as files; a later one replaces the earlier; one that is none is refused and changes nothing."""
    run_id = api.run_of_three_seconds()
    lab = Lab.of("ES1")
    first = {"workload": Workload(model="a").to_json(), "requests": request_log.to_csv(lab.requests)}
    answer = api.post(f"/v1/runs/{run_id}/evidence", first)
    assert (answer.status_code, answer.json()["documents"]) == (201, ["requests", "workload"])
    second = {"workload": Workload(model="b").to_json(), "nodes": lab.nodes.to_json()}
    assert api.post(f"/v1/runs/{run_id}/evidence", second).status_code == 201
    refused = api.post(f"/v1/runs/{run_id}/evidence", {"workload": {"schema": "x"}})
    assert (refused.status_code, "schema" in refused.json()["detail"]) == (422, True)
    files = bundle(api, run_id)
    assert json.loads(files["energy/workload.json"])["model"] == "b"
    assert files["energy/requests.csv"].decode() == request_log.to_csv(lab.requests)
    assert json.loads(files["energy/nodes.json"])["participating"] == 1


def test_the_chain_of_a_run_takes_receipts(api: Api) -> None:
    """An authority signs the head it was shown; its word is in the bundle, over an event of the chain that was closed with the files."""
    run_id = api.run_of_three_seconds()
    shown = api.get(f"/v1/runs/{run_id}/chain").json()
    known = Chain.from_json({key: value for key, value in shown.items() if key != "head_sha256"})
    assert (known.broken(), known.head_sha256, len(known.edges())) == ([], shown["head_sha256"], 2)
    given = receipt(known, t_ns=api.clock.utc_ns())
    assert api.post(f"/v1/runs/{run_id}/evidence", {"receipts": [asdict(given)]}).status_code == 201
    false = {**asdict(given), "t_ns": 1}
    assert api.post(f"/v1/runs/{run_id}/evidence", {"receipts": [false]}).status_code == 422
    files = bundle(api, run_id)
    chain = Chain.from_json(json.loads(files["energy/chain.json"]))
    assert (chain.broken(), chain.events[-1].kind, chain.receipts) == ([], "files", (given,))
    assert chain.events[: len(known.events)] == known.events
    assert json.loads(files["energy/manifest.json"])["root_sha256"] == chain.head_sha256


def test_a_sealed_run_stays_as_it_is(api: Api) -> None:
    """It has to be stopped first; then nothing is taken any more, and its bundle is the same bytes each time, signed by the collector."""
    key = seal.new_key()
    object.__setattr__(api.state, "sign", seal.signer(key, role="collector"))
    running = api.post("/v1/runs", {"moment": api.moment(0)}).json()["run_id"]
    assert api.request("POST", f"/v1/runs/{running}/seal").status_code == 409
    run_id = api.run_of_three_seconds()
    first = api.get(f"/v1/runs/{run_id}/bundle").content
    sealed = api.request("POST", f"/v1/runs/{run_id}/seal")
    assert (sealed.status_code, sealed.json()["sealed_ns"]) == (200, api.clock.utc_ns())
    refused = api.post(f"/v1/runs/{run_id}/evidence", {"workload": Workload().to_json()})
    assert (refused.status_code, "sealed" in refused.json()["detail"]) == (409, True)
    assert api.get(f"/v1/runs/{run_id}/bundle").content == first
    chain = Chain.from_json(json.loads(bundle(api, run_id)["energy/chain.json"]))
    (signature,) = chain.signatures
    assert (signature.role, signature.public_key) == ("collector", seal.public_text(key))
    assert seal.holds(signature.public_key, chain.head_sha256, signature.signature)


def test_a_log_of_requests_may_be_larger_than_a_mark(api: Api) -> None:
    """Two megabytes of it are taken where a mark of that size is refused."""
    run_id = api.run_of_three_seconds()
    text = request_log.to_csv(Lab.of("ES1").requests * 40)
    assert len(text) > 2 * 1024 * 1024
    assert api.post(f"/v1/runs/{run_id}/evidence", {"requests": text}).status_code == 201
    assert api.post(f"/v1/runs/{run_id}/phases", {"name": text}).status_code == 413
