"""A child process that answers one JSON line for each JSON line it is sent, and is replaced when it fails, is late or ends.

For libraries that may block for ever: the deadline stands in the parent, and a late child is killed.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from joulemark.errors import MeterTransient
from joulemark.timebase import Clock, SystemClock
from joulemark.units import NS_PER_S

START_S: Final = 10.0
"""How long a child may take to start and import its library."""

BACK_OFF_S: Final = (0.5, 30.0)
"""First and longest wait before a failed child is replaced; it doubles in between."""

GOODBYE_S: Final = 0.5
"""How long a child may take to end after its input has ended."""


class ChildLate(MeterTransient):
    """The child did not say within its time what was waited for."""


class LineProcess:
    """A process of `python -m MODULE` with one pipe to it and one from it. Its standard error is the parent's."""

    def __init__(self, module: str) -> None:
        # Safe path: the working directory of the agent must not shadow modules. Own group: Ctrl-C is for the parent.
        argv = [sys.executable, "-P", "-m", module]
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, process_group=0)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests, self._answers = self._process.stdin, self._process.stdout
        self._pending = b""

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def send(self, message: Mapping[str, Any]) -> None:
        """Write one line. Raises MeterTransient when the process has ended."""
        try:
            self._requests.write(json.dumps(message).encode() + b"\n")
        except BrokenPipeError as error:
            raise MeterTransient("child process ended") from error

    def receive(self, timeout_s: float, clock: Clock) -> dict[str, Any] | None:
        """The next line, or None when it is not whole within `timeout_s`. Raises MeterTransient when the process has ended."""
        deadline_ns = clock.mono_ns() + round(timeout_s * NS_PER_S)
        poll = select.poll()
        poll.register(self._answers, select.POLLIN)
        while b"\n" not in self._pending:
            left_ms = max(0, deadline_ns - clock.mono_ns()) / 1e6
            if not poll.poll(left_ms):
                return None
            chunk = os.read(self._answers.fileno(), 65536)
            if not chunk:
                raise MeterTransient("child process ended")
            self._pending += chunk
        line, self._pending = self._pending.split(b"\n", 1)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def end(self, grace_s: float) -> None:
        """End its input, wait `grace_s` for it to go, then kill it."""
        self._requests.close()
        try:
            self._process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._answers.close()


class SupervisedChild:
    """Keeps one LineProcess of `module` running: started, greeted with `hello`, replaced after a failure.

    The process must first say that it has started (within START_S), then answer `hello` (within `deadline_s`), then each
    question (within `deadline_s`). `ask` waits for nothing but the answer to its own question: while the process is starting,
    greeting or backing off it raises MeterTransient at once, and the next call looks again.
    """

    def __init__(self, module: str, hello: Mapping[str, Any], *, deadline_s: float, clock: Clock | None = None) -> None:
        self._module = module
        self._hello = hello
        self._deadline_s = deadline_s
        self._clock = clock or SystemClock()
        self._process: LineProcess | None = None
        self._stage = ""
        self._stage_ends_ns = 0
        self._failure = ""
        self._wait_s = BACK_OFF_S[0]
        self._retry_ns = 0

    @property
    def pid(self) -> int | None:
        """Process id of the present child; None while there is none."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the child if there is none, and wait until it has answered `hello`. Raises MeterTransient when it fails or is late."""
        while self._stage != "ready":
            self._advance(wait=True)

    def ask(self, question: Mapping[str, Any], *, deadline_s: float | None = None) -> dict[str, Any]:
        """The answer to `question`. Raises MeterTransient with the reason when there is none within `deadline_s`, by default its own."""
        while self._stage != "ready":
            self._advance(wait=False)
        assert self._process is not None
        answer = self._exchange(question, self._deadline_s if deadline_s is None else deadline_s)
        self._wait_s = BACK_OFF_S[0]
        return answer

    def close(self) -> None:
        """End the child. Safe at any time."""
        self._drop(GOODBYE_S)
        self._retry_ns = 0

    def _advance(self, *, wait: bool) -> None:
        """Take one step towards `ready`, or raise MeterTransient saying what it waits for."""
        if self._process is None:
            self._spawn(wait=wait)
            return
        left_s = max(0.0, (self._stage_ends_ns - self._clock.mono_ns()) / NS_PER_S)
        answer = self._receive(left_s if wait else 0.0)
        if answer is None:
            if wait or left_s == 0.0:
                self._fail(ChildLate(f"no end of {self._stage} in time"))
            raise MeterTransient(self._while(self._stage))
        if self._stage == "start":
            self._enter("login", self._deadline_s)
        else:
            self._enter("ready", 0.0)

    def _spawn(self, *, wait: bool) -> None:
        if not wait and self._clock.mono_ns() < self._retry_ns:
            raise MeterTransient(self._while("back-off"))
        self._process = LineProcess(self._module)
        self._send(self._hello)
        self._enter("start", START_S)
        if not wait:
            raise MeterTransient(self._while("start"))

    def _exchange(self, question: Mapping[str, Any], deadline_s: float) -> dict[str, Any]:
        self._send(question)
        answer = self._receive(deadline_s)
        if answer is None:
            self._fail(ChildLate(f"no answer within {deadline_s:.3g} s"))
        return answer

    def _send(self, message: Mapping[str, Any]) -> None:
        assert self._process is not None
        try:
            self._process.send(message)
        except MeterTransient as error:
            self._fail(error)

    def _receive(self, timeout_s: float) -> dict[str, Any] | None:
        """The next answer, None when it is late. Raises MeterTransient for an error; a fatal one ends the child."""
        assert self._process is not None
        try:
            answer = self._process.receive(timeout_s, self._clock)
        except MeterTransient as error:
            self._fail(error)
        if answer is not None and "error" in answer:
            refusal = MeterTransient(answer["error"], answer.get("next_step", ""))
            if answer["fatal"]:
                self._fail(refusal)
            raise refusal
        return answer

    def _enter(self, stage: str, seconds: float) -> None:
        self._stage = stage
        self._stage_ends_ns = self._clock.mono_ns() + round(seconds * NS_PER_S)

    def _while(self, stage: str) -> str:
        return f"child process in {stage} after: {self._failure}" if self._failure else f"child process in {stage}"

    def _fail(self, error: MeterTransient) -> NoReturn:
        """Drop the child, back off, and raise `error`."""
        self._drop(0.0)
        self._failure = error.what
        self._retry_ns = self._clock.mono_ns() + round(self._wait_s * NS_PER_S)
        self._wait_s = min(2 * self._wait_s, BACK_OFF_S[1])
        raise error

    def _drop(self, grace_s: float) -> None:
        if self._process is not None:
            self._process.end(grace_s)
        self._process = None
        self._stage = ""
