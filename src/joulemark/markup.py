"""Markup that is safe by construction: pages and drawings without script, whose texts are escaped, cleaned and bounded in one place."""

from __future__ import annotations

import functools
import html
from collections.abc import Iterable
from importlib import resources
from typing import Final
from urllib.parse import urlsplit

from joulemark.errors import UsageError

LONGEST: Final = 300
"""Characters of one text: a name in a bundle may have millions."""

THIN: Final = "\u202f"
"""Between groups of three digits."""

VOID: Final = frozenset({"meta", "br", "col"})
"""Elements of HTML that have no end."""

WITHIN: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""Content-Security-Policy that every page made here fits, and carries into a file."""

POLICY: Final = f"{WITHIN}; frame-ancestors 'none'"
"""The same as it is sent."""


class Markup(str):
    """Finished markup: it is not escaped again."""

    __slots__ = ()

    def __html__(self) -> Markup:
        """What the template of a page takes as finished, too."""
        return self


def tag(name: str, /, *children: object, **attributes: object) -> Markup:
    """An element of HTML or SVG. Texts among `children` are escaped, lists are opened, and None is nothing.

    An attribute `stroke_width` is written `stroke-width`, and a `_` at its end, as in `class_`, is left away; one that is None is not
    written. What is no `Markup` is cleaned and cut as `shown` does.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{written_value(value)}"' for key, value in attributes.items() if value is not None
    )
    return Markup(f"<{name}{written}>" if name in VOID else f"<{name}{written}>{joined(children)}</{name}>")


def written_value(value: object) -> str:
    """The value of an attribute; `Markup` is long on purpose, as the data of a path is."""
    return str(value) if isinstance(value, Markup) else html.escape(shown(value))


def joined(children: Iterable[object]) -> Markup:
    """`children` one after the other, as `tag` takes them."""
    return Markup("".join(str(piece(child)) for child in children))


def piece(child: object) -> Markup:
    """One child of an element."""
    if isinstance(child, Markup):
        return child
    if child is None:
        return Markup("")
    if isinstance(child, list | tuple):
        return joined(child)
    return Markup(html.escape(shown(child), quote=False))


def shown(value: object, *, longest: int = LONGEST) -> str:
    """`value` as a person can read it: white space is a space, what moves, hides or reverses text is a replacement character."""
    text = str(value)
    cut = text if len(text) <= longest else f"{text[: longest - 1]}\N{HORIZONTAL ELLIPSIS}"
    if cut.isprintable():
        return cut
    return "".join(mark if mark.isprintable() or mark == THIN else " " if mark.isspace() else "\N{REPLACEMENT CHARACTER}" for mark in cut)


def grouped(number: str) -> str:
    """The text of a number with thin spaces between groups of three digits, where five or more stand before the point."""
    sign = number[:1] if number[:1] in "+-" else ""
    whole, point, rest = number[len(sign) :].partition(".")
    if not whole.isdecimal() or len(whole) < 5:
        return number
    first = len(whole) % 3 or 3
    groups = [whole[:first], *(whole[at : at + 3] for at in range(first, len(whole), 3))]
    return f"{sign}{THIN.join(groups)}{point}{rest}"


def document(title: str, *body: object) -> Markup:
    """A whole page of HTML with the style of the house in it; it loads nothing."""
    head = [
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=WITHIN),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", stylesheet()),
    ]
    return Markup(f"<!doctype html>\n{tag('html', tag('head', head), tag('body', tag('main', *body)), lang='en')}\n")


@functools.cache
def stylesheet() -> Markup:
    """The one style sheet of all pages."""
    return Markup(resources.files("joulemark").joinpath("house.css").read_text(encoding="utf-8"))


def safe_link(link: str) -> str:
    """`link`, where it leads to a page over http or https, or is a relative path. Raises UsageError for every other."""
    try:
        parts = urlsplit(link)
    except ValueError:
        parts = None
    web = parts is not None and parts.scheme in ("http", "https") and bool(parts.hostname)
    path = parts is not None and not parts.scheme and not parts.netloc and not link.startswith(("/", "\\", "#", "?"))
    plain = link.isascii() and link.isprintable() and not set(link) & set(" \\<>\"'`") and len(link) < LONGEST
    if not link or not plain or not (web or path):
        raise UsageError(
            f"{shown(link, longest=80)!r} is no link that a page may carry", "give an http or https address, or a relative path"
        )
    return link
