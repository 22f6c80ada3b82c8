"""The page of all runs, held against REST."""

from __future__ import annotations

import re

from joulemark.cards.figures import Place, headline
from joulemark.collector.web import looks
from joulemark.collector.web.runs import MOST_FILLED
from joulemark.workload import Workload
from tests.collector.api.conftest import Api
from tests.collector.web.reading import Element, read
from tests.collector.web.recording import readings, run

AS_A_PERSON = {"accept": "text/html"}


def shown(api: Api, path: str = "/runs") -> Element:
    """The page as a person gets it."""
    answer = api.get(path, headers=AS_A_PERSON)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-security-policy"] == looks.POLICY
    assert not re.search(r"\sstyle=|\son[a-z]+=|<style", answer.text)
    return read(answer.text)


def ids(page: Element) -> list[str]:
    """The runs of the list, in its order."""
    return [box.attributes["value"] for box in page.all("input", type="checkbox", name="run")]


def test_without_a_run_it_says_how_to_make_one(api: Api) -> None:
    """The exact commands, and neither table nor form."""
    page = shown(api)
    said = page.one("div", class_="next").text
    assert "joulemark run -- COMMAND" in said
    assert "joulemark demo" in said
    assert not page.all("form")


def test_nothing_is_computed_for_the_first_paint_and_figures_stand_there_the_next_time(api: Api) -> None:
    """First "not computed yet" with a link; then the figure as the card prints it, and the costs with the status of the price."""
    readings(api)
    run_id = run(api)
    first = shown(api).rows()[1]
    assert "not computed yet" in first[7]
    assert "open the run" in first[8]
    card = Place(api.get(f"/v1/runs/{run_id}/card").json())
    page = shown(api)
    printed = headline(card)
    assert printed is not None
    row = page.rows()[1]
    assert row[7] == f"{printed['value'].value} ± {printed['u95'].value} J"
    assert [one.attributes["data-from"] for one in page.all("data")] == [f"{printed.pointer}/value", f"{printed.pointer}/u95"]
    assert row[8].split() == ["rent", "not", "known", "electricity", "not", "known", "price", "missing"]
    assert row[5] == "3.0 s"
    assert row[6].startswith("not judged")
    assert row[6].endswith("simulated")
    assert page.one("td", class_="line").one("time").attributes["datetime"] == looks.templates.filters["utc"](api.clock.utc_ns())


def test_only_a_few_runs_are_computed_behind_one_page(api: Api) -> None:
    """Each visit fills some more, until all stand there; a run that goes on is never computed for the list."""
    readings(api)
    for _ in range(MOST_FILLED + 1):
        run(api)
    api.post("/v1/runs", {"benchmark": "on", "moment": api.moment(0)})
    shown(api)
    assert len(api.state.summaries.kept) == MOST_FILLED
    shown(api)
    assert len(api.state.summaries.kept) == MOST_FILLED + 1
    rows = shown(api).rows()[1:]
    assert sum("not computed yet" in row[7] for row in rows) == 0
    assert [row[7] for row in rows if row[2] == "on"] == ["goes on"]


def test_a_run_without_figures_says_why(api: Api) -> None:
    """No reading: the reason; no token: the energy in all, and that no token was counted."""
    readings(api)
    run(api, agents=["elsewhere"], benchmark="unread")
    run(api, output=None, benchmark="uncounted")
    shown(api)
    rows = {row[2]: row for row in shown(api).rows()[1:]}
    assert "no reading lies within run" in rows["unread"][8]
    assert "no output token was counted; in all 600." in rows["uncounted"][7]


def test_the_level_of_a_judged_run_is_shown_and_found(api: Api) -> None:
    """Once somebody asked, the list has the word of the verdict and can be narrowed to it, until the run is told more."""
    readings(api)
    judged, other = run(api), run(api)
    shown(api)
    assert not api.state.reckoning.judged
    level = read(api.get(f"/runs/{judged}/verdict", headers=AS_A_PERSON).text)
    assert level
    (document,) = [one.document for one in api.state.reckoning.judged.values()]
    word = document["validation"]["level_text"]
    rows = {row[1][:12]: row[6] for row in shown(api).rows()[1:]}
    assert rows[judged[-12:]].startswith(word)
    assert rows[other[-12:]].startswith("not judged")
    assert ids(shown(api, f"/runs?level={word.split()[0]}")) == [judged]
    api.clock.advance(1)
    assert api.post(f"/v1/runs/{judged}/evidence", {"workload": Workload(model="m").to_json()}).status_code == 201
    assert ids(shown(api, f"/runs?level={word.split()[0]}")) == []


def test_the_form_keeps_what_was_asked_and_offers_the_hosts(api: Api) -> None:
    """Every filter of the address stands in the form again, and markup in it is text."""
    readings(api)
    run(api)
    page = shown(api, "/runs?q=%3Cb%3E&state=stopped&host=host-a&from=2020-01-01&to=2030-01-01&sort=model&direction=up")
    form = page.all("form")[0]
    fields = {one.attributes["name"]: one.attributes.get("value") for one in form.all("input")}
    assert fields == {"q": "<b>", "from": "2020-01-01", "to": "2030-01-01", "sort": "model", "direction": "up"}
    assert [one.text for one in form.all("option") if "selected" in one.attributes] == ["stopped", "host-a"]
    assert "No run fits" in page.text
    assert page.all("a", href="/runs")


def test_a_query_that_cannot_be_answered_is_a_page_with_the_next_step(api: Api) -> None:
    """422 as HTML, with what to do."""
    days = "from=2026-02-02&to=2026-01-01"
    for query in ("sort=speed", "page=0", "from=yesterday", "from=2026-13-01", days, "colour=red", "q=a&q=b"):
        answer = api.get(f"/runs?{query}", headers=AS_A_PERSON)
        assert answer.status_code == 422, query
        assert read(answer.text).one("p", class_="next").text


def test_names_of_clients_are_text(api: Api) -> None:
    """Markup in a benchmark, a label or a model is shown as characters."""
    readings(api)
    run(api, benchmark="<script>x</script>", labels={"model": "<img src=x>", "name": "<b>bold</b>"})
    shown(api)
    page = shown(api)
    assert not page.all("img")
    assert "<b>bold</b>" in page.text
    assert "<img src=x>" in page.text
