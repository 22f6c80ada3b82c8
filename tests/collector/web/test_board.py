"""The page of the board: what REST answers, ranks with ties, lists apart with their reason, and no word or number about speed."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from typing import Any

import pytest

from joulemark.board import words
from joulemark.board.site import Site
from joulemark.collector.shelf import Shelf
from joulemark.collector.tokens import Scope
from joulemark.collector.web import board as page_of
from joulemark.collector.web import looks
from tests.board.entries import KEY, entry, figures
from tests.collector.api.test_board import Boarded, boarded
from tests.collector.web.reading import Element, read

__all__ = ["boarded"]

PATH = page_of.path_of(entry(1))
SPEEDS = ("throughput", "latency", "per second", "ttft", "tpot", "tokens/s", "goodput", "duration", "speed of")


def shown(boarded: Boarded, path: str) -> Element:
    """A page as a person gets it."""
    answer = boarded.get(path, accept="text/html")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-security-policy"] == looks.POLICY
    assert not re.search(r"\sstyle=|\son[a-z]+=|<style", answer.text)
    return read(answer.text)


def mixed(boarded: Boarded) -> None:
    """Two that cannot be told apart, one worse, one of another class, and one in each list without ranks."""
    boarded.publish(1, figures=figures(250.0, 5.0))
    boarded.publish(2, figures=figures(251.0, 5.0))
    boarded.publish(3, figures=figures(400.0, 5.0), origin="https://other.example")
    boarded.publish(4, level="ES2", figures=figures(12345.6, 120.0))
    boarded.publish(5, level="ES0")
    boarded.publish(6, key=replace(KEY, precision=""))
    boarded.publish(7, simulated=True)
    boarded.publish(8)
    boarded.board.desk.store.withdraw(entry(8).entry_id, "the second supply was not metered", now_ns=1_900_000_000_000_000_000)
    boarded.runner.run(boarded.board.refresh())


def test_an_ingest_process_that_does_not_answer_is_said(boarded: Boarded) -> None:
    """List and entry say that nothing new arrives, though the list is kept from one question to the next."""
    boarded.publish(1)
    for path in ("/board", "/board", PATH):
        assert "The ingest process does not answer" in shown(boarded, path).one("p", role="alert").text


def test_the_list_is_what_rest_answers(boarded: Boarded) -> None:
    """Every entry of `GET /v1/board` stands on the page in its order, with rank, figure rounded by its U95, and who measured it."""
    mixed(boarded)
    told = boarded.get("/v1/board").json()["board"]
    page = shown(boarded, "/board")
    ids = [one["entry_id"].rpartition(":")[2] for part in told["classes"] for one in part["entries"]]
    ids += [
        one["entry_id"].rpartition(":")[2] for name in ("informative", "not_comparable", "simulated", "withdrawn") for one in told[name]
    ]
    assert [head.one("a").attributes["href"] for head in page.all("th", scope="row")] == [f"/board/{one}" for one in ids]
    ranks = [cells[0] for table in page.all("table")[: len(told["classes"])] for cells in table.rows()[1:]]
    expected = [one["rank"] for part in told["classes"] for one in part["entries"]]
    assert [int(rank.split()[0]) for rank in ranks] == expected
    assert sum("shared" in rank for rank in ranks) == 2
    exact = [
        data.attributes["value"] for data in page.all("data") if data.attributes["data-from"] == "/figures/joules_per_1k_output_tokens"
    ]
    assert [float(one) for one in exact[:4]] == [one["joules_per_1k_output_tokens"] for part in told["classes"] for one in part["entries"]]
    text = page.text
    assert "12 350 ± 120" in text
    assert "followed from https://other.example, judged here again" in text
    assert "the second supply was not metered" in text
    assert "lacks precision" in text


def test_each_ranked_entry_is_drawn_with_its_interval(boarded: Boarded) -> None:
    """A dot on a line for each entry of a class, on one scale, and the same in words."""
    mixed(boarded)
    drawings = shown(boarded, "/board").all("svg", role="img")
    assert len(drawings) == 4
    assert {"250 ± 5 J per 1k output tokens, rank 1 of 3", "400 ± 5 J per 1k output tokens, rank 3 of 3"} <= {
        one.attributes["aria-label"] for one in drawings
    }


@pytest.mark.parametrize("path", ["/board", PATH, f"{PATH}/label.svg"])
def test_nothing_says_how_fast_anything_was(boarded: Boarded, path: str) -> None:
    """Neither a word of speed nor a number with such a unit stands in text, attributes or data, and no energy beside a duration."""
    mixed(boarded)
    answer = boarded.get(path, accept="text/html").text
    page = read(answer)
    told = [page.text, *(value for one in page.all() for name, value in one.attributes.items() if name not in ("href", "src", "d"))]
    for text in told:
        plain = unicodedata.normalize("NFKC", text).lower().replace("nothing here says how fast anything was", "")
        assert not words.SPEED.search(plain), text
        assert not [word for word in SPEEDS if word in plain], text
    assert {name for one in page.all("data") for name in one.attributes} <= {"value", "data-from", "data-scale"}
    pointers = {one.attributes["data-from"] for one in page.all("data")}
    allowed = {f"/figures/{name}" for name in figures().known()}
    assert pointers <= allowed, pointers - allowed


def test_filters_are_an_address(boarded: Boarded) -> None:
    """Level, class and model of the address choose; the form shows them, empty fields ask for nothing, and the words of others are text."""
    mixed(boarded)
    page = shown(boarded, "/board?level=ES2&class=&model=")
    assert [head.text for head in page.all("th", scope="row")] == [entry(4).title]
    assert [one.attributes["value"] for one in page.all("option") if "selected" in one.attributes] == ["ES2"]
    assert len(shown(boarded, f"/board?class={entry(1).short_class}").all("th", scope="row")) == 5
    none = shown(boarded, "/board?model=%3Cb%3E")
    assert "No entry fits" in none.text
    assert none.one("input", name="model").attributes["value"] == "<b>"
    for wrong in ("level=ES9", "class=xyz", "page=0", "sort=speed"):
        assert boarded.get(f"/board?{wrong}", accept="text/html").status_code == 422


def test_pages_lead_on(boarded: Boarded) -> None:
    """A hundred entries a page; filters go along, and beyond the last page there is a page that says so."""
    boarded.publish(*range(1, 121))
    first = shown(boarded, "/board?level=ES1")
    assert first.one("a", rel="next").attributes["href"] == "/board?level=ES1&page=2"
    second = shown(boarded, "/board?level=ES1&page=2")
    assert len(second.all("th", scope="row")) == 20
    assert second.one("a", rel="prev").attributes["href"] == "/board?level=ES1"
    beyond = boarded.get("/board?page=3", accept="text/html")
    assert (beyond.status_code, "begin with page 1" in beyond.text) == (404, True)


def test_an_unchanged_page_is_not_made_or_sent_again(boarded: Boarded) -> None:
    """The page has a tag and is 304 to who shows it; a change of the board makes another; few pages are kept."""
    boarded.publish(1)
    first = boarded.get("/board")
    assert boarded.get("/board", **{"If-None-Match": first.headers["etag"]}).status_code == 304
    one = boarded.get(PATH)
    assert boarded.get(PATH, **{"If-None-Match": one.headers["etag"]}).status_code == 304
    boarded.publish(2)
    assert boarded.get("/board", **{"If-None-Match": first.headers["etag"]}).status_code == 200
    shelf = Shelf.of([entry(1)], Site("https://board.example"))
    for number in range(page_of.MOST_KEPT + 5):
        page_of.kept(shelf, page_of.Asked(model=f"m{number}"), receiving=True)
    assert len(shelf.drawn) <= page_of.MOST_KEPT
    again = page_of.kept(shelf, page_of.Asked(model="m68"), receiving=True)
    assert again is page_of.kept(shelf, page_of.Asked(model="m68"), receiving=True)


def test_one_entry(boarded: Boarded) -> None:
    """Its figures are those of `GET /v1/board/entries/...`, its hashes stand in the commands that check it, and its files can be taken."""
    mixed(boarded)
    path = page_of.path_of(entry(3))
    told = boarded.get(path.replace("/board/", "/v1/board/entries/")).json()
    page = shown(boarded, path)
    for data in page.all("data"):
        value: Any = told
        for key in data.attributes["data-from"].split("/")[1:]:
            value = value[key]
        assert float(data.attributes["value"]) == value
    assert "Rank 3 of 3 in its class" in page.text
    assert f'echo "{told["bundle_sha256"]} bundle" | sha256sum -c' in page.all("pre")[0].text
    links = {one.attributes["href"] for one in page.all("a")}
    assert {f"/v1{path.replace('/board/', '/board/entries/')}{what}" for what in ("", "/card", "/bundle")} <= links
    assert "https://other.example, a board that is followed" in page.text
    gone = shown(boarded, page_of.path_of(entry(8)))
    assert any("Withdrawn" in one.text for one in gone.all("p", class_="banner"))
    assert "No rank: the second supply was not metered" in gone.text
    missing = boarded.get(f"/board/{'0' * 8}", accept="text/html")
    assert (missing.status_code, "GET /v1/board" in missing.text) == (404, True)


def test_a_label_says_no_more_than_its_entry(boarded: Boarded) -> None:
    """Figure, level, scope, date and where to check; hollow without rank, and the name of a laboratory is text."""
    boarded.publish(1, submitter="A<b>&Co")
    boarded.publish(2, simulated=True)
    answer = boarded.get(f"{PATH}/label.svg")
    assert answer.headers["content-type"] == "image/svg+xml"
    drawing = read(answer.text)
    assert drawing.one("title").text == "250.0 ± 5.0 J per 1k output tokens, level ES1, NODE_AC, 2026-10-25"
    assert "by A<b>&Co" in drawing.text
    assert "check: 127.0.0.1:7471/board/" in drawing.text
    other = boarded.get(f"{page_of.path_of(entry(2))}/label.svg").text
    assert "stroke-dasharray" in other
    assert "simulated" in other


def test_an_empty_board_says_what_to_do(boarded: Boarded) -> None:
    """Before the first entry: the commands that publish one, which name this board."""
    page = shown(boarded, "/board")
    assert "joulemark board submit BUNDLE --to http://127.0.0.1:7471 --token-file token --level ES1" in page.text


@pytest.mark.parametrize("boarded", [{"public": True}], indirect=True)
def test_the_page_of_a_public_board_needs_no_token(boarded: Boarded) -> None:
    """Page, entry, label and what they load are open with the board; every other page asks for a token."""
    boarded.tokens.create("ci", Scope.READ, created_ns=0)
    boarded.publish(1)
    style = shown(boarded, "/board").all("link", rel="stylesheet")[0].attributes["href"]
    assert [boarded.get(path).status_code for path in ("/board", PATH, f"{PATH}/label.svg", style)] == [200] * 4
    assert [boarded.get(path).status_code for path in ("/hosts", "/boards", "/v1/runs", "/")] == [401] * 4
