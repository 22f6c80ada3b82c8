"""The driver against real HTTP servers: an engine whose every token is known, and pages that are none."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from joulemark.agent.watch import MeterWatch, watched
from joulemark.config import MeterTable
from joulemark.errors import ConfigError, MeterError, MeterGone, MeterTransient, MeterUnavailable
from joulemark.meters.serving import DRIVER, ServingMeter, server_of
from joulemark.readings import DeviceInfo, Quality, Quantity, Sample
from joulemark.timebase import SystemClock
from tests.standins.page_standin import PageServer
from tests.standins.serving_standin import MODEL, Answer, Replica, Service, load

CLOCK = SystemClock()
T0_NS = 1_800_000_000_000_000_000
S = 1_000_000_000
Q = Quantity


def service(*engines: str, model: str = MODEL, **more: object) -> Service:
    """An engine for each name, under one load; its time stands at `clock`."""
    replicas = [Replica(model, engine, load(int(engine), T0_NS, 20.0, rate_per_s=4.0)) for engine in engines]
    return Service(replicas, started_ns=T0_NS - 3600 * S, clock=[T0_NS + 10 * S], **more)  # type: ignore[arg-type]  # of one test


def meter_of(server: PageServer, **options: object) -> ServingMeter:
    meter = DRIVER.build(MeterTable("serving", {"url": server.url, "deadline_s": 1.0, **options}), host="node1")
    assert isinstance(meter, ServingMeter)
    return meter


@contextmanager
def reading(page: Callable[[], str], **options: object) -> Iterator[tuple[PageServer, ServingMeter]]:
    with PageServer(page) as server:
        meter = meter_of(server, **options)
        try:
            meter.open()
            yield server, meter
        finally:
            meter.close()


def told(meter: ServingMeter, sample: Sample) -> dict[Quantity, int | None]:
    [device] = [one for one in meter.info if one.device_id == sample.device_id]
    return dict(zip((info.quantity for info in device.meters), sample.values, strict=True))


def again(meter: ServingMeter) -> list[Sample]:
    """A read, opened again where the meter asks for that, as the agent does."""
    try:
        return meter.read(CLOCK)
    except MeterGone:
        meter.close()
        meter.open()
        return meter.read(CLOCK)


def verdicts(device: DeviceInfo, samples: list[Sample]) -> list[tuple[Quality, ...]]:
    """What the agent makes of a row of samples."""
    watches = [MeterWatch(info) for info in device.meters]
    return [watched(sample, watches).qualities for sample in samples]


def test_counts_are_those_of_the_record() -> None:
    """Tokens and requests of two engines behind one page are summed, and are those that the record of the requests has."""
    page = service("0", "1", offset=1000)
    with reading(page) as (server, meter):
        page.clock[0] = T0_NS + 2 * S
        before = told(meter, meter.read(CLOCK)[0])
        page.clock[0] = T0_NS + 9 * S
        sample = meter.read(CLOCK)[0]
        after = told(meter, sample)
        truth = page.truth(T0_NS + 2 * S, T0_NS + 9 * S)
        grown = {q: (after[q] or 0) - (before[q] or 0) for q in after}
        assert grown[Q.OUTPUT_TOKENS] == truth["output"]
        assert grown[Q.INPUT_TOKENS] == truth["input"]
        assert grown[Q.CACHED_INPUT_TOKENS] == truth["cached"]
        assert grown[Q.REQUESTS] == truth["requests"]
        assert grown[Q.FAILED_REQUESTS] == truth["failed"]
        info = meter.info[0].meters[0]
        assert info.meter_id == f"serving:node1:127.0.0.1-{server.port}-acme-llama-9b:output_tokens"
        assert (info.vendor, info.model, info.covers) == ("vllm", MODEL, (f"node1:{server.port}/{MODEL}",))
        assert "vllm:generation_tokens_total" in info.note
        assert not info.quantity.measures_energy


@pytest.mark.parametrize(
    ("own", "other"),
    [
        ("http://localhost/metrics", "http://NODE1/metrics"),
        ("https://127.0.0.1/metrics", "https://node1:443/metrics"),
        ("http://127.0.0.1:8000/metrics", "http://node1:8000/metrics"),
    ],
)
def test_a_server_is_the_same_from_everywhere(own: str, other: str) -> None:
    """The host's own agent and another machine's name one server alike, whatever of the address is left to its default."""
    assert server_of(urlsplit(own), "", host="Node1") == server_of(urlsplit(other), "", host="node2")
    assert server_of(urlsplit(own), "a", host="node1") != server_of(urlsplit(own), "b", host="node1")


def test_the_uptime_dates_the_start() -> None:
    """The time of a read less the uptime is when the process was started, whatever the clock of the page says else."""
    now_ns = time.time_ns()
    page = Service([Replica(MODEL, "0", load(1, now_ns, 5.0, rate_per_s=4.0))], started_ns=now_ns - 90 * S)
    with reading(page) as (_, meter):
        sample = meter.read(CLOCK)[0]
        uptime_ms = told(meter, sample)[Q.UPTIME]
        assert uptime_ms is not None
        assert sample.t_read0_ns + sample.utc_minus_mono_ns - uptime_ms * 1_000_000 == pytest.approx(now_ns - 90 * S, abs=S // 10)


def test_a_restart_is_marked_once() -> None:
    """A server that begins anew marks its counters as reset at one reading, and goes on from there."""
    page = service("0")
    with reading(page) as (_, meter):
        samples = [meter.read(CLOCK)[0]]
        page.replicas[0].answers = load(9, T0_NS + 10 * S, 20.0, rate_per_s=9.0)
        page.started_ns = T0_NS + 9 * S
        for t_s in (11, 12, 13):
            page.clock[0] = T0_NS + t_s * S
            samples.append(meter.read(CLOCK)[0])
        of_output = [qualities[0] for qualities in verdicts(meter.info[0], samples)]
        assert of_output == [Quality.OK, Quality.RESET, Quality.OK, Quality.OK]


def test_a_restart_that_overtook_the_old_count_is_seen() -> None:
    """A new process whose counter is already beyond the old one is told from it by its start, where the page tells that."""
    page = service("0")
    with reading(page) as (_, meter):
        first = meter.read(CLOCK)[0]
        page.offset, page.started_ns = 1_000_000, T0_NS + 9 * S
        sample = meter.read(CLOCK)[0]
        assert sample.qualities[0] is Quality.RESET
        assert sample.reasons[0] == "the server was started anew"
        assert first.qualities[0] is Quality.OK


@pytest.mark.parametrize("tells_start", [True, False])
def test_an_engine_that_comes_or_goes(tells_start: bool) -> None:
    """A sum that gains or loses an engine is a reset, but that a new one in the same process began at 0."""
    page = service("0", "1", tells_start=tells_start)
    page.replicas[1].gone = True
    with reading(page) as (_, meter):
        meter.read(CLOCK)
        page.replicas[1].gone = False
        came = meter.read(CLOCK)[0]
        assert came.qualities[0] is (Quality.OK if tells_start else Quality.RESET)
        page.replicas[1].gone = True
        page.replicas[0].answers += [Answer(T0_NS, T0_NS + 1, 1, 5, 0, 100_000, "stop")]
        went = meter.read(CLOCK)[0]
        assert went.qualities[0] is Quality.RESET
        assert "no longer on the page" in went.reasons[0]


def test_a_model_that_appears_later_is_described() -> None:
    """A model that was not there is described when it appears, from its first sight on; the other one goes on."""
    page = service("0")
    with reading(page) as (_, meter):
        assert len(meter.read(CLOCK)) == 1
        page.replicas.append(Replica("acme/other", "5", load(5, T0_NS, 20.0, rate_per_s=2.0)))
        with pytest.raises(MeterGone, match="an engine, a model or a count"):
            meter.read(CLOCK)
        assert {info.meters[0].model for info in meter.info} == {MODEL}
        meter.close()
        meter.open()
        assert [info.meters[0].model for info in meter.info] == [MODEL, "acme/other"]
        assert len(meter.read(CLOCK)) == 2


def test_a_model_that_went_is_a_gap() -> None:
    """A model that is no longer served is a gap with a reason, and so is one count that the page lost."""
    page = service("0", "1")
    page.replicas[1].model = "acme/other"
    with reading(page) as (_, meter):
        page.replicas[1].gone = True
        first, second = meter.read(CLOCK)
        assert first.values[0] is not None
        assert set(second.qualities[:-1]) == {Quality.GAP}
        assert "no longer shows" in second.reasons[0]


def test_another_engine_behind_the_address() -> None:
    """An engine that was exchanged for another is described anew, and its counts begin anew."""
    page = ['vllm:generation_tokens_total{model_name="m"} 5\n']
    with reading(lambda: page[0]) as (_, meter):
        first = meter.read(CLOCK)[0]
        page[0] = 'sglang:generation_tokens_total{model_name="m"} 9\n'
        second = again(meter)[0]
        assert meter.info[0].meters[0].vendor == "sglang"
        assert (first.values, second.values) == ((5,), (9,))
        assert (second.qualities, second.reasons) == ((Quality.RESET,), ("another engine counts",))
        assert meter.read(CLOCK)[0].qualities == (Quality.OK,)


def test_names_without_end_are_not_kept() -> None:
    """A page that shows another model at each look is described by what it shows now, and what it showed is forgotten."""
    looks = iter(range(100))
    with reading(lambda: f'vllm:generation_tokens_total{{model_name="m{next(looks)}"}} 5\n') as (_, meter):
        for _ in range(5):
            with pytest.raises(MeterGone):
                meter.read(CLOCK)
            meter.close()
            meter.open()
            assert len(meter.info) == 1


def test_what_an_engine_says_of_its_energy_stands_beside() -> None:
    """TensorRT-LLM's own energy is a device of its own, a counter in J that makes no energy; without it, or unwanted, there is none."""
    answer: dict[str, object] = {"total_energy_j": 1234.5678, "query_time": 5.0}
    page = 'trtllm_generation_tokens_total{model_name="m"} 40\n'
    server = PageServer(lambda: page)
    server.page = lambda: json.dumps(answer) if server.asked and server.asked[-1] == "/energy_metrics" else page
    with server:
        meter = meter_of(server)
        meter.open()
        tokens, energy = meter.read(CLOCK)
        info = meter.info[-1].meters[0]
        assert (info.quantity, info.si(energy.values[0] or 0)) == (Q.REPORTED_ENERGY, pytest.approx(1234.5678))
        assert not info.quantity.measures_energy
        assert info.quantity.cumulative
        assert tokens.values == (40,)
        for odd in (float("nan"), float("inf"), -1, 10**400, True, "much", None):
            answer["total_energy_j"] = odd
            assert meter.read(CLOCK)[1].qualities == (Quality.GAP,)
        meter.close()
        unwanted = meter_of(server, tool_energy=False)
        answer["total_energy_j"] = 1.0
        unwanted.open()
        assert len(unwanted.read(CLOCK)) == 1
        unwanted.close()


