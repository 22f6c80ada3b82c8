"""Meters whose library waits with asyncio: one event loop for all of them, and the lifecycle of a meter over three coroutines."""

from __future__ import annotations

import asyncio
import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from typing import Any, ClassVar, Final, TypeVar

from joulemark.errors import MeterFault, MeterTransient, MeterUnavailable
from joulemark.meters.base import Isolation
from joulemark.meters.descriptions import legible, refuse_unstorable
from joulemark.readings import DeviceInfo, Sample
from joulemark.timebase import Clock

T = TypeVar("T")

log = logging.getLogger("joulemark.agent")

CLOSE_S: Final = 1.0
"""How long a meter may take to say goodbye to its device."""

GRACE_S: Final = 0.5
"""How long after a deadline the loop itself may take to say so."""


MOST_KINDS: Final = 100
"""Kinds of such lines that are remembered as told."""


class SharedLoop:
    """An event loop in a thread of its own, which lives while somebody uses it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def enter(self) -> None:
        """Use the loop until `leave`; the first user starts it."""
        with self._lock:
            self._users += 1
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._loop.set_exception_handler(Fallen())
                self._thread = threading.Thread(target=self._loop.run_forever, name="meters-asyncio", daemon=True)
                self._thread.start()

    def leave(self) -> None:
        """Stop using the loop; the last user ends it, and every task that is left in it."""
        with self._lock:
            self._users -= 1
            if self._users or self._loop is None or self._thread is None:
                return
            asyncio.run_coroutine_threadsafe(_cancel_others(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
            self._loop = self._thread = None

    def run(self, work: Coroutine[Any, Any, T], *, within_s: float) -> T:
        """The result of `work`, which is cancelled after `within_s`. Called from any thread but the loop's. Raises MeterTransient then."""
        if self._loop is None:
            work.close()
            raise MeterFault("a meter is used before open()", "open it first")
        future = asyncio.run_coroutine_threadsafe(_bounded(work, within_s), self._loop)
        try:
            return future.result(within_s + GRACE_S)
        except TimeoutError as error:
            future.cancel()
            raise MeterTransient(f"no answer within {within_s:g} s") from error


class Fallen:
    """One line for what a library lets fall on its way out, in the place of a traceback; the same again is told where all is logged.

    Anybody on the network may send packets that a library cannot read, a thousand a second: the log must not grow with them, nor repeat
    what is in them.
    """

    def __init__(self) -> None:
        self._known: set[str] = set()

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        said = context["message"].partition("(")[0]
        kind = f"{said}: {type(context.get('exception')).__name__}"
        log.log(
            logging.DEBUG if kind in self._known else logging.WARNING,
            "a meter's library: %s",
            legible(f"{said}: {context.get('exception')!r}"),
        )
        if len(self._known) < MOST_KINDS:
            self._known.add(kind)


async def _bounded(work: Coroutine[Any, Any, T], within_s: float) -> T:
    async with asyncio.timeout(within_s):
        return await work


async def _cancel_others() -> None:
    """End every other task, and give transports that were closed the turn they need to let go of their sockets."""
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()
    await asyncio.sleep(0)


LOOP: Final = SharedLoop()
"""The loop of all meters of this process: one thread, however many meters there are."""


class AsyncMeter(ABC):
    """A meter over `connect`, `poll` and `disconnect`. `read` never waits longer than `deadline_s`, `open` than `open_deadline_s`.

    Work between two reads (a stream that the device pushes) is a task that `connect` starts and `disconnect` cancels.
    """

    kind: ClassVar[str]
    isolation: ClassVar[Isolation] = Isolation.THREAD

    def __init__(self, *, deadline_s: float, open_deadline_s: float | None = None) -> None:
        self._deadline_s = deadline_s
        self._open_deadline_s = open_deadline_s or 2 * deadline_s
        self._info: tuple[DeviceInfo, ...] = ()

    @abstractmethod
    async def connect(self) -> tuple[DeviceInfo, ...]:
        """Connect, identify, and describe the devices. Raises MeterUnavailable with the mending step, ConfigError."""

    @abstractmethod
    async def poll(self, clock: Clock) -> list[Sample]:
        """One sample per device, in order, as `Meter.read`."""

    @abstractmethod
    async def disconnect(self) -> None:
        """Release what `connect` took, also where it failed half-way. Raises nothing."""

    @property
    def info(self) -> tuple[DeviceInfo, ...]:
        return self._info

    def open(self) -> None:
        if self._info:
            return
        LOOP.enter()
        try:
            found = LOOP.run(self.connect(), within_s=self._open_deadline_s)
            refuse_unstorable(found, self.kind)
            self._info = found
        except MeterTransient as error:
            self._dismiss()
            raise MeterUnavailable(
                f"{self.kind}: {error.what}", error.next_step or "check that the device is on and can be reached"
            ) from error
        except BaseException:
            self._dismiss()
            raise

    def read(self, clock: Clock) -> list[Sample]:
        if not self._info:
            raise MeterFault(f"{self.kind} is read before open()", "open it first")
        return LOOP.run(self.poll(clock), within_s=self._deadline_s)

    def close(self) -> None:
        if self._info:
            self._info = ()
            self._dismiss()

    def _dismiss(self) -> None:
        """Say goodbye, and leave the loop whatever becomes of it."""
        try:
            LOOP.run(self.disconnect(), within_s=CLOSE_S)
        except MeterTransient:
            pass  # a device that does not take a goodbye is left as it is
        finally:
            LOOP.leave()
