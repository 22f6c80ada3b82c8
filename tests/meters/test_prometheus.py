"""The driver against real HTTP servers: a simulated dcgm-exporter, pages that are none, and the real prometheus_client."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from joulemark.agent.watch import MeterWatch, watched
from joulemark.config import MeterTable
from joulemark.errors import ConfigError, MeterError, MeterGone, MeterTransient, MeterUnavailable
from joulemark.meters.prometheus import DRIVER, PrometheusConfig, PrometheusMeter
from joulemark.readings import Averaging, Boundary, Current, MeterInfo, Quality, Quantity, Sample, TimestampSource
from joulemark.timebase import SystemClock
from tests.standins.page_standin import DRIVER as GPU_DRIVER
from tests.standins.page_standin import MODEL, DcgmPage, PageServer, uuid

CLOCK = SystemClock()
SCALED_30_S = 0.4
"""Stands for the 30 s of a dcgm-exporter: polls every twentieth of it stand for polls every 1.5 s."""

EXPORTER = """
import sys, time
from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server
registry = CollectorRegistry()
Gauge("rack_watts", "", ["rack"], registry=registry).labels("r1").set_function(lambda: 3200.5 + time.time() % 1)
joules = Counter("rack_joules", "", ["rack"], registry=registry).labels("r1")
joules.inc(1234.5)
server, _ = start_http_server(0, addr="127.0.0.1", registry=registry)
print(server.server_port, flush=True)
sys.stdin.read()
"""

RACK = """
about = "exporter of the rack"
on_scrape = true
update_period_s = 1.0
[[device]]
boundary = "rack"
current = "ac"
serial = ["rack"]
[[device.metric]]
names = ["rack_watts"]
unit = "W"
[[device.metric]]
names = ["rack_joules_total"]
unit = "J"
"""


def meter_of(server: PageServer, **options: object) -> PrometheusMeter:
    table = MeterTable("prometheus", {"url": server.url, "deadline_s": 10.0, "watch_s": 0.0, **options})
    meter = DRIVER.build(table, host="node1")
    assert isinstance(meter, PrometheusMeter)
    return meter


@contextmanager
def reading(page: Callable[[], str], *, path: str = "", **options: object) -> Iterator[tuple[PageServer, PrometheusMeter]]:
    """A server of `page` and an open meter of it."""
    with PageServer(page) as server:
        more = {"url": server.url.removesuffix("/metrics") + path} if path else {}
        meter = meter_of(server, **more, **options)
        try:
            meter.open()
            yield server, meter
        finally:
            meter.close()


def info_of(meter: PrometheusMeter, channel: str) -> MeterInfo:
    return next(info for device in meter.info for info in device.meters if info.channel == channel)


def refused(server: PageServer, words: str, **options: object) -> None:
    """`open` fails, says `words` and what to do."""
    meter = meter_of(server, **options)
    with pytest.raises(MeterUnavailable, match=words) as caught:
        meter.open()
    assert caught.value.next_step
    assert meter.info == ()


def test_gpus_of_a_dcgm_exporter() -> None:
    """Each GPU is a device with power and energy as printed, dated by the read bracket, described by its labels."""
    with reading(DcgmPage(frozen=True), source="dcgm") as (_, meter):
        before_ns = CLOCK.mono_ns()
        first, second = meter.read(CLOCK)
        assert first.values == (300_000, 1_000_000_000)
        assert second.values == (310_000, 1_000_000_000)
        assert before_ns <= first.t_read0_ns <= first.t_read1_ns <= CLOCK.mono_ns()
        power = info_of(meter, "power")
        assert power.meter_id == f"prometheus:node1:{uuid(0)}:power"
        assert (power.vendor, power.model, power.serial, power.firmware) == ("NVIDIA", MODEL, uuid(0), GPU_DRIVER)
        assert (power.boundary, power.current, power.covers) == (Boundary.GPU, Current.DC, (uuid(0),))
        assert (power.averaging, power.update_period_s, power.accuracy) == (Averaging.UNKNOWN, 30.0, None)
        assert "host node7" in power.note
        assert info_of(meter, "energy").quantity is Quantity.ENERGY_COUNTER


def test_a_page_that_stands_still_is_no_flat_line() -> None:
    """Between two renewals of its page every read of a GPU is stale and says since when; the number that is new is good."""
    with reading(DcgmPage(refresh_s=SCALED_30_S), update_period_s=SCALED_30_S) as (_, meter):
        good: list[Sample] = []
        stale: list[Sample] = []
        while len(good) < 4 or len(stale) <= len(good):
            sample = meter.read(CLOCK)[0]
            (good if sample.qualities[0] is Quality.OK else stale).append(sample)
            time.sleep(SCALED_30_S / 20)
    assert len(stale) > len(good)
    assert len({sample.values[1] for sample in good}) == len(good)
    assert {quality for sample in stale for quality in sample.qualities} == {Quality.STALE}
    assert all(sample.values[0] == 300_000 and "the page has not changed for " in sample.reasons[0] for sample in stale)


def test_a_frozen_exporter_stays_stale() -> None:
    """An exporter that goes on answering with one page is stale for as long as it does, also when the meter is opened again."""
    page = DcgmPage(refresh_s=0.02)
    with reading(page) as (_, meter):
        meter.read(CLOCK)
        page.frozen = True
        meter.read(CLOCK)
        for _ in range(3):
            meter.close()
            meter.open()
            (sample, _) = meter.read(CLOCK)
            assert set(sample.qualities) == {Quality.STALE}
        page.frozen = False
        time.sleep(0.03)
        assert set(meter.read(CLOCK)[0].qualities) == {Quality.OK}


def test_a_steady_power_is_not_stale_while_others_move() -> None:
    """Equal watts on a page whose other numbers moved were measured anew, also when only the temperature shows it."""
    beats = iter(range(100))
    page = DcgmPage(gpus=1, energy=False, frozen=True)
    with reading(lambda: page() + f'DCGM_FI_DEV_GPU_TEMP{{UUID="{uuid(0)}"}} {next(beats)}\n') as (_, meter):
        assert [meter.read(CLOCK)[0].qualities for _ in range(3)] == [(Quality.OK,)] * 3


def test_the_refresh_is_measured_at_the_start() -> None:
    """`open` watches the page and describes the period that it saw beside the one that is the exporter's default."""
    with reading(DcgmPage(refresh_s=0.4), watch_s=4.0) as (_, meter):
        assert info_of(meter, "power").update_period_s == 30.0
        assert info_of(meter, "power").update_period_measured_s == pytest.approx(0.4, abs=0.2)


