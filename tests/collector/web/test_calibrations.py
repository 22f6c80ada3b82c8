"""The page of calibrations and ring tests: what REST answers, what holds until when, and how it drifts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from joulemark.calibration.rounds import Evaluation, Round
from joulemark.cards.contents import alignment_files
from joulemark.cards.evidence import Aligned
from joulemark.certificate import Certificate
from joulemark.collector.web import calibrations as page_of
from joulemark.energy.uncertainty import displayed
from tests.collector.api.conftest import Api
from tests.collector.api.test_calibrations import body, of_the_agents_meter
from tests.collector.web.reading import Element, read

DAY_NS = 86_400_000_000_000
PERSON = {"accept": "text/html"}
LABS = {"A": 250.0, "B": 251.0, "C": 249.0, "D": 250.5, "E": 249.5, "<F>": 262.0}


def shown(api: Api, path: str = "/calibrations") -> Element:
    answer = api.get(path, headers=PERSON)
    assert answer.status_code == 200, answer.text
    return read(answer.text)


def made(api: Api, name: str, *, age_d: float, certified: str = "", **changed: Any) -> Aligned:
    """An alignment of the test's meter, so many days old, handed in."""
    made_ns = api.clock.utc_ns() - round(age_d * DAY_NS)
    one = of_the_agents_meter(made_ns)
    reference = one.reference
    if certified:
        paper = Certificate("9", certified, "DAkkS D-K-1", 0.001)
        reference = replace(reference, meter=replace(reference.meter, serial="9", certificate=paper))
    found = replace(one, record=replace(one.record, alignment_id=name, **changed), reference=reference)
    assert api.post("/v1/calibrations", body(found)).status_code == 201
    return found


def ring(api: Api, values: dict[str, float], name: str = "2026-1", **more: Any) -> Path:
    """An evaluation as the command writes it, put where the collector looks."""
    laboratories = [{"name": who, "value": value, "u95": 3.0} for who, value in values.items()]
    data = {"round": name, "artefact": "travelling", "workload_sha256": "ab" * 32, "date": "2026-08-01", "laboratory": laboratories}
    found = Evaluation.of(Round.from_json({**data, **more}, where="a test"))
    path = page_of.rings_of(api.state) / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(found.text)
    return path


def test_without_anything_the_page_says_what_to_do(api: Api) -> None:
    """The commands of an alignment, and of a ring test with the place where its evaluation goes."""
    page = shown(api)
    aligning, evaluating = (one.text for one in page.all("pre"))
    assert "joulemark calibrate align --sensor METER --reference METER" in aligning
    assert "joulemark ring evaluate round.toml --out round-2026-1" in evaluating
    assert str(page_of.rings_of(api.state)) in evaluating


def test_the_list_is_what_rest_answers(api: Api) -> None:
    """Gain and offset with their U95, rounded by it; in force, replaced, due or expired as a word with the days left."""
    made(api, "new", age_d=1, gain=0.98765, u_gain=0.0012)
    made(api, "old", age_d=100, gain=0.97)
    told = api.get("/v1/calibrations").json()
    rows = shown(api).one("table", id="alignments").rows()[1:]
    assert [row[0].split()[0] for row in rows] == [one["sensor"] for one in told]
    for row, one in zip(rows, told, strict=True):
        assert row[3] == " ± ".join(displayed(one["gain"], 2 * one["u_gain"]))
        assert row[4] == " ± ".join(displayed(one["offset_w"], 2 * one["u_offset_w"]))
    assert [row[1] for row in rows] == ["in force 89 d left", "expired 10 d ago"]
    made(api, "newest", age_d=0.5, expires_ns=api.clock.utc_ns() + 5 * DAY_NS)
    states = {row[1].rsplit(" ", 3)[0] for row in shown(api).one("table", id="alignments").rows()[1:]}
    assert states == {"due", "replaced", "expired"}


def test_one_that_is_not_accepted_says_why(api: Api) -> None:
    """By the words of CAL-2 to CAL-5, for the level that it does not reach."""
    made(api, "far", age_d=1, gain=1.4)
    page = shown(api)
    assert "rejected" in page.one("table", id="alignments").text
    one = shown(api, "/calibrations/far")
    checks = {row[1]: row[3:] for row in one.one("table", id="checks").rows()[1:]}
    assert checks["gain"] == ["not kept 0.9 to 1.1", "not kept 0.95 to 1.05"]
    assert "In the way of ES1" in one.text
    assert "the sensor stands at another boundary" in one.text


def test_drift_is_drawn_from_the_second_alignment_on(api: Api) -> None:
    """Gain, offset and levels of one sensor over its alignments, each with a conclusion in words and a table."""
    made(api, "a", age_d=90, gain=1.0, u_gain=0.001)
    assert not shown(api).all("svg", role="img")
    made(api, "b", age_d=40, gain=1.01, u_gain=0.001)
    made(api, "c", age_d=1, gain=1.04, u_gain=0.001)
    page = shown(api)
    drawings = page.all("svg", role="img")
    assert len(drawings) == 3
    assert "from 1 to 1.04 (+4.000%), more than both uncertainties" in drawings[0].one("title").text
    assert "ES2 1.05" in drawings[0].text
    assert len(drawings[0].all("circle")) == 3
    assert {"full", "idle"} <= {one.text for one in drawings[2].all("text")}
    assert "3 alignments. The gain went from 1 to 1.04" in page.text


