"""The page of a run: its figures are those of the REST answers, and each state of a run says what is known and what is not."""

from __future__ import annotations

import asyncio
import functools
from dataclasses import replace

import pytest

from joulemark.collector.api import traces
from joulemark.collector.reckoning import Kept, Reckoned
from joulemark.collector.showing import Shown
from joulemark.collector.web.run import about, conclusion
from tests.cards import pages
from tests.collector.api.conftest import BOOT_ID, Api, S
from tests.collector.conftest import Agent
from tests.collector.web.formula import untrue
from tests.collector.web.reading import Element, read

PAGE = {"accept": "text/html"}


def shown(api: Api, run_id: str, query: str = "", status: int = 200) -> Element:
    """The page of a run."""
    answer = api.get(f"/runs/{run_id}{query}", headers=PAGE)
    assert answer.status_code == status, answer.text[:500]
    return read(answer.text)


def figures_of(page: Element) -> Element:
    """A page without what comes from other documents than the card: the verdict, and the trace."""
    whole = [one for one in page.all("data") if not one.attributes["data-from"].startswith(("trace:", "/validation"))]
    return Element("", {}, list(whole))


def tile(page: Element, name: str) -> Element:
    """One of the four tiles."""
    (found,) = [one for one in page.all("div", class_="tile") if one.one("h2").text.startswith(name)]
    return found


@functools.cache
def reckoned(kind: str) -> Reckoned:
    """What a run of the laboratory comes to."""
    return Reckoned.made(pages.EVIDENCE[kind](), settled=True)


def keep(api: Api, kind: str, level: str = "") -> str:
    """Id of a run that comes to what one of the laboratory does, as if it had been measured and computed here; `level`: and judged."""
    run_id: str = api.post("/v1/runs", {"benchmark": "joulemark", "moment": api.moment(0)}).json()["run_id"]
    api.post(f"/v1/runs/{run_id}/stop", {"moment": api.moment(3)})
    key = api.runner.run(traces.key_of(api.state, run_id))
    found = reckoned(kind)
    api.state.reckoning.kept[run_id] = Kept(key, 0, replace(found, card={**found.card, "run_id": run_id}))
    if level:
        document = pages.publication("ES1", level).document
        api.state.reckoning.judge(key, Shown(None, None, document))  # type: ignore[arg-type]  # the page shows the document alone
    return run_id


def test_every_figure_is_that_of_the_card(api: Api) -> None:
    """Each number of the page is what GET /v1/runs/{id}/card has at the place that the page names."""
    run_id = api.run_of_three_seconds()
    page = shown(api, run_id)
    card = api.get(f"/v1/runs/{run_id}/card").json()
    assert untrue(figures_of(page), card) == []
    assert len(figures_of(page).children) > 15
    energy = tile(page, "Energy").one("p", class_="big").one("data")
    assert energy.attributes["data-from"] == "/headline/display/joules_per_1k_output_tokens/value"
    assert energy.text == card["headline"]["display"]["joules_per_1k_output_tokens"]["value"]


def test_the_page_shows_what_measuring_took(api: Api) -> None:
    """Over two states of the agent: share of a core, reads a second, time in the driver, as the card has them; of an agent that said
    nothing there is no such section.
    """
    agent = Agent(epoch_ns=api.clock.utc_ns() - 13 * S, boot_id=BOOT_ID, tells_cost=True)
    api.take(agent, *(agent.batch(i, begin_ns=api.clock.utc_ns() + (i - 12) * S) for i in range(25)))
    run_id = api.post("/v1/runs", {"benchmark": "b", "moment": api.moment(0)}).json()["run_id"]
    assert api.post(f"/v1/runs/{run_id}/stop", {"moment": api.moment(11)}).status_code == 200
    page = shown(api, run_id)
    card = api.get(f"/v1/runs/{run_id}/card").json()
    assert untrue(figures_of(page), card) == []
    (host,) = card["overhead"].values()
    assert (host["cpu_share"], host["reads_per_s"], host["driver_share"]) == pytest.approx((0.01, 10.0, 0.02))
    rows = [[" ".join(cell.text.split()) for cell in row.all("td")] for row in page.one("section", id="overhead").one("tbody").all("tr")]
    assert rows[0][:4] == ["all", "1 %", "40.0 MB", "10 /s"]
    assert [rows[1][at] for at in (1, 4, 8, 9, 10)] == ["fake", "10 /s", "2 %", "2 ms", "9 ms"]
    assert 'id="overhead"' not in api.get(f"/runs/{keep(api, 'bare')}", headers=PAGE).text