def refused(page: str, words: str, **options: object) -> None:
    settings = {key: options.pop(key) for key in ("status", "content_type", "delay_s", "account") if key in options}
    with PageServer(lambda: page, **settings) as server:  # type: ignore[arg-type]  # the settings of one case
        meter = meter_of(server, **options)
        with pytest.raises(MeterUnavailable, match=words) as caught:
            meter.open()
        assert caught.value.next_step
        assert meter.info == ()


@pytest.mark.parametrize(
    ("page", "settings", "words"),
    [
        ("", {}, "no tokens counted by an engine that is known; it has nothing"),
        ("up 1\nnode_load1 0.5\n", {}, "it has node_load1, up"),
        ('vllm:generation_tokens_total{model_name="m"} 1\n', {"engine": "tgi"}, "no tokens counted by tgi; it has vllm:generation"),
        ('vllm:generation_tokens_total{model_name="m"} 1\ntgi_request_generated_tokens_sum 2\n', {}, "counters of vllm and tgi"),
        ('[{"iter": 1}]\n', {"content_type": "application/json"}, "application/json, not metrics"),
        ('vllm:generation_tokens_total{model_name="m"} 1', {}, "ends within a line"),
        ("gone\n", {"status": 404}, "answers with status 404"),
        ("later\n", {"delay_s": 1.5}, "no answer within 1 s"),
        ("who?\n", {"account": "a:b"}, r"refuses who shows none \(401\)"),
        ("# " + "x" * (10 << 20) + "\n", {}, "more than 8 MiB"),
        ("".join(f'vllm:generation_tokens_total{{model_name="{n}"}} 1\n' for n in range(3000)), {}, "more than 2048 rows"),
        ("".join(f'vllm:generation_tokens_total{{model_name="{n}"}} 1\n' for n in range(1500)), {}, "1500 meters, more than 1024"),
    ],
)
def test_a_page_that_is_none_is_refused(page: str, settings: dict[str, object], words: str) -> None:
    """Blank, foreign, ambiguous, cut, missing, slow, closed and endless pages fail `open` with what was seen and what to do."""
    refused(page, words, **settings)


