"""The page of one host."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from joulemark.calibration.alignment import Alignment, PlateauRecord, PlateauWindow
from joulemark.collector.alignments import FOLDER, RECORD
from joulemark.collector.web.host import in_force
from tests.collector.api.conftest import BOOT_ID, Api, S
from tests.collector.conftest import Agent
from tests.collector.web.reading import Element, read
from tests.collector.web.test_hosts import HTML, heard

MADE_NS = 100 * S
ALIGNMENT = Alignment(
    "a1", "m", "r", MADE_NS, 2 * MADE_NS, "two_plateaus", 1.0, 0.0, 0.0, 0.0, 0.0, None, (1.0, 2.0), 0.0, 0.0, 0, 0.0,
    tuple(PlateauRecord(name, 1, 0.0, "", (PlateauWindow(0, 1, power_w, power_w),)) for name, power_w in (("idle", 60.0), ("full", 700.0))),
)  # fmt: skip


def page(api: Api, query: str = "", agent_id: str = "host-a") -> Element:
    answer = api.get(f"/hosts/{agent_id}{query}", headers=HTML)
    assert answer.status_code == 200, answer.text
    return read(answer.text)


def course(found: Element) -> dict[str, Any]:
    made: dict[str, Any] = json.loads("".join(map(str, found.one("script", id="course").children)))
    return made


def test_numbers_are_those_of_rest(api: Api) -> None:
    """A device has its power now, the ends of its line, its source, and links to the readings that it is made of."""
    heard(api)
    found = page(api)
    row = found.one("tr", data_meter="fake:host-a:0:power")
    shown = {one.attributes.get("data-is", ""): one.text for one in row.all("td")}
    assert (shown["now"], shown["end0"], shown["end1"], shown["age"], shown["gaps"]) == ("200.0 W", "200.0 W", "200.0 W", "0.1 s ago", "0")
    link = row.all("a")[0].attributes["href"]
    assert {key: parse_qs(urlsplit(link).query)[key] for key in ("meter", "format")} == {
        "meter": ["fake:host-a:0:power"],
        "format": ["csv"],
    }
    answer = api.get(link)
    assert answer.status_code == 200
    assert answer.text.count("fake:host-a:0:power,") == 100
    assert found.one("div", class_="drawn-live").attributes["aria-label"] == "fake:host-a:0 (gpu): 200.0 W to 200.0 W"
    assert "None in the last 5 minutes" in found.one("div", id="lost").text


def test_the_lines_begin_with_what_the_server_drew(api: Api) -> None:
    """The data block holds the buckets of the time asked for, and from where the stream of events goes on."""
    heard(api)
    now_ns = api.clock.utc_ns()
    told = course(page(api, "?minutes=1"))
    (panel,) = told["panels"]
    assert (told["begin_s"], told["bucket_s"], told["minutes"]) == (now_ns / S - 60, 0.2, 1)
    assert (panel["meter_id"], panel["by_power"], set(panel["mean_w"])) == ("fake:host-a:0:power", True, {200.0})
    assert panel["until_ns"] == now_ns - S // 10
    assert panel["gap_s"] == pytest.approx(0.15)
    assert len(panel["t_ms"]) == 50


def test_a_gap_stays_open_and_is_told(api: Api) -> None:
    """A second without readings breaks the line and stands in the table of gaps with its length and reason."""
    now_ns, agent = api.clock.utc_ns(), Agent(epoch_ns=api.clock.utc_ns() - 100 * S, boot_id=BOOT_ID)
    api.take(agent, *(agent.batch(i, begin_ns=now_ns - (10 - i) * S) for i in range(10) if i != 4))
    found = page(api)
    assert found.one("div", id="lost").one("table").rows()[1][1:] == ["1.1 s", "fake:host-a:0", "no reading came"]
    assert None in course(found)["panels"][0]["mean_w"]
    assert found.one("td", data_is="gaps").text == "1"


def test_nothing_lately(api: Api) -> None:
    """A host without a reading in the time asked for says what to do; further back its readings are there."""
    heard(api, before_s=400)
    found = page(api)
    assert "joulemark doctor" in found.one("p", class_="next").text
    assert "fake:host-a:0:power (gpu): no reading in the last 300 s" in found.one("main").text
    earlier = page(api, "?minutes=15")
    assert set(course(earlier)["panels"][0]["mean_w"]) == {200.0}
    assert earlier.one("td", data_is="now").text == "no reading in the last 300 s"


def test_no_such_host_and_bad_questions(api: Api) -> None:
    """An unknown host is a page that names the next step; minutes beyond an hour are refused."""
    answer = api.get("/hosts/nobody", headers=HTML)
    assert answer.status_code == 404
    assert "joulemark agent run" in read(answer.text).one("p", class_="next").text
    heard(api)
    assert [api.get(f"/hosts/host-a?minutes={text}", headers=HTML).status_code for text in ("0", "61", "x")] == [422] * 3


def test_a_hostile_name_is_text(api: Api) -> None:
    """An agent whose name opens a script and a comment is shown as those characters, and the block of data stays whole."""
    name = "<script><!--<img src=x>"
    heard(api, name)
    found = page(api, agent_id="%3Cscript%3E%3C!--%3Cimg%20src=x%3E")
    assert found.all("img") == []
    assert name in found.one("h1").text
    assert course(found)["agent_id"] == name


def test_levels_of_the_alignment_in_force() -> None:
    """Of a sensor's alignments the newest that was made and has not expired tells idle and full load."""
    newer = replace(ALIGNMENT, alignment_id="a2", made_ns=MADE_NS + 5)
    assert in_force([newer, ALIGNMENT], MADE_NS + 6)["m"] is newer
    assert in_force([newer, ALIGNMENT], MADE_NS + 4)["m"] is ALIGNMENT
    assert in_force([newer, ALIGNMENT], 2 * MADE_NS + 6) == {}


def test_a_damaged_alignment(api: Api) -> None:
    """An alignment that cannot be read draws no level, and takes nothing else from the page."""
    record = api.state.config.collector.data_dir / "alignments" / "a1" / FOLDER / RECORD
    record.parent.mkdir(parents=True)
    record.write_text("{")
    heard(api)
    assert course(page(api))["panels"][0]["levels"] == {}