def test_a_gain_that_stayed_is_not_said_to_have_moved() -> None:
    """A change within the uncertainties of both alignments is called no more than them; just beyond, more."""
    first = replace(of_the_agents_meter(DAY_NS).record, gain=1.0, u_gain=0.003)
    said = [page_of.told("s", [first, replace(first, gain=gain, u_gain=0.004)])["said"] for gain in (1.0099, 1.0101)]
    assert ["no more than both uncertainties" in one for one in said] == [True, False]


def test_a_certificate_of_a_later_day_counts_for_nothing() -> None:
    """One that was issued after today is of no known standing, not young."""
    record = of_the_agents_meter(DAY_NS).record
    line = page_of.paper_line(record, Certificate("9", "2026-01-02", "L", 0.001), 1_767_225_600_000_000_000)
    assert (line["age_d"], line["look"], line["word"]) == (-1, "bad", "not known")


def test_the_certificate_of_the_reference_ages(api: Api) -> None:
    """Young: in force; older than a year: for ES1 only; older than two: expired; none: how to state one."""
    today = api.clock.utc_ns()
    assert today > 0
    for name, certified, word in (("n", "2026-05-01", "in force"), ("o", "2025-01-01", "for ES1 only"), ("p", "2020-01-01", "expired")):
        made(api, name, age_d=3 - "nop".index(name), certified=certified)
        row = shown(api).one("table", id="certificates").rows()[1]
        assert row[1] == word, (row, today)
    made(api, "q", age_d=0.1)
    assert "no certificate: state it" in shown(api).one("table", id="certificates").text


def test_one_alignment(api: Api) -> None:
    """Plateaus, residuals, lag, limits and files are those of the record, and each file is the one that was handed in."""
    found = made(api, "mine", age_d=1, lag_s=0.25)
    page = shown(api, "/calibrations/mine")
    rows = page.one("table", id="plateaus").rows()[1:]
    assert [row[0] for row in rows] == [one.name for one in found.record.plateaus]
    first = found.record.plateaus[0].windows
    assert rows[0][4] == f"{sum(w.sensor_w for w in first) / len(first):.2f}"
    assert "0.250 s" in page.one("dl", class_="tiles").text
    drawing = page.one("svg", role="img")
    assert len(drawing.all("circle", class_="ring")) == sum(len(one.windows) for one in found.record.plateaus)
    links = [one.attributes["href"] for one in page.all("a") if "/files/" in one.attributes["href"]]
    assert len(links) == len(alignment_files((found,))) == 4
    for link in links:
        answer = api.get(link)
        assert answer.text in body(found)["files"].values()
        assert answer.headers["content-disposition"].startswith("attachment")
    missing = api.get("/calibrations/none", headers=PERSON)
    assert (missing.status_code, "GET /v1/calibrations" in missing.text) == (404, True)
    assert api.get("/calibrations/mine/files/..%2F..%2Fx", headers=PERSON).status_code == 404


def test_a_damaged_alignment_hides_no_other(api: Api) -> None:
    """It is named with what is wrong with it; the others stand there; a sensor that there is not says how to go on."""
    made(api, "good", age_d=1)
    folder = api.state.config.collector.data_dir / "alignments" / "bad" / "energy"
    folder.mkdir(parents=True)
    (folder / "calibration.json").write_text("{")
    made(api, "huge", age_d=1, gain=1e308, u_gain=1e308, offset_w=-1e308)
    page = shown(api)
    assert "Alignment bad cannot be read" in page.text
    assert "Alignment huge cannot be read: its figures are beyond what any meter shows" in page.text
    assert api.get("/calibrations/huge", headers=PERSON).status_code == 404
    assert len(page.one("table", id="alignments").rows()) == 2
    assert "No alignment of that sensor" in shown(api, "/calibrations?sensor=%3Cb%3E").text
    assert api.get("/calibrations?page=2", headers=PERSON).status_code == 404


def test_a_ring_test_is_drawn_and_tabled(api: Api) -> None:
    """Scores of each laboratory as the evaluation has them, and with a reference dots in the band of |En| <= 1; names are text."""
    path = ring(api, LABS, reference={"name": "R", "value": 250.0, "u95": 1.0})
    told = json.loads(path.read_bytes())
    page = shown(api)
    rows = page.one("table", class_="ring").rows()[1:]
    for row, one in zip(rows, told["laboratories"], strict=True):
        assert row[0] == one["name"]
        assert row[2:6] == [f"{one[name]:+.2f}" for name in ("z", "z_prime", "zeta", "en")]
        assert row[6].startswith("badge") == one["badge"]
    judged, en = page.all("svg", role="img")
    assert "of 6 laboratories" in judged.one("title").text
    assert "En of 6 laboratories, 5 of them within 1" in en.one("title").text
    assert len(en.all("circle", class_="hollow")) == 1
    assert "<F>" in {one.text for one in en.all("text")}
    assert api.get("/calibrations/rings/2026-1.json").content == path.read_bytes()
    assert api.get("/calibrations/rings/none.json", headers=PERSON).status_code == 404


@pytest.mark.parametrize("spoiled", [b"{", b'{"schema": "other"}', None])
def test_a_ring_test_that_contradicts_itself_is_not_shown(api: Api, spoiled: bytes | None) -> None:
    """What is no evaluation, or one whose scores do not follow from its values, is named and hides no other."""
    ring(api, LABS, "good")
    path = ring(api, LABS, "bad")
    data = json.loads(path.read_bytes())
    data["laboratories"][5]["z"] = 0.1
    path.write_bytes(json.dumps(data).encode() if spoiled is None else spoiled)
    page = shown(api)
    assert len(page.all("table", class_="ring")) == 1
    banner = next(one.text for one in page.all("p", class_="banner") if "bad.json" in one.text)
    assert "joulemark ring evaluate" in banner
