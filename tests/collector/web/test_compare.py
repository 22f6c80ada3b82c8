"""The page of runs side by side, held against `GET /v1/compare`."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from joulemark.cards.figures import Place, expanded
from joulemark.collector.web import looks
from joulemark.collector.web.sides import NAMES
from joulemark.workload import Workload
from tests.collector.api.conftest import Api
from tests.collector.web.reading import Element, read
from tests.collector.web.recording import readings, run

AS_A_PERSON = {"accept": "text/html"}
WORK = Workload("m", "a" * 64, "fp8", "d", "b" * 64, input_length=1.0, output_length=2.0, concurrency=8)


def shown(api: Api, *run_ids: str, status: int = 200, **more: str) -> Element:
    """The page of these runs as a person gets it."""
    answer = api.get("/compare", params=[*(("run", one) for one in run_ids), *more.items()], headers=AS_A_PERSON)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-security-policy"] == looks.POLICY
    assert not re.search(r"\sstyle=|\son[a-z]+=|<style", answer.text)
    return read(answer.text)


def section(page: Element, name: str) -> Element:
    """The section of this heading."""
    return page.one("section", aria_labelledby=name)


def test_every_number_of_the_differences_is_that_of_rest(api: Api) -> None:
    """Baseline, other, difference and U95 of each figure stand there as `GET /v1/compare` has them, unrounded in the data."""
    readings(api)
    a, b = run(api), run(api, output=300)
    told = {one["name"]: one for one in api.get(f"/v1/compare?a={a}&b={b}").json()["figures"]}
    rows = {row.one("th").text: row for row in section(shown(api, a, b), "deltas").all("tr")[1:]}
    assert list(rows) == [said for name, said in NAMES.items() if told[name]["a"] is not None]
    for name, said in NAMES.items():
        if said not in rows:
            continue
        one = told[name]
        values = [json.loads(found.attributes["value"]) for found in rows[said].all("data")]
        shown_ = [float(one["display"][key]) for key in ("difference", "u95")]
        assert values == [one["a"], one["a_u95"], one["b"], one["b_u95"], *shown_], name
    assert rows["energy per request"].one("span", class_="word").text == "not significant"
    assert rows["energy per 1k output tokens"].one("span", class_="word").text == "cannot be told"
    assert "the uncertainty misses spec, which is not known" in rows["energy per 1k output tokens"].text


def test_a_difference_of_exact_amounts_has_few_digits(api: Api) -> None:
    """A difference without U95 is printed as amounts are, with its sign, not in every digit; an amount that has a U95 has it beside it."""
    readings(api)
    a, b = run(api), run(api, output=300)
    shown(api, a, b)
    ((keys, pair),) = api.state.summaries.pairs.items()
    rent = {"unit": "USD", "a": "0.0010707", "b": "0.0011777789", "a_u95": 0.0, "b_u95": 0.000012, "difference": "0.00010707892895631602"}
    rent |= {"u95": 0.0, "display": {"difference": "0.00010707892895631602", "u95": "0"}, "ratio": 1.1 / 3.0, "u95_ratio": 0.0}
    name = "market_per_1k_output_tokens"
    figures = [{**one, **rent, "resolved": True, "reason": ""} if one["name"] == name else one for one in pair.found["figures"]]
    api.state.summaries.pairs[keys] = replace(pair, found={**pair.found, "figures": figures})
    (row,) = [row for row in section(shown(api, a, b), "deltas").all("tr")[1:] if row.one("th").text == NAMES[name]]
    text = " ".join(row.text.split())
    assert "0.001071 USD 0.001178 USD ± 0.000012 USD +0.0001071 USD (-63.33 %)" in text


def test_what_each_run_came_to_is_on_its_card(api: Api) -> None:
    """Energy with its U95, tokens, phase and latencies of each run, as its card and its request log tell them."""
    readings(api)
    a, b = run(api, lasted_ms=(10.0, 20.0, 30.0)), run(api, output=300)
    page = shown(api, a, b)
    rows = {row[0]: row[1:] for row in section(page, "each").rows()}
    head = Place(api.get(f"/v1/runs/{b}/card").json())["headline"]
    wanted = read(str(expanded(head["joules_per_1k_output_tokens"], head["joules_per_1k_output_tokens_u95"], "J"))).text
    assert rows["energy per 1k output tokens"][1] == wanted
    assert rows["output tokens"] == ["600", "300"]
    assert rows["median end-to-end latency"] == ["20 msrequest log, 3 requests", "not told"]
    assert "not known: the run does not say what was rented" in rows["rent per 1k output tokens"][0]
    phases = section(page, "over").rows()
    assert [row[2] for row in phases[1:]] == ["3 s", "3 s"]
    assert [row[4] for row in phases[1:]] == ["200.0 W", "200.0 W"]
    assert "mean 200 W over 3 s" in section(page, "over").one("figcaption").text


def test_the_script_is_told_where_the_power_is(api: Api) -> None:
    """The data block names each run's trace around its phase; asked there, REST answers with a line of the boundary."""
    readings(api)
    a, b = run(api), run(api, at_s=1.0, lasts_s=2.0)
    page = shown(api, a, b)
    block = json.loads(page.one("script", id="overlaid").children[0])  # type: ignore[arg-type]  # it is a text
    assert block["boundary"] == "gpu"
    assert [(one["number"], one["length_s"], one["lead_s"]) for one in block["runs"]] == [(1, 3.0, 30.0), (2, 2.0, 30.0)]
    for one in block["runs"]:
        lines = {line["boundary"]: line for line in api.get(one["trace"]).json()["lines"]}
        at = min(range(len(lines["gpu"]["t_ms"])), key=lambda place, found=lines: abs(found["gpu"]["t_ms"][place] - 30_000))
        assert abs(lines["gpu"]["t_ms"][at] - 30_000) <= 100
        assert lines["gpu"]["mean_w"][at] == pytest.approx(200.0)
    assert len(page.all("path", class_="side1")) == 2
    assert len(page.all("path", class_="side2")) == 2


