"""What `joulemark watch` shows: plain lines, and on a terminal a screen of bars."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from joulemark.cli import printable
from joulemark.cli.glance import Glance, Running
from joulemark.energy.now import Device, Level
from joulemark.timebase import iso_utc
from joulemark.units import NS_PER_S

if TYPE_CHECKING:
    from rich.console import RenderableType

NOTHING: Final = "No meter has sent a reading yet. Start an agent: joulemark agent run"
BAR: Final = 24


def line(seen: Glance) -> str:
    """One line: time, watts of each boundary, phase, and every trouble by name."""
    parts = [
        *([f"collector does not answer: {printable(seen.unreachable)}"] if seen.unreachable else []),
        *(f"{level.boundary} {total(level)}" for level in seen.levels),
        *(running(run, seen.t_ns) for run in seen.runs),
        *troubles(seen),
    ]
    if not seen.levels and not seen.unreachable:
        parts.append(NOTHING)
    return f"{clock_time(seen.t_ns)} {' | '.join(parts)}"


def clock_time(t_ns: int) -> str:
    """Time of day in UTC."""
    return f"{iso_utc(t_ns)[11:19]}Z"


def total(level: Level) -> str:
    """Watts of a boundary; where a device is not known, those of the others, and of how many."""
    count = len(level.devices)
    watts = f"{level.known_w:.1f} W" if level.known_count else "- W"
    simulated = ", simulated" if any(one.simulated for one in level.devices) else ""
    if level.power_w is None:
        return f"{watts} of {level.known_count} of {count} devices{simulated}"
    return f"{watts} ({count} device{'' if count == 1 else 's'}{simulated})"


def running(run: Running, now_ns: int) -> str:
    """A run with its open phases and how long they have lasted."""
    name = f"run {printable(run.run_id)}{f' {printable(run.benchmark)}' if run.benchmark else ''}"
    phases = [f"{printable(one.name)} ({one.kind}) for {lasted(one.begin_ns, now_ns)}" for one in run.phases]
    return f"{name}: {', '.join(phases) or f'no phase open, started {lasted(run.created_ns, now_ns)} ago'}"


def lasted(begin_ns: int, now_ns: int) -> str:
    """A length of time for people."""
    seconds = max(0, now_ns - begin_ns) // NS_PER_S
    hours, minutes = seconds // 3600, seconds // 60 % 60
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds % 60:02} s" if minutes else f"{seconds} s"


def troubles(seen: Glance) -> Iterator[str]:
    """What is stale, silent or missing, by name."""
    for level in seen.levels:
        if level.finding:
            yield f"{level.boundary}: no total: {printable(level.finding)}"
        for one in level.devices:
            if said := trouble(one):
                yield f"{printable(one.device)}: {said}"


def trouble(one: Device) -> str:
    """What is wrong with a device; empty when nothing is."""
    return "; ".join(part for part in (printable(one.trouble), f"gaps of {one.gap_s:.1f} s" if one.gap_s else "") if part)


class Screen:
    """Glances as a picture. A bar is as long as the device's share of its rated power, else of the highest power that was seen here."""

    def __init__(self) -> None:
        self._highest_w: dict[str, float] = {}

    def picture(self, seen: Glance) -> RenderableType:
        """For `rich`. While the collector does not answer there is no number on it: the last ones are not of now."""
        from rich.console import Group
        from rich.text import Text

        rows: list[RenderableType] = [Text(f"{clock_time(seen.t_ns)}  joulemark watch", style="bold")]
        if seen.unreachable:
            rows.append(Text(f"collector does not answer: {printable(seen.unreachable)}", style="bold red"))
        rows += [Text(running(run, seen.t_ns)) for run in seen.runs]
        for level in seen.levels:
            rows += [Text(f"\n{level.boundary}  {total(level)}", style="bold"), *self._bars(level)]
            if level.finding:
                rows.append(Text(f"no total: {printable(level.finding)}", style="yellow"))
        if not seen.levels and not seen.unreachable:
            rows.append(Text(NOTHING))
        return Group(*rows)

    def _bars(self, level: Level) -> Iterator[RenderableType]:
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        highest_w = max([self._highest_w.get(level.boundary, 0.0), *(one.power_w or 0.0 for one in level.devices)])
        self._highest_w[level.boundary] = highest_w
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1))
        table.add_column(ratio=1, overflow="fold")
        table.add_column(width=BAR)
        table.add_column(justify="right", no_wrap=True)
        table.add_column(style="yellow", overflow="fold")
        for one in level.devices:
            watts = "- W" if one.power_w is None else f"{one.power_w:.1f} W"
            bar = ProgressBar(total=one.rated_w or highest_w or 1.0, completed=max(0.0, one.power_w or 0.0), width=BAR)
            table.add_row(printable(one.device), bar, watts, trouble(one))
        yield table
