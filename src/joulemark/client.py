"""The collector over REST, for scripts, notebooks and the command line; standard library only.

Marks carry the caller's wall and monotonic time, so a slow or absent collector moves no phase. A mark that could not be
delivered is kept in a file and sent later by `Client.resend`: nothing measured is lost.
"""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from joulemark.config import REST_PORT, data_dir
from joulemark.errors import JoulemarkError, RemoteUnreachable, UsageError
from joulemark.runs import PhaseKind, Run, Tokens, Window
from joulemark.timebase import Clock, SystemClock, boot_id

URL_VARIABLE: Final = "JOULEMARK_URL"
RUN_VARIABLE: Final = "JOULEMARK_RUN_ID"
DEFAULT_URL: Final = f"http://127.0.0.1:{REST_PORT}"


class Client:
    """A collector at `url` (`$JOULEMARK_URL`, else this machine). Methods raise RemoteUnreachable when it does not answer."""

    def __init__(
        self, url: str | None = None, *, timeout_s: float = 10.0, clock: Clock | None = None, pending_dir: Path | None = None
    ) -> None:
        self.url = (url or os.environ.get(URL_VARIABLE) or DEFAULT_URL).rstrip("/")
        self.timeout_s = timeout_s
        self.clock: Clock = clock or SystemClock()
        self.pending_dir = pending_dir or data_dir() / "marks"

    def start_run(self, *, benchmark: str = "", labels: Mapping[str, str] | None = None) -> str:
        """Begin a run; its id."""
        body = {"moment": self.moment(), "benchmark": benchmark, "labels": dict(labels or {})}
        return str(self.post("/v1/runs", body)["run_id"])

    def mark(
        self,
        run_id: str,
        name: str,
        *,
        edge: str,
        kind: PhaseKind = PhaseKind.MEASURED,
        tokens: Tokens | None = None,
        requests: int | None = None,
        requests_failed: int | None = None,
    ) -> bool:
        """Mark the `begin` or `end` of a phase, now. Returns False when the mark was kept for later instead of delivered."""
        body = {"name": name, "edge": edge, "kind": str(kind), "moment": self.moment()}
        return self.deliver(f"/v1/runs/{run_id}/phases", body | counts(tokens, requests, requests_failed))

    def stop_run(
        self, run_id: str, *, tokens: Tokens | None = None, requests: int | None = None, requests_failed: int | None = None
    ) -> bool:
        """End a run, now; counts are those of its measured phases together. Returns False when kept for later."""
        return self.deliver(f"/v1/runs/{run_id}/stop", {"moment": self.moment()} | counts(tokens, requests, requests_failed))

    def add_windows(self, run_id: str, run: Run) -> bool:
        """Give a run the windows and counts that a benchmark's files tell. Returns False when some were kept for later."""
        delivered = [self.add_window(run_id, window, source=run.benchmark) for window in run.windows]
        return all(delivered)

    def add_window(self, run_id: str, window: Window, *, source: str) -> bool:
        """Give a run one window, dated in UTC of this host; `source` says who dated it. Returns False when kept for later."""
        body = {
            "edge": "window",
            "name": window.name,
            "kind": str(window.kind),
            "moment": {"utc_ns": window.begin_ns, "boot_id": boot_id()},
            "end_ns": window.end_ns,
            "unc_ns": window.unc_ns,
            "source": source,
        }
        return self.deliver(f"/v1/runs/{run_id}/phases", body | counts(window.tokens, window.requests, window.requests_failed))

    def moment(self) -> dict[str, Any]:
        """Now, as the caller's clocks say."""
        return {"utc_ns": self.clock.utc_ns(), "mono_ns": self.clock.mono_ns(), "boot_id": boot_id()}

    def deliver(self, path: str, body: Mapping[str, Any]) -> bool:
        """POST `body`, or keep it in a file when the collector does not answer. Earlier kept ones are sent first, in order."""
        kept = self.pending_dir / "pending.jsonl"
        try:
            if kept.exists():
                self.resend()
            self.post(path, body)
        except RemoteUnreachable:
            self.pending_dir.mkdir(parents=True, exist_ok=True)
            with kept.open("a", encoding="utf-8") as out:
                out.write(json.dumps({"url": self.url, "path": path, "body": dict(body)}) + "\n")
                out.flush()
                os.fsync(out.fileno())
            return False
        return True

    def resend(self) -> int:
        """Deliver what was kept for this collector; how many marks that were.

        Raises RemoteUnreachable, and then everything not yet delivered is still kept.
        """
        kept = self.pending_dir / "pending.jsonl"
        if not kept.exists():
            return 0
        lines = kept.read_text(encoding="utf-8").splitlines()
        sent = 0
        try:
            for line in lines:
                entry = json.loads(line)
                if entry["url"] != self.url:
                    break
                self.post(entry["path"], entry["body"])
                sent += 1
        finally:
            rest = lines[sent:]
            if rest:
                kept.write_text("\n".join(rest) + "\n", encoding="utf-8")
            else:
                kept.unlink()
        return sent

    def fetch(self, path: str) -> Any:
        """GET `path`, JSON decoded. Raises RemoteUnreachable, or UsageError with the collector's own words."""
        return json.loads(self.fetch_bytes(path))

    def fetch_bytes(self, path: str) -> bytes:
        """GET `path`. Raises as `fetch`."""
        return self._send(urllib.request.Request(self.url + path))

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """POST `body` as JSON; the answer decoded. Raises as `fetch`."""
        data = json.dumps(body, allow_nan=False).encode()
        return json.loads(self._send(urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"}, method="POST")))

    def _send(self, request: urllib.request.Request) -> bytes:
        try:
            with urllib.request.urlopen(request, timeout=self.timeout_s) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                raise problem(error.read(), f"{request.get_method()} {request.full_url}: {error.code}") from error
        except (urllib.error.URLError, OSError) as error:
            reason = getattr(error, "reason", error)
            raise RemoteUnreachable(
                f"the collector at {self.url} does not answer ({reason})",
                "start it with: joulemark collector run, or name another one with --url or JOULEMARK_URL",
            ) from error


def problem(body: bytes, where: str) -> JoulemarkError:
    """The error that a problem+json answer stands for; `where` when the answer is something else."""
    try:
        answer = json.loads(body)
        return UsageError(str(answer["detail"]), str(answer.get("next_step", "")))
    except (ValueError, KeyError, TypeError):
        return UsageError(where, "check the address; is it a Joulemark collector?")


def counts(tokens: Tokens | None, requests: int | None, requests_failed: int | None) -> dict[str, Any]:
    """The counts of a phase that are known, as the collector reads them."""
    known = {"tokens": asdict(tokens) if tokens else None, "requests": requests, "requests_failed": requests_failed}
    return {name: value for name, value in known.items() if value is not None}


@contextmanager
def phase(
    name: str, *, kind: PhaseKind = PhaseKind.MEASURED, run_id: str | None = None, client: Client | None = None
) -> Iterator[dict[str, Any]]:
    """Mark a phase around a block of code: `with joulemark.phase("decode") as counted: ...; counted["output_tokens"] = n`.

    The run is `run_id`, else the one that `joulemark run -- CMD` started this program in. Set `input_tokens`, `output_tokens` and
    `requests` in the dictionary to have them counted. Raises UsageError when there is no run to mark.
    """
    run = run_id or os.environ.get(RUN_VARIABLE)
    if not run:
        raise UsageError(f"phase {name!r} has no run to belong to", "start the program with: joulemark run -- CMD, or give run_id")
    caller = client or Client()
    caller.mark(run, name, edge="begin", kind=kind)
    counted: dict[str, Any] = {}
    try:
        yield counted
    finally:
        tokens = None
        if "output_tokens" in counted or "input_tokens" in counted:
            tokens = Tokens(input=counted.get("input_tokens"), output=counted.get("output_tokens"), source="the program itself")
        caller.mark(run, name, edge="end", kind=kind, tokens=tokens, requests=counted.get("requests"))
