"""A test double of SPEC PTDaemon's line protocol on loopback, written from published transcripts: no part of the daemon itself.

It answers as versions of the daemon do (`reads`), measures a power that the test sets, and can hang, restart, and say odd things.
"""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from zoneinfo import ZoneInfo

IDENTITY = (
    "YokogawaWT330_multichannel,1000,1,1,1,1,0,0,1,version=1.10.0-ed9a21d2-20220817,OS=Linux,mode=power,1,1,3,0,0,no_cal_date,"
    "YOKOGAWA;WT333E;C2XL24034V;F1.04"
)
UNKNOWN = "Unknown command"
WRONG_COUNT = "Invalid number of parameters"


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    daemon: PtDaemon


class _Connection(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        daemon = self.server.daemon
        daemon.connections.append(self.request)
        with suppress(OSError, ValueError):
            for line in self.rfile:
                answer = daemon.answer(line.decode().strip())
                daemon.running.wait()
                self.wfile.write("".join(f"{text}\r\n" for text in answer).encode() if isinstance(answer, list) else answer)


class PtDaemon:
    """One daemon. `start` and `stop` may alternate; the port stays.

    `watts`: what each channel measures; the sum of them is the first Watts of a row. `said`: command word -> lines that answer it
    instead. `rows`: recorded lines that are measured once, instead of samples of now. `clock_s`: how wrong its clock is.
    """

    def __init__(
        self,
        *,
        identity: str = IDENTITY,
        ranges: tuple[int, float, int, float] = (0, 20.0, 0, 300.0),
        watts: tuple[float, ...] = (300.0,),
        channels: bool = False,
        reads: tuple[str, ...] = ("RL,*,*", "RL"),
        timezone: str = "UTC",
        clock_s: float = 0.0,
    ) -> None:
        self.identity, self.ranges, self.watts, self.channels = identity, list(ranges), watts, channels
        self.reads, self.zone, self.clock_s = reads, ZoneInfo(timezone), clock_s
        self.said: dict[str, Callable[[], list[str] | bytes]] = {}
        self.asked: list[str] = []
        self.uncertainty = "0.002457,0.002320,0.003377,{n},0,{n},0"
        self.rows: list[str] | None = None
        self.running = threading.Event()
        self.running.set()
        self.connections: list[socket.socket] = []
        self._lock = threading.Lock()
        self._began_s: float | None = None
        self._period_s, self._mark = 1.0, ""
        self._read_count = 0
        self._server: _Server | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]

    def start(self) -> None:
        """Listen; a daemon that was stopped measures nothing."""
        self._began_s, self._read_count = None, 0
        self._server = _Server(("127.0.0.1", self.port), _Connection)
        self._server.daemon = self
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """End it and every connection, as killing the process would. Safe when it does not run."""
        self.running.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        self.drop()

    def drop(self) -> None:
        """Break every connection; what is measured goes on."""
        for connection in self.connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.connections.clear()

    def hang(self) -> None:
        """Take commands, and answer none."""
        self.running.clear()

    def resume(self) -> None:
        """Answer again, also what was asked meanwhile."""
        self.running.set()

    def set_power_w(self, power_w: float) -> None:
        """What is measured from now on, spread evenly over the channels."""
        self.watts = (power_w / len(self.watts),) * len(self.watts)

    def set_watts(self, *watts: float) -> None:
        self.watts = watts

    @property
    def measuring(self) -> bool:
        return self._began_s is not None

    def measure_as(self, mark: str, period_s: float = 1.0) -> None:
        """A measurement of somebody else."""
        self._began_s, self._period_s, self._mark, self._read_count = time.time(), period_s, mark, 0

    def lose_samples(self) -> None:
        """The analyser brings no more samples, though the daemon answers."""
        self._began_s = time.time() + 1e6

    def answer(self, command: str) -> list[str] | bytes:
        with self._lock:
            self.asked.append(command)
            word, *rest = command.split(",")
            if word in self.said:
                return self.said[word]()
            if word in ("RL", "DC-RL"):
                return self._unread(command)
            answers: dict[str, Callable[[list[str]], str]] = {
                "Hello": lambda _: "Hello, PTDaemon here!",
                "Identify": lambda _: self.identity,
                "RR": lambda _: "Ranges,{:d},{:.6f},{:d},{:.6f}".format(*self.ranges),
                "SR": self._set_range,
                "Go": self._go,
                "Stop": self._stop,
                "Uncertainty": lambda _: f"Uncertainty,{self.uncertainty.format(n=self._read_count)}",
            }
            return [answers[word](rest) if word in answers else f"{UNKNOWN} {command}"]

    def _set_range(self, rest: list[str]) -> str:
        letter, value = rest
        at = 0 if letter == "A" else 2
        self.ranges[at : at + 2] = [1, -1.0] if value == "Auto" else [0, float(value)]
        return f"Range {letter} changed"

    def _go(self, rest: list[str]) -> str:
        if self._began_s is not None:
            return "Error: measurement already in progress"
        self.measure_as(rest[2], int(rest[0]) / 1000)
        return f"Starting untimed measurement, maximum 500000 samples at {rest[0]}ms with {rest[1]} rampup samples"

    def _stop(self, _: list[str]) -> str:
        if self._began_s is None:
            return "Error: no measurement to stop"
        self._began_s = None
        return "Stopping untimed measurement"

    def _unread(self, command: str) -> list[str]:
        if command not in self.reads:
            return [WRONG_COUNT if command.split(",")[0] in self.reads else f"{UNKNOWN} {command}"]
        if self._began_s is None:
            return ["Error: no measurement"]
        if self.rows is not None:
            fresh, self.rows = self.rows, []
        else:
            done = max(0, int((time.time() - self._began_s) / self._period_s))
            fresh = [self.row(self._began_s + i * self._period_s) for i in range(self._read_count + 1, done + 1)]
            self._read_count = max(self._read_count, done)
        tail = f" from sum channel and channels 1 - {len(self.watts)}" if self.channels and command == "RL,*,*" else ""
        return [f"Last {len(fresh)} samples{tail}", *fresh]

    def row(self, t_s: float) -> str:
        """The sample that ended at `t_s`."""
        stamp = datetime.fromtimestamp(t_s + self.clock_s, self.zone).strftime("%m-%d-%Y %H:%M:%S.%f")[:-3]
        parts = [f"Time,{stamp},Watts,{sum(self.watts):.6f},Volts,-1.000000,Amps,-1.000000,PF,-1.000000,Mark,{self._mark}"]
        if self.channels:
            parts += [f"Ch{i},Watts,{w:.6f},Volts,230.1,Amps,{w / 230.1:.6f},PF,0.98" for i, w in enumerate(self.watts, 1)]
        return ",".join(parts)
