"""Page and label of a run over REST: harmless, cacheable, and the same figures as the card."""

from __future__ import annotations

import json

from joulemark.standard.schema import schemas
from tests.cards import reading
from tests.cards.test_card_schema import undescribed
from tests.collector.api.conftest import Api


def test_page_and_label_of_a_run(api: Api) -> None:
    """Both are drawn from what is stored, under a policy that allows nothing but styles; the label leads to the page."""
    run_id = api.run_of_three_seconds()
    page, label = api.get(f"/v1/runs/{run_id}/card.html"), api.get(f"/v1/runs/{run_id}/label.svg")
    card = api.get(f"/v1/runs/{run_id}/card").json()
    assert (page.status_code, label.status_code) == (200, 200)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert label.headers["content-type"] == "image/svg+xml"
    for answer in (page, label):
        assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src 'unsafe-inline'")
        assert answer.headers["x-content-type-options"] == "nosniff"
    found = reading.Page.of(page.text)
    assert found.faults == []
    (energy,) = [given for given, _ in found.figures if given.get("data-from") == "/card/phases/0/energy_j"]
    assert json.loads(energy["value"]) == card["phases"][0]["energy_j"]
    assert b'href="card.html"' in label.content
    reading.drawing(label.text)


def test_who_has_it_is_not_sent_it_again(api: Api) -> None:
    """With the tag of the last answer it is 304 without a body; with another the page."""
    run_id = api.run_of_three_seconds()
    path = f"/v1/runs/{run_id}/card.html"
    tag = api.get(path).headers["etag"]
    again = api.get(path, headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["content-security-policy"].startswith("default-src 'none'")
    assert api.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_what_is_not_there_is_a_problem(api: Api) -> None:
    """No such run is 404; a run without readings is 409, and neither is a page."""
    assert api.get("/v1/runs/nothing/card.html").status_code == 404
    run_id = api.post("/v1/runs", {"benchmark": "b", "moment": api.moment(0)}).json()["run_id"]
    api.post(f"/v1/runs/{run_id}/stop", {"moment": api.moment(3)})
    answer = api.get(f"/v1/runs/{run_id}/label.svg")
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"


def test_names_from_outside_stay_text(api: Api) -> None:
    """A benchmark and a label with markup are shown as characters."""
    run_id = api.post("/v1/runs", {"benchmark": "<script>x</script>", "labels": {"model": "<img src=x>"}, "moment": api.moment(0)}).json()[
        "run_id"
    ]
    whole = api.run_of_three_seconds()
    api.post(f"/v1/runs/{run_id}/stop", {"moment": api.moment(3), "tokens": {"output": 6}})
    for one in (run_id, whole):
        text = api.get(f"/v1/runs/{one}/card.html").text
        assert reading.Page.of(text).faults == []
        assert "<script" not in text


def test_every_key_of_its_card_is_described(api: Api) -> None:
    """What a collector says of clocks, losses and cost of monitoring stands in the published schema, key by key."""
    card = api.get(f"/v1/runs/{api.run_of_three_seconds()}/card").json()
    schema = schemas()["joulemark.card/1"]
    assert card["clocks"]
    assert card["overhead"]
    assert undescribed(card, schema, schema) == []
