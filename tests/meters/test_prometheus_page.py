"""Pages of exporters: rows, devices and renewals, without a network."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.openmetrics.exposition import generate_latest as open_page

from joulemark.errors import MeterTransient
from joulemark.meters.prometheus_page import OPENMETRICS, Refresh, Row, parse_page, shown
from joulemark.meters.prometheus_sources import FOLDER, load
from tests.standins.page_standin import TEXT, DcgmPage, uuid

POWER = "DCGM_FI_DEV_POWER_USAGE"
DCGM = load(FOLDER / "dcgm.toml")
SECOND_NS = 1_000_000_000


def rows(text: str, *names: str, kind: str = TEXT) -> list[Row]:
    return parse_page(text.encode(), kind, frozenset(names or DCGM.names))


def test_rows_of_the_text_format() -> None:
    """A row has its name as printed, labels without escapes, an exact number, and the page's time where there is one."""
    text = '# TYPE watts_total counter\nwatts_total{a="x\\"y\\\\z\\n",b=""} 9007199254740993\nwatts_total 1.5e3 1700000000123\nother 1\n'
    first, second = rows(text, "watts_total")
    assert first == Row("watts_total", {"a": 'x"y\\z\n', "b": ""}, 9007199254740993, None)
    assert second == Row("watts_total", {}, 1500.0, 1_700_000_000_123_000_000)


def test_rows_of_openmetrics() -> None:
    """A page of the real library in OpenMetrics gives the same rows; its times are seconds there."""
    registry = CollectorRegistry()
    Gauge("rack_watts", "", ["rack"], registry=registry).labels("r1").set(3.25)
    Counter("rack_joules", "", registry=registry).inc(77)
    found = rows(open_page(registry).decode(), "rack_watts", "rack_joules_total", kind=f"{OPENMETRICS}; version=1.0.0")
    assert [(row.name, row.value) for row in found] == [("rack_watts", 3.25), ("rack_joules_total", 77.0)]
    dated = "# TYPE a gauge\na 1 1700000000.125\n# EOF\n"
    assert rows(dated, "a", kind=OPENMETRICS)[0].t_ns == 1_700_000_000_125_000_000


def test_a_name_is_not_its_beginning() -> None:
    """A metric whose name begins like a wanted one is not it."""
    assert rows(f"{POWER}_LIMIT 700\n{POWER} 300\n", POWER) == [Row(POWER, {}, 300, None)]


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        (f"{POWER} 67.6", TEXT, "ends within a line"),
        (f"{POWER}{{gpu=0}} 1\n", TEXT, "cannot be read"),
        (f"{POWER} sixty\n", TEXT, "cannot be read"),
        (f"{POWER}\n", TEXT, "cannot be read"),
        (f"{POWER} 1 nan\n", TEXT, "cannot be read"),
        ("<html>login</html>\n", "text/html", "is text/html, not metrics"),
        ("\n", "application/vnd.google.protobuf", "not metrics"),
        ("a 1\n", OPENMETRICS, "cannot be read"),
    ],
)
def test_a_page_that_is_none(text: str, kind: str, words: str) -> None:
    """A page of another kind, one that was cut off within a number, and rows that are none, fail as a whole."""
    with pytest.raises(MeterTransient, match=words):
        rows(text, kind=kind)


def test_bytes_that_are_no_text() -> None:
    """Bytes that are not UTF-8 are no page."""
    with pytest.raises(MeterTransient, match="UTF-8"):
        parse_page(b"\xff\xfe\n", TEXT, DCGM.names)


@given(st.text(alphabet=st.sampled_from('{}="\\,# \tnNaI+-.0e1x\u0664'), max_size=40), st.sampled_from([TEXT, OPENMETRICS]))
def test_no_page_breaks_the_reader(junk: str, kind: str) -> None:
    """Whatever stands behind a wanted name, the page gives rows or a failed poll, never another error."""
    try:
        found = rows(f"{POWER}{junk}\n# EOF\n", kind=kind)
    except MeterTransient:
        return
    assert all(row.name == POWER for row in found)


@pytest.mark.parametrize(("uuid_label", "host_label"), [("UUID", "Hostname"), ("uuid", "hostname")])
def test_labels_of_all_versions(uuid_label: str, host_label: str) -> None:
    """A GPU keeps its name and its host when the exporter renames its labels between versions."""
    found = shown(DCGM, rows(DcgmPage(uuid_label=uuid_label, host_label=host_label)()), "place")
    assert list(found) == [uuid(0), uuid(1)]
    assert found[uuid(1)].label("Hostname|hostname") == "node7"


def test_a_divided_gpu_is_one_device() -> None:
    """Rows of MIG instances repeat the whole GPU: it is taken once, and its parts are counted."""
    found = shown(DCGM, rows(DcgmPage(gpus=1, mig=3)()), "place")
    device = found[uuid(0)]
    row, reason = device.row(DCGM.device[0].metric[0])
    assert len(found) == 1
    assert (row and row.value, reason, device.parts) == (300.0, "", 3)


def test_rows_that_disagree_are_a_gap() -> None:
    """Two rows of one device with two powers cannot be told apart, so neither is taken."""
    page = DcgmPage(gpus=1, energy=False)
    found = shown(DCGM, rows(page() + page.text(301.0)), "place")
    row, reason = found[uuid(0)].row(DCGM.device[0].metric[0])
    assert row is None
    assert "2 rows of one device disagree: 300.0 and 301.0" in reason


def test_zones_that_overlap_are_left_out() -> None:
    """Of Kepler's zones the package is taken: core and dram lie within others."""
    text = "".join(
        f'kepler_node_cpu_watts{{zone="{zone}",path="/x/intel-rapl:{zone}"}} 5\n' for zone in ("core", "dram", "package", "psys")
    )
    kepler = load(FOLDER / "kepler.toml")
    assert list(shown(kepler, rows(text, *kepler.names), "node7")) == ["node7-package-intel-rapl-package"]


def looked(refresh: Refresh, values: str) -> list[float | None]:
    """What each look at a page tells, one a second; a letter is a page."""
    return [refresh.look([Row(POWER, {}, ord(value), None)], i * SECOND_NS) for i, value in enumerate(values)]


def test_a_frozen_page_is_seen() -> None:
    """A page that says what it said is still, since when is counted, and a change of any number renews it."""
    assert looked(Refresh(), "aaabb") == [None, 1.0, 2.0, None, 1.0]


def test_a_new_time_renews_a_page() -> None:
    """Equal numbers with a new time on the page are new numbers."""
    refresh = Refresh()
    assert refresh.look([Row(POWER, {}, 1, 10)], 0) is None
    assert refresh.look([Row(POWER, {}, 1, 20)], SECOND_NS) is None


@pytest.mark.parametrize(
    ("pages", "period_s", "resolved"),
    [("aaabbbcccddd", 3.0, True), ("abcdef", 1.0, False), ("aaaa", None, False), ("aabb", None, False), ("aabbcccccccccddee", 2.0, True)],
)
def test_the_period_is_measured(pages: str, period_s: float | None, resolved: bool) -> None:
    """The period is the median time between renewals; only when each was seen to last is it no mere upper bound."""
    refresh = Refresh()
    looked(refresh, pages)
    assert (refresh.period_s, refresh.resolved) == (period_s, resolved)


def test_not_a_number_stands_still() -> None:
    """A page that says NaN twice has not changed."""
    refresh = Refresh()
    assert [refresh.look([Row(POWER, {}, float("nan"), None)], i) for i in (0, SECOND_NS)] == [None, 1.0]
