"""Against the simulated service, over TLS and through the shared loop, as the agent reads it."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from joulemark.config import MeterTable
from joulemark.errors import ConfigError, MeterGone, MeterTransient, MeterUnavailable
from joulemark.meters import registry
from joulemark.meters.base import Meter
from joulemark.meters.http import fingerprint
from joulemark.readings import Boundary, Quality, Sample
from joulemark.timebase import SystemClock
from tests.meters.conformance import built
from tests.meters.living.redfish import options, serving
from tests.standins.redfish_standin import ENVIRONMENT, POWER, ROOT, SENSOR, SUPPLIES, SYSTEM_UUID, RedfishServer
from tests.waiting import eventually


async def stuck(_request: web.Request) -> web.Response:
    """A part of the BMC that does not answer."""
    await asyncio.sleep(10)
    return web.Response()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedfishServer]:
    with serving(tmp_path, tls=False) as running:
        yield running


@contextmanager
def opened(server: RedfishServer, **more: Any) -> Iterator[Meter]:
    with built("redfish", {**options(server), "stream": False, **more}) as meter:
        meter.open()
        yield meter


def read(meter: Meter) -> list[Sample]:
    return meter.read(SystemClock())


def test_reading_is_what_the_bmc_says(server: RedfishServer) -> None:
    """Power and energy are the BMC's, in milliwatts and millijoules, and follow what it measures; the counter is the integral."""
    server.set_power_w(611.5)
    with opened(server) as meter:
        [before] = read(meter)
        least_j = server.energy_j
        server.set_power_w(2000)
        time.sleep(0.2)
        [after] = read(meter)
        most_j = server.energy_j
    assert (before.values[0], after.values[0]) == (611_500, 2_000_000)
    assert after.values[1] is not None
    assert before.values[1] is not None
    assert after.values[1] - before.values[1] > 350_000
    assert least_j < after.values[1] / 1000 < most_j + 1


def test_it_describes_itself(server: RedfishServer) -> None:
    """Serial, firmware, sensing interval, accuracy, range and steps come from the resources of the chassis and its sensor."""
    with opened(server) as meter:
        [device] = meter.info
    assert device.device_id == "redfish:node1:437XR1138R2"
    power, energy = device.meters
    assert (power.vendor, power.model, power.serial, power.firmware) == ("Contoso", "3500RX", "437XR1138R2", "7.10.30")
    assert (power.boundary, power.interface, power.update_period_s) == (Boundary.SERVER_INPUT, "Redfish 1.20.0", 0.25)
    assert power.accuracy is not None
    assert (power.accuracy.abs_w, power.accuracy.source, power.rated_w) == (6.0, f"ReadingAccuracy of {SENSOR}", 3000.0)
    assert (power.step, power.averaging_window_s) == (100, None)
    assert energy.step <= 3_600_000


def test_a_session_that_ends_is_renewed_within_the_read(server: RedfishServer) -> None:
    """A 401 in mid-run costs one login in the same read, not a reading; the old session is not counted any more."""
    with opened(server) as meter:
        for _ in range(3):
            server.expire_sessions()
            [sample] = read(meter)
            assert sample.qualities[0] is Quality.OK
        assert server.logins == 4
        assert server.session_count == 1
    assert server.session_count == 0


def test_one_login_for_all_parts_of_a_poll(server: RedfishServer) -> None:
    """Several parts that find the session ended at one time share one login, and a session that ends at once is not renewed twice."""
    with opened(server, origin="supplies") as meter:
        server.expire_sessions()
        assert len(read(meter)) == 2
        assert server.logins == 2
        server.session_s = -1.0
        server.expire_sessions()
        with pytest.raises(MeterTransient, match="status 401"):
            read(meter)
        assert server.logins == 3


def test_a_part_that_finds_the_old_session_ended_late(server: RedfishServer) -> None:
    """A refusal of the old session that comes after the new login is asked again with the new one, not answered by another login."""
    refusals: list[str] = []

    async def late(request: web.Request) -> web.Response:
        if refusals:
            return web.json_response({"InputPowerWatts": {"Reading": 250}})
        refusals.append(request.headers["X-Auth-Token"])
        await asyncio.sleep(0.3)
        return web.Response(status=401)

    with opened(server, origin="supplies") as meter:
        server.overrides = {f"{SUPPLIES}/Bay2/Metrics": late}
        [first, second] = read_with_ended_session_of_one(server, meter)
    assert first.values[0] == 256_000
    assert second.values[0] == 250_000
    assert server.logins == 2


def read_with_ended_session_of_one(server: RedfishServer, meter: Meter) -> list[Sample]:
    """A read whose first part is refused at once, once."""
    refused: list[bool] = []

    async def once(_request: web.Request) -> web.Response:
        if refused:
            return web.json_response({"InputPowerWatts": {"Reading": 256}})
        refused.append(True)
        return web.Response(status=401)

    server.overrides[f"{SUPPLIES}/Bay1/Metrics"] = once
    return read(meter)