def test_the_drawing_has_the_runs_that_tell_a_latency(api: Api) -> None:
    """Energy against the latency that is asked for; who does not tell it is named, and with another percentile the axis says so."""
    readings(api)
    a, b, c = run(api, lasted_ms=(10.0,)), run(api, output=900, lasted_ms=(20.0,)), run(api)
    page = section(shown(api, a, b, c, latency="end_to_end-99"), "latency")
    assert "2 of 2 runs are on the frontier of energy and p99 end-to-end latency" in page.one("figcaption").text
    assert "it tells no p99 end-to-end latency" in page.one("figcaption").text
    assert len(page.one("svg", role="img").all("circle", class_="best")) == 2


def test_baseline_and_address(api: Api) -> None:
    """The baseline is in the address, each other run has a link that makes it the baseline and one that leaves it out."""
    readings(api)
    a, b, c = run(api), run(api), run(api)
    page = shown(api, a, b, c, baseline=b)
    assert "Against the baseline, 2 " in page.one("h2", id="deltas").text
    links = {
        one.text: parse_qs(urlsplit(one.attributes["href"]).query)
        for one in page.all("a")
        if one.attributes["href"].startswith("/compare?")
    }
    assert links["make it the baseline"] == {"run": [a, b, c], "baseline": [c]}
    assert links["leave it out"] == {"run": [a, b], "baseline": [b]}
    boxes = page.all("input", type="checkbox", name="run")
    assert [one.attributes["value"] for one in boxes] == [a, b, c]
    assert next(one.attributes["value"] for one in page.all("option") if "selected" in one.attributes) == b
    strayed = shown(api, a, b, baseline=c)
    assert "is none of these runs" in strayed.text
    assert "Against the baseline, 1 " in strayed.text


