"""The page of all hosts."""

from __future__ import annotations

from dataclasses import replace

from joulemark.collector import picture
from joulemark.collector.web import words
from joulemark.proto.messages import IngestStatus
from joulemark.readings import DeviceInfo, Quantity
from tests.collector.api.conftest import BOOT_ID, Api, S
from tests.collector.conftest import Agent
from tests.collector.web.reading import Element, read

HTML = {"accept": "text/html"}


def page(api: Api) -> Element:
    answer = api.get("/hosts", headers=HTML)
    assert answer.status_code == 200
    return read(answer.text)


def heard(api: Api, name: str = "host-a", *, before_s: int = 0) -> Agent:
    """Ten seconds of readings up to `before_s` ago."""
    now_ns = api.clock.utc_ns()
    agent = Agent(name, epoch_ns=now_ns - 100 * S, boot_id=BOOT_ID)
    api.take(agent, *(agent.batch(i, begin_ns=now_ns - (before_s + 10 - i) * S) for i in range(10)))
    return agent


def cells(row: Element) -> dict[str, str]:
    return {one.attributes["data-is"]: one.text for one in row.all("td")}


def test_without_a_host_it_says_what_to_do(api: Api) -> None:
    """An empty collector names the commands that come next, with its own address."""
    found = page(api)
    said = found.one("main").text
    assert all(text in said for text in ("joulemark meters list", "joulemark agent run", "joulemark doctor", "joulemark demo"))
    assert f'agent.collector = "{api.state.config.collector.grpc_listen}"' in said
    assert not found.all("table")
    assert found.one("span", role="status").text


def test_a_row_says_what_rest_says(api: Api) -> None:
    """Host, state, power, course, meters, age, clock and cost of each agent are those of `joulemark.live/1`, and totals stand above."""
    heard(api)
    heard(api, "host-b")
    found = page(api)
    rest = picture.look(api.store, api.clock.utc_ns(), None)
    rows = found.all("tr", data_agent="host-a") + found.all("tr", data_agent="host-b")
    for row, host in zip(rows, rest.hosts, strict=True):
        assert row.one("a").attributes["href"] == f"/hosts/{host.agent_id}"
        shown = cells(row)
        assert shown["power"] == "200.0 W gpu"
        assert shown["meters"] == words.meters(host)[1] == "2 ok, gaps 0.0 %"
        assert (shown["state"], shown["age"]) == (words.state(host)[1], "0.1 s ago")
        assert (shown["clock"], shown["overhead"]) == ("0 ms, the collector's own clock", "not told yet")
        assert row.one("title").text == "gpu over the last 5 minutes: 200.0 W to 200.0 W"
    assert found.one("dd", data_boundary="gpu").text == "400.0 W"


def test_an_old_reading_is_not_shown_as_the_present_one(api: Api) -> None:
    """Two minutes after its last reading a host has no power now, and its part is missing from the total, by name."""
    heard(api)
    api.clock.advance(120 * S)
    found = page(api)
    (row,) = found.all("tr", data_agent="host-a")
    assert cells(row)["power"] == "not known gpu"
    assert cells(row)["age"] == "2 min ago"
    assert found.one("dd", data_boundary="gpu").text == "not known"
    assert "fake:host-a:0: silent for 30 s or more" in found.one("dl", id="totals").text
    assert "The ingest process does not answer" in found.one("p", role="alert").text


def test_a_reading_keeps_the_scale_it_was_read_in(api: Api) -> None:
    """After a meter is described anew in microwatts, a reading of before, in milliwatts, is still 200 W; a witness is no power."""
    agent = heard(api)
    power, energy = agent.device.meters
    api.take(agent, agent.description(10, DeviceInfo(agent.device.device_id, (replace(power, exponent=-6), energy))))
    assert cells(page(api).one("tr", data_agent="host-a"))["power"] == "200.0 W gpu"
    witnesses = (replace(power, quantity=Quantity.TEMPERATURE), replace(energy, quantity=Quantity.THROTTLE))
    api.take(agent, agent.description(11, DeviceInfo(agent.device.device_id, witnesses)))
    assert cells(page(api).one("tr", data_agent="host-a"))["meters"] == "none of power or energy"


def test_what_clients_send_is_text_never_markup(api: Api) -> None:
    """An agent and a benchmark whose names are markup are shown as those characters."""
    heard(api, "<b>x</b>")
    api.post("/v1/runs", {"benchmark": "<script>alert(1)</script>", "moment": api.moment(0)})
    found = page(api)
    assert found.one("main").all("script") == []
    assert found.one("main").all("b") == []
    assert "<script>alert(1)</script>: no phase is open" in found.one("main").text
    assert found.one("th", scope="row").one("a").attributes["href"] == "/hosts/%3Cb%3Ex%3C%2Fb%3E"


def test_nothing_but_own_files_is_loaded(api: Api) -> None:
    """The page loads its own style and module alone, and its policy says so."""
    answer = api.get("/hosts", headers=HTML)
    assert answer.headers["content-security-policy"].startswith("default-src 'self'")
    found = read(answer.text)
    assert all(one.attributes["src"].startswith("/assets/") for one in found.all("script"))
    assert "style=" not in answer.text


def test_states_are_told_in_words(api: Api) -> None:
    """Where the ingest process answers, a host is connected or silent, with a sign beside the word."""
    heard(api, before_s=0)
    now_ns = api.clock.utc_ns()
    connected, silent = (picture.look(api.store, now_ns + late, IngestStatus(1)).hosts[0] for late in (0, 20 * S))
    assert (words.state(connected), words.state(silent)) == (("good", "connected"), ("doubt", "silent, last heard 20 s ago"))
