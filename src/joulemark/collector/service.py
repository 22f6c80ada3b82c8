"""`joulemark collector run`: one or more ingest processes and REST under one parent, which ends when any of them does."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import resource
import signal
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, Final

from joulemark import logs
from joulemark.collector import listen
from joulemark.config import Config
from joulemark.errors import EnvironmentFailed, JoulemarkError
from joulemark.notify import Supervisor
from joulemark.timebase import SystemClock

log = logging.getLogger("joulemark.collector")
STOP_LIMIT_S = 10.0
ALIVE: Final = "alive"
"""What a process says over and over while its event loop turns."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a running collector answers: agents at one address for each ingest process."""

    grpc: tuple[str, ...]
    rest: str


def run(config: Config, ready: Callable[[Addresses], None]) -> None:
    """Serve until SIGTERM or SIGINT; `ready` is called once all processes answer.

    Raises what kept a process from starting (EnvironmentFailed for a port or folder in use), or EnvironmentFailed when one
    of them dies later.
    """
    supervisor = Supervisor(SystemClock())
    listened = listen.grpc_addresses(config)
    with ExitStack() as stack:
        stop = stop_signals(stack)
        bound = stack.enter_context(listen.bind_rest(config))
        rest = address(config.collector.rest_listen, bound.getsockname()[1])

        def ingest(number: int) -> Child:
            return stack.enter_context(Child(named(number), serve_ingest, config, listen.rest_url(config, rest), number))

        ingests = [ingest(0)]
        ports = [ingests[0].ready(stop)]  # it anchors the axis, and makes the folder its own
        ingests += [ingest(number) for number in range(1, len(listened))]
        ports += [child.ready(stop) for child in ingests[1:]]
        if None in ports:
            return
        pages = stack.enter_context(Child("rest", serve_rest, config, bound))
        stack.enter_context(together(*ingests, pages))
        if pages.ready(stop) is None:
            return
        addresses = Addresses(tuple(map(address, listened, ports)), rest)
        ready(addresses)
        supervisor.ready(f"agents {', '.join(addresses.grpc)}, pages {addresses.rest}")
        watch((*ingests, pages), stop, supervisor)
        supervisor.stopping()


def named(number: int) -> str:
    """What an ingest process is called."""
    return f"ingest-{number}" if number else "ingest"


@contextmanager
def together(*children: Child) -> Iterator[None]:
    """At the end, ask all children to end at once: they do so beside each other."""
    try:
        yield
    finally:
        for child in children:
            child.ask_to_end()


def watch(children: tuple[Child, ...], stop: socket.socket, supervisor: Supervisor) -> None:
    """Until `stop`: tell `supervisor` each time that every child has said it is alive. Raises EnvironmentFailed when one has ended."""
    heard: set[Child] = set()
    while stop not in (done := wait([stop, *(child.sentinel for child in children), *(child.pipe for child in children)])):
        for child in children:
            if child.sentinel in done or (child.pipe in done and not child.says_alive()):
                raise EnvironmentFailed(f"the {child.name} process of the collector ended by itself", "read its last log lines above")
            if child.pipe in done:
                heard.add(child)
        if len(heard) == len(children):
            supervisor.alive()
            heard.clear()


def stop_signals(stack: ExitStack) -> socket.socket:
    """A socket that turns readable on SIGTERM or SIGINT; the handlers of before come back when `stack` ends.

    The C handler itself writes to it: one of Python runs only between two byte codes, so never where the main thread already waits
    when a signal comes that does not interrupt that.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    stack.enter_context(reader)
    stack.enter_context(writer)
    stack.callback(signal.set_wakeup_fd, signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False))
    for number in (signal.SIGTERM, signal.SIGINT):
        stack.callback(signal.signal, number, signal.signal(number, lambda *_: None))
    return reader


def address(configured: str, port: int) -> str:
    """`configured` with the port that was really bound."""
    return f"{configured.rpartition(':')[0]}:{port}"


class Child:
    """A process of the collector; leaving its block ends it."""

    def __init__(self, name: str, serve: Callable[..., Any], *args: Any) -> None:
        self.name = name
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe(duplex=False)
        beat_s = Supervisor(SystemClock()).feed_s
        self._process: SpawnProcess = context.Process(target=guarded, args=(serve, theirs, beat_s, *args), name=f"joulemark-{name}")
        self._process.start()
        theirs.close()

    @property
    def sentinel(self) -> int:
        """Readable once the process has ended."""
        return self._process.sentinel

    def ready(self, stop: socket.socket) -> Any:
        """What the process reports once it serves, None when `stop` came first. Raises what kept it from serving."""
        report: Any = ALIVE  # an event loop turns before it serves
        while report == ALIVE:
            if self.pipe not in wait([self.pipe, stop]):
                return None
            try:
                report = self.pipe.recv()
            except EOFError as error:
                what = f"the {self.name} process of the collector died at its start"
                raise EnvironmentFailed(what, "read its log lines above") from error
        if isinstance(report, JoulemarkError):
            raise report
        return report

    def says_alive(self) -> bool:
        """Take one sign of life from the readable pipe; False when the process has closed it."""
        try:
            return bool(self.pipe.recv() == ALIVE)
        except EOFError:
            return False

    def ask_to_end(self) -> None:
        """Let it stop, without waiting for that."""
        if self._process.is_alive():
            self._process.terminate()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.ask_to_end()
        self._process.join(STOP_LIMIT_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self.pipe.close()


def guarded(serve: Callable[..., Any], report: Connection, beat_s: float | None, *args: Any) -> None:
    """Body of a child: serve, say each `beat_s` seconds that it does, report a deliberate error to the parent, and die with it."""
    logs.configure()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    open_files()
    parent = multiprocessing.parent_process()
    assert parent is not None

    def die_with_parent() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=die_with_parent, daemon=True).start()
    try:
        asyncio.run(beating(serve(report, *args), report, beat_s))
    except JoulemarkError as error:
        report.send(error)


async def beating(served: Coroutine[Any, Any, None], report: Connection, beat_s: float | None) -> None:
    """`served`, and beside it on the same event loop a sign of life each `beat_s` seconds; None: nobody waits for one."""

    async def beat(period_s: float) -> None:
        while True:
            report.send(ALIVE)
            await asyncio.sleep(period_s)

    task = asyncio.create_task(beat(beat_s)) if beat_s is not None else None
    try:
        await served
    finally:
        if task is not None:
            task.cancel()


def open_files() -> None:
    """Use all files that this process may open: the customary first limit of 1024 is few for connections that say nothing."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def serve_ingest(report: Connection, config: Config, rest_url: str, number: int) -> None:
    """An ingest process, until SIGTERM."""
    from joulemark.collector import ingest

    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with ingest.served(config, rest_url, number) as port:
        report.send(port)
        await stopped.wait()


async def serve_rest(report: Connection, config: Config, bound: socket.socket) -> None:
    """The REST process, until SIGTERM."""
    from joulemark.collector import rest

    await rest.serve(config, bound, lambda: report.send("ready"))