def test_what_they_differ_in_and_share(api: Api) -> None:
    """Facts that differ as REST tells them, the meters that both rest on, and whether they may stand in one table."""
    readings(api)
    a, b, c = run(api), run(api), run(api, benchmark="other")
    for run_id, work in ((a, WORK), (b, WORK)):
        assert api.post(f"/v1/runs/{run_id}/evidence", {"workload": work.to_json()}).status_code == 201
    told = [api.get(f"/v1/compare?a={a}&b={one}").json()["differs"] for one in (b, c)]
    page = shown(api, a, b, c)
    rows = section(page, "differ").rows()[1:]
    assert [row[0] for row in rows] == [one["what"].replace("_", " ") for one in told[1]]
    assert told[0] == []
    assert {row[2] for row in rows} == {"the same"}
    assert ["benchmark", "b", "the same", "other"] in rows
    assert "both rest on meter fake:host-a:0:energy, fake:host-a:0:power" in section(page, "differ").text
    classes = section(page, "each").rows()[-1]
    assert classes[1] == "baseline"
    assert classes[2].startswith("the same class")
    assert classes[3].startswith("cannot be told")


def test_another_number_of_runs_says_how_many_were_chosen(api: Api) -> None:
    """With none or one there is the form to choose more, seven are refused with what to do, and the chosen ones stay in the form."""
    readings(api)
    every = [run(api) for _ in range(7)]
    for chosen in (every[:0], every[:1], every):
        page = shown(api, *chosen, "", status=422 if len(chosen) > 6 else 200)
        said = page.all(class_="next")[0].text
        assert (f"{len(chosen)} run" in said) == bool(chosen)
        assert len(page.all("input", type="checkbox", name="run")) == len(chosen)
        assert page.all("input", name="run", list="offered")
        assert not page.all("section")


def test_without_any_run_it_says_how_to_make_one(api: Api) -> None:
    """The exact command."""
    assert "joulemark run -- COMMAND" in shown(api).one("div", class_="next").text


def test_an_unknown_run_and_one_without_figures_leave_the_others(api: Api) -> None:
    """The unknown one is named, the one without readings says what to do, and the rest is compared; all unknown is 404."""
    readings(api)
    a, b, unread = run(api), run(api, output=300), run(api, agents=["elsewhere"])
    page = shown(api, unread, a, b, "no<b>thing")
    banners = [one.text for one in page.all(class_="banner")]
    assert any("There is no run no<b>thing here" in one for one in banners)
    assert any("has no figures" in one and "joulemark doctor" in one for one in banners)
    assert "Against the baseline, 2 " in page.one("h2", id="deltas").text
    assert "not compared: a run has no figures" in page.text
    bare = shown(api, unread, a, baseline=unread)
    assert "choose another baseline" in bare.text
    assert "Nothing can be compared" in bare.text
    assert "None of these runs is known here" in shown(api, "x", "y", status=404).text
    left = shown(api, a, "y")
    assert "One run is left" in left.text


def test_a_run_that_goes_on_is_said_to(api: Api) -> None:
    """Its figures may change, and it is not kept."""
    readings(api)
    a = run(api)
    b = api.post("/v1/runs", {"benchmark": "b", "moment": api.moment(0)}).json()["run_id"]
    api.post(f"/v1/runs/{b}/phases", {"name": "p", "kind": "measured", "edge": "begin", "moment": api.moment(0)})
    page = shown(api, a, b)
    assert "has no figures" in page.text
    assert not api.state.summaries.pairs


def test_a_query_that_cannot_be_answered_is_a_page_with_the_next_step(api: Api) -> None:
    """422 as HTML, with what to do; a phase or boundary that nobody has falls back to the first."""
    for query in ({"latency": "mean-50"}, {"colour": "red"}):
        assert shown(api, status=422, **query).one("p", class_="next").text
    readings(api)
    page = shown(api, run(api), run(api), phase="nobody's", boundary="moon")
    assert "from the begin of the first phase that counts at gpu" in page.one("h2", id="over").text


def test_names_of_clients_are_text(api: Api) -> None:
    """Markup in names, labels and phases is shown as characters, in the data of the script too."""
    readings(api)
    evil = {"benchmark": "</script><img src=x>", "labels": {"model": "<b>m</b>", "name": "</script><img src=x>"}}
    page = shown(api, run(api, **evil), run(api, **evil))
    assert not page.all("img")
    assert not page.all("b")
    block = json.loads(page.one("script", id="overlaid").children[0])  # type: ignore[arg-type]  # it is a text
    assert block["runs"][0]["name"].startswith("</script><img")