def test_the_refresh_is_measured_while_polling() -> None:
    """A page renewed too slowly to be watched is described anew when polling has shown its period."""
    with reading(DcgmPage(refresh_s=SCALED_30_S)) as (_, meter):
        assert info_of(meter, "power").update_period_measured_s is None
        with pytest.raises(MeterGone, match="not every 30 s as described") as gone:
            poll_for_ever(meter)
        assert gone.value.next_step
        meter.close()
        meter.open()
        assert info_of(meter, "power").update_period_measured_s == pytest.approx(SCALED_30_S, abs=0.2)


def poll_for_ever(meter: PrometheusMeter) -> None:
    while True:
        meter.read(CLOCK)
        time.sleep(SCALED_30_S / 20)


def test_an_exporter_that_measures_when_asked_is_never_stale() -> None:
    """Equal watts of an exporter that reads its sensor at each request are new watts."""
    with reading(lambda: "ipmi_dcmi_power_consumption_current_watts 208\n", source="ipmi_exporter") as (_, meter):
        assert [meter.read(CLOCK)[0].qualities for _ in range(3)] == [(Quality.OK,)] * 3


def test_a_divided_gpu_is_counted_once() -> None:
    """A GPU in MIG instances is one device with its whole power, and its description says that the rows are shared."""
    with reading(DcgmPage(gpus=1, mig=7)) as (_, meter):
        (sample,) = meter.read(CLOCK)
        assert sample.values[0] == 300_000
        assert "mig_shared: the rows of 7 instances" in info_of(meter, "power").note


def test_what_a_page_lacks_is_a_gap() -> None:
    """A metric, a GPU, and all of them at once that are no longer on the page are gaps with reasons; a blank page fails the poll."""
    page = DcgmPage()
    with reading(page) as (server, meter):
        page.energy = False
        (first, _) = meter.read(CLOCK)
        assert first.values == (300_000, None)
        assert first.qualities[1] is Quality.GAP
        assert "no DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION" in first.reasons[1]
        page.gpus = 1
        (_, second) = meter.read(CLOCK)
        assert second.values == (None, None)
        assert "no longer shows this device" in second.reasons[0]
        server.page = lambda: ""
        with pytest.raises(MeterTransient, match="none of the metrics of NVIDIA dcgm-exporter"):
            meter.read(CLOCK)


