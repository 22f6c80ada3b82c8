"""Judging: a bundle examined by another process, which is waited for only so long, and whose end is no harm."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from joulemark import document
from joulemark.board.examining import Question
from joulemark.board.submission import Examined
from joulemark.errors import EnvironmentFailed, JoulemarkError

MOST_BYTES: Final = 1 << 24
"""Of an answer: every rule of both columns with its reason has some hundred kilobytes."""

SAID: Final = 300
"""Of what a process that failed wrote last, that is repeated."""


class Died(JoulemarkError):
    """The process ended without an answer, or was ended because it took too long."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Examines one archive at a time. `place`: where archives are unpacked; `within_s`, `memory_bytes`: bounds of a process."""

    place: Path
    within_s: float
    memory_bytes: int
    trust: Path | None = None

    async def judge(self, question: Question) -> Examined:
        """What the validator finds. Raises Died, and EnvironmentFailed where no process can be started or no folder made."""
        try:
            self.place.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix="judging-", dir=self.place, ignore_cleanup_errors=True) as folder:
                asked = replace(
                    question,
                    place=folder,
                    trust="" if self.trust is None else str(self.trust),
                    memory_bytes=self.memory_bytes,
                    cpu_s=max(1, round(self.within_s)),
                )
                return Examined.from_json(await self._answer(asked))
        except OSError as error:
            raise EnvironmentFailed(f"no bundle can be judged: {error}", "free space and processes for the collector") from error

    async def _answer(self, question: Question) -> dict[str, object]:
        """The JSON object that the process prints."""
        command = (sys.executable, "-m", "joulemark.board.examining")
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *command, stdin=pipe, stdout=pipe, stderr=pipe, env=alone(), start_new_session=True, limit=MOST_BYTES
        )
        try:
            async with asyncio.timeout(self.within_s):
                told, said = await process.communicate(json.dumps(question.to_json()).encode())
        except TimeoutError:
            raise Died(f"the bundle was not judged within {self.within_s:g} s", "leave out of it what is no evidence") from None
        finally:
            await ended(process)
        if process.returncode:
            last = said.decode(errors="replace").strip().splitlines()[-1:]
            what = f"the process that judged the bundle ended with {named(process.returncode)}: {' '.join(last)[:SAID]}"
            raise Died(what.rstrip(": "), "report it with the bundle")
        return document.json_object(told.decode(), where="the examination")


async def ended(process: asyncio.subprocess.Process) -> None:
    """End a process and what it started, when it has not ended by itself."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def named(status: int) -> str:
    """How a process ended."""
    try:
        return f"signal {signal.Signals(-status).name}" if status < 0 else f"exit {status}"
    except ValueError:
        return f"signal {-status}"


def alone() -> dict[str, str]:
    """The environment of a process that judges: without tokens, and with one thread for linear algebra."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("JOULEMARK_")}
    return {**kept, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
