"""The status page."""

from __future__ import annotations

from dataclasses import replace

from joulemark.readings import DeviceInfo, Quantity
from tests.collector.api.conftest import BOOT_ID, Api, S
from tests.collector.conftest import Agent


def test_the_page_shows_what_is_there_and_what_to_do(api: Api) -> None:
    """An empty collector names the next commands; later it shows host, meter and run. Nothing is loaded from elsewhere."""
    empty = api.get("/")
    assert "joulemark agent run" in empty.text
    assert "default-src 'none'" in empty.headers["content-security-policy"]
    run_id = api.run_of_three_seconds()
    page = api.get("/").text
    assert all(word in page for word in ("host-a", "fake:host-a:0:power", "200.0 W", run_id))
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")


def test_what_clients_send_is_text_never_markup(api: Api) -> None:
    """A run whose benchmark is a script tag is shown as those characters."""
    api.post("/v1/runs", {"benchmark": "<script>alert(1)</script>", "moment": api.moment(0)})
    page = api.get("/").text
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_an_old_reading_is_not_shown_as_the_present_one(api: Api) -> None:
    """Two minutes after its last reading a meter has none, instead of the last value for ever."""
    agent = Agent(boot_id=BOOT_ID)
    api.take(agent, agent.batch(0, begin_ns=api.clock.utc_ns()))
    assert "200.0 W" in api.get("/").text
    api.clock.advance(120 * S)
    page = api.get("/").text
    assert "200.0 W" not in page
    assert "none in the last minute" in page


def test_a_witness_is_shown_in_its_own_unit(api: Api) -> None:
    """What is no power and no energy has the unit of its quantity, and a share has none."""
    agent = Agent(boot_id=BOOT_ID)
    power, energy = agent.device.meters
    witnesses = (replace(power, quantity=Quantity.TEMPERATURE), replace(energy, quantity=Quantity.THROTTLE))
    api.take(agent, agent.description(0, DeviceInfo(agent.device.device_id, witnesses)))
    api.take(agent, agent.batch(1, begin_ns=api.clock.utc_ns(), described=False))
    page = api.get("/").text
    assert "200.0 °C" in page
    assert " J<" not in page
    assert " W<" not in page


def test_a_reading_keeps_the_scale_it_was_read_in(api: Api) -> None:
    """After a meter is described anew in microwatts, a reading of before, in milliwatts, is still 200 W."""
    agent = Agent(boot_id=BOOT_ID)
    api.take(agent, agent.batch(0, begin_ns=api.clock.utc_ns()))
    power, energy = agent.device.meters
    finer = DeviceInfo(agent.device.device_id, (replace(power, exponent=-6), energy))
    api.take(agent, agent.description(1, finer))
    assert "200.0 W" in api.get("/").text