def test_a_page_that_fails_later_fails_the_poll() -> None:
    """A slow page, a status and a server that is gone fail one poll with the reason, and the next succeeds when the page is back."""
    with reading(service("0")) as (server, meter):
        before = meter.read(CLOCK)[0].values
        server.delay_s = 1.5
        with pytest.raises(MeterTransient, match="no answer within 1 s"):
            meter.read(CLOCK)
        server.delay_s, server.status = 0.0, 500
        with pytest.raises(MeterTransient, match="status 500"):
            meter.read(CLOCK)
        server.status = 200
        server.stop()
        with pytest.raises(MeterError):
            meter.read(CLOCK)
        server.start()
        assert meter.read(CLOCK)[0].values[:-1] == before[:-1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"url": "localhost:8000/metrics"}, "no address of a page"),
        ({"url": "http://u:p@h/metrics"}, "no address of a page"),
        ({"engine": "llama.cpp"}, "is not known"),
        ({"model": ""}, "serving.model is empty"),
        ({"deadline_s": 0.0}, "below the smallest"),
        ({"user": "a"}, "go together"),
        ({"url": "http://other/metrics", "token_file": "/x"}, "as text"),
    ],
)
def test_bad_keys_are_refused(options: dict[str, object], words: str) -> None:
    """A table that names no page, no engine or no model, or would tell a secret, is refused with words."""
    with pytest.raises(ConfigError, match=words) as caught:
        DRIVER.build(MeterTable("serving", {"url": "http://127.0.0.1:8000/metrics", **options}), host="node1")
    assert "u:p" not in str(caught.value)


def test_a_wrong_clock_on_the_page() -> None:
    """A process that says it starts in the future has no uptime; its tokens are counted all the same, dated by the read."""
    page = service("0")
    page.started_ns = time.time_ns() + 3600 * S
    with reading(page) as (_, meter):
        sample = again(meter)[0]
        counts = told(meter, sample)
        assert counts[Q.UPTIME] is None
        assert counts[Q.OUTPUT_TOKENS] is not None
        assert "one of the clocks is wrong" in sample.reasons[-1]
