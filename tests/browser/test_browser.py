"""The pages in a real browser: with data, without, and while the ingest process does not answer; seen, read, walked by keys, printed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext

from joulemark.collector.web import looks
from tests.browser.chromium import NARROW, WIDE, chromium, looking
from tests.browser.look import CORNERS, OUTLINE, Seen, look, opened
from tests.browser.mutants import MUTANTS
from tests.browser.pages import NO_PAGES, PAGES, STATES, UNKNOWN, State, address, routes
from tests.browser.scene import Scene

ROUND_S = 5.0
EVERY = (*PAGES, UNKNOWN)
WAYS: dict[State, Any] = {"data": CORNERS, "empty": (("light", NARROW),), "failing": (("dark", WIDE),)}
"""`make screenshots` looks at each in all four ways."""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A run of agent and collector, a collector that holds nothing, and one whose ingest process is gone."""
    with Scene(tmp_path_factory.mktemp("scene"), length_s=ROUND_S) as made:
        yield made


@pytest.fixture(scope="module")
def browser(scene: Scene) -> Iterator[Browser]:
    """One for all; the scene is there before it starts, since a loop runs in this thread as long as it does."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """One for all pages that are looked at with scripts."""
    with looking(browser) as made:
        yield made


@pytest.fixture(scope="module")
def plain(browser: Browser) -> Iterator[BrowserContext]:
    """One without JavaScript."""
    with looking(browser, java_script_enabled=False) as made:
        yield made


@pytest.fixture(scope="module")
def seen(scene: Scene, context: BrowserContext) -> Callable[[str, State], Seen]:
    """`seen(route, state)`: a page, looked at once; with data in both schemes, at both widths, by keys and on paper."""

    @functools.cache
    def found(route: str, state: State) -> Seen:
        return look(context, address(scene, route, state), ways=WAYS[state], used=state == "data")

    return found


def test_no_page_is_forgotten() -> None:
    """Every route of the pages is looked at here or named as no page, and so is every place of the navigation."""
    assert routes() == PAGES.keys() | NO_PAGES
    assert {path for _, path in looks.NAVIGATION} <= PAGES.keys()


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("route", EVERY)
def test_a_page_is_whole(seen: Callable[[str, State], Seen], route: str, state: State) -> None:
    """axe-core finds nothing in light and dark, wide and narrow; nothing is asked of others; no fault in the console; no narrow window is
    left to the side, no column of a wide one is out of sight; our own scripts and styles stay within 80 KB. With data: Tab reaches the
    link to the content first, then everything that can be used, and one sees where one is; on paper is nothing to press.
    """
    assert seen(route, state).wrong == []


@pytest.mark.parametrize("route", EVERY)
def test_a_dead_ingest_process_is_told(seen: Callable[[str, State], Seen], route: str) -> None:
    """A page of a collector whose ingest process does not answer says so, and no other one does."""
    told = [state for state in STATES if "ingest process does not answer" in seen(route, state).text]
    assert told == ([] if route == UNKNOWN else ["failing"])


@pytest.mark.parametrize("route", EVERY)
def test_nothing_yet_tells_the_next_step(seen: Callable[[str, State], Seen], route: str) -> None:
    """Where a collector holds nothing, the page says what to do next; that of a rule needs no data."""
    assert seen(route, "empty").next_step or route == "/rules/{rule_id}"


@pytest.mark.parametrize("route", EVERY)
def test_a_page_needs_no_script(seen: Callable[[str, State], Seen], scene: Scene, plain: BrowserContext, route: str) -> None:
    """No heading and no column stands there by JavaScript alone."""
    page = plain.new_page()
    page.goto(address(scene, route, "data").url, wait_until="domcontentloaded")
    assert set(seen(route, "data").outline) <= set(page.evaluate(OUTLINE))
    page.close()


@pytest.mark.parametrize("mutant", [name for name in MUTANTS if name])
def test_the_look_sees_a_defect(scene: Scene, browser: Browser, mutant: str) -> None:
    """Text too pale, a picture from elsewhere, a style too heavy and a table too wide each turn the look red, by their names."""
    named = {"contrast": "color-contrast", "remote": "pictures.example.org", "heavy": "at most 81920", "wide": "Too wide"}[mutant]
    with looking(browser) as context:
        MUTANTS[mutant](context)
        found = look(context, address(scene, UNKNOWN, "data"), ways=CORNERS[:1], used=False).wrong
    assert found
    assert all(named in what for what in found), found


def test_a_live_page_moves_and_says_when_it_stands_still(scene: Scene, browser: Browser) -> None:
    """The numbers of a host change as its agent sends more; once the collector is silent, the page says so."""
    at = address(scene, "/hosts/{agent_id}", "data")
    with looking(browser, reduced_motion="no-preference") as context, opened(context, Seen(at)) as page:
        page.wait_for_function("() => document.querySelector('#live').innerText === 'Live.'")
        before = page.locator("#facts").inner_text()
        page.wait_for_function("(before) => document.querySelector('#facts').innerText !== before", arg=before)
        with scene.frozen():
            page.wait_for_function("() => document.querySelector('#live').innerText.startsWith('Connection lost')")
