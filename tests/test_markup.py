"""Markup: what is text stays text, whatever it holds; what links may be."""

from __future__ import annotations

from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.errors import UsageError
from joulemark.markup import LONGEST, Markup, document, grouped, joined, safe_link, shown, tag


@given(st.text(max_size=400), st.text(max_size=400))
def test_any_text_is_one_element_with_that_text(text: str, value: str) -> None:
    """An XML parser reads back exactly one element, with the cleaned text and attribute."""
    root = ElementTree.fromstring(tag("p", text, class_=value))
    assert (root.tag, root.text or "", root.get("class")) == ("p", shown(text), shown(value))
    assert len(root) == 0


def test_children_are_escaped_but_for_markup() -> None:
    """Markup stands as it is; text, numbers, lists and None go through the one door."""
    assert (
        tag("p", "<b>", Markup("<i></i>"), [1, ["&"]], None, data_from="/a", title=None) == '<p data-from="/a">&lt;b&gt;<i></i>1&amp;</p>'
    )
    assert joined(["a", Markup("<br>")]) == "a<br>"
    assert tag("meta", charset="utf-8") == '<meta charset="utf-8">'
    assert tag("path", d=Markup("M" * 1000)).count("M") == 1000


def test_texts_are_cut_and_cleaned() -> None:
    """Ten megabytes become a line; marks that move, hide or reverse text are replaced, white space is a space."""
    assert len(shown("x" * 10_000_000)) == LONGEST
    assert shown("a\x1b[31m\u202eb\nc\td\ud800") == "a\ufffd[31m\ufffdb c d\ufffd"


@pytest.mark.parametrize(
    ("number", "text"),
    [("1234", "1234"), ("12345", "12\u202f345"), ("-1234567.25", "-1\u202f234\u202f567.25"), ("0.00001", "0.00001"), ("1e400", "1e400")],
)
def test_long_numbers_are_grouped(number: str, text: str) -> None:
    """Groups of three from five digits on, none behind the point."""
    assert grouped(number) == text


@pytest.mark.parametrize(
    "link", ["card.html", "../a/card.html?x=1#y", "https://board.example/c/1", "http://127.0.0.1:7471/v1/runs/r/card.html"]
)
def test_links_to_pages_are_taken(link: str) -> None:
    """http, https and relative paths."""
    assert safe_link(link) == link


@pytest.mark.parametrize(
    "link",
    [
        *(
            "",
            "javascript:alert(1)",
            "JaVaScRiPt:x",
            "data:text/html,x",
            "//evil.example",
            "/\\evil",
            "\\\\evil",
            "file:///etc/passwd",
            "https://",
        ),
        *("http:x", "a b", '"><script>', "a\nb", "vbscript:x", "mailto:a@b", "https://[::1", "h\u0442tps://x", "#x", "x" * 400),
    ],
)
def test_every_other_link_is_refused(link: str) -> None:
    """What runs, what leads to another scheme, and what a browser may read in another way."""
    with pytest.raises(UsageError, match="no link"):
        safe_link(link)


def test_a_document_loads_nothing() -> None:
    """A page holds its style and no reference; it says that it knows both colour schemes."""
    text = document("T <", tag("p", "x"))
    parser = HTMLParser()
    parser.feed(text)
    assert text.startswith("<!doctype html>\n<html")
    assert "<title>T &lt;</title>" in text
    assert "prefers-color-scheme: dark" in text
    assert 'http-equiv="Content-Security-Policy" content="default-src &#x27;none&#x27;; style-src' in text
    assert not any(word in text.replace("http-equiv", "") for word in ("<script", "<link", "src=", "url(", "@import", "http"))


def contrast(one: str, other: str) -> float:
    """Contrast of two colours (WCAG 2.2, 1.4.3)."""

    def light(colour: str) -> float:
        digits = colour[1:] if len(colour) == 7 else "".join(2 * mark for mark in colour[1:])
        parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
        r, g, b = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)


def test_colours_can_be_read() -> None:
    """Text has a contrast of 4.5 on paper and panel in the light, the dark and the printed scheme; lines of charts have 3."""
    style = document("x").partition("<style>")[2]
    schemes = [
        dict(one.split(": ") for one in part.partition("}")[0].replace("\n", " ").split("; ") if one.strip().startswith("--"))
        for part in style.split(":root {")[1:]
    ]
    assert len(schemes) == 3
    for scheme in schemes:
        colours = {name.strip(): value.strip(" ;") for name, value in scheme.items()}
        for name in ("--ink", "--soft", "--accent", "--good", "--doubt", "--bad"):
            assert min(contrast(colours[name], colours[paper]) for paper in ("--paper", "--panel")) >= 4.5, name
        assert all(contrast(colours[name], colours["--paper"]) >= 3 for name in ("--second", "--third", "--fourth"))
