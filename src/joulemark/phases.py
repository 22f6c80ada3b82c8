"""A phase from Python: `with joulemark.phase("decode") as counts:`, `async with`, or `@joulemark.phase("decode")` above a function.

A mark must never stop a benchmark: what goes wrong with one is a warning.
"""

from __future__ import annotations

import inspect
import os
import warnings
from collections.abc import Callable
from contextlib import ContextDecorator
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

from joulemark.client import RUN_VARIABLE, Client
from joulemark.counts import Counts
from joulemark.errors import JoulemarkError, UsageError
from joulemark.runs import IdleKind, PhaseKind

Function = TypeVar("Function", bound=Callable[..., Any])


def phase(
    name: str,
    kind: PhaseKind | str = PhaseKind.MEASURED,
    *,
    idle_kind: IdleKind | str | None = None,
    run_id: str | None = None,
    url: str | None = None,
) -> Phase:
    """Mark a phase of the run that `joulemark run -- ...` started (`$JOULEMARK_RUN_ID`), or of `run_id`.

    The meters are read at both edges. Set `input_tokens`, `output_tokens` and `requests` of the object it gives; set `aborted` when
    the phase shall not count, as an exception that leaves the block does. Raises UsageError when there is no run, and ValueError for an
    unknown kind, both before the block begins. Whatever else goes wrong (a collector that is silent or refuses, a run it does not know,
    a count that is no number) costs a warning, never the benchmark.
    """
    return Phase(name, kind, idle_kind, run_id, url)


class Phase(ContextDecorator):
    """A block, or each call of a function, that is marked. Blocks that are open at the same time need objects and names of their own."""

    def __init__(self, name: str, kind: PhaseKind | str, idle_kind: IdleKind | str | None, run_id: str | None, url: str | None) -> None:
        self._name, self._kind, self._idle_kind, self._run_id, self._url = name, kind, idle_kind, run_id, url
        self._run, self._counts = "", Counts()

    def __enter__(self) -> Counts:
        run = self._run_id or os.environ.get(RUN_VARIABLE)
        if not run:
            what = f"phase {self._name!r} belongs to no run"
            raise UsageError(what, "run the program under: joulemark run -- COMMAND, or pass run_id")
        begun, idle = PhaseKind(self._kind), None if self._idle_kind is None else IdleKind(self._idle_kind)
        self._run, self._counts = run, Counts()
        warned(lambda: Client(self._url).begin(run, self._name, begun, idle_kind=idle))
        return self._counts

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> Literal[False]:
        counts = self._counts
        if error is not None:
            counts.aborted = counts.aborted or f"the block raised {type(error).__name__}"
        if not warned(counts.body):
            counts = Counts(aborted=counts.aborted)
        warned(lambda: Client(self._url).end(self._run, self._name, counts))
        return False

    async def __aenter__(self) -> Counts:
        """The same without holding up the event loop while the mark is delivered."""
        import asyncio

        return await asyncio.to_thread(self.__enter__)

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> Literal[False]:
        import asyncio

        return await asyncio.to_thread(self.__exit__, kind, error, trace)

    def __call__(self, func: Function) -> Function:
        """`func` with each call marked. Raises UsageError for a coroutine or a generator, whose call ends before its work begins."""
        if inspect.iscoroutinefunction(func) or inspect.isgeneratorfunction(func) or inspect.isasyncgenfunction(func):
            what = f"{func.__name__} does its work after its call has ended"
            raise UsageError(what, f"mark the block inside it: [async] with joulemark.phase({self._name!r})")
        return super().__call__(func)

    def _recreate_cm(self) -> Self:
        """An object of its own for each call of a function, also where threads call it at once."""
        return type(self)(self._name, self._kind, self._idle_kind, self._run_id, self._url)


def warned(attempt: Callable[[], object]) -> bool:
    """Whether `attempt` succeeded; a deliberate error becomes a warning."""
    try:
        attempt()
    except JoulemarkError as error:
        warnings.warn(f"{error} The phase is not marked as it should be.", RuntimeWarning, stacklevel=3)
        return False
    return True