def test_a_long_run_does_not_keep_its_page_waiting(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """While its figures are computed the page says so; they are computed further, and stand there when it is loaded again."""
    run_id = api.run_of_three_seconds()
    monkeypatch.setattr("joulemark.collector.web.run.PATIENCE_S", 0.0)
    assert "they are being computed" in shown(api, run_id).text
    api.runner.run(asyncio.wait_for(asyncio.shield(api.state.summaries.going["run", run_id]), 30))
    assert tile(shown(api, run_id), "Energy").all("data")


def test_the_highest_reading_is_that_of_the_trace(api: Api) -> None:
    """It stands in no card: the page names its place in the answer of the trace."""
    run_id = api.run_of_three_seconds()
    (highest,) = [one for one in shown(api, run_id).all("data") if one.attributes["data-from"].startswith("trace:")]
    trace = api.get(f"/v1/runs/{run_id}/trace").json()
    assert float(highest.attributes["value"]) == trace["lines"][0]["highest_w"]


def test_gaps_are_counted_in_full() -> None:
    """The sentence of the drawing names the gaps of each line as it was read, not those of the coarse one that is drawn."""
    found = replace(reckoned("ES1"), gaps=(3, 1), coarse=())
    assert conclusion(found).endswith("The line of server input has 3 gaps. The line of gpu has 1 gap.")
    assert conclusion(replace(found, gaps=(0, 0))).endswith("No line has a gap.")


@pytest.mark.parametrize("kind", ["ES1", "ES2", "bare"])
def test_figures_of_many_phases_follow_from_the_card(api: Api, kind: str) -> None:
    """Sums, what is left of the whole, shares and uncertainties come out of the formulas that stand beside them."""
    run = pages.EVIDENCE[kind]()
    page = shown(api, keep(api, kind))
    assert untrue(figures_of(page), run.card) == []
    formulas = {one.attributes["data-from"] for one in page.all("data") if " " in one.attributes["data-from"]}
    assert formulas
    assert any("hypot" in one for one in formulas) == (kind != "bare")


def test_rent_and_electricity_are_never_added(api: Api) -> None:
    """Both stand in the tile of costs with their status and the time their price was read; no figure is their sum."""
    run = pages.full("ES1")
    page = shown(api, keep(api, "ES1"))
    cost = run.card["headline"]["cost"]
    places = [one.attributes["data-from"] for one in tile(page, "Cost").all("data")]
    assert places == [
        f"/headline/cost/{family}/{name}" for family in ("market", "energy") for name in ("per_1k_output_tokens", "per_1k_output_u_rel")
    ]
    assert cost["market"]["price"]["fetched_at"] in tile(page, "Cost").text
    assert cost["market"]["status"] in tile(page, "Cost").text
    both = float(cost["market"]["amount"]) + float(cost["energy"]["amount"])
    assert not [one for one in page.all("data") if abs(float(one.attributes["value"]) - both) < 1e-9 * both]


def test_a_cost_that_is_not_known_says_why_and_what_mends_it(api: Api) -> None:
    """Without a price and without a tariff both have the reason of the card, and the command that names one."""
    run_id = api.run_of_three_seconds()
    card = api.get(f"/v1/runs/{run_id}/card").json()
    text = tile(shown(api, run_id), "Cost").text
    assert card["headline"]["cost"]["market"]["reason"] in text
    assert card["headline"]["cost"]["energy"]["reason"] in text
    assert f"joulemark cost {run_id} --price" in text
    assert f"joulemark cost {run_id} --tariff" in text


def test_a_page_does_not_wait_for_the_verdict(api: Api) -> None:
    """It says that the run is being judged, and leads to the verdict, which every later page has at once."""
    run_id = api.run_of_three_seconds()
    page = shown(api, run_id)
    assert "being judged" in tile(page, "Compliance").text
    assert page.all("a", href=f"/runs/{run_id}/verdict")
    verdict = shown(api, run_id, "/verdict")
    report = api.get(f"/v1/runs/{run_id}/report").json()
    assert tile(verdict, "Compliance").one("span", class_="word").text == report["validation"]["level_text"]
    assert untrue(Element("", {}, list(verdict.all("data"))), report) == []
    again = shown(api, run_id)
    assert tile(again, "Compliance").one("span", class_="word").text == report["validation"]["level_text"]
    assert again.one("section", id="checklist").text == verdict.one("section", id="checklist").text


def test_what_contradicts_itself_has_a_banner(api: Api) -> None:
    """INVALID stands above the figures, with the rule."""
    page = shown(api, keep(api, "ES1", "INVALID"))
    assert "INVALID by INT-1" in page.one("div", id="void").text
    assert "bad" in tile(page, "Compliance").one("span", class_="word").attributes["class"]
    assert shown(api, keep(api, "ES1", "ES1")).one("div", id="void").text == ""


def test_a_run_that_goes_on(api: Api) -> None:
    """Before a phase has ended the page says which is open, where to watch it live, and what to do."""
    api.run_of_three_seconds()
    run_id = api.post("/v1/runs", {"benchmark": "b", "moment": api.moment(0)}).json()["run_id"]
    api.post(f"/v1/runs/{run_id}/phases", {"moment": api.moment(0.5), "name": "warm", "kind": "warmup", "edge": "begin"})
    page = shown(api, run_id)
    assert "The run goes on, in warm" in page.text
    assert [one for one in page.all("a") if one.attributes["href"].startswith("/hosts/")]
    assert f"joulemark run stop {run_id}" in page.one("p", class_="next").text
    api.post(f"/v1/runs/{run_id}/phases", {"moment": api.moment(1.5), "name": "warm", "kind": "warmup", "edge": "end"})
    half = shown(api, run_id)
    assert "The run goes on." in half.text
    assert "not judged yet" in tile(half, "Compliance").text


def test_a_run_without_readings(api: Api) -> None:
    """The page says why there are no figures and what to check, and shows the marks that were heard."""
    run_id = api.post("/v1/runs", {"benchmark": "b", "moment": api.moment(0)}).json()["run_id"]
    api.post(f"/v1/runs/{run_id}/stop", {"moment": api.moment(3)})
    page = shown(api, run_id)
    why = api.get(f"/v1/runs/{run_id}/card").json()
    assert why["detail"] in page.text
    assert page.one("p", class_="next").text == why["next_step"]
    assert [row[1] for row in page.one("table").rows()[1:]] == ["start", "stop"]
    assert shown(api, run_id, "/verdict", status=409).one("p", class_="next").text == why["next_step"]


def test_a_run_without_tokens_has_joules_and_watts(api: Api) -> None:
    """There are no J per 1k tokens, and the page says why and what to do next time."""
    api.run_of_three_seconds()
    run_id = api.post("/v1/runs", {"benchmark": "b", "moment": api.moment(0)}).json()["run_id"]
    api.post(f"/v1/runs/{run_id}/stop", {"moment": api.moment(3)})
    energy = tile(shown(api, run_id), "Energy")
    assert energy.one("span", class_="unit").text == "J"
    assert "nobody told how many tokens" in energy.text
    assert "--output-tokens" in energy.text


def test_simulated_and_incomplete_have_banners(api: Api) -> None:
    """What must not be overlooked stands above the figures."""
    run_id = keep(api, "ES1")
    kept = api.state.reckoning.kept[run_id]
    card = {**kept.found.card, "complete": False, "incomplete_because": ["a reading was lost"]}
    api.state.reckoning.kept[run_id] = replace(kept, found=replace(kept.found, card=card))
    page = shown(api, run_id)
    banners = " ".join(one.text for one in page.all("p", class_="banner"))
    assert "Simulated" in banners
    assert "Not complete" in banners
    assert "a reading was lost" in page.text


def test_time_of_the_drawing_is_in_the_address(api: Api) -> None:
    """`from` and `to` choose what is drawn; what is no time, or ends before it begins, is refused with what to do."""
    run = pages.full("ES1")
    run_id = keep(api, "ES1")
    begin_ns = run.card["phases"][0]["begin_ns"]
    page = shown(api, run_id, "?from=2026-11-02T09:01:00Z&to=2026-11-02T09:01:20Z")
    figure = page.one("figure", id="trace")
    assert int(figure.attributes["data-to"]) - int(figure.attributes["data-from"]) == 20_000_000_000
    assert int(figure.attributes["data-from"]) > begin_ns - 3600 * 10**9
    assert "data-from" not in shown(api, run_id).one("figure", id="trace").attributes
    for query in ("?from=yesterday", "?from=2026-11-02T09:01:20Z&to=2026-11-02T09:01:00Z", "?since=1"):
        assert shown(api, run_id, query, status=422).one("p", class_="next").text


def test_a_run_that_is_not_there(api: Api) -> None:
    """It is a page with 404 and the next step."""
    assert shown(api, "nothing", status=404).one("p", class_="next").text
    assert shown(api, "nothing", "/verdict", status=404).one("p", class_="next").text


def test_names_from_outside_stay_text(api: Api) -> None:
    """A benchmark, a label and a phase with markup are characters on the page."""
    api.run_of_three_seconds()
    start = {"benchmark": "<script>x</script>", "labels": {"model": "<img src=x>"}, "moment": api.moment(0)}
    run_id = api.post("/v1/runs", start).json()["run_id"]
    for edge, t_s in (("begin", 0.5), ("end", 2.5)):
        api.post(f"/v1/runs/{run_id}/phases", {"moment": api.moment(t_s), "name": "<b>p</b>", "kind": "measured", "edge": edge})
    api.post(f"/v1/runs/{run_id}/stop", {"moment": api.moment(3)})
    page = shown(api, run_id)
    assert "<script>x</script>" in page.one("h1").text
    assert "<b>p</b>" in page.text
    assert not page.all("img")
    assert not page.all("b")


def test_the_page_fits_its_policy(api: Api) -> None:
    """No style attribute, no handler, no script but files of our own, and every drawing has a title or is hidden from readers."""
    page = shown(api, keep(api, "ES1", "ES0"))
    every = page.all()
    assert not [one for one in every if "style" in one.attributes or any(name.startswith("on") for name in one.attributes)]
    assert all(one.attributes.get("src", "").startswith("/assets/") for one in page.all("script"))
    drawings = [one for one in page.all("svg") if one.attributes.get("role") == "img"]
    assert len(drawings) >= 3
    assert all(one.all("title") for one in drawings)


def test_the_workload_goes_before_the_labels(api: Api) -> None:
    """Of what a run was of, facts stand before what labels say, and what nobody told is left away."""
    run_id = api.run_of_three_seconds()
    recorded = api.state.recorded(run_id)
    assert about(recorded) == ["b", "m"]
    assert about(recorded, {"workload.model": "n", "node.gpus": ["2 x H"]}) == ["b", "n", "2 x H"]


def test_a_run_of_very_many_phases(api: Api) -> None:
    """The table shows the first ones and says that there are more; the page stays small."""
    run_id = keep(api, "ES1")
    kept = api.state.reckoning.kept[run_id]
    one = next(phase for phase in kept.found.card["phases"] if phase["kind"] == "measured")
    many = [{**one, "name": f"m{number}"} for number in range(210)]
    headline = {**kept.found.card["headline"], "phases": [phase["name"] for phase in many]}
    card = {**kept.found.card, "phases": many, "headline": headline}
    api.state.reckoning.kept[run_id] = replace(kept, found=replace(kept.found, card=card))
    page = shown(api, run_id)
    assert len(page.one("table", class_="phases").rows()) == 1 + 200
    assert "10 more phases" in page.text
