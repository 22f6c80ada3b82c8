"""The frame of all pages."""

from __future__ import annotations

import re

import pytest

from joulemark.collector.web import looks
from tests.collector.api.conftest import Api

AS_A_PERSON = {"accept": "text/html"}


@pytest.mark.parametrize("path", [path for _, path in looks.NAVIGATION])
def test_every_place_of_the_navigation_is_a_page(api: Api, path: str) -> None:
    """Each link of the navigation leads to a page that says where it is, under a policy without inline script and style, which it keeps."""
    answer = api.get(path, headers=AS_A_PERSON)
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"] == looks.POLICY
    assert f'href="{path}" aria-current="page"' in answer.text
    assert answer.text.count("<h1") == 1
    assert not re.search(r"\sstyle=|\son[a-z]+=|<style", answer.text)
    assert all("src=" in tag or 'type="application/json"' in tag for tag in re.findall(r"<script[^>]*>", answer.text))


def test_a_page_says_when_nothing_new_arrives(api: Api) -> None:
    """Without an ingest process, as here, every page carries the alarm and the command that mends it."""
    page = api.get("/runs", headers=AS_A_PERSON).text
    assert 'role="alert"' in page
    assert "joulemark collector run" in page


def test_what_is_not_there_is_a_page_for_a_person_and_a_problem_for_a_program(api: Api) -> None:
    """The same unknown address answers 404 as HTML with the next step, as problem+json to all others, and below /v1 always so."""
    person = api.get("/nowhere<b>", headers=AS_A_PERSON)
    assert person.status_code == 404
    assert "read-the-pages.md" in person.text
    assert "openapi" not in api.get("/runs?page=none", headers=AS_A_PERSON).text
    assert "<b>" not in person.text
    assert api.get("/nowhere").headers["content-type"] == "application/problem+json"
    assert api.get("/v1/runs/none", headers=AS_A_PERSON).headers["content-type"] == "application/problem+json"