def test_a_bmc_is_asked_two_things_at_one_time(server: RedfishServer) -> None:
    """However many supplies there are, no more than two requests are under way."""
    resources = server.resources()
    server.overrides = {SUPPLIES: {"Members": [{"@odata.id": f"{SUPPLIES}/S{i}"} for i in range(6)]}}
    for i in range(6):
        metrics = f"{SUPPLIES}/S{i}/Metrics"
        server.overrides[f"{SUPPLIES}/S{i}"] = {**resources[f"{SUPPLIES}/Bay1"], "Metrics": {"@odata.id": metrics}}
        server.overrides[metrics] = brief
    with opened(server, origin="supplies") as meter:
        assert [sample.values for sample in read(meter)] == [(90_000,)] * 6
    assert server.most_at_once == 2


async def brief(_request: web.Request) -> web.Response:
    """A part that takes a moment."""
    await asyncio.sleep(0.05)
    return web.json_response({"InputPowerWatts": {"Reading": 90}})


def test_a_slow_login_leaves_no_sessions_behind(server: RedfishServer) -> None:
    """A login that takes longer than the read goes on beside it: the next read finds it done, and there is one session, not two."""
    with opened(server, deadline_s=2.0) as meter:
        server.expire_sessions()
        server.delay_s = 1.2
        with pytest.raises(MeterTransient, match="no answer within"):
            read(meter)
        eventually(lambda: server.session_count == 1, "the login is done")
        server.delay_s = 0.0
        assert read(meter)[0].qualities[0] is Quality.OK
        assert (server.logins, server.session_count) == (2, 1)
    eventually(lambda: server.session_count == 0, "the session is ended")


def test_a_password_that_changed_is_not_tried_at_every_read(server: RedfishServer) -> None:
    """When the account is refused in mid-run the meter is gone, so that growing waits follow and the account is not locked."""
    with opened(server) as meter:
        server.login_status = 401
        server.expire_sessions()
        with pytest.raises(MeterGone, match="refuses user 'admin'"):
            read(meter)
        assert server.logins == 2


@pytest.mark.parametrize("status", [204, 404, 501])
def test_a_login_without_a_token_falls_back_to_basic(server: RedfishServer, status: int) -> None:
    """Where a login gives no token, or there are no sessions, HTTP basic shows the account; nothing is left to log out of."""
    server.login_status = status
    with opened(server) as meter:
        assert read(meter)[0].qualities == (Quality.OK, Quality.OK)
    assert "DELETE" not in {method for method, _ in server.requests}


def test_basic_with_a_wrong_password_is_refused(server: RedfishServer, tmp_path: Path) -> None:
    """Without sessions a wrong password is found out while opening."""
    server.login_status = 204
    wrong = tmp_path / "wrong"
    wrong.write_text("not-it")
    with pytest.raises(MeterUnavailable, match="refuses user"), opened(server, password_file=str(wrong)):
        pass


def test_a_full_service_is_told(server: RedfishServer) -> None:
    """When the BMC takes no further session, open says so and what to do."""
    server.session_limit = 0
    with pytest.raises(MeterUnavailable, match="takes no further session") as raised, opened(server):
        pass
    assert "end sessions" in raised.value.next_step


def test_a_slow_bmc_is_read(server: RedfishServer) -> None:
    """Answers after 0.3 s each are waited for, with a bracket that shows the wait."""
    with opened(server) as meter:
        server.delay_s = 0.3
        [sample] = read(meter)
    assert sample.qualities[0] is Quality.OK
    assert sample.t_read1_ns - sample.t_read0_ns >= 290_000_000


def test_one_part_that_fails_is_a_gap_beside_the_others(server: RedfishServer) -> None:
    """A power supply that is gone, or whose metrics are busy, is a gap with the reason; the other one is read."""
    with opened(server, origin="supplies") as meter:
        for status, reason in ((404, "status 404"), (503, "status 503, again after 30 s")):
            server.overrides = {f"{SUPPLIES}/Bay1/Metrics": status}
            first, second = read(meter)
            assert (first.values, second.qualities) == ((None, None), (Quality.OK, Quality.OK))
            assert reason in first.reasons[0]


def test_one_part_that_hangs_is_a_gap_within_the_deadline(server: RedfishServer) -> None:
    """A part that does not answer costs its own reading only."""
    with opened(server, origin="supplies", deadline_s=3.0) as meter:
        server.overrides = {f"{SUPPLIES}/Bay1/Metrics": stuck}
        first, second = read(meter)
        assert "no answer within 2.4 s" in first.reasons[0]
        assert second.qualities[0] is Quality.OK


def test_nothing_left_is_gone(server: RedfishServer) -> None:
    """When every part is missing, the meter is gone: it is opened anew and finds what is there then."""
    with opened(server) as meter:
        server.overrides = {ENVIRONMENT: 404}
        with pytest.raises(MeterGone, match="status 404"):
            read(meter)
        meter.close()
        meter.open()
        assert [sample.values[0] for sample in read(meter)] == [256_000, 256_000]


