"""Two ways to an instrument: a raw TCP socket of our own, and everything that VISA knows, in a child process.

A question that was not answered in time leaves its answer on the way, and every later answer would belong to the question before:
so a link that was late, cut or out of step is lost, and a new one is made.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from typing import Any, Final, NoReturn, Protocol

from joulemark.errors import ConfigError, MeterTransient
from joulemark.meters.child import SupervisedChild
from joulemark.timebase import SystemClock
from joulemark.units import NS_PER_S

CHILD_MODULE: Final = "joulemark.meters.scpi_child"
LONGEST_ANSWER: Final = 65_536

SOCKET: Final = re.compile(r"TCPIP\d*::(?P<host>[^:]+)::(?P<port>\d{1,5})::SOCKET", re.IGNORECASE)
VISA: Final = re.compile(r"(TCPIP|USB|GPIB|ASRL|PRLGX-\w+)[^:]*::\S+", re.IGNORECASE)
INTERFACES: Final[Mapping[str, str]] = {"TCPIP": "VXI-11", "USB": "USBTMC", "GPIB": "GPIB", "ASRL": "RS-232", "PRLGX": "GPIB"}


class LinkLost(MeterTransient):
    """The connection is of no use any more: late, cut, or out of step."""


class Link(Protocol):
    """A way to one instrument. After LinkLost only `close` and `open` are of use."""

    @property
    def interface(self) -> str:
        """What the maker calls this way."""
        ...

    def open(self) -> None:
        """Connect. Raises MeterTransient with the mending step."""
        ...

    def tell(self, command: str) -> None:
        """Send a command that has no answer. Raises LinkLost."""
        ...

    def ask(self, question: str) -> str:
        """The answer to `question`, without its end of line, within the deadline. Raises LinkLost."""
        ...

    def close(self) -> None:
        """Let go. Safe at any time."""
        ...


class SocketLink:
    """Lines of ASCII over TCP."""

    interface: Final = "TCP socket"

    def __init__(self, host: str, port: int, *, deadline_s: float) -> None:
        self._host, self._port, self._deadline_s = host, port, deadline_s
        self._socket: socket.socket | None = None
        self._received = b""
        self._clock = SystemClock()

    def open(self) -> None:
        where = f"{self._host}:{self._port}"
        try:
            self._socket = socket.create_connection((self._host, self._port), timeout=self._deadline_s)
        except OSError as error:
            raise MeterTransient(
                f"no connection to {where}: {error}", f"check resource, and that the instrument answers: nc -vz {self._host} {self._port}"
            ) from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""

    def tell(self, command: str) -> None:
        link = self._in_step()
        try:
            link.settimeout(self._deadline_s)
            link.sendall(command.encode("ascii") + b"\n")
        except OSError as error:
            self._lose(f"{command!r} could not be sent: {error}")

    def ask(self, question: str) -> str:
        self.tell(question)
        ends_ns = self._clock.mono_ns() + round(self._deadline_s * NS_PER_S)
        while b"\n" not in self._received:
            self._received += self._chunk(question, (ends_ns - self._clock.mono_ns()) / NS_PER_S)
            if len(self._received) > LONGEST_ANSWER:
                self._lose(f"an answer to {question!r} without end")
        line, self._received = self._received.split(b"\n", 1)
        if not line.rstrip(b"\r").isascii() or b"\0" in line:
            self._lose(f"a garbled answer to {question!r}: {line[:40]!r}")
        return line.decode("ascii").strip()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def _in_step(self) -> socket.socket:
        """The socket, when nothing has come that nobody asked for."""
        if self._socket is None:
            raise LinkLost("there is no connection")
        self._socket.setblocking(False)
        try:
            self._received += self._socket.recv(LONGEST_ANSWER) or self._lose("the instrument closed the connection")
        except BlockingIOError:
            pass
        except OSError as error:
            self._lose(f"the connection broke: {error}")
        if self._received:
            self._lose(f"an answer that nobody asked for: {self._received[:40]!r}")
        return self._socket

    def _chunk(self, question: str, left_s: float) -> bytes:
        assert self._socket is not None
        try:
            self._socket.settimeout(max(left_s, 0.0) or 1e-6)
            chunk = self._socket.recv(LONGEST_ANSWER)
        except (TimeoutError, BlockingIOError):
            self._lose(f"no answer to {question!r} within {self._deadline_s:g} s")
        except OSError as error:
            self._lose(f"the connection broke: {error}")
        return chunk or self._lose(f"the instrument closed the connection within an answer, after {self._received[:40]!r}")

    def _lose(self, what: str) -> NoReturn:
        self.close()
        raise LinkLost(what)


class VisaLink:
    """Any VISA resource, held by a child process: the library blocks, and may do so for longer than it was told."""

    def __init__(self, resource: str, *, deadline_s: float) -> None:
        self._resource = resource
        self._deadline_s = deadline_s
        self._child: SupervisedChild | None = None

    @property
    def interface(self) -> str:
        if "::hislip" in self._resource.lower():
            return "HiSLIP"
        return INTERFACES[re.split(r"[^A-Z]", self._resource.upper(), maxsplit=1)[0]]

    @property
    def child_pid(self) -> int | None:
        """Process id of the child that holds the resource; None while there is none."""
        return self._child.pid if self._child else None

    def open(self) -> None:
        hello = {"resource": self._resource, "timeout_s": self._deadline_s}
        self._child = SupervisedChild(CHILD_MODULE, hello, deadline_s=self._deadline_s)
        try:
            self._child.start()
        except MeterTransient as error:
            self.close()
            raise MeterTransient(
                f"{self._resource}: {error.what}", error.next_step or "check resource, and that the instrument's interface is switched on"
            ) from error

    def tell(self, command: str) -> None:
        self._exchange({"tell": command})

    def ask(self, question: str) -> str:
        answer: str = self._exchange({"ask": question})["answer"]
        if not answer.isascii() or "\0" in answer:
            self.close()
            raise LinkLost(f"a garbled answer to {question!r}: {answer[:40]!r}")
        return answer

    def close(self) -> None:
        if self._child is not None:
            self._child.close()
        self._child = None

    def _exchange(self, request: Mapping[str, str]) -> dict[str, Any]:
        if self._child is None:
            raise LinkLost("there is no connection")
        try:
            return self._child.ask(request)
        except MeterTransient as error:
            self.close()
            [text] = request.values()
            raise LinkLost(f"{text!r}: {error.what}", error.next_step) from error


def link_to(resource: str, *, deadline_s: float) -> Link:
    """The way to a VISA resource, not open. Raises ConfigError when it is none."""
    found = SOCKET.fullmatch(resource)
    if found and 0 < int(found["port"]) < 65_536:
        return SocketLink(found["host"], int(found["port"]), deadline_s=deadline_s)
    if found is None and VISA.fullmatch(resource):
        return VisaLink(resource, deadline_s=deadline_s)
    raise ConfigError(
        f"scpi.resource = {resource!r} is no VISA resource",
        'write it as "TCPIP::10.0.0.5::INSTR" (VXI-11), "TCPIP::10.0.0.5::5025::SOCKET" or "USB0::0x0B21::0x0025::SERIAL::INSTR"',
    )
