"""A real HTTP server on loopback with the page of an exporter: a simulated dcgm-exporter, or any text."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TEXT = "text/plain; version=0.0.4; charset=utf-8"
MODEL = "NVIDIA H100 80GB HBM3"
DRIVER = "580.105.08"


def uuid(gpu: int) -> str:
    return f"GPU-5e551011-0000-4000-8000-{gpu:012d}"


@dataclass
class DcgmPage:
    """What a dcgm-exporter would print: renewed every `refresh_s`, by itself. Callable, as a `PageServer` wants it.

    `host_label` and `uuid_label`: names that changed between versions. `mig`: parts into which each GPU is divided. `energy`: whether the
    counter is exported. `extra`: lines put below. A frozen page keeps its numbers, though time goes on.
    """

    gpus: int = 2
    power_w: float = 300.0
    refresh_s: float = 0.05
    host_label: str = "hostname"
    uuid_label: str = "UUID"
    mig: int = 0
    energy: bool = True
    frozen: bool = False
    extra: str = ""
    energy_mj: list[float] = field(default_factory=lambda: [1e9] * 64)
    _renewed_s: float = field(default_factory=time.monotonic)
    _shown_w: float | None = None

    def __call__(self) -> str:
        now_s = time.monotonic()
        periods = int((now_s - self._renewed_s) / self.refresh_s)
        if self._shown_w is None or (periods and not self.frozen):
            elapsed_s = periods * self.refresh_s
            self._renewed_s += elapsed_s
            self._shown_w = self.power_w
            for gpu in range(self.gpus):
                self.energy_mj[gpu] += (self._shown_w + 10 * gpu) * elapsed_s * 1e3
        return self.text(self._shown_w)

    def text(self, power_w: float) -> str:
        power = [self.row("DCGM_FI_DEV_POWER_USAGE", gpu, part, f"{power_w + 10 * gpu:f}") for gpu, part in self.rows()]
        energy = [self.row("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", gpu, part, f"{self.energy_mj[gpu]:.0f}") for gpu, part in self.rows()]
        lines = ["# HELP DCGM_FI_DEV_POWER_USAGE Power draw (in W).", "# TYPE DCGM_FI_DEV_POWER_USAGE gauge", *power]
        if self.energy:
            lines += ["# TYPE DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION counter", *energy]
        return "\n".join(lines) + "\n" + self.extra

    def rows(self) -> list[tuple[int, int]]:
        return [(gpu, part) for gpu in range(self.gpus) for part in range(max(self.mig, 1))]

    def row(self, name: str, gpu: int, part: int, value: str) -> str:
        divided = f'GPU_I_PROFILE="1g.10gb",GPU_I_ID="{part + 7}",' if self.mig else ""
        return (
            f'{name}{{gpu="{gpu}",{self.uuid_label}="{uuid(gpu)}",pci_bus_id="00000000:{16 + gpu:02X}:00.0",device="nvidia{gpu}",'
            f'modelName="{MODEL}",{divided}{self.host_label}="node7",DCGM_FI_DRIVER_VERSION="{DRIVER}"}} {value}'
        )


class PageServer:
    """Serves `page()` at every path, at one port as long as it lives. `start` and `stop` may alternate.

    `account`: name and password that a request has to show, or a bearer token alone. `status`, `content_type`, `delay_s`: of every
    answer. A paused one takes requests and answers none.
    """

    def __init__(
        self, page: Callable[[], str], *, account: str = "", content_type: str = TEXT, status: int = 200, delay_s: float = 0.0
    ) -> None:
        self.page, self.content_type, self.status, self.delay_s = page, content_type, status, delay_s
        basic = "Basic " + base64.b64encode(account.encode()).decode()
        self.authorization = (basic if ":" in account else f"Bearer {account}") if account else None
        self.asked: list[str] = []
        self._going = threading.Event()
        self._going.set()
        self._server: ThreadingHTTPServer | None = None
        self.port = 0

    def start(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), type("Handler", (Handler,), {"owner": self}))
        self._server.daemon_threads = True
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self.resume()
            self._server.shutdown()
            self._server.server_close()
        self._server = None

    def pause(self) -> None:
        self._going.clear()

    def resume(self) -> None:
        self._going.set()

    def wait(self) -> None:
        """Until it is not paused."""
        self._going.wait(30.0)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/metrics"

    def __enter__(self) -> PageServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Handler(BaseHTTPRequestHandler):
    owner: PageServer

    def do_GET(self) -> None:
        self.owner.wait()
        time.sleep(self.owner.delay_s)
        self.owner.asked.append(self.path)
        known = self.owner.authorization in (None, self.headers.get("Authorization"))
        body = self.owner.page().encode() if known else b"who are you?\n"
        try:
            self.send_response(self.owner.status if known else 401)
            self.send_header("Content-Type", self.owner.content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            return  # who asked has gone

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
