"""The label: a small drawing with level, figure, uncertainty and date. It says less than a card and claims no more.

Colours stand in attributes and fonts are the system's: it needs no style, no script and no other file, and equal cards give equal bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from joulemark.cards.figures import Place, digits, headline
from joulemark.markup import Markup, safe_link, shown, tag
from joulemark.timebase import iso_utc

WIDTH: Final = 320
HEIGHT: Final = 120
SIDE: Final = 84
"""Width of the field of the level."""
INK: Final = "#1a1f26"
SOFT: Final = "#4b5563"
LINE: Final = "#c3cad3"
PAPER: Final = "#ffffff"
GOOD: Final = "#1b7a43"
BAD: Final = "#b3261e"
PLUS: Final = "\N{PLUS-MINUS SIGN}"
FONT: Final = "system-ui, sans-serif"
WIDEST: Final = 0.56
"""Mean width of a character as a share of its size, in a wide font."""


def label(report: Mapping[str, Any], *, link: str | None = None) -> str:
    """The SVG of a document of schema `joulemark.report/1`. `link`: an http(s) address or a relative path, else UsageError."""
    whole = Place(report)
    target = None if link is None else safe_link(link)
    drawing = [frame(whole["validation"]), figure(whole), below(whole, target), crossed(whole["validation"])]
    inside = drawing if target is None else [tag("a", drawing, href=target)]
    return (
        tag(
            "svg",
            tag("title", summary(whole)),
            tag("desc", f"{whole['meaning'].value}. {why(whole['validation'])} {lacking(whole)} {link_text(target)}"),
            *inside,
            xmlns="http://www.w3.org/2000/svg",
            width=WIDTH,
            height=HEIGHT,
            viewBox=f"0 0 {WIDTH} {HEIGHT}",
            role="img",
            font_family=FONT,
        )
        + "\n"
    )


def summary(whole: Place) -> str:
    """The label in a sentence."""
    found = headline(whole["card"])
    figure = (
        "energy per 1k output tokens not known"
        if found is None
        else f"{found['value'].value} \N{PLUS-MINUS SIGN} {found['u95'].value} {found['unit'].value}"
    )
    mark = " (simulated)" if whole["card"]["simulated"].value else ""
    return f"{figure}{mark}, level {whole['validation']['level_text'].value}, {day(whole['card'])}"


def frame(validation: Place) -> list[Markup]:
    """The level at the left: filled where a level was reached, hollow and dashed for ES0 and INVALID."""
    level = validation["level"].value
    kit = bool(validation["kit"].value)
    reached = level in ("ES1", "ES2") and not kit
    colour = GOOD if reached else BAD if level == "INVALID" else SOFT
    side = {"x": 6, "y": 6, "width": SIDE - 12, "height": HEIGHT - 12, "rx": 5}
    dashes = {} if reached else {"stroke": colour, "stroke_width": 1.5, "stroke_dasharray": "4 3"}
    note = {"INVALID": "contradicts", "ES0": "not ranked"}.get(level, "test kit" if kit else "reached")
    size = 14 if level == "INVALID" else 24
    ink = PAPER if reached else colour
    return [
        tag("rect", x=0.5, y=0.5, width=WIDTH - 1, height=HEIGHT - 1, rx=8, fill=PAPER, stroke=LINE),
        tag("rect", **side, fill=colour if reached else PAPER, **dashes),
        line(level, SIDE / 2, 69, size, ink, weight=700, anchor="middle"),
        line(note, SIDE / 2, 90, 11, ink, anchor="middle"),
        line("Energy", SIDE / 2, 38, 11, ink, anchor="middle"),
    ]


def figure(whole: Place) -> list[Markup]:
    """The number with its uncertainty, and its unit."""
    found = headline(whole["card"])
    left = SIDE + 8
    if found is None:
        return [line("not known", left, 44, 22, SOFT, weight=600), line("J per 1k output tokens", left, 64, 12, SOFT)]
    value, u95 = digits(found["value"].value), digits(found["u95"].value)
    size = 28 if len(value) + len(u95) < 13 else 20 if len(value) + len(u95) < 19 else 12
    parts = [
        tag("tspan", value, data_from=found["value"].pointer, font_weight=700),
        tag("tspan", " \N{PLUS-MINUS SIGN} ", font_size=size * 0.6),
        tag("tspan", u95, data_from=found["u95"].pointer, font_size=size * 0.6),
    ]
    return [
        tag("text", parts, x=left, y=42, font_size=size, fill=INK),
        line(f"J/1k output tokens, {PLUS} lacks parts" if lacking(whole) else f"J per 1k output tokens, {PLUS} is U95", left, 60, 12, SOFT),
    ]


def below(whole: Place, target: str | None) -> list[Markup]:
    """Scope and date, what must not be overlooked, and where to verify it."""
    card, left = whole["card"], SIDE + 8
    scope = f"{card['scope'].value or 'no scope'}, {day(card)}"
    reason = why(whole["validation"])
    mark = reason or ("SIMULATED, no machine" if card["simulated"].value else "" if card["complete"].value else "not complete")
    return [
        line(scope, left, 77, 12, SOFT),
        *([line(mark, left, 94, 12, BAD, weight=600)] if mark else []),
        line(link_text(target), left, 110, 11, SOFT),
    ]


def why(validation: Place) -> str:
    """Why a bundle is INVALID: the first rule that says so, with what it says."""
    contradictions = frozenset(validation["contradictions"].value)
    for rule in validation["rules"]:
        if rule["id"].value in contradictions:
            details = [rule[column]["detail"].value for column in ("ES1", "ES2") if rule[column]["contradiction"].value]
            return f"{rule['id'].value}: {details[0] if details and details[0] else 'contradicts itself'}"
    return ""


def crossed(validation: Place) -> list[Markup]:
    """Two lines across the figure of an INVALID bundle."""
    if validation["level"].value != "INVALID":
        return []
    ends = ((SIDE + 4, 12, WIDTH - 12, 64), (SIDE + 4, 64, WIDTH - 12, 12))
    return [tag("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=BAD, stroke_width=3, stroke_linecap="round") for x1, y1, x2, y2 in ends]


def line(text: str, x: float, y: float, size: float, fill: str, *, weight: int = 400, anchor: str = "start") -> Markup:
    """One line of text, cut to what has room from `x` to the right edge, or in the field of the level."""
    room = SIDE if anchor == "middle" else WIDTH - 4 - x
    return tag(
        "text",
        shown(text, longest=int(room / (size * WIDEST))),
        x=f"{x:g}",
        y=f"{y:g}",
        font_size=f"{size:g}",
        fill=fill,
        font_weight=weight,
        text_anchor=anchor,
    )


def lacking(whole: Place) -> str:
    """What the uncertainty lacks; empty where it is whole."""
    missing = whole["card"]["headline"]["uncertainty_missing"].value
    return f"Not in the uncertainty, because not known: {', '.join(missing)}." if missing else ""


def link_text(target: str | None) -> str:
    """How to verify it."""
    return f"verify: {target}" if target else "verify: joulemark validate BUNDLE"


def day(card: Place) -> str:
    """The date on which the first phase that counts began, UTC."""
    told = frozenset(card["headline"]["phases"].value)
    return iso_utc(min(phase["begin_ns"].value for phase in card["phases"] if phase["name"].value in told))[:10]
