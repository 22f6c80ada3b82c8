"""The page of one host: the course of power of each of its devices on one axis of time, and the same as tables."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import numpy as np
from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from joulemark.calibration.alignment import Alignment
from joulemark.calibration.figures import FULL, IDLE, level_w
from joulemark.cards.buckets import Buckets
from joulemark.cards.trace import Trace
from joulemark.collector.api.live import look
from joulemark.collector.api.problems import NotFound
from joulemark.collector.api.state import Served, State
from joulemark.collector.picture import AHEAD_NS, Host, MeterNow, Picture
from joulemark.collector.web import calibrations, looks, words
from joulemark.collector.web.course import Course, Gap, courses, said
from joulemark.collector.web.drawings.sparkline import sparkline
from joulemark.energy.integrate import GAP_FACTOR, nominal_interval_s
from joulemark.energy.series import Series
from joulemark.markup import Markup
from joulemark.units import NS_PER_S

router = APIRouter(include_in_schema=False)
MINUTE_NS: Final = 60 * NS_PER_S
BUCKETS: Final = 300
"""Stretches of a line; of each the lowest and the highest reading stay."""
STILL: Final = 60
"""The same of the small drawing in the table."""
MOST_GAPS: Final = 20
"""Of all devices, the newest."""


@dataclass(frozen=True, slots=True)
class Panel:
    """A device as it is drawn: `now` is its meter that the line is made of, `idle_w` and `full_w` those of the alignment in force."""

    course: Course
    now: MeterNow
    line: Buckets
    gaps: tuple[Gap, ...]
    alignment: Alignment | None
    begin_ns: int
    end_ns: int

    @property
    def conclusion(self) -> str:
        """What the line shows, in a sentence."""
        return said(f"{self.course.name} ({words.place(str(self.course.boundary))})", self.line)

    @property
    def look(self) -> str:
        """Class of its colour."""
        return words.LOOKS.get(str(self.course.boundary), "wall")

    @property
    def still(self) -> Markup | None:
        """The line without script."""
        line = buckets(self.course.trace, self.begin_ns, self.end_ns, STILL)
        return sparkline(line, self.begin_ns, self.end_ns, title=self.conclusion, look=self.look)

    @property
    def ends_w(self) -> tuple[float | None, float | None]:
        """Lowest and highest power of the time shown."""
        if np.isnan(self.line.mean_w).all():
            return None, None
        return float(np.nanmin(self.line.low_w)), float(np.nanmax(self.line.high_w))

    @property
    def levels_w(self) -> dict[str, float]:
        """Power of the sensor idle and at full load, as far as an alignment measured it."""
        found = {} if self.alignment is None else {name: level_w(self.alignment, name) for name in (IDLE, FULL)}
        return {name: power_w for name, power_w in found.items() if power_w is not None}

    def to_json(self) -> dict[str, Any]:
        """What `host.js` draws and goes on from."""
        good, trace = self.course.source.integrable(), self.course.trace
        return {
            "meter_id": self.now.meter_id,
            "colour": f"--{self.look}",
            "by_power": self.course.by_power,
            "gap_s": 0.0 if trace is None else gap_s(trace, self.course.source),
            "until_ns": min(int(self.course.source.t_ns[-1]), self.end_ns),
            "last": None if not len(good) else [int(good.t_ns[-1]) / NS_PER_S, int(good.value[-1])],
            "levels": self.levels_w,
            **self.line.to_json(self.begin_ns),
        }


def gap_s(trace: Trace, source: Series) -> float:
    """How far apart two points of a line may lie, s: more is a gap."""
    return GAP_FACTOR * max(nominal_interval_s(trace.t_ns[np.isfinite(trace.power_w)]), source.meter.read_interval_s or 0.0)


@router.get("/hosts/{agent_id}")
async def host(state: Served, agent_id: str, minutes: Annotated[int, Query(ge=1, le=60)] = 5) -> HTMLResponse:
    """Every device of a host over the last `minutes`."""
    seen = await state.live.now(lambda: look(state))
    if (shown := seen.host(agent_id)) is None:
        raise NotFound(f"no host {agent_id[:200]!r} sent readings", "see GET /hosts for those that did; start one: joulemark agent run")
    panels = await asyncio.to_thread(drawn, state, seen, shown, minutes)
    lost = sorted(((panel, gap) for panel in panels for gap in panel.gaps), key=lambda one: -one[1].begin_ns)
    begin_ns = seen.t_ns - minutes * MINUTE_NS
    data = {
        "agent_id": agent_id,
        "begin_s": begin_ns / NS_PER_S,
        "minutes": minutes,
        "bucket_s": minutes * 60 / BUCKETS,
        "panels": [panel.to_json() for panel in panels],
    }
    return await looks.page(
        state,
        "host.html",
        here="/hosts",
        title=f"Host {agent_id[:200]}",
        seen=seen,
        host=shown,
        panels=panels,
        silent=[meter for meter in shown.meters if meter.meter_id not in {one.meter.meter_id for p in panels for one in p.course.series}],
        lost=lost[:MOST_GAPS],
        lost_count=len(lost),
        minutes=minutes,
        begin_ns=begin_ns,
        data=data,
        words=words,
    )


def drawn(state: State, seen: Picture, host: Host, minutes: int) -> list[Panel]:
    """The devices of a host, from the wall inwards. Blocks."""
    begin_ns, meters = seen.t_ns - minutes * MINUTE_NS, {meter.meter_id: meter for meter in host.meters}
    found = state.store.recent(list(meters), begin_ns, seen.t_ns + AHEAD_NS, now_ns=seen.t_ns) if meters else []
    newest = {one.meter.meter_id: one for one in sorted(found, key=lambda one: int(one.t_ns[-1]))}
    losses = [loss for agent_id, loss in state.store.losses(begin_ns, seen.t_ns) if agent_id == host.agent_id]
    aligned = in_force(calibrations.known_to(state).records, seen.t_ns)
    return [
        Panel(
            one,
            meters[one.source.meter.meter_id],
            buckets(one.trace, begin_ns, seen.t_ns, BUCKETS),
            tuple(one.gaps(losses)),
            aligned.get(one.source.meter.meter_id),
            begin_ns,
            seen.t_ns,
        )
        for one in courses(list(newest.values()))
    ]


def buckets(trace: Trace | None, begin_ns: int, end_ns: int, count: int) -> Buckets:
    """The line in stretches; empty where there is none."""
    if trace is None:
        return Buckets(np.zeros(0, dtype=np.int64), *(np.zeros(0) for _ in range(3)))
    return Buckets.of(trace, begin_ns, end_ns, count=count)


def in_force(records: Sequence[Alignment], at_ns: int) -> dict[str, Alignment]:
    """For each sensor the newest alignment that holds at `at_ns`."""
    return {one.sensor: one for one in sorted(records, key=lambda one: one.made_ns) if one.made_ns <= at_ns <= one.expires_ns}