def test_another_gpu_on_the_page_is_described() -> None:
    """A GPU that was not there before ends the stream, so that it is opened again and all are described."""
    page = DcgmPage(gpus=1)
    with reading(page) as (_, meter):
        page.gpus = 2
        with pytest.raises(MeterGone, match=uuid(1)):
            meter.read(CLOCK)
        meter.close()
        meter.open()
        assert len(meter.read(CLOCK)) == 2


def test_a_relabelled_page_says_what_is_wrong() -> None:
    """A page whose rows have lost the label that names a GPU is refused with the labels it has."""
    with PageServer(DcgmPage(uuid_label="gpu_identity")) as server:
        refused(server, r"not with the labels UUID\|uuid that name a device; it has .*gpu_identity")


@pytest.mark.parametrize(
    ("page", "settings", "words"),
    [
        ("", {}, "has none of the metrics of NVIDIA dcgm-exporter"),
        ("up 1\n", {}, "has none of the metrics"),
        ("<html>login</html>\n", {"content_type": "text/html"}, "text/html, not metrics"),
        ("DCGM_FI_DEV_POWER_USAGE 67.6", {}, "ends within a line"),
        ("gone\n", {"status": 404}, "answers with status 404"),
        ("oops\n", {"status": 500}, "answers with status 500"),
        ("later\n", {"delay_s": 15.0}, "no answer within 10 s"),
        ("who?\n", {"account": "a:b"}, r"refuses who shows none \(401\)"),
        ("# " + "x" * (9 << 20) + "\n", {}, "more than 8 MiB"),
    ],
)
def test_a_page_that_is_none_is_refused(page: str, settings: dict[str, object], words: str) -> None:
    """Blank, foreign, cut, missing, broken, slow, closed and endless pages fail `open` with what was seen and what to try."""
    with PageServer(lambda: page, **settings) as server:  # type: ignore[arg-type]  # the settings of one case
        refused(server, words, watch_s=0.0)


def test_a_page_that_fails_later_fails_the_poll() -> None:
    """A status, a slow answer and a server that is gone fail one poll, and the next succeeds when the page is back."""
    with reading(DcgmPage()) as (server, meter):
        server.status = 500
        with pytest.raises(MeterTransient, match="status 500"):
            meter.read(CLOCK)
        server.status = 200
        server.stop()
        with pytest.raises(MeterTransient, match=r"127\.0\.0\.1"):
            meter.read(CLOCK)
        server.start()
        assert meter.read(CLOCK)[0].values[0] == 300_000


def test_credentials_are_shown_and_never_told(tmp_path: Path) -> None:
    """An account or a token opens the page; one that is refused is named by its file, without its text."""
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    for account, keys in (("monitor:s3cret", {"user": "monitor", "password_file": str(secret)}), ("s3cret", {"token_file": str(secret)})):
        with PageServer(DcgmPage(), account=account) as server:
            meter = meter_of(server, **keys)
            meter.open()
            assert meter.read(CLOCK)
            meter.close()
            server.authorization = "another"
            with pytest.raises(MeterUnavailable, match=r"refuses the credentials \(401\)") as caught:
                meter.open()
            assert str(secret) in caught.value.next_step
            assert "s3cret" not in str(caught.value)


def test_a_reset_counter_joins_nothing() -> None:
    """An energy counter that begins again, as after a reload of the driver, comes through as read, and the agent marks the reset."""
    page = DcgmPage(gpus=1, refresh_s=0.01)
    with reading(page) as (_, meter):
        watches = [MeterWatch(info) for info in meter.info[0].meters]
        watched(meter.read(CLOCK)[0], watches)
        page.energy_mj[0] = 0.0
        time.sleep(0.02)
        sample = watched(meter.read(CLOCK)[0], watches)
    assert sample.qualities == (Quality.OK, Quality.RESET)


