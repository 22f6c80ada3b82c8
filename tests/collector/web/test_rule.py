"""The page of a rule."""

from __future__ import annotations

from joulemark.standard.edition import edition
from tests.collector.api.conftest import Api
from tests.collector.web.reading import read

PAGE = {"accept": "text/html"}


def test_a_rule_says_what_why_and_how(api: Api) -> None:
    """Demand, both columns, reason and how to meet it stand as in the edition; small letters find it too."""
    rule = edition().rule("SMP-3")
    for name in ("SMP-3", "smp-3"):
        text = read(api.get(f"/rules/{name}", headers=PAGE).text).text
        for one in (rule.text, rule.es1, rule.es2, rule.why, rule.how):
            assert " ".join(one.split()) in text


def test_a_rule_that_there_is_not(api: Api) -> None:
    """It is a page with 404 that names the rules there are."""
    answer = api.get("/rules/XYZ-1", headers=PAGE)
    assert answer.status_code == 404
    assert "SCO" in read(answer.text).one("p", class_="next").text
