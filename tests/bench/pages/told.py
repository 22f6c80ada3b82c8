"""What the bench of the pages measured, as tables and as one line, and what of it is too much."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

MOST_PAINT_RATIO: Final = 8.0
"""A page may take so many times as long to its first paint as a route that does nothing, whose answer the same browser shows."""
MOST_TRACE_BYTES: Final = 400_000
"""Of the JSON of 2000 buckets with lowest, mean and highest: aesthetics measured 314 kB."""
MOST_TRACE_RATIO: Final = 3.0
"""Asked again, a trace may take at most so many times as long as its page takes to its first paint."""
MOST_DRAWN_RATIO: Final = 3.0


@dataclass(frozen=True)
class Paint:
    """First contentful paint of a page in ms, median and longest; `null_ms`: median of the route that does nothing."""

    page: str
    median_ms: float
    longest_ms: float
    null_ms: float

    @property
    def ratio(self) -> float:
        """Of the medians."""
        return self.median_ms / self.null_ms


@dataclass(frozen=True)
class Traced:
    """A long run. `first_page_ms`: the page when nothing was computed; `trace_cold_ms`, `trace_ms`: the buckets, first and again;
    `drawn_ms`: from the last byte to the last line on the canvas.
    """

    readings: int
    first_page_ms: float
    energy_ms: float
    trace_cold_ms: float
    trace_ms: float
    trace_bytes: int
    paint_ms: float
    drawn_ms: float
    page_bytes: int


def tables(paints: Sequence[Paint], long: Traced) -> Iterator[str]:
    """Both as Markdown."""
    yield f"First contentful paint, cold browser; a route that does nothing: {paints[0].null_ms:.0f} ms\n"
    yield "| page | median ms | longest ms | times the route that does nothing |"
    yield "|---|--:|--:|--:|"
    for one in paints:
        yield f"| {one.page} | {one.median_ms:.0f} | {one.longest_ms:.0f} | {one.ratio:.1f} |"
    yield f"\nA run of {long.readings} readings\n"
    yield "| what | |"
    yield "|---|--:|"
    for name, value in asdict(long).items():
        yield f"| {name} | {value:,.0f} |"


def line_of(paints: Sequence[Paint], long: Traced) -> dict[str, Any]:
    """The figures of the last line."""
    slowest = max(paints, key=lambda one: one.ratio)
    return {
        "pages": len(paints),
        "null_paint_ms": round(slowest.null_ms, 1),
        "slowest": slowest.page,
        "paint_ratio_max": round(slowest.ratio, 2),
        **{name: round(value, 1) for name, value in asdict(long).items()},
    }


def wrong(paints: Sequence[Paint], long: Traced) -> Iterator[str]:
    """What is too much."""
    for one in paints:
        if one.ratio > MOST_PAINT_RATIO:
            yield f"{one.page} takes {one.ratio:.1f} times as long to its first paint as a route that does nothing"
    if long.trace_bytes > MOST_TRACE_BYTES:
        yield f"the trace has {long.trace_bytes} bytes, at most {MOST_TRACE_BYTES}"
    if long.trace_ms > MOST_TRACE_RATIO * long.paint_ms:
        yield f"asked again the trace takes {long.trace_ms:.0f} ms, more than {MOST_TRACE_RATIO:g} times the first paint of its page"
    if long.drawn_ms > MOST_DRAWN_RATIO * long.paint_ms:
        yield f"drawing takes {long.drawn_ms:.0f} ms, more than {MOST_DRAWN_RATIO:g} times the first paint of its page"
