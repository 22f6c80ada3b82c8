"""How the parts of a card's page are laid out: sections, facts, tables and notes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from joulemark.cards.figures import Place
from joulemark.markup import Markup, joined, tag

MOST: Final = 200
"""Lines of a list or a table; the JSON has all."""


def section(title: str, *children: object) -> Markup:
    """A part of the page."""
    return tag("section", tag("h2", title), *children)


def facts(pairs: Iterable[tuple[str, object]], *, look: str = "facts") -> Markup:
    """Names with their values; `look`: `facts` in lines, `facts wide` in two columns where there is room, `tiles` side by side."""
    return tag("dl", [tag("div", tag("dt", name), tag("dd", text)) for name, text in pairs], class_=look)


def table(
    caption: object,
    heads: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    numbers: Iterable[int] = (),
    strong: Iterable[int] = (),
    look: str | None = None,
) -> Markup:
    """A table that scrolls by itself where the page is narrow. `numbers`: columns to the right; `strong`: rows in bold."""
    right, bold = frozenset(numbers), frozenset(strong)

    def cells(row: Sequence[object], kind: str, **more: str) -> list[Markup]:
        return [tag(kind, cell, class_="number" if at in right else None, **more) for at, cell in enumerate(row)]

    body = [tag("tr", cells(row, "td"), class_="strong" if at in bold else None) for at, row in enumerate(rows[:MOST])]
    head = tag("thead", tag("tr", cells(heads, "th", scope="col")))
    said = None if caption is None else tag("caption", tag("span", caption))
    whole = tag("table", said, head, tag("tbody", body), class_=look, style=f"min-width:{5 * len(heads)}rem")
    more = tag("p", "There are more lines; the JSON has all.", class_="note soft") if len(rows) > MOST else None
    return joined([tag("div", whole, class_="scroll", tabindex="0"), more])


def notes(texts: Place) -> Markup:
    """Sentences of the card, one in a line."""
    return tag("ul", [tag("li", one.value) for one in list(texts)[:MOST]], class_="note soft") if len(texts) else Markup("")


def words(key: str) -> str:
    """A name of the JSON as people read it."""
    return key.replace("_", " ")