def test_busy_is_transient(server: RedfishServer) -> None:
    """A service that asks for patience is asked again at the next read, and its words stand in the reason."""
    with opened(server) as meter:
        server.overrides = {ENVIRONMENT: 503}
        with pytest.raises(MeterTransient, match="again after 30 s"):
            read(meter)
        server.overrides = {}
        assert read(meter)[0].qualities[0] is Quality.OK


def test_a_restart_shows_in_the_counter(server: RedfishServer) -> None:
    """An energy that begins anew is handed on as it is: it fell, and the agent marks the reset."""
    with opened(server) as meter:
        [before] = read(meter)
        server.restart_counter()
        [after] = read(meter)
    assert before.values[1] is not None
    assert after.values[1] is not None
    assert after.values[1] < before.values[1]


def test_a_pushed_value_is_taken_instead(server: RedfishServer) -> None:
    """Where reports come, a fresh value in text is read from them with the BMC's date in UTC, and nothing is asked for."""
    server.overrides = {ENVIRONMENT: {"PowerWatts": {"Reading": 1, "DataSourceUri": SENSOR}}}
    with opened(server, stream=True) as meter:
        eventually(lambda: (sample := read(meter)[0]).values == (512_000,) and sample.t_device_ns[0] is not None, "a report is read")
        sample = read(meter)[0]
        while sample.t_device_ns[0] is None:
            time.sleep(0.05)
            sample = read(meter)[0]
        assert abs(sample.t_device_ns[0] - SystemClock().utc_ns()) < 60_000_000_000
        asked = [path for _, path in server.requests].count(ENVIRONMENT)
        time.sleep(0.3)
        read(meter)
        assert [path for _, path in server.requests].count(ENVIRONMENT) == asked


def test_an_old_pushed_value_is_asked_for(server: RedfishServer) -> None:
    """Reports whose values are older than a second, or that stopped, do not stand for a reading."""
    server.overrides = {ENVIRONMENT: {"PowerWatts": {"Reading": 1, "DataSourceUri": SENSOR}}}
    server.report_age_s = 5.0
    with opened(server, stream=True) as meter:
        eventually(lambda: ("GET", f"{ROOT}/EventService/SSE") in server.requests, "it listens")
        time.sleep(0.3)
        assert read(meter)[0].values == (1000,)


def test_tls_by_fingerprint_and_stranger(tmp_path: Path) -> None:
    """Over TLS the authority or the fingerprint is checked; without either the service is refused with what to write."""
    with serving(tmp_path) as server:
        plain = {key: value for key, value in options(server).items() if key != "ca_file"}
        good = fingerprint(ssl.PEM_cert_to_DER_cert(server.cert_file.read_text()))
        with built("redfish", {**plain, "fingerprint": good}) as meter:
            meter.open()
            assert read(meter)
        with built("redfish", plain) as meter, pytest.raises(MeterUnavailable, match="not trusted") as raised:
            meter.open()
        assert "ca_file" in raised.value.next_step


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"url": "10.0.0.21"}, "no address of a service"),
        ({"url": "https://10.0.0.21/redfish"}, "no address of a service"),
        ({"url": "https://user:secret@10.0.0.21"}, "no address of a service"),
        ({"url": "https://10.0.0.21:port"}, "redfish.url"),
        ({"url": "http://10.0.0.21"}, "insecure = true"),
        ({"deadline_s": 0.0}, "redfish.deadline_s"),
        ({"open_deadline_s": 1.0}, "redfish.open_deadline_s"),
        ({"ca_file": "/a", "fingerprint": "ab"}, "both set"),
        ({"origin": "wall"}, "environment"),
        ({"urll": "x"}, "did you mean 'url'"),
    ],
)
def test_a_configuration_that_is_wrong(more: dict[str, Any], words: str) -> None:
    """Each wrong key is refused by name, with the step that mends it."""
    table = {"url": "https://10.0.0.21", "user": "u", "password_file": "/p", **more}
    with pytest.raises(ConfigError, match=words):
        registry.build([MeterTable("redfish", table)], host="node1")


def test_http_may_be_allowed() -> None:
    """Plain http is for loopback, and for who says that it is meant."""
    for url, insecure in (("http://10.0.0.21", True), ("http://127.0.0.1:8000", False), ("http://localhost", False)):
        registry.build([MeterTable("redfish", {"url": url, "user": "u", "password_file": "/p", "insecure": insecure})], host="node1")


def test_a_chassis_without_a_serial(server: RedfishServer) -> None:
    """A chassis without a serial of its own is named by its system, and the older Power is the last resort."""
    chassis = dict(server.resources()[f"{ROOT}/Chassis/1U"], SerialNumber="To be filled by O.E.M.")
    server.overrides = {f"{ROOT}/Chassis/1U": chassis, ENVIRONMENT: 404, f"{ROOT}/Chassis/1U/PowerSubsystem": 404}
    with opened(server) as meter:
        [device] = meter.info
        assert device.device_id == f"redfish:node1:{SYSTEM_UUID}"
        assert device.meters[0].rated_w == 3200.0
        assert ("GET", POWER) in server.requests
