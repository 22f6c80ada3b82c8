"""One look at one page: what it asked for, how heavy it is, what axe-core finds in both schemes and at both widths, and what went wrong."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import BrowserContext, Page, Request, Response

from tests.browser.chromium import HEIGHT, NARROW, SCHEMES, WIDE, Scheme
from tests.browser.keys import walk
from tests.browser.pages import Address

KINDS: Final = (".js", ".css")
VENDORED: Final = frozenset(tomllib.loads(resources.files("joulemark.collector.web").joinpath("vendored/vendored.toml").read_text("utf-8")))
EVERYWHERE: Final[tuple[tuple[Scheme, int], ...]] = tuple((scheme, width) for width in (WIDE, NARROW) for scheme in SCHEMES)
CORNERS: Final[tuple[tuple[Scheme, int], ...]] = (("light", WIDE), ("dark", NARROW))
"""Both schemes and both widths in two looks."""
PAPER: Final = """() => [
  ...(document.querySelector("h1").checkVisibility() ? [] : ["no heading"]),
  ...[...document.querySelectorAll(":is(nav, button, select, input)")].filter((one) => one.checkVisibility())
    .map((one) => one.outerHTML.slice(0, 80)),
]"""
OUTLINE: Final = """() => [...document.querySelectorAll("main :is(h1, h2, thead th)")]
  .map((one) => one.id || (one.firstChild?.textContent ?? "").trim())"""
"""Headings and columns; what stands beside a heading in small letters may change from one second to the next."""

AXE: Final = """() => axe.run(document, {resultTypes: ["violations"], preload: false}).then((found) => ({
  passes: found.passes.length, incomplete: found.incomplete.map((one) => one.id), version: found.testEngine.version,
  violations: found.violations.map((one) => ({
    id: one.id, help: one.help,
    nodes: one.nodes.map((n) => n.target.join(" ") + ": " + [...n.any, ...n.all, ...n.none].map((check) => check.message).join("; ")),
  })),
}))"""
DRAWN: Final = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
"""Until a drawing that follows its place has followed it."""

MOST_OWN_BYTES: Final = 80 * 1024
SIDEWAYS: Final = """() => {
  const over = document.documentElement.scrollWidth - innerWidth;
  const beyond = (one) => one.getBoundingClientRect().right > innerWidth + 1 && !one.closest(".scroll");
  const wide = [...document.querySelectorAll("body *")].filter(beyond);
  return [over, over > 0 ? wide.slice(-3).map((e) => e.tagName + "." + e.className) : []];
}"""
HIDDEN: Final = """() => [...document.querySelectorAll(".scroll")].filter((one) => one.scrollWidth > one.clientWidth + 1)
  .map((one) => `${one.getAttribute("aria-label")}: ${one.scrollWidth - one.clientWidth} px of columns out of sight in a wide window`)"""


@dataclass(frozen=True)
class Axe:
    """What axe-core says of a page in a scheme at a width."""

    scheme: str
    width: int
    passes: int
    incomplete: tuple[str, ...]
    violations: tuple[str, ...]
    version: str


@dataclass
class Seen:
    """A page as it was. `own_bytes`, `vendored_bytes`: of scripts and styles, by file, as they are without compression.

    `remote`: what it asked of others than its own collector, or was kept from asking by its policy. `faults`: what the console says, and
    what did not load. `sideways_px`: how much wider than the window the page is when that is narrow. `hidden`: tables of which a wide
    window does not show all columns. `text`: all that can be read, `next_step`: what it says to do next, `outline`: headings and columns.
    `keys`: what is wrong with it for who has no mouse, `paper`: what does not belong on paper, or is missing there.
    """

    at: Address
    status: int = 0
    remote: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    own_bytes: dict[str, int] = field(default_factory=dict)
    vendored_bytes: dict[str, int] = field(default_factory=dict)
    axe: list[Axe] = field(default_factory=list)
    sideways_px: int = 0
    sideways: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    text: str = ""
    next_step: str = ""
    outline: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    paper: list[str] = field(default_factory=list)

    @property
    def violations(self) -> list[str]:
        """Of all schemes and widths."""
        return [f"{one.scheme} {one.width}: {what}" for one in self.axe for what in one.violations]

    @property
    def own_total(self) -> int:
        """Bytes of our own scripts and styles."""
        return sum(self.own_bytes.values())

    @property
    def wrong(self) -> list[str]:
        """What is not as it has to be; empty when nothing is."""
        found = [*(f"axe {what}" for what in self.violations), *(f"asks {one}" for one in self.remote), *self.faults]
        found += [*self.hidden, *(f"keys: {one}" for one in self.keys), *(f"in print: {one}" for one in self.paper)]
        if self.sideways_px > 0:
            found.append(f"{self.sideways_px} px wider than a narrow window, by {', '.join(self.sideways)}")
        if self.own_total > MOST_OWN_BYTES:
            found.append(f"{self.own_total} bytes of our own scripts and styles, at most {MOST_OWN_BYTES}")
        if self.status != self.at.status:
            found.append(f"status {self.status}, not {self.at.status}")
        return [f"{self.at.name} ({self.at.state}): {what}" for what in found]


@contextmanager
def opened(context: BrowserContext, seen: Seen) -> Iterator[Page]:
    """The page, loaded in the one window of the context; what it does until the end of the block is noted in `seen`."""
    page = context.pages[0] if context.pages else context.new_page()
    sized(page, WIDE, "light")
    origin, asked, answers = urlsplit(seen.at.url).netloc, list[Request](), list[Response]()
    said: list[str] = []
    heard: dict[Any, Callable[[Any], object]] = {
        "request": lambda one: asked.append(one),
        "response": lambda one: answers.append(one),
        "console": lambda one: said.append(f"{one.type}: {one.text}") if one.type in ("error", "warning") else None,
        "pageerror": lambda error: said.append(f"script: {error}"),
        "requestfailed": lambda one: said.append(f"not loaded: {one.url}") if urlsplit(one.url).netloc == origin else None,
    }
    for event, handler in heard.items():
        page.on(event, handler)
    try:
        answer = page.goto(seen.at.url, wait_until="load")
        seen.status = answer.status if answer is not None else 0
        yield page
        refused = page.evaluate("() => window.refused ?? []")
        seen.remote += [one.url for one in asked if urlsplit(one.url).netloc not in ("", origin)] + [f"refused: {one}" for one in refused]
        # of a page that has to answer 404 the browser says so itself
        seen.faults += [what for what in said if seen.at.status == 200 or "Failed to load resource" not in what]
        for answer in answers:
            parts = urlsplit(answer.url)
            if parts.netloc == origin and parts.path.endswith(KINDS):
                name = parts.path.rpartition("/")[2]
                (seen.vendored_bytes if name in VENDORED else seen.own_bytes)[name] = len(answer.body())
    finally:
        for event, handler in heard.items():
            page.remove_listener(event, handler)
        page.goto("about:blank")


def look(
    context: BrowserContext, at: Address, *, ways: Sequence[tuple[Scheme, int]] = EVERYWHERE, used: bool = True, keep: Path | None = None
) -> Seen:
    """Load the page once and look at it in these ways, and with `used` walk through it with the keyboard and print it; with `keep` a
    picture of each way stands in that folder.
    """
    seen = Seen(at)
    with opened(context, seen) as page:
        seen.text = page.locator("main").inner_text()
        seen.next_step = " ".join(page.locator("main .next").all_inner_texts())
        seen.outline = page.evaluate(OUTLINE)
        seen.hidden = page.evaluate(HIDDEN)
        if used:
            seen.keys = walk(page).wrong
        page.evaluate(AXE_SCRIPT)
        for scheme, width in ways:
            sized(page, width, scheme)
            found = page.evaluate(AXE)
            told = tuple(f"{one['id']}: {one['help']} ({'; '.join(one['nodes'][:3])})" for one in found["violations"])
            seen.axe.append(Axe(scheme, width, found["passes"], tuple(found["incomplete"]), told, found["version"]))
            if keep is not None:
                name = f"{at.name}.{'narrow' if width == NARROW else 'wide'}.{scheme}.png"
                page.screenshot(path=keep / name, full_page=True, animations="disabled")
        sized(page, NARROW, "light")
        seen.sideways_px, seen.sideways = page.evaluate(SIDEWAYS)
        if used:
            page.emulate_media(media="print")
            seen.paper = page.evaluate(PAPER)
    return seen


def sized(page: Page, width: int, scheme: Scheme) -> None:
    """Show the page in a scheme at a width."""
    page.emulate_media(color_scheme=scheme, media="screen")
    page.set_viewport_size({"width": width, "height": HEIGHT})
    page.evaluate(DRAWN)