@pytest.mark.parametrize(("trust", "source"), [(False, TimestampSource.READ_BRACKET), (True, TimestampSource.DEVICE)])
def test_a_wrong_clock_on_the_page(trust: bool, source: TimestampSource, tmp_path: Path) -> None:
    """Times on the page are kept beside the readings; they date them only when the exporter's clock is trusted, whatever it says."""
    (tmp_path / "rack.toml").write_text(RACK)
    page = 'rack_watts{rack="r1"} 5 86400000\n'
    with reading(lambda: page, source="custom", source_file=str(tmp_path / "rack.toml"), trust_page_time=trust) as (_, meter):
        (sample,) = meter.read(CLOCK)
        assert sample.t_device_ns == (86_400_000_000_000,)
        assert info_of(meter, "power").timestamp_source is source


def test_the_host_names_what_holds_on_it_alone() -> None:
    """Packages and BMCs are named by the exporter's address or its target; a package of this host is what rapl covers."""
    text = 'node_rapl_package_joules_total{index="0",path="/sys/class/powercap/intel-rapl:0"} 5.5\n'
    with reading(lambda: text, source="node_exporter") as (server, meter):
        energy = info_of(meter, "energy")
        assert energy.meter_id == f"prometheus:node1:127.0.0.1-{server.port}-intel-rapl-0:energy"
        assert energy.covers == ("node1/package-0",), "as the kind rapl on this host says"
    bmc = "ipmi_dcmi_power_consumption_watts 208\n"
    with reading(lambda: bmc, path="/ipmi?module=dcmi&target=10.0.0.21", source="ipmi_exporter") as (server, meter):
        assert info_of(meter, "power").serial == "10.0.0.21"
        assert info_of(meter, "power").covers == ()
        assert server.asked == ["/ipmi?module=dcmi&target=10.0.0.21"]


def test_a_real_exporter(tmp_path: Path) -> None:
    """The page of the real prometheus_client in a process of its own is read, described by a file of one's own."""
    (tmp_path / "rack.toml").write_text(RACK)
    process = subprocess.Popen([sys.executable, "-c", EXPORTER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin
    assert process.stdout
    try:
        url = f"http://127.0.0.1:{int(process.stdout.readline())}/metrics"
        meter = PrometheusMeter(PrometheusConfig(url, "custom", tmp_path / "rack.toml"), host="node1")
        meter.open()
        first, second = meter.read(CLOCK)[0], meter.read(CLOCK)[0]
        meter.close()
    finally:
        process.stdin.close()
        process.wait(5)
        process.stdout.close()
    assert [all_good(sample) for sample in (first, second)] == [True, True]
    assert first.values[1] == 1_234_500_000
    assert 3_200_500 <= (first.values[0] or 0) <= 3_201_500


def all_good(sample: Sample) -> bool:
    return set(sample.qualities) == {Quality.OK}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"url": "node1:9400"}, r"url 'node1:9400' is no address.*write http://"),
        ({"url": "ftp://node1/metrics"}, "is no address"),
        ({"url": "http://me:pw@node1/metrics"}, r"url 'node1/metrics'.*password_file"),
        ({"url": "http://node1:99999/"}, "is no address"),
        ({"source": "dgcm"}, r"source 'dgcm' is not known.*dcgm"),
        ({"source": "custom"}, "source_file"),
        ({"source_file": "/x.toml"}, "source_file"),
        ({"user": "me"}, r"user and password_file go together"),
        ({"deadline_s": 0.0}, "prometheus.deadline_s"),
        ({"watch_s": -1.0}, "prometheus.watch_s"),
        ({"update_period_s": 0.0}, "prometheus.update_period_s"),
        ({"sauce": "dcgm"}, r"unknown key 'sauce'.*'source'"),
    ],
)
def test_a_wrong_configuration(options: dict[str, object], words: str) -> None:
    """A wrong key or value is refused by name with the step that mends it, and without a password that stands in an address."""
    with pytest.raises(ConfigError, match=words) as caught:
        DRIVER.build(MeterTable("prometheus", {"url": "http://node1:9400/metrics", **options}), host="node1")
    assert caught.value.next_step
    assert "pw" not in str(caught.value).replace("password", "")


def test_a_missing_secret(tmp_path: Path) -> None:
    """A password file that is not there is an error of the configuration, before anything is asked."""
    with PageServer(DcgmPage()) as server:
        meter = meter_of(server, user="me", password_file=str(tmp_path / "none"))
        with pytest.raises((ConfigError, MeterError), match="password_file"):
            meter.open()
        assert server.asked == []
