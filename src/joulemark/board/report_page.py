"""A trend report as one page of HTML that needs nothing from elsewhere: no script, prints well, light and dark."""

from __future__ import annotations

import math
from html import escape
from typing import Final

from joulemark.board.report import Report, Trend
from joulemark.board.report_text import CAUTION, Table, summary, tables, title
from joulemark.board.words import clean
from joulemark.calibration.ring_page import STYLE

WIDTH: Final = 960.0
LEFT: Final = 370.0
RIGHT: Final = 90.0
TOP: Final = 34.0
LINE: Final = 30.0
"""Height of a class in the plot."""

PLOTTED: Final = 40
NAME: Final = 36
"""Characters of a class's name in the plot."""

OWN: Final = """
td:first-child, th { white-space: normal; } td:first-child { min-width: 14rem; } td:last-child { min-width: 5rem; }
svg .class { fill: var(--soft); font-family: ui-monospace, monospace; }
@media print { body { margin: 0; max-width: none; } figure, tr { break-inside: avoid; } .scroll { overflow: visible; } }
""".strip()
POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def page(report: Report) -> str:
    """The whole page."""
    head = escape(title(report))
    moved = [one for one in report.trends if one.change_rel is not None]
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{head}</title><style>{STYLE}\n{OWN}</style></head><body><main>",
            f"<h1>{head}</h1>",
            *(f"<p>{escape(said)}</p>" for said in summary(report)),
            *([figure(moved)] if moved else []),
            *(section(one) for one in tables(report)),
            f"<p>{escape(CAUTION)} Ranks and levels as in Energy Standard 1.0.</p></main></body></html>",
        ]
    )


def section(one: Table) -> str:
    """A table with its heading, or what is said where it is empty."""
    if not one.rows:
        return f"<h2>{one.title}</h2><p>{escape(one.empty)}</p>"
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in one.columns)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in one.rows)
    more = f"<p>{one.more} more; all of them are in the report as JSON.</p>" if one.more else ""
    return (
        f'<h2>{one.title}</h2><div class="scroll" role="region" tabindex="0" aria-label="{one.title}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{more}"
    )


def figure(moved: list[Trend]) -> str:
    """How far the medians moved, one line for each class that both quarters have."""
    shown = moved[:PLOTTED]
    left_out = f" {len(moved) - len(shown)} more are in the table." if len(moved) > len(shown) else ""
    fewer = sum((one.change_rel or 0.0) < 0 for one in moved)
    label = f"Of {len(moved)} classes the median fell in {fewer}"
    caption = f"Change of the median since the quarter before; to the left fewer joules. n: entries now.{left_out}"
    return f'<figure><div class="scroll">{plot(shown, label=label)}</div><figcaption>{caption}</figcaption></figure>'


def plot(shown: list[Trend], *, label: str) -> str:
    """Dots on an axis of percent, zero marked."""
    changes = [100.0 * (one.change_rel or 0.0) for one in shown]
    reach = nice(max(abs(change) for change in changes))
    height, right = TOP + LINE * len(shown) + 10.0, WIDTH - RIGHT
    centre, scale = (LEFT + right) / 2, (right - LEFT) / 2 / reach
    out = [f'<svg viewBox="0 0 {WIDTH:g} {height:g}" role="img" aria-label="{label}">']
    for part in (-1.0, -0.5, 0.0, 0.5, 1.0):
        x = centre + part * reach * scale
        kind, tick = ("grid", f"{part * reach:+g} %") if part else ("assigned", "0 %")
        out.append(f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8:g}" y2="{height - 6:g}"/>')
        out.append(f'<text class="soft" x="{x:.1f}" y="16" text-anchor="middle">{tick}</text>')
    for place, (one, change) in enumerate(zip(shown, changes, strict=True)):
        x, y = centre + change * scale, TOP + (place + 0.5) * LINE
        name = clean(one.title, longest=NAME)
        tone, n = "good" if change < 0 else "doubt" if change > 0 else "soft", one.now.n if one.now else 0
        out.append(
            f'<g class="{tone}"><title>{escape(one.title)}; {one.load}, class {one.short_class}: {change:+.1f} %</title>'
            f'<text x="{LEFT - 12:g}" y="{y + 4:.1f}" text-anchor="end">{escape(name)} '
            f'<tspan class="class">{one.short_class}</tspan></text>'
            f'<line class="mark" x1="{centre:.1f}" x2="{x:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<circle class="mark" cx="{x:.1f}" cy="{y:.1f}" r="5"/>'
            f'<text class="soft" x="{right + 14:g}" y="{y + 4:.1f}">n = {n}</text></g>'
        )
    return "".join([*out, "</svg>"])


def nice(value: float) -> float:
    """The round number of 1, 2, 5 and their tenfolds at or above `value`; 1 where nothing moved."""
    if value <= 0.0:
        return 1.0
    size = 10.0 ** math.floor(math.log10(value))
    return next(size * factor for factor in (1, 2, 5, 10) if size * factor >= value)
