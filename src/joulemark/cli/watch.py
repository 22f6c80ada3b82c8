"""`joulemark watch`: what the machines take now, once a second."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import click

from joulemark.cli import emit, json_option
from joulemark.cli.cost import url_option
from joulemark.errors import EnvironmentFailed, RemoteUnreachable
from joulemark.timebase import Clock, SystemClock
from joulemark.units import NS_PER_S

if TYPE_CHECKING:
    from joulemark.cli.glance import Glance

EVERY_NS: Final = NS_PER_S
Show = Callable[["Glance"], None]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("host", required=False)
@click.option("--count", type=click.IntRange(min=1), metavar="N", help="End after N looks. Default: when it is interrupted.")
@url_option
@json_option
def command(host: str | None, count: int | None, url: str | None, as_json: bool) -> None:
    """Watts of each boundary and device once a second, of all hosts or of HOST, with the phase of the running run.

    On a terminal as bars, else as lines; with --json an object each second. Gaps, stale and silent meters are named, and count nowhere
    as zero. Ends with 6 when the collector does not answer at the start; when it goes away later it is said, and asked again.
    """
    try:
        from joulemark.cli.glance import look
    except ModuleNotFoundError as missing:
        raise EnvironmentFailed(f"the package {missing.name} is not installed", "pip install 'joulemark[collector]'") from missing
    from joulemark.client import Client

    client, clock = Client(url), SystemClock()
    with shown(as_json=as_json) as show:
        try:
            watch(lambda: look(client, clock, host=host), show, clock, count=count)
        except BrokenPipeError:  # the reader has seen enough: `joulemark watch | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def watch(look: Callable[[], Glance], show: Show, clock: Clock, *, count: int | None, sleep: Callable[[float], None] = time.sleep) -> None:
    """Look and show once a second, `count` times or for ever. Raises RemoteUnreachable of the first look; of a later one it shows it."""
    from joulemark.cli.glance import Glance

    show(look())
    due_ns, done = clock.mono_ns(), 1
    while count is None or done < count:
        now_ns = clock.mono_ns()
        due_ns = max(due_ns + EVERY_NS, now_ns)
        sleep((due_ns - now_ns) / NS_PER_S)
        try:
            seen = look()
        except RemoteUnreachable as error:
            seen = Glance(clock.utc_ns(), unreachable=error.what)
        show(seen)
        done += 1


@contextmanager
def shown(*, as_json: bool) -> Iterator[Show]:
    """How glances are shown: JSON, a screen on a terminal that has `rich`, else lines."""
    from joulemark.cli import watch_text

    if as_json or not sys.stdout.isatty():
        yield lambda seen: emit(seen.to_json() if as_json else seen, as_json=as_json, text=watch_text.line)
        return
    try:
        from rich.live import Live
    except ModuleNotFoundError:
        click.echo("For bars: pip install 'joulemark[collector]'", err=True)
        yield lambda seen: emit(seen, as_json=False, text=watch_text.line)
        return
    screen = watch_text.Screen()
    with Live(auto_refresh=False) as live:
        yield lambda seen: live.update(screen.picture(seen), refresh=True)
