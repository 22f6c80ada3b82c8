"""A reader of a card's page that is no part of what makes it: whether it is well formed and harmless, and whether its numbers are true."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any, Final
from xml.etree import ElementTree

from joulemark.markup import LONGEST
from joulemark.timebase import iso_utc

VOID: Final = {"meta", "br", "col", "!doctype"}
ELEMENTS: Final = {
    *(
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "main",
        "header",
        "section",
        "div",
        "span",
        "p",
        "h1",
        "h2",
        "h3",
        "dl",
        "dt",
        "dd",
    ),
    *("table", "caption", "thead", "tbody", "tr", "th", "td", "ul", "li", "pre", "code", "strong", "i", "data", "time", "details"),
    *("summary", "figure", "figcaption", "svg", "desc", "rect", "line", "path"),
}
OURS: Final = {"95", "1", "2", "256"}
"""Numbers in our own words: U95, 1k, CO2e, SHA-256."""


@dataclass
class Page(HTMLParser):
    """What stands on a page. `faults`: what no page may have."""

    stack: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    figures: list[tuple[dict[str, str], str]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    style: str = ""
    chart: bool = False

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    @classmethod
    def of(cls, text: str) -> Page:
        found = cls()
        found.feed(text)
        found.close()
        found.faults += [f"{name} is not closed" for name, _ in found.stack]
        for word in ("@import", "url(", "expression("):
            found.faults += [f"{word} in the style"] if word in found.style else []
        return found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.faults += [f"element {tag}"] if tag not in ELEMENTS else []
        for name, value in given.items():
            if (
                name.startswith("on")
                or name in ("src", "href", "action", "xlink:href")
                or (name != "value" and re.search(r"javascript:|//", value))
            ):
                self.faults.append(f"attribute {name}={value[:60]} of {tag}")
        if tag in ("data", "time"):
            self.figures.append((given, ""))
        if tag not in VOID:
            self.stack.append((tag, given))

    def handle_endtag(self, tag: str) -> None:
        if not self.stack or self.stack[-1][0] != tag:
            self.faults.append(f"</{tag}> does not close {self.stack[-1:]}")
        else:
            self.stack.pop()

    def handle_data(self, data: str) -> None:
        if self.stack and self.stack[-1][0] in ("data", "time"):
            given, text = self.figures.pop()
            self.figures.append((given, text + data))
        elif self.stack and self.stack[-1][0] == "style":
            self.style += data
        elif not any(name in ("figure", "pre") for name, _ in self.stack):
            self.words.append(data)


def drawing(text: str) -> ElementTree.Element:
    """The root of an SVG, well-formed and harmless."""
    root = ElementTree.fromstring(text)
    for one in root.iter():
        name = one.tag.rpartition("}")[2]
        assert name in {"svg", "title", "desc", "a", "rect", "text", "tspan", "line"}, name
        assert not any(key.startswith("on") or key == "style" for key in one.attrib), one.attrib
        assert [key for key in one.attrib if key.endswith("href")] in ([], ["href"])
    return root


def at(document: Any, pointer: str) -> Any:
    """The value at a JSON pointer."""
    for step in pointer.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        document = document[int(key)] if isinstance(document, list) else document[key]
    return document


def untrue(page: Page, document: Any) -> list[str]:
    """What on the page is not in its document: figures that are no rounding of theirs, and other numbers in none of its texts."""
    wrong = [f"{given} shows {text!r}" for given, text in page.figures if not true(given, text, document)]
    texts = {number for text in strings(document) for number in re.findall(r"\d+", text[:LONGEST])}
    free = [number for words in page.words for number in re.findall(r"\d+", words)]
    return wrong + [f"{number} stands nowhere" for number in free if number not in OURS and number not in texts]


def true(given: dict[str, str], text: str, document: Any) -> bool:
    """Whether one figure is what stands at its place."""
    if "data-count" in given:
        return text == given["value"] == str(len(at(document, given["data-count"])))
    value = at(document, given["data-from"])
    if "datetime" in given:
        moment = iso_utc(value)[:19]
        return given["datetime"] == f"{moment}Z" and text.removesuffix(" UTC") in (moment.replace("T", " "), moment[11:])
    if given["value"] != (value if isinstance(value, str) else json.dumps(value)):
        return False
    text = text.replace("\u202f", "")
    shown, exact = Decimal(text), Decimal(given["value"]) * Decimal(given.get("data-scale", "1"))
    zeros = 0 if "." in text else len(text) - len(text.rstrip("0"))  # those that UNC-5 leaves in place of digits
    last = Decimal(1).scaleb(int(shown.as_tuple().exponent) + (zeros if shown else 0))
    return abs(shown - exact) <= last / (1 if given.get("data-scale") == "100" else 2)


def strings(data: Any) -> list[str]:
    """Every text of a document, its keys among them."""
    if isinstance(data, dict):
        return [*map(str, data), *(text for value in data.values() for text in strings(value))]
    if isinstance(data, list | tuple):
        return [text for value in data for text in strings(value)]
    return [data] if isinstance(data, str) else []
