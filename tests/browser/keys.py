"""A page with nothing but a keyboard: what the Tab key reaches, and whether one sees where one is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from playwright.sync_api import Page

WALK: Final = """() => {
  const FIELDS = 4; // day, month, year and the button of a date are places of their own
  const places = [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]")];
  const asked = places.filter((one) => one.tabIndex >= 0 && !one.disabled && one.checkVisibility({visibilityProperty: true}));
  const said = (one) => one.getAttribute("aria-label") || one.innerText || one.name || one.className;
  const words = (one) => `${one.tagName.toLowerCase()} ${said(one).slice(0, 60)}`;
  window.walk = {asked, words, reached: [], unseen: []};
  addEventListener("focusin", ({target}) => {
    const style = getComputedStyle(target);
    window.walk.reached.push(target);
    if (style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 1) window.walk.unseen.push(words(target));
  });
  return asked.length + FIELDS * asked.filter((one) => ["date", "time", "datetime-local"].includes(one.type)).length;
}"""
MISSED: Final = """() => {
  const {asked, words, reached} = window.walk;
  const group = (one) => one.type === "radio" ? [...document.getElementsByName(one.name)] : [one];
  return asked.filter((one) => !group(one).some((other) => reached.includes(other))).map(words);
}"""
END: Final = f"""() => {{
  const {{reached, unseen}} = window.walk;
  const missed = ({MISSED})();
  document.activeElement?.blur();
  return [reached.slice(0, 1).map((one) => one.className + " " + one.innerText)[0] ?? "", missed, unseen];
}}"""


SKIP: Final = "skip Skip to content"
ROUNDS: Final = 3


@dataclass(frozen=True)
class Walk:
    """The first place that Tab reaches, those it never reaches, and those where the focus is not seen."""

    first: str
    missed: list[str]
    unseen: list[str]

    @property
    def wrong(self) -> list[str]:
        """What is not as it has to be."""
        first = [] if self.first == SKIP else [f"Tab begins at {self.first!r}, not at the link to the content"]
        return [*first, *(f"{one} is never reached" for one in self.missed), *(f"the focus on {one} is not seen" for one in self.unseen)]


def walk(page: Page) -> Walk:
    """Press Tab from the top of the page until everything that can be used was passed.

    Where something was not, once more around: a drawing that is done meanwhile brings places that were not counted.
    """
    presses = page.evaluate(WALK) + 3
    for _ in range(ROUNDS):
        for _ in range(presses):
            page.keyboard.press("Tab")
        if not page.evaluate(MISSED):
            break
    first, missed, unseen = page.evaluate(END)
    return Walk(first, missed, unseen)
